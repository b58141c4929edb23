/* What was just done, as code. The key stays out of it: it is read from CONDUIT_KEY. */

import { announce, find, show } from "./page.js";

const PATH = "/v1/video/generations";

function curl(body) {
  // Within single quotes of a shell nothing but a quote means anything.
  const quoted = JSON.stringify(body).replaceAll("'", "\\u0027");
  return `curl ${location.origin}${PATH} \\
  -H "Authorization: Bearer $CONDUIT_KEY" \\
  -H "Content-Type: application/json" \\
  --data-raw '${quoted}'`;
}

/* Python reads what JSON writes, for texts and numbers. */
function python(body) {
  return `import os, time
import requests  # pip install requests

api, auth = "${location.origin}", {"Authorization": f"Bearer {os.environ['CONDUIT_KEY']}"}
task = requests.post(f"{api}${PATH}", headers=auth, json=${JSON.stringify(body)}).json()
while task["status"] in ("queued", "processing"):
    time.sleep(2)
    task = requests.get(f"{api}/v1/tasks/{task['task_id']}", headers=auth).json()
print(task["result"]["video_url"] if task["result"] else task["error"] or task["status"])
`;
}

function javascript(body) {
  return `const api = "${location.origin}", headers = { Authorization: \`Bearer \${process.env.CONDUIT_KEY}\`, "Content-Type": "application/json" };
let task = await (await fetch(\`\${api}${PATH}\`, { method: "POST", headers, body: JSON.stringify(${JSON.stringify(body)}) })).json();
while (task.status === "queued" || task.status === "processing") {
  await new Promise((resolve) => setTimeout(resolve, 2000));
  task = await (await fetch(\`\${api}/v1/tasks/\${task.task_id}\`, { headers })).json();
}
console.log(task.result?.video_url ?? task.error ?? task.status);
`;
}

const WRITERS = { curl, python, javascript };
let body = null;

/* Show how that task is asked for. */
export function showCode(task, webhook) {
  show("code", task.prompt !== null);
  if (task.prompt === null) return;
  body = { model: task.model, prompt: task.prompt, duration: task.duration, resolution: task.resolution };
  if (webhook) body.webhook_url = webhook;
  write();
}

function write() {
  const language = document.querySelector("[name=language]:checked").value;
  if (body) find("snippet").textContent = WRITERS[language](body);
}

async function copy() {
  const snippet = find("snippet");
  try {
    await navigator.clipboard.writeText(snippet.textContent);
    announce("Copied");
    find("copy").textContent = "Copied";
  } catch {
    // Without TLS a browser has no clipboard for pages: what was to be copied is chosen.
    getSelection().selectAllChildren(snippet);
    find("copy").textContent = "Press Ctrl+C";
  }
  setTimeout(() => (find("copy").textContent = "Copy"), 2000);
}

for (const language of document.querySelectorAll("[name=language]")) language.addEventListener("change", write);
find("copy").addEventListener("click", copy);
