// What the user chose, kept in this browser, and what of it this server serves: the session it becomes.

import { element } from "./elements.js";

const STORED = "settings";
const DEFAULTS = { turns: "manual", automatic: "silence", silenceMs: 500, voice: null, speed: 1 };
const TURN_WORDS = {
  manual: "Hold the button or the space bar while you speak, or tap it to start and to send.",
  semantic: "The model hears by itself that you have said all, and answers sooner than after a fixed silence.",
  silence: "Shorter answers sooner; longer leaves you time to think.",
};

export class Settings {
  #values;
  #session = null; // as the server told it
  #turnKinds = ["server_vad"];
  #spokenVoice = null; // the voice in which this session has spoken, which it keeps

  /** `onChange` when the session should be told anew; `onTurns(isHandsFree)` when how turns end was chosen. */
  constructor({ dialog, onChange, onTurns }) {
    Object.assign(this, { dialog, onChange, onTurns });
    this.#values = { ...DEFAULTS, ...read(), turns: "manual" };
    this.at = (name) => dialog.querySelector(`#${name}`);
    for (const radio of this.#radios("turns")) radio.onchange = () => this.#chooseTurns(radio.value);
    for (const [name, key] of [["silence", "silenceMs"], ["speed", "speed"]]) {
      this.at(name).oninput = () => this.#show({ [key]: Number(this.at(name).value) });
      this.at(name).onchange = () => this.#keep({ [key]: Number(this.at(name).value) });
    }
    this.#show();
  }

  #radios(name) {
    return [...this.dialog.querySelectorAll(`input[name=${name}]`)];
  }

  /** What the server offers: `world` is its list of voices and of ways to end a turn. */
  offered({ voices = [], turn_detection: kinds = ["server_vad"] }) {
    this.#turnKinds = kinds;
    if (this.#values.automatic === "semantic" && !kinds.includes("semantic_vad")) this.#values.automatic = "silence";
    else if (kinds.includes("semantic_vad") && !read().automatic) this.#values.automatic = "semantic";
    const labels = voices.map(({ name, words }) => {
      const radio = element("input", { type: "radio", name: "voice", value: name });
      radio.onchange = () => this.#keep({ voice: name });
      return element("label", { title: words }, radio, element("span", { text: name }));
    });
    this.at("voices").replaceChildren(...labels);
    this.#show();
  }

  /** What the server told of the session it made. */
  told(session) {
    this.#session = session;
    this.#spokenVoice = null;
    this.#values.voice ??= session.audio?.output?.voice ?? null;
    this.#show();
  }

  get isHandsFree() {
    return this.#values.turns !== "manual";
  }

  /** Switch between speaking by hold and the way of ending turns that was chosen last. */
  setHandsFree(isOn) {
    this.#values.turns = isOn ? this.#values.automatic : "manual";
    this.#show();
  }

  /** The session has spoken: a voice that is chosen now is that of the next one. */
  hasSpoken() {
    this.#spokenVoice ??= this.#values.voice;
  }

  /** The `session` of a `session.update`: what was chosen, as far as this server has it. */
  sessionFor(form) {
    const { input = {}, output = {} } = this.#session?.audio ?? {};
    const audio = { input: { turn_detection: this.#turnDetection }, output: {} };
    if ("transcription" in input) audio.input.transcription = { model: this.#session.model };
    if ("voice" in output && this.#values.voice) audio.output.voice = this.#spokenVoice ?? this.#values.voice;
    if ("speed" in output) audio.output.speed = this.#values.speed;
    return { type: "realtime", output_modalities: [form], audio };
  }

  get #turnDetection() {
    if (this.#values.turns === "semantic") return { type: "semantic_vad", eagerness: "high" };
    if (this.#values.turns === "silence") return { type: "server_vad", silence_duration_ms: this.#values.silenceMs };
    return null;
  }

  #chooseTurns(turns) {
    this.#keep(turns === "manual" ? { turns } : { turns, automatic: turns });
    this.onTurns(this.isHandsFree);
  }

  #keep(change) {
    this.#show(change);
    localStorage.setItem(STORED, JSON.stringify(this.#values));
    this.onChange();
  }

  #show(change = {}) {
    Object.assign(this.#values, change);
    const { turns, silenceMs, voice, speed } = this.#values;
    for (const radio of this.#radios("turns")) radio.checked = radio.value === turns;
    for (const radio of this.#radios("voice")) radio.checked = radio.value === voice;
    this.at("semantic-choice").hidden = !this.#turnKinds.includes("semantic_vad");
    this.at("silence-setting").hidden = turns !== "silence";
    this.at("silence").value = silenceMs;
    this.at("speed").value = speed;
    this.dialog.querySelector("output[for=silence]").textContent = `${silenceMs} ms`;
    this.dialog.querySelector("output[for=speed]").textContent = `${speed.toFixed(2)}×`;
    this.at("turn-words").textContent = TURN_WORDS[turns];
    const { output = {} } = this.#session?.audio ?? {};
    const isLater = this.#spokenVoice !== null && this.#spokenVoice !== voice;
    this.at("voice-words").textContent = isLater ? "From the next conversation on; this one keeps its voice." : "";
    this.at("voice-setting").hidden = !("voice" in output) || !this.at("voices").childElementCount;
    this.at("speed-setting").hidden = !("speed" in output);
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}
