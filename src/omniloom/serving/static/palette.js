// The dialog in which someone without pictures makes one: shapes of the model's world, one in each corner.

import { load, showImage } from "./api.js";
import { element, openDialog } from "./elements.js";
import { sceneAddress, fetchPicture } from "./pictures.js";

const EMPTY = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/%3E";

const pick = (items) => items[Math.floor(Math.random() * items.length)];

export class Palette {
  constructor({ onUse, onProblem }) {
    this.onUse = onUse;
    this.onProblem = onProblem;
    this.dialog = document.querySelector("#palette");
    this.shown = document.querySelector("#scene");
    this.words = document.querySelector("#scene-words");
    this.use = document.querySelector("#use-scene");
    this.placed = new Map(); // corner -> "big red circle"
    this.seed = 1;
    this.use.onclick = () => this.#finish();
    document.querySelector("#surprise").onclick = () => this.#surprise();
  }

  async open() {
    try {
      await this.#prepare();
    } catch {
      this.onProblem("The palette could not be loaded. Is the server still running?");
      return;
    }
    this.seed = Math.floor(Math.random() * 1e6);
    this.#show();
    openDialog(this.dialog);
  }

  async #prepare() {
    if (this.world) return;
    this.world = await (await load("/world.json")).json();
    const { shapes, colours, sizes, positions } = this.world;
    this.#radios("shapes", "shape", shapes, "star");
    this.#radios("colours", "colour", Object.keys(colours), "red", (label, name) => {
      label.style.background = colours[name];
      label.title = name;
    });
    this.#radios("sizes", "size", sizes, "big");
    this.corners = positions.map((position) => {
      const corner = element("button", { type: "button" }, element("span", { text: position }));
      corner.onclick = () => this.#toggle(position);
      return corner;
    });
    document.querySelector("#corners").append(...this.corners);
  }

  #radios(id, name, values, chosen, dress) {
    const labels = values.map((value) => {
      const input = element("input", { type: "radio", name, value, checked: value === chosen, ariaLabel: value });
      const label = element("label", {}, input, dress ? null : element("span", { text: value }));
      dress?.(label, value);
      return label;
    });
    document.querySelector(`#${id}`).append(...labels);
  }

  get #chosen() {
    const value = (name) => this.dialog.querySelector(`input[name=${name}]:checked`).value;
    return { shape: `${value("colour")} ${value("shape")}`, size: value("size") };
  }

  #toggle(position) {
    if (this.placed.has(position)) {
      this.placed.delete(position);
    } else {
      const { shape, size } = this.#chosen;
      const isTwice = [...this.placed.values()].some((placed) => placed.endsWith(shape));
      if (isTwice) return this.#say(`There is a ${shape} already. Choose another colour or shape.`);
      if (this.placed.size === this.world.max_objects) {
        return this.#say("Three shapes are all that fit. Press a full corner to empty it.");
      }
      this.placed.set(position, `${size} ${shape}`);
    }
    this.#show();
  }

  #surprise() {
    const { shapes, colours, sizes, positions, max_objects: most } = this.world;
    this.placed.clear();
    const places = [...positions].sort(() => Math.random() - 0.5).slice(0, 1 + Math.floor(Math.random() * most));
    const left = Object.keys(colours).sort(() => Math.random() - 0.5);
    for (const place of places) this.placed.set(place, `${pick(sizes)} ${left.pop()} ${pick(shapes)}`);
    this.seed = Math.floor(Math.random() * 1e6);
    this.#show();
  }

  get #description() {
    const inOrder = this.world.positions.filter((position) => this.placed.has(position));
    return inOrder.map((position) => `${this.placed.get(position)} ${position}`).join(" and ");
  }

  #show() {
    const description = this.#description;
    if (description) showImage(this.shown, sceneAddress(description, this.seed));
    else this.shown.src = EMPTY;
    this.shown.alt = description || "Empty paper";
    this.use.disabled = !description;
    this.#say(description ? `${description[0].toUpperCase()}${description.slice(1)}.` : "An empty sheet. Up to three shapes fit.");
    this.world.positions.forEach((position, index) => {
      const placed = this.placed.get(position);
      this.corners[index].classList.toggle("full", Boolean(placed));
      this.corners[index].ariaLabel = placed ? `${position}: ${placed}. Press to take it away.` : `Put it ${position}`;
    });
  }

  #say(words) {
    this.words.textContent = words;
  }

  async #finish() {
    try {
      const picture = await fetchPicture(sceneAddress(this.#description, this.seed));
      this.dialog.close();
      this.onUse(picture);
    } catch (problem) {
      this.#say(problem.message);
    }
  }
}
