/* The hub, over Microsoft's client. What it sends in an address is never an API key: for those it makes itself a client token. */

const HUB = "/hubs/video-generation";
const EVENTS = ["Started", "Progress", "Completed", "Failed", "Cancelled"];
const TOKEN_SECONDS = 3600;
const SOON_MS = 60_000;
const AGAIN_MS = 2000;
const PAUSE_MAX_MS = 15_000;

export class Follower {
  /* `told(name, event)` hears of everything, of "Lost" when no connection came about; `changed(way)` of how the page hears: "socket", "" or "away". */
  constructor(api, { told, changed }) {
    this.api = api;
    this.told = told;
    this.changed = changed;
    this.isStopped = false;
    this.token = null;
    this.hub = null;
  }

  get isLive() {
    return this.hub?.state === "Connected";
  }

  start() {
    this.hub = new signalR.HubConnectionBuilder()
      .withUrl(HUB, { accessTokenFactory: () => this.secret() })
      .withAutomaticReconnect({
        nextRetryDelayInMilliseconds: ({ previousRetryCount }) => {
          if (previousRetryCount) this.told("Lost", {});
          return Math.min(500 * 2 ** previousRetryCount, PAUSE_MAX_MS);
        },
      })
      .configureLogging(signalR.LogLevel.None) // what ends is told in the page
      .build();
    for (const name of EVENTS) this.hub.on(`VideoGeneration${name}`, (event) => this.told(name, event));
    this.hub.on("Resync", () => this.told("Resync", {}));
    this.hub.onreconnecting(() => this.changed("away"));
    this.hub.onreconnected(() => this.back());
    this.hub.onclose(() => this.closed());
    return this.connect();
  }

  async connect() {
    while (!this.isStopped) {
      try {
        await this.hub.start();
        this.back();
        return;
      } catch {
        this.changed("away");
        this.told("Lost", {});
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  back() {
    this.changed("socket");
    this.told("Resync", {}); // what happened meanwhile is read
  }

  /* The server has ended it: the secret may be over, which the next call tells. */
  async closed() {
    if (this.isStopped) return;
    this.changed("away");
    this.token = null;
    this.told("Lost", {});
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    await this.connect();
  }

  async secret() {
    if (this.api.isToken) return this.api.secret;
    if (!this.token || Date.parse(this.token.expires_at) - Date.now() < SOON_MS) {
      this.token = await this.api.post("/v1/client_tokens", { expires_in: TOKEN_SECONDS });
    }
    return this.token.token;
  }

  stop() {
    this.isStopped = true;
    this.changed("");
    return this.hub?.stop();
  }
}
