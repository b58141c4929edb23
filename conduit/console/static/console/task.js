/* The page of a task, live: when its row changes, its parts are fetched again and those that differ are swapped in. What is folded
   open stays open, focus stays where it is, and a video that is there is left alone. Without this file the page is as good as when it
   was loaded. */

import { watch } from "./live.js";

const page = document.getElementById("task");
const AGAIN_MS = 5000; // while it runs: questions to MiniMax change nothing in its row
const WHILE_READ_MS = 2000; // what somebody has selected text in is swapped when he no longer has
const ENDED = ["completed", "failed", "cancelled"];

const partsOf = (root) => new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
const shown = new Map([...partsOf(page)].map(([name, part]) => [name, part.outerHTML]));
const FOCUSABLE = "a[href], button, summary, input, video";

function isBeingRead(part) {
  const selection = window.getSelection();
  return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
}

function swap(old, fresh) {
  const open = new Set([...old.querySelectorAll("details[open]")].map((details) => details.id));
  const focused = old.contains(document.activeElement) ? [...old.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement) : -1;
  const scrolled = [...old.querySelectorAll(".wide")].map((table) => table.scrollLeft);
  fresh.querySelectorAll("details").forEach((details) => (details.open = open.has(details.id)));
  old.replaceWith(fresh);
  fresh.querySelectorAll(".wide").forEach((table, number) => (table.scrollLeft = scrolled[number] ?? 0));
  if (focused >= 0) fresh.querySelectorAll(FOCUSABLE)[focused]?.focus({ preventScroll: true });
  hearOfLostFiles(fresh);
}

async function refresh() {
  const answer = await fetch(page.dataset.parts, { headers: { Accept: "text/html" }, redirect: "manual" });
  if (!answer.ok) return;
  const fresh = partsOf(new DOMParser().parseFromString(await answer.text(), "text/html"));
  for (const [name, old] of partsOf(page)) {
    const part = fresh.get(name);
    // A link is signed anew from time to time: that is no reason to begin a video again.
    const same = !part || part.outerHTML === shown.get(name) || ("keep" in old.dataset && "keep" in part.dataset);
    if (same) continue;
    if (isBeingRead(old)) {
      setTimeout(ask, WHILE_READ_MS);
      continue;
    }
    shown.set(name, part.outerHTML);
    swap(old, document.importNode(part, true));
  }
}

function hearOfLostFiles(root) {
  root.querySelectorAll("video").forEach((video) =>
    video.addEventListener("error", () => {
      const lost = video.parentElement.querySelector(".task-lost");
      if (lost) lost.hidden = false;
    }),
  );
}

let asking = null; // one request at a time, and once more when something changed meanwhile
let again = false;
async function ask() {
  if (asking) {
    again = true;
    return;
  }
  asking = refresh().catch(() => {});
  await asking;
  asking = null;
  if (again) {
    again = false;
    await ask();
  }
}

let timer = null;
let before = "";
function changed(row) {
  const now = [row.status, row.stage, row.words].join("|");
  if (now !== before) {
    if (before && row.status !== before.split("|")[0]) document.getElementById("announcements").textContent = `This task is ${row.status}`;
    before = now;
    ask();
  }
  if (ENDED.includes(row.status)) {
    clearInterval(timer);
    timer = null;
    delete page.dataset.active;
  }
}

hearOfLostFiles(page);
if ("active" in page.dataset) {
  timer = setInterval(() => document.hidden || ask(), AGAIN_MS);
  watch({ tasks: [page.dataset.task] }, (news) => news.tasks?.[page.dataset.task] && changed(news.tasks[page.dataset.task]));
}
