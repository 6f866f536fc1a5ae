// What to try first: one example of each way in and out.

import { element, icon } from "./conversation.js";
import { sceneAddress } from "./pictures.js";

const EXAMPLES = [
  { words: "I see a green circle. What colour is the circle?", note: "reading, in text", form: "text" },
  { words: "say red star", note: "the model speaks", form: "audio" },
  { words: "draw a big red circle at the top left", note: "the model draws", form: "image" },
  { words: "what is this?", note: "about this picture, aloud", form: "audio", scene: "big blue star top left", seed: 3 },
  { words: "make it blue", note: "this picture, drawn anew", form: "image", scene: "big red heart bottom right", seed: 5 },
  {
    words: "how many shapes are there?",
    note: "about this picture, in text",
    form: "text",
    scene: "big green circle top left and small orange ring top right and big pink square bottom left",
    seed: 8,
  },
];

export function showExamples(place, onChoose) {
  for (const example of EXAMPLES) {
    const sign = example.scene
      ? element("img", { className: "thumb", src: sceneAddress(example.scene, example.seed), alt: "" })
      : element("i", { className: "glyph" }, icon(example.form));
    const words = element("span", { text: `“${example.words}”` }, element("small", { text: example.note }));
    const button = element("button", { type: "button", className: `example ${example.form}` }, sign, words);
    button.onclick = () => onChoose(example);
    place.append(button);
  }
}
