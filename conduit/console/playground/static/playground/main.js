/* The playground: what was given opens it, and everything in it is a call of the public API or an event of its hub. */

import { Api, Refused } from "./api.js";
import { Follower } from "./follow.js";
import { Form } from "./form.js";
import { announce, asked, find, show, tell } from "./page.js";
import { Player } from "./player.js";
import { Recent } from "./recent.js";
import * as session from "./session.js";
import { showCode } from "./snippets.js";
import { isActive, keyWords, tokenWords, usd } from "./words.js";

const MADE_AT = "/v1/video/generations";
const POLL_MS = 3000;
// Longer no browser waits.
const TIMER_MAX_MS = 2 ** 31 - 1;

let api = null, form = null, recent = null, follower = null, endsAt = null;
const player = new Player({ may: (task) => api !== null && (!api.isToken || session.wasMade(task.task_id)) });

/* What is refused is told where it was asked for; a secret that is over ends the visit. */
async function attempt(work, place = null) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.isOver) over(error);
    else if (place) tell(place, error.message);
    return undefined;
  }
}

// ---- Coming and going

async function open({ secret, taskId = null }) {
  await close();
  const given = new Api(secret);
  let shown;
  try {
    shown = await whoIs(given);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    session.forget();
    show("access");
    tell("ended", error.message);
    return;
  }
  api = given;
  session.keep({ secret, taskId });
  find("key").value = "";
  tell("ended", "");
  show("access", false);
  showWho(shown);
  if (taskId) await attempt(() => look(taskId), "ended");
  if (shown) await attempt(begin);
  if (api !== given) return;
  recent = new Recent(api, (wanted) => attempt(() => look(wanted), "player-refused"));
  await attempt(() => recent.load()); // a token of one task lists none
  follower = new Follower(api, { told, changed });
  attempt(() => follower.start());
}

/* The key, or the token's own bounds; null of a token that only reads. */
async function whoIs(given) {
  try {
    return await given.get("/v1/key");
  } catch (error) {
    if (error instanceof Refused && error.status === 403 && given.isToken && error.code === "permission_denied") return null;
    throw error;
  }
}

async function begin() {
  const models = (await api.get("/v1/models")).data;
  show("make");
  form = new Form(api, models, { made, over });
  find("prompt").focus();
}

async function close() {
  const before = follower;
  api = form = recent = follower = null;
  clearTimeout(endsAt);
  for (const part of ["make", "who", "recent"]) show(part, false);
  await before?.stop();
}

/* The secret is over: what is shown stays, and nothing more can be done until there is another. */
async function over(error) {
  if (!api) return;
  await close();
  session.forget();
  tell("ended", `${error.message} Videos that are under way are made all the same.`);
  show("access");
  if (player.task) player.offer();
}

async function leave() {
  await close();
  session.forget();
  player.task = null;
  for (const part of ["player", "code"]) show(part, false);
  tell("ended", "");
  show("access");
  find("key").focus();
}

// ---- What may be spent

function showWho(shown) {
  show("who");
  find("who-words").textContent = !shown ? "This client token only reads." : shown.object === "key" ? keyWords(shown) : tokenWords(shown);
  clearTimeout(endsAt);
  if (shown?.expires_at) endsAt = setTimeout(check, Math.min(Math.max(1000, Date.parse(shown.expires_at) - Date.now() + 500), TIMER_MAX_MS));
}

const refreshWho = () => attempt(async () => form && showWho(await api.get("/v1/key")));

/* Whether the secret still opens anything. */
const check = () => attempt(() => api && api.get(player.task ? `/v1/tasks/${player.task.task_id}` : "/v1/tasks?limit=1"));

// ---- Tasks

function made(task, { webhook_url }) {
  session.noteMade(task.task_id);
  chosen(task, webhook_url);
  announce("It was accepted.");
  find("player").scrollIntoView({ block: "nearest" });
  refreshWho();
}

/* `webhook`: where it was asked to be told of, which a task does not show. */
function chosen(task, webhook) {
  player.show(task);
  showCode(task, webhook);
  recent?.put(task);
  recent?.choose(task.task_id);
}

async function look(taskId) {
  chosen(await api.get(`/v1/tasks/${taskId}`));
  find("player-title").focus();
}

/* A task as it is now, wherever it is shown. */
async function read(taskId) {
  const task = await api.get(`/v1/tasks/${taskId}`);
  recent?.put(task);
  if (player.task?.task_id === taskId) player.show(task);
}

function told(name, event) {
  if (name === "Lost") return void check();
  if (name === "Resync") return void attempt(resync);
  const task = player.task;
  if (name === "Progress") {
    if (task?.task_id !== event.taskId) return;
    const waits = event.stage === task.stage ? task.waiting_for : null;
    player.show({ ...task, status: event.status, progress: event.progress, stage: event.stage, eta_seconds: event.etaSeconds, waiting_for: waits });
    return;
  }
  attempt(() => read(event.taskId));
  if (name !== "Started") refreshWho();
}

async function resync() {
  if (player.task) await read(player.task.task_id);
  if (recent && !find("recent").hidden) await recent.load();
}

function changed(way) {
  const live = find("live");
  live.hidden = !way;
  live.dataset.way = way;
  live.textContent = way === "socket" ? "live" : "connecting";
}

// While the hub is away.
setInterval(() => {
  if (api && player.task && isActive(player.task) && !follower?.isLive) attempt(() => read(player.task.task_id));
}, POLL_MS);

// ---- What is done with one

async function act(work) {
  tell("player-refused", "");
  await attempt(async () => {
    const task = await work();
    if (!task) return;
    chosen(task);
    refreshWho();
  }, "player-refused");
}

const ACTIONS = {
  cancel: async (task) =>
    (await asked(`Cancel this video? What MiniMax was already sent of it is charged, at most ${usd(task.cost.held)}; the rest comes back.`, "Cancel it")) &&
    api.call("DELETE", `${MADE_AT}/${task.task_id}`),
  delete: async (task) =>
    (await asked(`Delete this video with its picture and its prompt, for good? The ${usd(task.cost.charged)} that it cost stay charged.`, "Delete it")) &&
    api.call("DELETE", `/v1/tasks/${task.task_id}/media`),
  retry: async (task) => {
    const { model, prompt, duration, resolution } = task;
    const { estimated } = (await api.post(`${MADE_AT}/estimate`, { model, prompt, duration, resolution })).cost;
    if (!(await asked(`Make it once more? It is a new video, and costs ${usd(estimated)} when it is made.`, "Make it again"))) return null;
    const again = await api.post(`${MADE_AT}/${task.task_id}/retry`);
    session.noteMade(again.task_id);
    return again;
  },
};
for (const [id, action] of Object.entries(ACTIONS)) find(id).addEventListener("click", () => act(() => action(player.task)));
find("again").addEventListener("click", () => form?.fill(player.task));
find("leave").addEventListener("click", leave);

find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const secret = find("key").value.trim();
  if (secret) open({ secret });
});
find("make").addEventListener("submit", (event) => {
  event.preventDefault();
  form?.send();
});
find("make").addEventListener("input", (event) => form?.changed(event.target));
find("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("make").requestSubmit();
});

function openWith(access) {
  if (access) open(access);
}
addEventListener("hashchange", () => openWith(session.takenFromAddress()));
openWith(session.takenFromAddress() ?? session.kept());
