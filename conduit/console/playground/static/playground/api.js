/* Calls of the public API, with the secret that this tab keeps. */

export const TOKEN_PREFIX = "condt_ct_";

/* What was not answered as it was meant. `status` is 0 where there was no answer. */
export class Refused extends Error {
  constructor(status, { message, code = "", param = null }) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }

  get isOver() {
    return this.status === 401;
  }
}

export class Api {
  constructor(secret) {
    this.secret = secret;
    this.isToken = secret.startsWith(TOKEN_PREFIX);
  }

  get(path) {
    return this.call("GET", path);
  }

  post(path, body = {}, headers = {}) {
    return this.call("POST", path, body, headers);
  }

  /* The answer's object. Throws Refused. */
  async call(method, path, body, headers = {}) {
    const given = { Authorization: `Bearer ${this.secret}`, ...headers };
    if (body !== undefined) given["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(path, { method, headers: given, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
    } catch {
      throw new Refused(0, { message: "The server cannot be reached. Check your connection; nothing is lost here." });
    }
    const told = await answer.json().catch(() => null);
    if (!answer.ok) throw new Refused(answer.status, told?.error ?? { message: `The server answered ${answer.status}. Try again shortly.` });
    return told;
  }
}
