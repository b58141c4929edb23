/* The secret, in this tab and nowhere else. */

const KEPT = "conduit.access";
const MADE = "conduit.made";
const MADE_MAX = 100;

/* What stands after `#token=`, with the task that it is for in `&task=`, if it is for one. It leaves the address at once: it is not to be
   kept in a history. */
export function takenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const secret = given.get("token")?.trim();
  if (!secret) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { secret, taskId: given.get("task") };
}

export const kept = () => JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
export const keep = (access) => sessionStorage.setItem(KEPT, JSON.stringify(access));

export function forget() {
  sessionStorage.removeItem(KEPT);
  sessionStorage.removeItem(MADE);
}

/* Which tasks this tab made: a client token may change no others. */
const made = () => JSON.parse(sessionStorage.getItem(MADE) ?? "[]");
export const noteMade = (taskId) => sessionStorage.setItem(MADE, JSON.stringify([...made(), taskId].slice(-MADE_MAX)));
export const wasMade = (taskId) => made().includes(taskId);
