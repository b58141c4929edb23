// The list of tasks: how many are selected, and what to do with them. Without it the boxes and buttons work all the same.

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
