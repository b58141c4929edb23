// A program that uses TanStack AI's video adapter as its users do: `node tanstack_client.mjs URL SECRET PART`. Prints what it got as JSON.
import { createHash } from "node:crypto";
import { generateVideo, getVideoJobStatus } from "@tanstack/ai";
import { createOpenaiVideo } from "@tanstack/ai-openai";

const [url, secret, part] = process.argv.slice(2);
const adapter = createOpenaiVideo("sora-2", secret, { baseURL: `${url}/v1` });

async function create(size, duration) {
  const { jobId } = await generateVideo({ adapter, prompt: "a lighthouse", size, duration });
  return jobId;
}

async function made(jobId) {
  for (;;) {
    const video = await getVideoJobStatus({ adapter, jobId });
    if (video.status === "completed" || video.status === "failed") return video;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function life() {
  const found = {};
  for (const [size, duration] of [["1280x720", 4], ["720x1280", 4], ["1280x720", 8], ["720x1280", 12]]) {
    const jobId = await create(size, duration);
    const video = await made(jobId);
    const bytes = Buffer.from(await (await fetch(video.url)).arrayBuffer());
    const hash = createHash("sha256").update(bytes).digest("hex");
    found[`${size} ${duration}`] = { jobId, status: video.status, bytes: bytes.length, hash };
  }
  return found;
}

const twins = async () => ({ ids: await Promise.all([create("1280x720", 4), create("1280x720", 4)]) });
const one = async () => ({ id: await create("1280x720", 4) });

console.log(JSON.stringify(await { life, twins, create: one }[part]()));
