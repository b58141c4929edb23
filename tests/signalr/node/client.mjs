// Microsoft's client, driven from Python: a command a line on standard input; answers and events a line on standard output.
import { createInterface } from "node:readline";
import * as signalR from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";
import { casesOf } from "./cases.mjs";

const run = casesOf(signalR, MessagePackHubProtocol);

// What JSON cannot hold travels as {"$bytes": base64} and {"$undefined": true}.
const outward = (_, value) =>
  value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString("base64") } : value === undefined ? { $undefined: true } : value;
const inward = (_, value) => (value && typeof value.$bytes === "string" ? new Uint8Array(Buffer.from(value.$bytes, "base64")) : value);
const say = (what) => process.stdout.write(JSON.stringify(what, outward) + "\n");

const connections = new Map();
const unhandled = new Map();

// The real protocols; a case may have one introduce itself by another name or version.
function protocolOf({ protocol, introducedAs = {} }) {
  const real = protocol === "messagepack" ? new MessagePackHubProtocol() : new signalR.JsonHubProtocol();
  return Object.assign(real, introducedAs);
}

function build(number, wanted) {
  const logs = [];
  const options = {
    transport: signalR.HttpTransportType[wanted.transport],
    skipNegotiation: wanted.skipNegotiation ?? false,
    headers: wanted.headers ?? {},
    logger: { log: (level, text) => level >= signalR.LogLevel.Debug && logs.push(text) },
  };
  if (wanted.token !== null) options.accessTokenFactory = () => wanted.token;
  let builder = new signalR.HubConnectionBuilder().withUrl(wanted.url, options).withHubProtocol(protocolOf(wanted));
  if (wanted.reconnect) builder = builder.withAutomaticReconnect(wanted.reconnect);
  if (wanted.stateful) builder = builder.withStatefulReconnect({ bufferSize: wanted.stateful });
  if (wanted.serverTimeout) builder = builder.withServerTimeout(wanted.serverTimeout);
  if (wanted.keepAlive) builder = builder.withKeepAliveInterval(wanted.keepAlive);
  const hub = builder.build();
  const tell = (event, more = {}) => say({ connection: number, event, ...more });
  for (const target of wanted.listen ?? []) hub.on(target, (...args) => tell("message", { target, arguments: args }));
  for (const target of wanted.answering ?? []) hub.on(target, (...args) => args[0]);
  hub.onclose((error) => tell("closed", { error: error?.message ?? null }));
  hub.onreconnecting((error) => tell("reconnecting", { error: error?.message ?? null }));
  hub.onreconnected((id) => tell("reconnected", { id }));
  return { hub, logs, streams: new Map(), tell };
}

const commands = {
  async start({ connection, options }) {
    const made = build(connection, options);
    connections.set(connection, made);
    await made.hub.start();
    return made.hub.connectionId;
  },
  restart: ({ connection }) => connections.get(connection).hub.start(),
  stop: ({ connection }) => connections.get(connection).hub.stop(),
  invoke: ({ connection, method, args }) => connections.get(connection).hub.invoke(method, ...args),
  send: ({ connection, method, args }) => connections.get(connection).hub.send(method, ...args),
  async stream({ connection, stream, method, args }) {
    const { hub, streams, tell } = connections.get(connection);
    const subscription = hub.stream(method, ...args).subscribe({
      next: (item) => tell("item", { stream, item }),
      complete: () => tell("complete", { stream }),
      error: (error) => tell("failed", { stream, error: error.message }),
    });
    streams.set(stream, subscription);
  },
  async cancel({ connection, stream }) {
    connections.get(connection).streams.get(stream).dispose();
  },
  // Hands an upload to the method: a stream from the client.
  upload({ connection, method, items }) {
    const subject = new signalR.Subject();
    const answer = connections.get(connection).hub.invoke(method, subject);
    for (const item of items) subject.next(item);
    subject.complete();
    return answer;
  },
  // Sends what the protocol would never write, through the transport that the client has.
  raw: ({ connection, data }) => connections.get(connection).hub.connection.send(data),
  async state({ connection }) {
    const { hub } = connections.get(connection);
    const url = hub.connection.transport?._url ?? hub.connection.transport?._webSocket?.url ?? null;
    return { state: hub.state, id: hub.connectionId, token: url && new URL(url).searchParams.get("id") };
  },
  case: ({ name, options }) => run(name, options),
  async logs({ connection }) {
    return connections.get(connection).logs;
  },
  // Rejections that nobody handled, since this was last asked.
  async unhandled() {
    const seen = [...unhandled.values()];
    unhandled.clear();
    return seen;
  },
  async forget({ connection }) {
    const known = connections.get(connection);
    connections.delete(connection);
    if (known) await known.hub.stop();
  },
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const command = JSON.parse(line, inward);
  try {
    say({ answer: command.number, value: (await commands[command.do](command)) ?? null });
  } catch (error) {
    say({ answer: command.number, error: { kind: error.constructor.name, message: String(error?.message ?? error), status: error?.statusCode ?? null } });
  }
});
// Microsoft's client does not look after all that it still sends when its connection ends: what it rejects of its own is no news.
const isTheirs = (error) => !(error instanceof Error) || String(error.stack).includes("@microsoft/signalr");
process.on("unhandledRejection", (error, promise) => isTheirs(error) || unhandled.set(promise, String(error.stack)));
process.on("rejectionHandled", (promise) => unhandled.delete(promise));
process.removeAllListeners("warning");
