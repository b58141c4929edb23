// Keeps a page as it is right now: over a socket, or by asking every five seconds while that is away. Which of the two it is stands in
// the header. Two names in the HTML do most of it:
//   data-task="<id>"   what is about one task; in it data-live="<field of its row>" is kept: status, words, progress, eta_seconds, …
//   data-age="<moment>" how long ago that is, and data-left="<seconds>" how much is left, counted on each second.
// A page that shows more calls watch({now, tasks, list}, handler); list is the newest id that it shows, or true, and now a span of time.

const ASK_SECONDS = 5;
// The server says something every five seconds: when it has not for so long, nobody is there.
const SILENCE_SECONDS = 13;
const BACK_OFF_SECONDS = [0.5, 15];
// A tab that nobody looks at keeps its socket for so long.
const HIDDEN_SECONDS = 20;
// Rows that are remembered before those that no longer show are forgotten.
const ROWS_KEPT = 300;
const LOGGED_OUT = 4401, NOT_ALLOWED = 4403, RESTARTING = 1012;

const indicator = document.getElementById("live");
const watchers = new Set();
const rows = new Map(); // by id, as they were told last
let socket = null;
let failures = 0;
let connecting = null, asking = null, silence = null, hiding = null; // timers
let way = "";
let reachedAt = new Date(); // the page itself was true when it came
let ahead = 0; // of our clock, the server's, in ms
let isOver = false;

// ---- What is wanted

export function watch(wanted, handler = () => {}) {
  const watcher = { wanted, handler };
  watchers.add(watcher);
  begin();
  return {
    set(changed) {
      watcher.wanted = changed;
      tell();
    },
    close() {
      watchers.delete(watcher);
      tell();
    },
  };
}

function wanted() {
  const all = { now: false, tasks: new Set(), list: false };
  for (const one of watchers) {
    all.now ||= one.wanted.now ?? false;
    all.list ||= one.wanted.list ?? false;
    for (const id of one.wanted.tasks ?? []) all.tasks.add(id);
  }
  return { ...all, tasks: [...all.tasks].slice(0, 100) };
}

function tell() {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: wanted() }));
}

// ---- The socket

function begin() {
  if (!indicator || socket || connecting || isOver) return;
  indicator.hidden = false;
  if (!way) show("asks", "connects…");
  connect();
}

function connect() {
  clearTimeout(connecting);
  connecting = null;
  if (socket || isOver || document.hidden) return;
  const address = new URL(indicator.dataset.address, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const opened = (socket = new WebSocket(address));
  listen();
  opened.onopen = tell;
  opened.onmessage = (event) => {
    if (socket !== opened) return;
    failures = 0;
    stopAsking();
    listen();
    hear(JSON.parse(event.data), "socket");
  };
  opened.onclose = (event) => socket === opened && lost(event.code);
}

// Whoever has not been heard for long is not there, whatever the browser thinks of the connection.
function listen() {
  clearTimeout(silence);
  silence = setTimeout(() => socket && drop(), SILENCE_SECONDS * 1000);
}

function drop() {
  const left = socket;
  socket = null;
  left.close();
  lost(0);
}

function lost(code) {
  socket = null;
  clearTimeout(silence);
  if (code === NOT_ALLOWED) return end("Your account may not see tasks any more.");
  // A session may have got another cookie meanwhile, as with a new password: only the next answer says that one is logged out.
  if (code !== RESTARTING) startAsking();
  const most = code === RESTARTING ? 1 : Math.min(BACK_OFF_SECONDS[1], BACK_OFF_SECONDS[0] * 2 ** failures++);
  connectSoon(Math.max(code === LOGGED_OUT ? 1 : 0.1, most * (0.5 + Math.random() / 2)));
}

function connectSoon(seconds) {
  clearTimeout(connecting);
  if (!document.hidden) connecting = setTimeout(connect, seconds * 1000);
}

// ---- Asking, while it is away

function startAsking() {
  if (asking || isOver || document.hidden) return;
  asking = setTimeout(ask, 500);
}

function stopAsking() {
  clearTimeout(asking);
  asking = null;
}

async function ask() {
  asking = setTimeout(ask, ASK_SECONDS * 1000);
  const { now, tasks, list } = wanted();
  const query = new URLSearchParams({ now: now || "", tasks: tasks.join(","), list: list === true ? "1" : list || "" });
  const address = new URL(`state/?${query}`, new URL(indicator.dataset.address, location.href));
  try {
    const answer = await fetch(address, { redirect: "manual", signal: AbortSignal.timeout(ASK_SECONDS * 1000) });
    if (answer.type === "opaqueredirect" || answer.status === 401) return end("You are logged out.", true);
    if (answer.status === 403) return end("Your account may not see tasks any more.");
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    const message = await answer.json();
    if (!asking) return;
    if (way === "away") connectSoon(0); // whoever was away is back, and so may the socket be
    hear(message, "asks");
  } catch {
    if (asking) show("away");
  }
}

function end(words, toLogin = false) {
  isOver = true;
  stopAsking();
  clearTimeout(connecting);
  socket?.close();
  show("away", words);
  if (!toLogin) return;
  const link = document.createElement("a");
  link.href = `${indicator.dataset.login}?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Log in";
  indicator.append(" ", link);
}

// ---- What is heard

function hear(message, by) {
  if (message.at) ahead = Date.parse(message.at) - Date.now();
  if (message.stale) {
    reachedAt = new Date(Date.parse(message.stale) - ahead);
    show("away");
  } else if (message.stale === null || by === "asks" || way !== "away") {
    reachedAt = new Date();
    show(by);
  }
  for (const [id, told] of Object.entries(message.tasks ?? {})) {
    const row = told && { ...rows.get(id), ...told };
    rows.set(id, row);
    message.tasks[id] = row;
    if (row) showRow(row);
  }
  for (const one of watchers) one.handler(message);
  if (rows.size > ROWS_KEPT) forget();
}

// A page may stay open for weeks, and tasks come and go on it.
function forget() {
  const shown = new Set([...document.querySelectorAll("[data-task]")].map((element) => element.dataset.task));
  for (const id of wanted().tasks) shown.add(id);
  for (const id of rows.keys()) if (!shown.has(id)) rows.delete(id);
}

function show(now, words = "") {
  if (!indicator) return;
  way = now;
  indicator.dataset.way = document.documentElement.dataset.way = now;
  const said =
    words || { socket: "live", asks: `asks every ${ASK_SECONDS} s`, away: `not reached since ${reachedAt.toLocaleTimeString("en-GB")}` }[now];
  if (indicator.textContent !== said) indicator.textContent = said;
}

// ---- Rows and moments

const SHAPES = { queued: "○", processing: "◐", completed: "●", failed: "✕", cancelled: "⊘", waits: "▲" };

export function mark(element) {
  element.classList.add("changed");
  setTimeout(() => element.classList.remove("changed"), 1000);
}

// In place and marked; figures that run on by themselves are not marked.
export function write(element, text, marked = true) {
  if (element.textContent === text) return;
  element.textContent = text;
  if (marked) mark(element);
}

function showRow(row) {
  for (const cell of document.querySelectorAll(`[data-task="${CSS.escape(row.id)}"] [data-live]`)) showField(cell, row, cell.dataset.live);
}

function showField(cell, row, field) {
  const isActive = row.status === "queued" || row.status === "processing";
  if (field === "progress") {
    cell.toggleAttribute("hidden", !isActive);
    if (cell.matches("[role=progressbar]")) {
      cell.setAttribute("aria-valuenow", row.progress);
      cell.querySelector(".done")?.setAttribute("width", `${row.progress}%`);
    } else {
      write(cell, `${row.progress} %`, false);
    }
  } else if (field === "status") {
    cell.className = cell.className.replace(/\bstatus-\w+/, `status-${row.shown}`);
    const shape = cell.querySelector("[aria-hidden]");
    if (shape) shape.textContent = SHAPES[row.shown] ?? "○";
    const words = cell.querySelector("[data-words]") ?? cell.lastChild;
    if (words && words.textContent.trim() !== row.words) {
      words.textContent = ` ${row.words}`;
      mark(cell);
    }
  } else if (field === "eta_seconds") {
    cell.dataset.left = isActive && row.eta_seconds !== null ? row.eta_seconds : "";
    write(cell, cell.dataset.left ? `${inWholeSeconds(row.eta_seconds)} left` : "", false);
  } else if (field === "poster") {
    cell.toggleAttribute("hidden", !row.poster);
    if (row.poster && cell.getAttribute("src") !== row.poster) cell.setAttribute("src", row.poster);
  } else {
    write(cell, row[field] ?? "");
  }
}

// As conduit.console.templatetags.console.span.
export function span(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  for (const [unit, name, below, smaller] of [[86400, "d", 3600, "h"], [3600, "h", 60, "m"], [60, "m", 1, "s"]]) {
    if (whole >= unit) return `${Math.floor(whole / unit)} ${name} ${Math.floor((whole % unit) / below)} ${smaller}`;
  }
}

const inWholeSeconds = (seconds) => (seconds < 10 ? `${Math.max(0, Math.floor(seconds))} s` : span(seconds));

setInterval(() => {
  if (document.hidden || way === "away") return;
  const now = Date.now() + ahead;
  for (const one of document.querySelectorAll("[data-age]")) {
    write(one, inWholeSeconds((now - Date.parse(one.dataset.age)) / 1000), false);
  }
  for (const one of document.querySelectorAll("[data-left]")) {
    if (!one.dataset.left) continue;
    one.dataset.left = Math.max(0, one.dataset.left - 1);
    write(one, `${inWholeSeconds(one.dataset.left)} left`, false);
  }
}, 1000);

// ---- Tabs that nobody looks at

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (!watchers.size) return;
  if (document.hidden) {
    stopAsking();
    hiding = setTimeout(rest, HIDDEN_SECONDS * 1000);
  } else {
    if (!socket) startAsking();
    begin();
  }
});

function rest() {
  clearTimeout(connecting);
  clearTimeout(silence);
  connecting = null;
  const left = socket;
  socket = null;
  left?.close();
}

window.addEventListener("pagehide", () => {
  stopAsking();
  rest();
});
window.addEventListener("pageshow", (event) => event.persisted && watchers.size && begin());
