// Receivers of webhooks as people write them: `node verifier.mjs LIBRARY < cases`. As verifier.py beside this folder.
import { readFileSync } from "node:fs";

const LIBRARIES = {
  standardwebhooks: async ({ secret, headers, body }) => new (await import("standardwebhooks")).Webhook(secret).verify(body, headers),
  svix: async ({ secret, headers, body }) => {
    new (await import("svix")).Webhook(secret).verify(body, headers); // it throws, and reads nothing
    return JSON.parse(body);
  },
  openai: async ({ secret, headers, body }) => {
    const { default: OpenAI } = await import("openai");
    return new OpenAI({ apiKey: "none" }).webhooks.unwrap(body, headers, secret);
  },
  replicate: async ({ secret, headers, body }) => {
    const { validateWebhook } = await import("replicate");
    const [id, timestamp, signature] = ["id", "timestamp", "signature"].map((name) => headers[`webhook-${name}`]);
    if (!(await validateWebhook({ id, timestamp, signature, body, secret }))) throw new Error("refused");
    return JSON.parse(body);
  },
};

const said = [];
for (const one of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    const event = await LIBRARIES[process.argv[2]](one);
    said.push([event.type, event.data.id]);
  } catch (error) {
    if (error.code === "ERR_MODULE_NOT_FOUND") throw error;
    said.push(error.constructor.name);
  }
}
console.log(JSON.stringify(said));
