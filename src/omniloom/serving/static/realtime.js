// The connection to the server: JSON events both ways, and coming back after it was lost.

export class Realtime extends EventTarget {
  #socket = null;
  #delay = 1;

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/realtime`);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "session.created") this.#delay = 1;
      this.#tell(event.type, event);
    };
    socket.onclose = ({ reason }) => {
      if (this.#socket !== socket) return;
      const seconds = this.#delay;
      this.#delay = Math.min(10, seconds * 2);
      this.#tell("closed", { reason, seconds });
      setTimeout(() => this.#socket === socket && this.connect(), seconds * 1000);
    };
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

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
