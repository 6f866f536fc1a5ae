// What was said, on the page: the user's turns and the model's, filled in as events arrive.

import { element, icon, svg, wave } from "./elements.js";
import { partsList, seconds } from "./latency.js";

const FORM_NAMES = { text: "text", audio: "speech", image: "picture" };
const HEARD_MARK = ":"; // in a reply, between the request that was heard and the answer to it
const PIECE_MS = 20;

function withoutQuietStart(levels) {
  const first = levels.findIndex((level) => level > 0.1 * Math.max(...levels));
  return levels.slice(Math.max(0, first - 2));
}

const isSame = (said, expected) => said.split(HEARD_MARK).at(-1).trim().toLowerCase() === expected.toLowerCase();

export class Conversation {
  #spoken = []; // turns of the user whose sound has no item on the server yet
  #byItem = new Map();
  #count = 0;

  /** `announce(words)` tells those who do not see the page; the others are called when buttons are pressed. */
  constructor({ log, announce, onReplay, onUsePicture, onShowLatency }) {
    Object.assign(this, { log, announce, onReplay, onUsePicture, onShowLatency });
  }

  get isEmpty() {
    return this.log.childElementCount === 0;
  }

  clear() {
    this.log.replaceChildren();
    this.#spoken = [];
    this.#byItem.clear();
  }

  /** A turn of the user: any of words, pictures (data URIs), sounds {name, levels, samples} and a recording (levels). */
  addUser({ words, pictures = [], sounds = [], levels, itemId }) {
    const turn = element("article", { className: "turn user", ariaLabel: "You" });
    const shown = pictures.map((src) => element("img", { src, alt: "A picture you showed" }));
    if (shown.length) turn.append(element("div", { className: "shown" }, ...shown));
    for (const sound of sounds) turn.append(this.#sound(sound));
    if (words) turn.append(element("p", { className: "bubble", text: words }));
    if (levels) {
      const heard = withoutQuietStart(levels);
      const length = element("span", { text: `spoken, ${((heard.length * PIECE_MS) / 1000).toFixed(1)} s` });
      turn.append(element("p", { className: "bubble spoken" }, wave(heard), length));
      if (itemId) this.#byItem.set(itemId, turn);
      else this.#spoken.push(turn);
    }
    this.#append(turn);
  }

  #sound({ name, levels, samples }) {
    const play = element("button", { type: "button", className: "icon", ariaLabel: `Play ${name}` }, icon("play"));
    play.onclick = () => this.onReplay([samples]);
    const length = element("span", { text: `${name}, ${((levels.length * PIECE_MS) / 1000).toFixed(1)} s` });
    return element("p", { className: "bubble spoken" }, play, wave(levels), length);
  }

  /** The server made the sound that was committed first an item. */
  committed(itemId) {
    if (this.#byItem.has(itemId)) return;
    const turn = this.#spoken.shift();
    if (turn) this.#byItem.set(itemId, turn);
  }

  /** What the server heard the user say: a piece more of it, or the whole. */
  transcribed(itemId, { delta, whole }) {
    const turn = this.#byItem.get(itemId);
    const bubble = turn?.querySelector(".spoken");
    if (!bubble) return;
    let said = turn.querySelector(".said");
    if (!said) {
      said = element("span", { className: "said" });
      bubble.append(said);
    }
    said.textContent = whole ?? said.textContent + delta;
    if (whole !== undefined) this.announce(`You said: ${whole}`);
    this.scroll();
  }

  /** A turn of the model, still empty. */
  addModel({ id, form, timing, expected = null }) {
    const turn = new ModelTurn({ id, form, timing, expected, view: this, number: ++this.#count });
    this.#append(turn.section);
    return turn;
  }

  /** A line across the conversation. */
  divide(words) {
    this.#append(element("p", { className: "divide" }, element("span", { text: words })));
    this.announce(words);
  }

  #append(turn) {
    this.log.append(turn);
    this.scroll();
  }

  scroll() {
    document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight;
  }
}

class ModelTurn {
  #samples = [];
  #image = null;
  #isDrawn = false;
  #status = null;
  #problem = null;
  #endedAt = null;
  #interruptedAfterMs = null; // of sound that was heard; null: not interrupted
  #isInterrupted = false;

  constructor({ id, form, timing, expected, view, number }) {
    Object.assign(this, { id, form, timing, expected, view, number });
    this.words = element("p", { className: "words" });
    this.row = element("div", { className: "row" });
    this.body = element("div", { className: "body" }, this.words, this.row);
    const mark = svg("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true" });
    mark.append(svg("use", { href: "/static/icon.svg#weave" }));
    this.section = element("article", { className: `turn model ${form} waiting`, ariaLabel: "omniloom" }, mark, this.body);
    this.part = null; // {itemId, index} of the sound, by which the server knows it
    this.onRetry = null;
  }

  get isAloud() {
    return this.form === "audio";
  }

  get hasBegun() {
    return this.timing.arrivedAt !== null;
  }

  get receivedMs() {
    return this.#samples.reduce((sum, piece) => sum + piece.length, 0) / 24;
  }

  get samples() {
    return this.#samples;
  }

  #arrived() {
    this.section.classList.remove("waiting");
    this.timing.arrived();
  }

  addWords(delta) {
    if (!this.isAloud) this.#arrived();
    this.words.textContent += delta;
    this.view.scroll();
  }

  addSound(samples, part) {
    this.#arrived();
    this.part = part;
    this.#samples.push(samples);
  }

  showPicture(png, isFinished) {
    if (!this.isAloud) this.#arrived();
    if (!this.#image) {
      this.#image = element("img", { className: "drawn", width: 224, height: 224 });
      this.row.before(this.#image);
    }
    this.#image.src = `data:image/png;base64,${png}`;
    this.#image.alt = isFinished ? `Picture: ${this.words.textContent || "drawn by the model"}` : "A picture that is being drawn";
    this.#image.classList.toggle("unfinished", !isFinished);
    this.#isDrawn = isFinished;
    this.view.scroll();
  }

  /** Its sound began to be heard. */
  heard(at) {
    this.timing.heard(at);
    if (this.#status) this.#show();
  }

  /** The user broke in after so much of the sound, or before any. */
  interrupt(heardMs = null) {
    this.#isInterrupted = true;
    this.#interruptedAfterMs = heardMs;
    this.section.classList.remove("waiting");
    this.#show();
  }

  /** The response is over, however it ended. */
  finish({ status, status_details: details }) {
    this.section.classList.remove("waiting");
    this.#status = status;
    this.#problem = details?.error?.message ?? null;
    this.#endedAt = performance.now();
    if (status === "cancelled") this.#isInterrupted = true;
    this.#show();
    this.view.announce(this.#problem ?? `omniloom: ${this.words.textContent || `a ${FORM_NAMES[this.form]}`}`);
  }

  /** What the latency history keeps of this turn, or null where nothing came. */
  get measured() {
    const totalMs = this.timing.totalMs(this.isAloud);
    if (totalMs === null) return null;
    return { what: FORM_NAMES[this.form], after: this.timing.after, parts: this.timing.parts(this.isAloud), totalMs };
  }

  #show() {
    this.row.replaceChildren(...[...this.#buttons(), this.#timing(), this.#note()].filter(Boolean));
    this.view.scroll();
  }

  #buttons() {
    const button = (name, text, onclick) => element("button", { type: "button", onclick }, icon(name), text);
    return [
      this.#samples.length && button("play", "Play again", () => this.view.onReplay(this.#samples)),
      this.#isDrawn && button("clip", "Use this picture", () => this.view.onUsePicture(this.#image.src)),
      this.#status === "lost" && this.onRetry && button("send", "Ask again", this.onRetry),
    ];
  }

  #timing() {
    const totalMs = this.timing.totalMs(this.isAloud);
    if (totalMs === null) return null;
    const what = this.isAloud ? "first sound" : "first word";
    const id = `parts-${this.number}`;
    const text = `${what} ${seconds(totalMs)} after ${this.timing.after}`;
    const chip = element("button", { type: "button", className: "timing", text, onclick: this.view.onShowLatency });
    chip.setAttribute("aria-describedby", id);
    return element("span", { className: "timed" }, chip, partsList(this.timing.parts(this.isAloud), id));
  }

  #note() {
    if (this.#status === "failed" || this.#status === "lost") {
      return element("span", { className: "failed", text: this.#problem ?? "The answer failed." });
    }
    const notes = [];
    if (this.#isDrawn) notes.push(`drawn in ${seconds(this.#endedAt - this.timing.since)}`);
    if (this.#isInterrupted) {
      const heard = this.#interruptedAfterMs;
      const when = heard === 0 ? " before it was heard" : ` after ${seconds(heard)} of sound`;
      notes.push(heard === null ? "interrupted" : `interrupted${when}`);
    } else if (this.expected && this.hasBegun) {
      notes.push(isSame(this.words.textContent, this.expected) ? "as expected" : `expected: ${this.expected}`);
    }
    if (this.#status === "incomplete") notes.push("cut at the length limit");
    if (!this.hasBegun && !notes.length) notes.push(`no ${FORM_NAMES[this.form]} came`);
    return notes.length ? element("span", { className: "note", text: notes.join(" · ") }) : null;
  }
}
