// Hub clients as docs/realtime.md shows them: `followers.mjs URL KEY COUNT`. What each is told goes out as a line of JSON, until standard input ends.
import { setTimeout as sleep } from "node:timers/promises";
import * as signalR from "@microsoft/signalr";

const [url, key, count] = process.argv.slice(2);
const { WebSockets, ServerSentEvents, LongPolling } = signalR.HttpTransportType;
const TRANSPORTS = [WebSockets, ServerSentEvents, LongPolling];
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

async function follow(number) {
  const transport = TRANSPORTS[number % TRANSPORTS.length];
  const tell = (what) => say({ client: number, ...what });
  const hub = new signalR.HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: () => key, transport })
    .configureLogging(signalR.LogLevel.None)
    .withAutomaticReconnect()
    .build();
  let seen = 0, gap = null;
  for (const name of ["Started", "Progress", "Completed", "Failed", "Cancelled"])
    hub.on(`VideoGeneration${name}`, (event) => {
      seen = Math.max(seen, event.eventId ?? 0);
      if (event.eventId) tell({ what: "event", position: event.eventId, task: event.taskId, status: event.status });
    });
  hub.on("Resync", ({ eventId }) => {
    seen = eventId;
    tell({ what: "resync" });
  });
  hub.onreconnecting((error) => {
    gap ??= seen;
    tell({ what: "reconnecting", why: error?.message ?? null });
  });
  hub.onreconnected(() => {
    tell({ what: "reconnected" });
    return hub.invoke("Resume", gap).then(() => (gap = null), (error) => tell({ what: "refused", why: error.message }));
  });
  hub.onclose((error) => tell({ what: "closed", why: error?.message ?? null }));
  while (hub.state === signalR.HubConnectionState.Disconnected) await hub.start().catch(() => sleep(500)); // nothing has begun yet
}

await Promise.all(Array.from({ length: Number(count) }, (_, number) => follow(number)));
say({ what: "ready" });
process.stdin.on("end", () => process.exit()).resume();
