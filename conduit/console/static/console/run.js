// A run's page is read anew every two seconds while it is at work, and put in place: its newest outcomes alone, not an older page.

const SECONDS = 2;

async function look() {
  const shown = document.getElementById("run");
  if (shown.dataset.state !== "at_work") return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { redirect: "error", signal: AbortSignal.timeout(10_000) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const read = page.getElementById("run");
      // Not under the fingers of who is about to press a button, unless it is over.
      const isFree = !shown.contains(document.activeElement) || read?.dataset.state !== "at_work";
      if (answer.ok && read && isFree) shown.replaceWith(read);
    } catch {
      // Tried again.
    }
  }
  setTimeout(look, SECONDS * 1000);
}

if (!new URLSearchParams(location.search).has("before")) setTimeout(look, SECONDS * 1000);
