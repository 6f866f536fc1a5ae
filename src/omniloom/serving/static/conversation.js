// What was said, on the page: the user's turns and the model's, filled in as events arrive.

const FORM_NAMES = { text: "text", audio: "speech", image: "picture" };

export function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children.filter(Boolean));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Bars for the loudness of a recording. */
function wave(levels) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "wave");
  svg.setAttribute("viewBox", "0 0 96 22");
  svg.setAttribute("aria-hidden", "true");
  const bars = 24;
  const loudest = Math.max(0.02, ...levels);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  let line = "";
  for (let bar = 0; bar < bars; bar++) {
    const from = Math.floor((bar * levels.length) / bars);
    const piece = levels.slice(from, Math.max(from + 1, Math.floor(((bar + 1) * levels.length) / bars)));
    const half = 1 + (Math.max(0, ...piece) / loudest) * 8.5;
    line += `M${2 + bar * 4} ${11 - half}v${2 * half}`;
  }
  path.setAttribute("d", line);
  svg.append(path);
  return svg;
}

function withoutQuietStart(levels) {
  const first = levels.findIndex((level) => level > 0.1 * Math.max(...levels));
  return levels.slice(Math.max(0, first - 2));
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

export class Conversation {
  constructor({ log, onReplay, onUsePicture }) {
    Object.assign(this, { log, onReplay, onUsePicture });
  }

  clear() {
    this.log.replaceChildren();
  }

  /** A turn of the user: any of words, a picture (data URI) and a recording (loudness of each 20 ms). */
  addUser({ words, picture, levels }) {
    const turn = element("section", { className: "turn user", ariaLabel: "You" });
    if (picture) turn.append(element("img", { src: picture, alt: "The picture you showed" }));
    if (words) turn.append(element("p", { className: "bubble", text: words }));
    if (levels) {
      levels = withoutQuietStart(levels);
      const length = element("span", { text: `spoken, ${(levels.length / 50).toFixed(1)} s` });
      turn.append(element("p", { className: "bubble spoken" }, wave(levels), length));
    }
    this.#append(turn);
  }

  /** A turn of the model, still empty. `form` is text, audio or image; `since` the time it is waited for. */
  addModel({ id, form, since = performance.now(), after = "asking" }) {
    const turn = element("section", { className: `turn model ${form} waiting`, ariaLabel: "omniloom" });
    const words = element("p", { className: "words" });
    const row = element("div", { className: "row" });
    turn.append(words, row);
    this.#append(turn);
    return new ModelTurn({ id, turn, words, row, form, since, after, view: this });
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
  constructor(parts) {
    Object.assign(this, parts);
    this.samples = [];
    this.firstMs = null;
    this.isInterrupted = false;
    this.image = null;
  }

  #arrived() {
    this.turn.classList.remove("waiting");
    this.firstMs ??= performance.now() - this.since;
  }

  addWords(delta) {
    if (this.form !== "audio") this.#arrived();
    this.words.textContent += delta;
    this.view.scroll();
  }

  addSound(samples) {
    this.#arrived();
    this.samples.push(samples);
  }

  showPicture(png, isFinished) {
    if (this.form !== "audio") this.#arrived();
    if (!this.image) {
      this.image = element("img", { className: "drawn" });
      this.row.before(this.image);
    }
    this.image.src = `data:image/png;base64,${png}`;
    this.image.alt = isFinished ? `Picture: ${this.words.textContent || "drawn by the model"}` : "A picture that is being drawn";
    this.image.classList.toggle("unfinished", !isFinished);
    this.isDrawn = isFinished;
    this.view.scroll();
  }

  interrupt() {
    this.isInterrupted = true;
    this.note.textContent = this.#note();
  }

  get note() {
    if (!this.noteElement) {
      this.noteElement = element("span", { className: "note" });
      this.row.append(this.noteElement);
    }
    return this.noteElement;
  }

  /** The response is over: say how it went, and offer what can be done with it. */
  finish(response) {
    this.turn.classList.remove("waiting");
    this.status = response.status;
    this.problem = response.status_details?.error?.message;
    if (response.status === "cancelled") this.isInterrupted = true;
    this.totalMs = performance.now() - this.since;
    if (this.samples.length) {
      const replay = element("button", { type: "button" }, icon("play"), "Play again");
      replay.onclick = () => this.view.onReplay(this.samples);
      this.row.append(replay);
    }
    if (this.isDrawn) {
      const use = element("button", { type: "button" }, icon("clip"), "Use this picture");
      use.onclick = () => this.view.onUsePicture(this.image.src);
      this.row.append(use);
    }
    this.row.append(this.note);
    this.note.textContent = this.#note();
    this.note.classList.toggle("failed", this.status === "failed");
    this.view.scroll();
  }

  #note() {
    if (this.status === "failed") return this.problem ?? "The answer failed.";
    const notes = [];
    if (this.firstMs !== null) {
      const what = { text: "first word", audio: "first sound", image: "first word" }[this.form];
      notes.push(`${what} ${seconds(this.firstMs)} after ${this.after}`);
      if (this.isDrawn) notes.push(`drawn in ${seconds(this.totalMs)}`);
    }
    if (this.isInterrupted) notes.push("interrupted");
    if (this.status === "incomplete") notes.push("cut at the length limit");
    if (!notes.length && this.status) notes.push(`no ${FORM_NAMES[this.form]} came`);
    return notes.join(" · ");
  }
}
