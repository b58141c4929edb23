/* The last tasks of the key, as pictures. */

import { find, make, show } from "./page.js";
import { isDeleted, statusWords } from "./words.js";

const SHOWN = 12;

export class Recent {
  constructor(api, open) {
    this.api = api;
    this.open = open;
    this.tasks = [];
    this.chosen = null;
  }

  async load() {
    this.tasks = (await this.api.get(`/v1/tasks?limit=${SHOWN}`)).data;
    show("recent");
    this.draw();
  }

  /* A task as it is now; one that is new comes first. */
  put(task) {
    const at = this.tasks.findIndex((one) => one.task_id === task.task_id);
    if (at < 0) this.tasks = [task, ...this.tasks].slice(0, SHOWN);
    else this.tasks[at] = task;
    this.draw();
  }

  choose(taskId) {
    this.chosen = taskId;
    this.draw();
  }

  draw() {
    const list = find("videos");
    const focused = document.activeElement?.closest("#videos button")?.dataset.task;
    const before = new Map([...list.children].map((item) => [item.dataset.version, item]));
    list.replaceChildren(
      ...this.tasks.map((task) => {
        const version = `${task.task_id} ${task.status} ${task.updated_at} ${task.result !== null} ${task.task_id === this.chosen}`;
        return before.get(version) ?? this.item(task, version);
      }),
    );
    if (focused) list.querySelector(`[data-task="${focused}"]`)?.focus();
    show("none", this.tasks.length === 0);
  }

  item(task, version) {
    const picture = make("span", { class: "picture" });
    if (task.result) picture.append(make("img", { src: task.result.thumbnail_url, alt: "", loading: "lazy" }));
    else picture.append(make("span", { "aria-hidden": "true" }, statusWords(task).slice(0, 1)));
    const prompt = make("span", { class: "cut", title: task.prompt ?? "" }, task.prompt ?? "(deleted)");
    const status = make("span", { class: `small status-${isDeleted(task) ? "cancelled" : task.status}` }, statusWords(task));
    const current = task.task_id === this.chosen ? "true" : null;
    const button = make("button", { type: "button", "data-task": task.task_id, "aria-current": current }, picture, make("span", { class: "words" }, prompt, status));
    button.addEventListener("click", () => this.open(task.task_id));
    return make("li", { "data-version": version }, button);
  }
}
