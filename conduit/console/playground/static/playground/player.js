/* The task that is looked at: its stage in words and a bar, then the video, in a place that has its size from the start. */

import { announce, find, make, show, tell } from "./page.js";
import { duration, isActive, stageWords, statusWords, taskWords } from "./words.js";

const RETRYABLE_END = "deadline_exceeded";

export class Player {
  /* `may(task)`: whether the caller may change the task. */
  constructor({ may }) {
    this.may = may;
    this.task = null;
    this.shown = null; // what of the task stands in its place, so that a video that plays is left alone
  }

  show(task) {
    const isOther = this.task?.task_id !== task.task_id;
    const before = isOther ? null : this.task;
    // Two answers may come in the wrong order: what has ended does not begin again, and progress never goes back.
    if (before && (!isActive(before) || before.progress > task.progress) && isActive(task)) return;
    this.task = task;
    show("player");
    this.sizeStage();
    this.draw(isOther);
    find("player-words").textContent = `${statusWords(task)} · ${taskWords(task)}`;
    this.offer();
    if (isOther) tell("player-refused", "");
    if (before && before.status !== task.status) this.announce();
    else if (before && before.stage !== task.stage) announce(stageWords(task));
  }

  sizeStage() {
    const [width, height] = this.task.resolution.split("x").map(Number);
    find("stage").style.aspectRatio = `${width} / ${height}`;
    find("stage").style.setProperty("--ratio", width / height);
  }

  draw(isOther) {
    const task = this.task;
    const now = isActive(task) ? "waiting" : task.result ? "video" : `ended ${task.status}`;
    if (isOther || now !== this.shown) {
      this.shown = now;
      find("stage").replaceChildren(now === "waiting" ? waiting() : now === "video" ? video(task) : ended(task));
    }
    if (now === "waiting") this.advance();
  }

  advance() {
    const { progress, eta_seconds: eta } = this.task;
    const words = stageWords(this.task);
    find("stage-words").textContent = words;
    find("stage-eta").textContent = eta ? `${progress} % · about ${duration(eta)} left` : `${progress} %`;
    const bar = find("bar");
    bar.setAttribute("aria-valuenow", progress);
    bar.setAttribute("aria-valuetext", `${progress} %, ${words}`);
    bar.firstElementChild.style.width = `${progress}%`;
  }

  offer() {
    const task = this.task, may = this.may(task);
    const isFailed = task.status === "failed" || (task.status === "cancelled" && task.error_code === RETRYABLE_END);
    show("cancel", may && isActive(task));
    show("retry", may && isFailed && task.prompt !== null);
    show("delete", may && !isActive(task) && task.prompt !== null);
    show("again", !find("make").hidden && !isActive(task) && task.prompt !== null);
    show("download", Boolean(task.result));
    if (task.result) find("download").href = task.result.video_url;
  }

  announce() {
    const words = { completed: "The video is ready.", failed: `It failed: ${this.task.error}`, cancelled: "It was cancelled.", processing: "It has begun." };
    announce(words[this.task.status] ?? "");
  }
}

function waiting() {
  const bar = make("div", { id: "bar", class: "progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 });
  bar.append(make("span"));
  return make("div", { class: "waiting" }, make("p", { id: "stage-words" }), bar, make("p", { id: "stage-eta", class: "small muted" }));
}

function video(task) {
  const { video_url: source, thumbnail_url: poster } = task.result;
  const made = make("video", { src: source, poster, controls: "", playsinline: "", loop: "", preload: "metadata", "aria-label": task.prompt ?? "Video" });
  made.muted = true; // else no browser lets it begin by itself
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) made.autoplay = true;
  return made;
}

function ended(task) {
  const words = task.status === "completed" ? "This video was deleted." : task.error ?? "It was cancelled.";
  const shown = make("p", {}, words);
  if (task.status === "failed") shown.className = "status-failed";
  return make("div", { class: "waiting" }, shown);
}
