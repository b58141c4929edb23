// Makes what is on the page into what the server says it is now, and touches nothing else: what is focused, opened or selected stays.
import { mark } from "./live.js";

export function morph(element, html) {
  const told = document.createElement("template");
  told.innerHTML = html;
  adapt(element, told.content);
}

// Rows are known by their task, whatever came before them.
const keyOf = (node) => node.dataset?.task ?? (node.id || null);

function adapt(old, told) {
  const byKey = new Map([...old.children].map((child) => [keyOf(child), child]).filter(([key]) => key));
  let here = old.firstChild;
  for (const wanted of [...told.childNodes]) {
    const known = keyOf(wanted) && byKey.get(keyOf(wanted));
    if (known && known !== here) {
      old.insertBefore(known, here);
      here = known;
    }
    if (here && isLike(here, wanted)) {
      become(here, wanted);
      here = here.nextSibling;
    } else {
      old.insertBefore(wanted, here);
    }
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}

function isLike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && (keyOf(one) ?? null) === (keyOf(other) ?? null);
}

function become(old, told) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== told.data) {
      old.data = told.data;
      if (old.data.trim() && !old.parentElement?.matches(".muted, details")) mark(old.parentElement);
    }
    return;
  }
  for (const { name, value } of told.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!told.hasAttribute(name) && !(name === "open" && old.localName === "details")) old.removeAttribute(name);
  }
  // What live.js counts on by itself.
  if (!old.matches("[data-age], [data-left]")) adapt(old, told);
}
