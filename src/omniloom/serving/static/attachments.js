// What goes with the next message: pictures and sounds that were chosen, dropped, pasted or made.

import { element, icon, wave } from "./elements.js";
import { readPicture } from "./pictures.js";
import { readSound } from "./sounds.js";

const MOST = 4;
const TAKEN = "Pictures (PNG, JPEG, WebP, GIF) and sounds (WAV, MP3, Ogg, FLAC, M4A) can be attached.";

export class Attachments {
  #items = []; // {picture} or {sound}

  /** `onChange` when there are others; `onProblem(words)`; `onEmptied` when the last was taken away by hand. */
  constructor({ list, onChange, onProblem, onEmptied }) {
    Object.assign(this, { list, onChange, onProblem, onEmptied });
  }

  get isEmpty() {
    return this.#items.length === 0;
  }

  get pictures() {
    return this.#items.flatMap(({ picture }) => picture ?? []);
  }

  get sounds() {
    return this.#items.flatMap(({ sound }) => sound ?? []);
  }

  addPicture(picture) {
    this.#add({ picture });
  }

  async addFiles(files) {
    for (const file of files) {
      try {
        if (file.type.startsWith("image/")) this.#add({ picture: await readPicture(file) });
        else if (file.type.startsWith("audio/")) this.#add({ sound: await readSound(file, file.name) });
        else if (file.type.startsWith("video/")) throw new Error(`${file.name} is a film, of which the live connection takes frames. ${TAKEN}`);
        else throw new Error(`${file.name || "That"} cannot be attached. ${TAKEN}`);
      } catch (problem) {
        this.onProblem(problem.message);
      }
    }
  }

  clear() {
    this.#items = [];
    this.#show();
  }

  #add(item) {
    if (this.#items.length === MOST) throw new Error(`Up to ${MOST} files go with one message. Remove one first.`);
    this.#items.push(item);
    this.#show();
  }

  #show() {
    this.list.hidden = this.isEmpty;
    this.list.replaceChildren(...this.#items.map((item) => this.#shown(item)));
    this.onChange();
  }

  #shown(item) {
    const name = item.picture ? "the picture" : item.sound.name;
    const remove = element("button", { type: "button", className: "icon", ariaLabel: `Remove ${name}` }, icon("close"));
    remove.onclick = () => {
      this.#items = this.#items.filter((other) => other !== item);
      this.#show();
      (this.list.querySelector("button") ?? { focus: this.onEmptied }).focus();
    };
    const content = item.picture
      ? element("img", { src: item.picture, alt: "The picture that goes with your message" })
      : element("span", { className: "sound" }, wave(item.sound.levels), element("small", { text: item.sound.name }));
    return element("li", {}, content, remove);
  }
}

/** Calls `onFiles` with what is chosen, dropped or pasted; `sign` is shown while something is dragged over the page. */
export function takeFiles({ input, sign, onFiles }) {
  input.onchange = () => {
    onFiles([...input.files]);
    input.value = "";
  };
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    onFiles(files);
  });
  let depth = 0; // every element that is entered and left tells
  const follow = (change) => {
    depth = Math.max(0, depth + change);
    sign.hidden = depth === 0;
  };
  document.addEventListener("dragenter", () => follow(1));
  document.addEventListener("dragleave", () => follow(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    follow(-Infinity);
    onFiles([...(event.dataTransfer?.files ?? [])]);
  });
}
