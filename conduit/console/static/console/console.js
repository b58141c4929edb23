/* What every page of the console has beside its HTML: ids that copy, and the keyboard. Without it all links and forms still work. */

function said(words) {
  const region = document.getElementById("announcements");
  if (region) region.textContent = words;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  event.preventDefault();
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    said("Copied");
    button.classList.add("changed");
    setTimeout(() => button.classList.remove("changed"), 1000);
  } catch {
    // Without HTTPS a browser has no clipboard for pages: what was to be copied is shown, selected.
    window.prompt("Copy:", button.dataset.copy);
  }
});

const typing = (element) => element.closest("input, textarea, select, [contenteditable]");
const rows = () => [...document.querySelectorAll("table[data-rows] tbody tr")];

function goToRow(step) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((row) => row.classList.contains("here"));
  const next = all[Math.min(Math.max(now + step, 0), all.length - 1)];
  all.forEach((row) => row.classList.toggle("here", row === next));
  (next.querySelector("a") ?? next).focus();
  next.scrollIntoView({ block: "nearest" });
}

function select() {
  const box = document.querySelector("table[data-rows] tr.here input[type=checkbox]");
  if (box) box.click();
}

const KEYS = {
  "/": () => document.querySelector("#frame-search")?.focus(),
  "?": () => document.getElementById("shortcuts")?.showModal(),
  j: () => goToRow(1),
  k: () => goToRow(-1),
  x: select,
};

let first = null; // of a sequence such as "g n", for a second
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (first === "g") {
    first = null;
    const place = document.querySelector(`.places a[data-key="${CSS.escape(event.key)}"]`);
    if (place) {
      event.preventDefault();
      place.click();
      return;
    }
  }
  if (event.key === "g") {
    first = "g";
    setTimeout(() => (first = null), 1000);
  } else if (KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});
document.getElementById("show-shortcuts")?.addEventListener("click", KEYS["?"]);

/* A table that scrolls by itself can be scrolled by keyboard too. */
function reachScrollers() {
  for (const region of document.querySelectorAll(".wide, .places, .tabular, .results")) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }
}
reachScrollers();
addEventListener("resize", reachScrollers);

/* Django's lists of rights have a sign with words that only an image may have, made as the page has loaded. */
addEventListener("load", () => {
  for (const sign of document.querySelectorAll(".search-label-icon[aria-label]")) sign.role = "img";
});
