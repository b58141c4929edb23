// What a page of a consumer does: it makes tasks, listens and shows what came. Tests call its functions and read `streams`.
"use strict";

const HUB_EVENTS = ["Started", "Progress", "Completed", "Failed", "Cancelled"].map((name) => `VideoGeneration${name}`).concat("Resync");
const STREAM_EVENTS = ["snapshot", "queued", "started", "progress", "completed", "failed", "cancelled"].map((name) => `task.${name}`);
const PATIENCE_MS = 60_000;
const RETRY_MS = 250;

// By the name a test gave it: what a stream was told, in order, and what became of it.
const streams = {};
const register = (name, more) => (streams[name] = { seen: [], ended: null, failures: 0, reconnects: 0, ...more });

const within = (promise) =>
  Promise.race([promise, new Promise((_, reject) => setTimeout(reject, PATIENCE_MS, new Error("there was no answer in time")))]);

// ---- REST

async function call(api, key, method, path, body) {
  const headers = { Authorization: `Bearer ${key}`, ...(body && { "Content-Type": "application/json" }) };
  const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS) });
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.json() };
}

// ---- The hub, through Microsoft's client

// `lacking` names what a browser may not have: the client then falls back to its next transport, without being told to.
async function openHub(name, { api, key, lacking = [], protocol = "json", reconnects = false }) {
  let builder = new signalR.HubConnectionBuilder().withUrl(`${api}/hubs/video-generation`, { accessTokenFactory: () => key });
  if (protocol === "messagepack") builder = builder.withHubProtocol(new signalR.protocols.msgpack.MessagePackHubProtocol());
  if (reconnects) builder = builder.withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => RETRY_MS });
  const hub = without(lacking, () => builder.configureLogging(signalR.LogLevel.None).build());
  const stream = register(name, { hub, close: () => hub.stop() });
  for (const type of HUB_EVENTS) hub.on(type, (event) => stream.seen.push({ type, ...event }));
  hub.onclose((error) => (stream.ended = { error: error ? String(error.message) : null }));
  resumeAfterReconnects(stream, hub);
  await within(hub.start());
}

// The newest event is noted when the wire breaks: what arrives live after a reconnect says nothing of what was missed before.
function resumeAfterReconnects(stream, hub) {
  let from = null;
  hub.onreconnecting(() => (from ??= Math.max(0, ...stream.seen.map((event) => event.eventId ?? 0))));
  hub.onreconnected(async () => {
    await hub.invoke("Resume", from);
    from = null;
    stream.reconnects += 1;
  });
}

function without(globals, build) {
  const kept = globals.map((name) => [name, window[name]]);
  for (const name of globals) window[name] = undefined;
  try {
    return build();
  } finally {
    for (const [name, value] of kept) window[name] = value;
  }
}

const invoke = (name, method, ...args) => within(streams[name].hub.invoke(method, ...args)).then((value) => value ?? null);

// ---- Plain streams, with nothing but what every browser has

const queryOf = (key, after) => new URLSearchParams({ access_token: key, ...(after !== null && { after }) });

function openEventSource(name, { api, key, path = "/v1/events", after = null }) {
  const source = new EventSource(`${api}${path}?${queryOf(key, after)}`);
  const stream = register(name, { close: () => source.close() });
  for (const type of STREAM_EVENTS) source.addEventListener(type, (event) => stream.seen.push(JSON.parse(event.data)));
  source.onopen = () => (stream.reconnects = stream.failures);
  source.onerror = () => {
    stream.failures += 1;
    if (source.readyState === EventSource.CLOSED) stream.ended = {};
  };
}

function openSocket(name, { api, key, path = "/ws/tasks", after = null }) {
  const socket = new WebSocket(`${api.replace("http", "ws")}${path}?${queryOf(key, after)}`);
  const stream = register(name, { close: () => socket.close() });
  socket.onmessage = (message) => stream.seen.push(JSON.parse(message.data));
  socket.onclose = ({ code, reason, wasClean }) => (stream.ended = { code, reason, wasClean });
}

// ---- What people look at

function show(videoUrl, thumbnailUrl, rate) {
  document.body.replaceChildren(
    Object.assign(document.createElement("video"), { src: videoUrl, muted: true, autoplay: true, defaultPlaybackRate: rate }),
    Object.assign(document.createElement("img"), { src: thumbnailUrl }),
  );
}

const video = () => document.querySelector("video");

// Whether the video has been played to its end. Error when it cannot be played.
function hasPlayed() {
  if (video().error) throw new Error(`the video cannot be played: ${video().error.message}`);
  return video().ended;
}

async function seek(seconds) {
  const sought = new Promise((resolve) => video().addEventListener("seeked", resolve, { once: true }));
  video().currentTime = seconds;
  await within(sought);
  return video().currentTime;
}

function shown() {
  const { currentTime, duration, videoWidth, videoHeight } = video();
  const { naturalWidth, naturalHeight } = document.querySelector("img");
  return { currentTime, duration, video: [videoWidth, videoHeight], thumbnail: [naturalWidth, naturalHeight] };
}
