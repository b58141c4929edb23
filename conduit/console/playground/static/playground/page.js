/* What stands in the page. */

export const find = (id) => document.getElementById(id);

export function show(id, shown = true) {
  find(id).hidden = !shown;
}

/* Words in a place that is there only when it has some. */
export function tell(id, words) {
  const place = find(id);
  place.textContent = words;
  place.hidden = !words;
}

/* Said to those who listen. */
export function announce(words) {
  find("announcements").textContent = words;
}

export function make(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...inside);
  return made;
}

/* Whether somebody means it, in a window that says what will happen; its button repeats the verb. */
export function asked(words, verb) {
  const dialog = find("ask");
  find("ask-words").textContent = words;
  find("ask-yes").textContent = verb;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
