// The list of tasks: its rows are kept as they are right now, newer tasks are announced, and the selection is counted. Without it
// links, boxes and buttons work all the same.

import { watch } from "./live.js";

const shown = [...document.querySelectorAll("table.tasks tr[data-task]")].map((row) => row.dataset.task);
const newer = document.getElementById("newer-tasks");
if (shown.length) {
  watch({ tasks: shown, list: newer ? newer.dataset.newest : false }, (message) => {
    if (!newer || !message.newer) return;
    newer.hidden = false;
    newer.querySelector("a").textContent = `${message.newer} newer task${message.newer === 1 ? "" : "s"}`;
  });
}

const chosen = document.getElementById("chosen");
const boxes = [...document.querySelectorAll("table.tasks input[name=task]")];

if (chosen) {
  const all = chosen.querySelector("input[name=all]");
  const page = document.querySelector("[data-select-page]");
  const words = chosen.querySelector("[data-selected]");

  const show = () => {
    const selected = boxes.filter((box) => box.checked).length;
    for (const box of boxes) box.closest("tr").setAttribute("aria-selected", String(box.checked));
    words.textContent = all.checked ? "All selected" : `${selected} selected`;
    chosen.classList.toggle("nothing", !selected && !all.checked);
    page.checked = selected === boxes.length;
    page.indeterminate = selected > 0 && !page.checked;
  };

  page.hidden = false;
  page.addEventListener("change", () => {
    for (const box of boxes) box.checked = page.checked;
    if (!page.checked) all.checked = false;
    show();
  });
  all.addEventListener("change", () => {
    if (all.checked) for (const box of boxes) box.checked = true;
    show();
  });
  for (const box of boxes)
    box.addEventListener("change", () => {
      if (!box.checked) all.checked = false;
      show();
    });
  show();
}
