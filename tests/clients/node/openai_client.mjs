// A program that uses OpenAI's Node client as its users do: `node openai_client.mjs URL SECRET PART`. Prints what it got as JSON.
// Without arguments it does what each line of standard input asks for, a list of these three.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import OpenAI from "openai";

let url, client;
const WANTED = { model: "minimax-video", prompt: "a lighthouse", seconds: "1", size: "720x480" };

async function poll(video) {
  while (video.status === "queued" || video.status === "in_progress") {
    await new Promise((resolve) => setTimeout(resolve, 200));
    video = await client.videos.retrieve(video.id);
  }
  return video;
}

async function life() {
  const made = await poll(await client.videos.create(WANTED));
  const other = await client.videos.create(WANTED);
  const remix = await client.videos.remix(made.id, { prompt: "a lighthouse by night" });
  const contents = {};
  for (const variant of ["video", "thumbnail", "spritesheet"]) {
    const bytes = Buffer.from(await (await client.videos.downloadContent(made.id, { variant })).arrayBuffer());
    contents[variant] = [bytes.length, createHash("sha256").update(bytes).digest("hex")];
  }
  const listed = [];
  for (const order of ["asc", "desc"]) {
    const ids = [];
    for await (const video of client.videos.list({ limit: 1, order })) ids.push(video.id);
    listed.push(ids);
  }
  const deleted = [await client.videos.delete(made.id), await client.videos.delete(other.id)];
  const gone = await refused(() => client.videos.retrieve(made.id));
  return { deleted, gone, made, other, remix, contents, listed };
}

async function refused(call) {
  try {
    await call();
    return [];
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.param ?? null];
  }
}

/* `hurried`: the secret of a key that may read once a minute. */
async function errors(hurried) {
  const nobody = new OpenAI({ baseURL: `${url}/v1`, apiKey: "condt_nobody", maxRetries: 0 });
  const twice = new OpenAI({ baseURL: `${url}/v1`, apiKey: hurried, maxRetries: 0 });
  await twice.videos.list();
  const same = { headers: { "Idempotency-Key": "one" } };
  await client.videos.create(WANTED, same);
  return {
    size: await refused(() => client.videos.create({ ...WANTED, size: "1024x1792" })),
    reference: await refused(() => client.videos.create({ ...WANTED, input_reference: new File(["PNG"], "a.png", { type: "image/png" }) })),
    model: await refused(() => client.videos.create({ ...WANTED, model: "sora-9" })),
    id: await refused(() => client.videos.retrieve("video_123")),
    key: await refused(() => nobody.videos.list()),
    content: await refused(async () => client.videos.downloadContent((await client.videos.create(WANTED)).id)),
    forbidden: await refused(() => client.videos.create({ ...WANTED, model: "minimax-h3" })),
    conflict: await refused(() => client.videos.create({ ...WANTED, prompt: "another" }, same)),
    rate: await refused(() => twice.videos.list()),
    budget: await refused(() => client.videos.create({ ...WANTED, seconds: "60" })),
  };
}

const paused = () => refused(() => client.videos.create(WANTED, { maxRetries: 0 }));
const create = async () => ({ id: (await client.videos.create(WANTED)).id });

async function webhooks(address) {
  const hooks = client.webhooks;
  const made = await hooks.create({ name: "batch", url: address, event_types: ["video.completed", "video.failed"] });
  const read = await hooks.retrieve(made.id);
  const listed = [];
  for await (const one of hooks.list({ limit: 1 })) listed.push(one.id);
  const changed = await hooks.update(made.id, { name: "other", event_types: ["video.failed"] });
  const rotated = await hooks.rotateSecret(made.id, { keep_old_secret_active_for_24_hours: true });
  const tested = await hooks.test(made.id, { event_type: "video.failed" });
  const types = (await hooks.eventTypes.list()).data;
  return { made, read, listed, changed, rotated, tested, types, deleted: await hooks.delete(made.id) };
}

async function run(server, secret, part) {
  url = server;
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: secret });
  const [name, given] = [part.split("=")[0], part.slice(part.indexOf("=") + 1)];
  console.log(JSON.stringify(await { life, errors, paused, create, webhooks }[name](given)));
}

const asked = process.argv.slice(2);
if (asked.length) await run(...asked);
else for await (const line of createInterface({ input: process.stdin })) await run(...JSON.parse(line));
