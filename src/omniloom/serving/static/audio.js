// The microphone and the loudspeaker. Both speak 24 kHz mono; the browser's echo cancellation keeps them apart.

export const RATE = 24000;

export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function toSamples(base64) {
  const pcm = new Int16Array(fromBase64(base64).buffer);
  return Float32Array.from(pcm, (sample) => sample / 32768);
}

/** Calls `onPiece(Int16Array, loudness)` every 20 ms while it is open. */
export class Microphone {
  constructor(onPiece) {
    this.onPiece = onPiece;
    this.context = null;
  }

  get isOpen() {
    return this.context !== null;
  }

  async open() {
    if (this.isOpen) return;
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("This browser gives the microphone only to pages on localhost or over https.");
    }
    const wanted = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: wanted }).catch((error) => {
      throw new Error(PROBLEMS[error.name] ?? `The microphone cannot be used: ${error.message}`);
    });
    this.context = new AudioContext({ sampleRate: RATE });
    let source;
    try {
      source = this.context.createMediaStreamSource(this.stream);
    } catch {
      // Firefox joins no stream to a context of another rate; the worklet resamples there.
      await this.context.close();
      this.context = new AudioContext();
      source = this.context.createMediaStreamSource(this.stream);
    }
    await this.context.audioWorklet.addModule("/static/capture-worklet.js");
    const capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => this.onPiece(data.piece, data.level);
    source.connect(capture);
    await this.context.resume();
  }

  async close() {
    const context = this.context;
    this.context = null;
    this.stream?.getTracks().forEach((track) => track.stop());
    await context?.close();
  }
}

const PROBLEMS = {
  NotAllowedError: "The microphone is blocked. Allow it for this page in the browser's address bar, then try again.",
  NotFoundError: "No microphone was found. Plug one in, or type instead.",
  NotReadableError: "The microphone is used by another program. Close that program, then try again.",
};

/** Plays replies; `clear` falls silent at once. */
export class Loudspeaker {
  constructor({ onStart, onEnd }) {
    this.onStart = onStart;
    this.onEnd = onEnd;
    this.isPlaying = false;
    this.opening = null;
  }

  /** Must first be called while a click or a key is handled, or the browser keeps quiet. */
  open() {
    this.opening ??= this.#open();
    this.context?.resume();
    return this.opening;
  }

  async #open() {
    this.context = new AudioContext({ sampleRate: RATE });
    await this.context.audioWorklet.addModule("/static/player-worklet.js");
    this.node = new AudioWorkletNode(this.context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.connect(this.context.destination);
    this.node.port.onmessage = ({ data }) => {
      this.isPlaying = data === "started";
      (this.isPlaying ? this.onStart : this.onEnd)();
    };
  }

  async play(samples) {
    await this.open();
    this.node.port.postMessage({ samples });
  }

  async end() {
    await this.open();
    this.node.port.postMessage({ end: true });
  }

  clear() {
    this.node?.port.postMessage({ clear: true });
    this.isPlaying = false;
  }
}
