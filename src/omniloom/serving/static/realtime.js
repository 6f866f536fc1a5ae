// The connection to the server: JSON events both ways, why it was lost in words, and coming back.

import { apiKey } from "./api.js";

const LONGEST_WAIT_S = 10;
const WORDS = {
  full: "Every place on this server is taken.",
  draining: "The server is about to restart and takes no new conversations.",
  slow: "The connection was too slow for what the server sent.",
  expired: "This session reached its longest duration.",
  away: "The server is not there.",
  closed: "The connection to the server was lost.",
};
const REFUSALS = { too_many_sessions: "full", server_draining: "draining", session_expired: "expired" };
const KEY_ERRORS = new Set(["invalid_api_key", "missing_api_key", "authentication_error", "unauthorized"]);

/**
 * Tells of the server's events by their type, and of `lost` {why, words, seconds} (no seconds: it waits for a key).
 */
export class Realtime extends EventTarget {
  #socket = null;
  #waitS = 1;
  #refusal = null; // the code of the last error before anything worked
  #timer = 0;

  constructor() {
    super();
    addEventListener("online", () => this.retry());
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.#timer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const protocols = apiKey.value ? ["realtime", `openai-insecure-api-key.${apiKey.value}`] : ["realtime"];
    const socket = new WebSocket(`${scheme}://${location.host}/v1/realtime`, protocols);
    let wasOpen = false;
    this.#socket = socket;
    this.#refusal = null;
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      const event = JSON.parse(data);
      if (event.type === "session.created") {
        this.#waitS = 1;
        wasOpen = true;
      }
      if (event.type === "error") this.#refusal = event.error.code ?? event.error.type;
      this.#tell(event.type, event);
    };
    socket.onclose = async (closing) => {
      if (this.#socket !== socket) return;
      const why = await this.#why(closing, wasOpen);
      if (this.#socket === socket) this.#wait(why, closing.reason);
    };
  }

  /** Connect now and not after the wait, where it is waited. */
  retry() {
    if (this.#socket && this.#socket.readyState === WebSocket.CLOSED) this.connect();
  }

  /** A new session, with nothing remembered. */
  restart() {
    const old = this.#socket;
    this.#socket = null;
    old?.close();
    this.connect();
  }

  /** Whether the event was sent. */
  send(event) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(event));
    return true;
  }

  on(type, listener) {
    this.addEventListener(type, ({ detail }) => listener(detail));
  }

  #wait(why, reason) {
    const words = WORDS[why] ?? (reason ? `The server closed the connection: ${reason}` : WORDS.closed);
    if (why === "key") {
      this.#tell("lost", { why, words: "This server asks for a key." });
      return;
    }
    const seconds = this.#waitS;
    this.#waitS = Math.min(LONGEST_WAIT_S, seconds * 2);
    // Pages that lost one server at one moment should not all come back at one moment.
    this.#timer = setTimeout(() => this.retry(), seconds * 1000 * (0.9 + 0.2 * Math.random()));
    this.#tell("lost", { why, words, seconds });
  }

  /** Browsers do not tell why a handshake failed, so the server is asked once more over HTTP. */
  async #why({ code, reason }, wasOpen) {
    if (KEY_ERRORS.has(this.#refusal) || code === 3000) return "key";
    if (REFUSALS[this.#refusal]) return REFUSALS[this.#refusal];
    if (code === 1013) return "full";
    if (code === 1001 || code === 1012) return "draining";
    if (code === 1008 && /slow|read/.test(reason)) return "slow";
    if (wasOpen || reason) return "closed";
    const headers = apiKey.value ? { Authorization: `Bearer ${apiKey.value}` } : {};
    const answer = await fetch("/v1/models", { headers, signal: AbortSignal.timeout(4000) }).catch(() => null);
    return { 401: "key", 403: "key", 429: "full", 503: "draining" }[answer?.status] ?? (answer ? "closed" : "away");
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
