/* What shall be made, and its price before the click. */

import { Refused } from "./api.js";
import { find, make, show, tell } from "./page.js";
import { sizeWords, usd } from "./words.js";

const PATH = "/v1/video/generations";
const PATIENCE_MS = 250;
// A price does not depend on the words.
const ANY_PROMPT = "a video";
// The name by which the documents call what is asked for first.
const USUAL = "minimax-video";

const nameOf = (model) => (model.aliases.includes(USUAL) ? USUAL : model.id);

export class Form {
  constructor(api, models, { made, over }) {
    this.api = api;
    this.models = [...models].sort((one, other) => (nameOf(other) === USUAL) - (nameOf(one) === USUAL));
    this.made = made;
    this.over = over;
    this.asked = 0;
    this.repeat = null; // the key under which a create that got no answer is sent again
    show("more", !api.isToken); // a client token may have no webhooks sent
    this.showModels();
    this.fit();
    this.price();
  }

  get model() {
    return this.models.find((model) => nameOf(model) === document.querySelector("#models input:checked")?.value);
  }

  get webhook() {
    return this.api.isToken ? "" : find("webhook").value.trim();
  }

  get wanted() {
    return {
      ...(this.webhook && { webhook_url: this.webhook }),
      model: this.model && nameOf(this.model),
      prompt: find("prompt").value.trim(),
      duration: find("seconds").valueAsNumber,
      resolution: document.querySelector("[name=size]:checked")?.value,
    };
  }

  showModels() {
    const before = document.querySelector("#models input:checked")?.value;
    const called = (name) => this.models.find((model) => nameOf(model) === name);
    const first = called(before) ?? called(USUAL) ?? this.models[0];
    find("models").replaceChildren(
      ...this.models.map((model) => {
        const input = make("input", { type: "radio", name: "model", value: nameOf(model) });
        input.checked = model === first;
        return make("label", {}, input, make("span", {}, nameOf(model)));
      }),
    );
  }

  /* Offer only what the model makes. */
  fit() {
    const model = this.model;
    if (!model) return;
    const longest = Math.max(...model.durations);
    find("seconds").max = longest;
    if (find("seconds").valueAsNumber > longest) find("seconds").value = longest;
    for (const preset of document.querySelectorAll("[name=preset]")) preset.disabled = !model.durations.includes(Number(preset.value));
    const sizes = [...document.querySelectorAll("[name=size]")];
    for (const size of sizes) size.disabled = !model.resolutions.includes(size.value);
    if (!sizes.some((size) => size.checked && !size.disabled)) {
      const possible = sizes.find((size) => !size.disabled);
      if (possible) possible.checked = true;
    }
    this.matchPresets();
  }

  matchPresets() {
    for (const preset of document.querySelectorAll("[name=preset]")) preset.checked = preset.value === find("seconds").value;
  }

  changed(field) {
    tell("refused", "");
    if (field.name === "preset") find("seconds").value = field.value;
    if (field.id === "seconds") this.matchPresets();
    if (field.name === "model") this.fit();
    if (field.id !== "prompt") this.price();
  }

  /* Ask what it costs, once nothing was changed for a moment. */
  price() {
    const number = ++this.asked;
    find("go").classList.add("stale");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.estimate(number), PATIENCE_MS);
  }

  async estimate(number) {
    const go = find("go");
    let words = "", cost = "";
    try {
      if (!this.model) throw new Refused(0, { message: "There is no model that you may use." });
      cost = (await this.api.post(`${PATH}/estimate`, { ...this.wanted, prompt: ANY_PROMPT })).cost.estimated;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.isOver) return this.over(error);
      words = error.message;
    }
    if (number !== this.asked) return;
    go.classList.remove("stale");
    go.disabled = !cost;
    go.textContent = cost ? `Make it · ${usd(cost)}` : "Make it";
    const { duration, resolution } = this.wanted;
    find("price-words").textContent = words || `${duration} s at ${sizeWords(resolution)} cost ${usd(cost)}.`;
  }

  /* One task for each click: what got no answer is sent again under the same key. */
  async send() {
    const wanted = this.wanted;
    if (!wanted.prompt || find("go").disabled) {
      find("prompt").focus();
      return;
    }
    tell("refused", "");
    const body = JSON.stringify(wanted);
    if (this.repeat?.body !== body) this.repeat = { body, key: randomKey() };
    find("go").disabled = true;
    try {
      const task = await this.api.post(PATH, wanted, { "Idempotency-Key": this.repeat.key });
      this.repeat = null;
      this.made(task, wanted);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status && error.status < 500) this.repeat = null;
      if (error.isOver) return this.over(error);
      tell("refused", error.message);
    } finally {
      find("go").disabled = false;
    }
  }

  /* Ask for the same again, to be changed. */
  fill(task) {
    find("prompt").value = task.prompt ?? "";
    find("seconds").value = task.duration;
    const model = this.models.find((one) => one.id === task.model || one.aliases.includes(task.model));
    for (const [name, value] of [["model", model ? nameOf(model) : ""], ["size", task.resolution]]) {
      const choice = document.querySelector(`[name=${name}][value="${CSS.escape(value)}"]:not(:disabled)`);
      if (choice) choice.checked = true;
    }
    this.fit();
    this.price();
    find("prompt").focus();
  }
}

/* Pages without TLS have no crypto.randomUUID. */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
