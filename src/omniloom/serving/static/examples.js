// What to try: questions of the model's own problems, in groups, from the server that knows what the model is good at.

import { load, showImage } from "./api.js";
import { element, icon } from "./elements.js";

const FORM_WORDS = { text: "answered in text", audio: "answered aloud", image: "answered with a picture" };

export class Examples {
  /** `onChoose({words, form, picture, sound, answer})` when one is pressed. */
  constructor({ place, onChoose }) {
    Object.assign(this, { place, onChoose });
    this.seed = Math.floor(Math.random() * 1000);
  }

  async load(seed = this.seed) {
    const response = await load(`/tasks.json?seed=${seed}`);
    const groups = (await response?.json())?.groups;
    if (!groups) {
      const words = "The examples could not be loaded. ";
      const again = element("button", { type: "button", text: "Try again", onclick: () => this.load(seed) });
      this.place.replaceChildren(element("p", { className: "empty", text: words }, again));
      return;
    }
    this.seed = seed;
    this.isLoaded = true;
    const others = element("button", { type: "button", className: "quiet others", text: "Show others" });
    others.onclick = async () => {
      await this.load(seed + 1);
      this.place.querySelector(".others").focus();
    };
    this.place.replaceChildren(...groups.map((group) => this.#group(group)), others);
  }

  #group({ title, examples }) {
    const heading = element("h3", { text: title });
    const chips = examples.map((example) => element("li", {}, this.#chip(example)));
    return element("section", { className: "group" }, heading, element("ul", {}, ...chips));
  }

  #chip(example) {
    const { words, form, picture, sound, score } = example;
    const sign = picture ? element("img", { className: "thumb", alt: "with a picture" }) : null;
    if (sign) showImage(sign, picture);
    const heard = sound ? element("span", { className: "glyph", title: "with a recorded voice" }, icon("mic")) : null;
    const measured = score === null ? "" : `; right ${Math.round(score * 100)} % of the time`;
    const chip = element("button", { type: "button", className: "example", title: `${FORM_WORDS[form]}${measured}` });
    const hint = element("span", { className: "unseen", text: `${sound ? ", with a recorded voice" : ""}, ${FORM_WORDS[form]}` });
    chip.append(...[sign, heard, element("span", { className: "said", text: words }), hint, icon(form)].filter(Boolean));
    chip.onclick = () => this.onChoose(example);
    return chip;
  }
}
