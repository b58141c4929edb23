// The page Now: its parts are HTML that the server makes, put in place of what has changed since; and the charts.
import { span, watch } from "./live.js";
import { morph } from "./morph.js";

const page = document.getElementById("now");
const charts = new Map();
const says = document.getElementById("chart-says");
const COUNTS = ["completed", "failed", "cancelled"];

// ---- Parts

function take(parts) {
  for (const [name, content] of Object.entries(parts)) {
    if (typeof content !== "string") {
      draw(content);
      continue;
    }
    const part = page.querySelector(`[data-now="${CSS.escape(name)}"]`);
    if (part) morph(part, content);
  }
}

// ---- Charts: bars of what ended, one status on the other, and two lines of times

let figures = null;

// As a canvas understands it: what a token holds is only known where it is used.
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  page.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

// uPlot draws the later series over the earlier ones: each holds the sum of those that lie under it.
function stacked({ at, completed, failed, cancelled }) {
  const sum = (...of) => at.map((_, step) => of.reduce((total, counts) => total + counts[step], 0));
  return [at, sum(completed, failed, cancelled), sum(completed, failed), completed];
}

// [least step in seconds, its format, and the day where a new one begins]
const TIMES = [
  [86400, "{D} {MMM}", null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", null, null, "\n{D} {MMM}", null, null, null, 1],
];
const bars = { size: [0.8, 40], align: 1, gap: 1 };

function optionsOf(id, element) {
  const paths = uPlot.paths;
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const filled = (name) => ({ fill: colour(name), stroke: colour(name), width: 0, paths: paths.bars(bars), points: { show: false } });
  const line = (name, dash) => ({ stroke: colour(name), width: 2, dash, spanGaps: true, points: { show: true, size: 5, fill: colour(name) } });
  const isCounts = id === "chart-ended";
  return {
    width: element.clientWidth,
    height: 140,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: !isCounts } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"),
    scales: { x: { time: true, range: (_, first, last) => [first, isCounts ? last + stepOf() : last] }, y: { range: (_, __, most) => [0, Math.max(isCounts ? 4 : 1, most * 1.05)] } },
    axes: [{ ...axis, values: TIMES }, { ...axis, size: 52, values: (_, marks) => marks.map((one) => (isCounts ? (Number.isInteger(one) ? one : "") : one ? brief(one) : "0")) }],
    series: isCounts
      ? [{}, filled("muted"), filled("failed"), filled("completed")]
      : [{}, line("processing"), line("muted", [6, 4])],
    hooks: { setCursor: [(chart) => chart.cursor.idx !== null && chart.cursor.idx !== undefined && read(chart.cursor.idx)] },
  };
}

const stepOf = () => figures.at[1] - figures.at[0];
const brief = (seconds) => span(seconds).replace(/ 0 [smh]$/, "").replace(/\.0 s/, " s");
const dataOf = (id) => (id === "chart-ended" ? stacked(figures) : [figures.at, figures.p50, figures.p95]);

function draw(changed) {
  const isSame = figures && figures.at[0] === changed.at[0];
  figures = changed;
  for (const [id, chart] of charts) chart.setData(dataOf(id), true);
  tabulate(isSame);
}

function make() {
  for (const id of ["chart-ended", "chart-times"]) {
    const element = document.getElementById(id);
    charts.get(id)?.destroy();
    charts.set(id, new uPlot(optionsOf(id, element), dataOf(id), element));
  }
}

// ---- In words: where the pointer or the arrow keys are, and as a table

const moment = (seconds) => `${new Date(seconds * 1e3).toISOString().slice(0, 19).replace("T", " ")} UTC`;
const time = (seconds) => (seconds === null ? "-" : span(seconds));

function read(step) {
  const counts = COUNTS.map((name) => `${figures[name][step]} ${name}`).join(", ");
  const times = figures.p50[step] === null ? "" : `; half done within ${time(figures.p50[step])}, 95 % within ${time(figures.p95[step])}`;
  says.textContent = `From ${moment(figures.at[step])}: ${counts}${times}`;
}

function walk(event) {
  const chart = charts.get(event.currentTarget.id);
  const last = figures.at.length - 1;
  const now = chart.cursor.idx ?? last + 1;
  const step = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const to = Math.min(Math.max(step, 0), last);
  chart.setCursor({ left: chart.valToPos(figures.at[to], "x") + 1, top: 10 });
  chart.cursor.idx = to;
  read(to);
}

function tabulate() {
  const rows = figures.at.map((at, step) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    const when = document.createElement("time");
    when.dateTime = new Date(at * 1e3).toISOString().replace(".000Z", "+00:00");
    when.className = "nowrap";
    when.textContent = moment(at);
    head.append(when);
    row.append(head);
    for (const text of [...COUNTS.map((name) => figures[name][step]), time(figures.p50[step]), time(figures.p95[step])]) {
      const cell = row.insertCell();
      cell.className = "number";
      cell.textContent = text;
    }
    return row;
  });
  document.querySelector("#figures-table tbody").replaceChildren(...rows.reverse());
}

// ---- Begin

if (page) {
  if (window.uPlot) {
    document.querySelector(".charts").hidden = false;
    figures = JSON.parse(document.getElementById("chart-figures").textContent);
    make();
    for (const id of charts.keys()) document.getElementById(id).addEventListener("keydown", walk);
    new ResizeObserver(() => {
      for (const [id, chart] of charts) chart.setSize({ width: document.getElementById(id).clientWidth, height: 140 });
    }).observe(document.querySelector(".charts"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", make);
    new MutationObserver(make).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }
  watch({ now: page.dataset.span }, (message) => message.now && take(message.now));
}
