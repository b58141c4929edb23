// What Microsoft's client sees of the echo hub, told as plain values. The same for node and for a page.
export function casesOf(signalR, MessagePackHubProtocol) {
  async function connected({ url, transport, protocol, token }, use) {
    const logs = [];
    const options = {
      transport: signalR.HttpTransportType[transport],
      accessTokenFactory: () => token,
    };
    const logger = { log: (_, text) => logs.push(text) };
    const real = protocol === "messagepack" ? new MessagePackHubProtocol() : new signalR.JsonHubProtocol();
    const seen = new EventTarget();
    const parse = real.parseMessages.bind(real);
    real.parseMessages = (data, logger) => {
      const messages = parse(data, logger);
      for (const detail of messages) seen.dispatchEvent(new CustomEvent("message", { detail }));
      return messages;
    };
    const hub = new signalR.HubConnectionBuilder().configureLogging(logger).withUrl(url, options).withHubProtocol(real).build();
    const closed = new Promise((resolve) => hub.onclose((error) => resolve(error?.message ?? null)));
    hub.on("Welcome", () => {});
    await hub.start();
    try {
      return await use(hub, { logs, closed, seen, protocol: real });
    } finally {
      await hub.stop();
    }
  }

  const error = (promise) => promise.then(() => null, (reason) => reason.message);
  const shown = (value) => (value instanceof Date ? { date: value.toISOString() } : value === undefined ? "undefined" : value);

  // Several messages of the protocol in one piece.
  function inOnePiece({ protocol }, ...messages) {
    const written = messages.map((message) => protocol.writeMessage(message));
    if (typeof written[0] === "string") return written.join("");
    const whole = written.map((one) => [...new Uint8Array(one)]).flat();
    return new Uint8Array(whole).buffer;
  }

  // Messages in one piece, and the error of the completion that answers the first.
  async function completed(hub, more, ...messages) {
    const answers = ({ type, invocationId }) => type === 3 && invocationId === messages[0].invocationId;
    const ended = new Promise((resolve) => {
      more.seen.addEventListener("message", ({ detail }) => answers(detail) && resolve(detail.error));
    });
    await hub.connection.send(inOnePiece(more, ...messages));
    return shown(await ended);
  }

  const cases = {
    // An invocation that reads a stream of ours, and others while it does.
    async beside(hub) {
      const numbers = new signalR.Subject();
      const sum = hub.invoke("Sum", numbers);
      const beside = [await hub.invoke("Add", 1, 2), await hub.invoke("Echo", "beside")];
      for (const number of [20, 22]) numbers.next(number);
      numbers.complete();
      return [...beside, await sum];
    },
    async times(hub) {
      const text = await hub.invoke("NextDay", "2026-01-02T03:04:05.120Z");
      const date = await hub.invoke("NextDay", new Date("2026-01-02T03:04:05.120Z"));
      return [shown(text), shown(date)];
    },
    // More invocations at once than may wait: each is answered, in order.
    async burst(hub) {
      const order = [];
      const ask = (number) => hub.invoke("EchoSlowly", number, 0.002).then((answer) => order.push(answer));
      await Promise.all(Array.from({ length: 400 }, (_, number) => ask(number)));
      return order.every((answer, number) => answer === number) ? order.length : order;
    },
    // 3 MB to a method that takes them slowly, and pings and answers meanwhile.
    async upload(hub) {
      const pieces = new signalR.Subject();
      const swallowed = hub.invoke("Swallow", pieces, 0.01);
      for (let number = 0; number < 100; number++) pieces.next("x".repeat(30_000));
      pieces.complete();
      return await swallowed;
    },
    // A stream and its cancellation in one piece.
    async cancelled(hub, more) {
      const begin = { type: 4, invocationId: "mine", target: "CountForever", arguments: [0.01], streamIds: [] };
      const ended = await completed(hub, more, begin, { type: 5, invocationId: "mine" });
      return [ended, await hub.invoke("Begun"), await hub.invoke("Cancelled")];
    },
    // A Close of ours, without leaving.
    async close(hub, more) {
      const asked = error(hub.invoke("EchoSlowly", "last", 0.05));
      if (more.protocol.name === "json") await hub.connection.send('{"type":7}\x1e');
      else await hub.connection.send(new Uint8Array([4, 0x93, 7, 0xc0, 0xc2]).buffer);
      const why = await more.closed;
      return [await asked, why, more.logs.includes("Close message received from server.")];
    },
    async texts(hub, more) {
      const two = { type: 1, invocationId: "mine", target: "Sum", arguments: [], streamIds: ["a", "b"] };
      return [
        await error(hub.invoke("Nope")),
        await error(hub.invoke("on_connected")),
        await completed(hub, more, two), // the client itself cannot give two streams: it takes the second for an argument
        shown(await hub.invoke("Nothing")),
      ];
    },
  };

  return async (name, options) => await connected(options, cases[name]);
}
