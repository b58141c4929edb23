/* What people read. */

const STAGES = {
  queued: "Waits for its turn",
  preparing: "MiniMax has taken it",
  waiting_at_provider: "MiniMax will begin soon",
  generating: "MiniMax is making it",
  downloading: "The video is being fetched",
  assembling: "The video is being put together",
  paused: "Paused by those who run this place",
  reconciling: "An answer of MiniMax was lost: whether it has the order is being found out",
  waiting_for_rate_limit: "Waits for its turn at MiniMax",
  waiting_for_provider: "MiniMax cannot be reached: tried again and again",
  waiting_for_provider_key: "Waits for an account at MiniMax",
  waiting_for_provider_balance: "Waits for a balance at MiniMax",
  waiting_for_storage: "Waits for the storage",
};
const LINES = {
  own_limit: "Waits until another of this key's videos is done",
  fair_share: "Waits for its turn beside others",
  media: "Waits to be put together",
};
const STATUSES = { queued: "○ queued", processing: "◐ in progress", completed: "● completed", failed: "✕ failed", cancelled: "⊘ cancelled" };

export const isActive = (task) => task.status === "queued" || task.status === "processing";
export const isDeleted = (task) => task.status === "completed" && task.result === null;
export const statusWords = (task) => (isDeleted(task) ? "⊘ deleted" : (STATUSES[task.status] ?? task.status));

export function stageWords(task) {
  const words = LINES[task.waiting_for] ?? STAGES[task.stage] ?? task.stage.replaceAll("_", " ");
  return task.queue_position ? `${words} (place ${task.queue_position})` : words;
}

export function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
}

/* An amount of USD: cents, and what is finer only where there is any. */
export function usd(amount) {
  return `${amount.replace(/^(-?\d+\.\d\d)00$/, "$1")} USD`;
}

export const sizeWords = (size) => size.replace("x", "×");

/* An amount within others: what is left of a budget in its period. */
export function budgetWords(budget) {
  const whose = budget.scope === "team" ? "team's " : "";
  return `${usd(budget.left)} left of the ${whose}${budget.period === "total" ? "" : `${budget.period} `}budget of ${usd(budget.limit)}`;
}

export function keyWords(shown) {
  const parts = [`Key ${shown.name}`];
  parts.push(...(shown.budgets.length ? shown.budgets.map(budgetWords) : ["no budget binds it"]));
  const most = shown.limits.tasks_in_flight;
  parts.push(most === null ? `${shown.in_flight} in progress` : `${shown.in_flight} of ${most} in progress`);
  if (shown.limits.highest_price !== null) parts.push(`at most ${usd(shown.limits.highest_price)} for one`);
  return parts.join(" · ");
}

export function tokenWords(shown) {
  const parts = ["Client token"];
  if (shown.create) {
    parts.push(`${shown.create.tasks_left} of ${shown.create.tasks} videos left`);
    if (shown.create.usd !== null) parts.push(`${usd(shown.create.usd_left)} of ${usd(shown.create.usd)} left`);
  }
  parts.push(`ends at ${new Date(shown.expires_at).toLocaleTimeString()}`);
  return parts.join(" · ");
}

export function taskWords(task) {
  const what = `${task.model} · ${task.duration} s · ${sizeWords(task.resolution)}`;
  const { charged, held } = task.cost;
  const money = charged === null ? `${usd(held)} held` : `${usd(charged)} charged`;
  return `${task.prompt ?? "(deleted)"} · ${what} · ${money}`;
}
