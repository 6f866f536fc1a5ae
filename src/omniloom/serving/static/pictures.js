// Pictures to send: from a file, a drop, the clipboard, or made of shapes; always a PNG of at most 512 pixels a side.

import { element } from "./conversation.js";

const MAX_SIDE = 512;

/** A data URI of the picture in a file, on white paper. */
export async function readPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name || "That"} is not a picture this browser can read. Use PNG, JPEG, WebP or GIF.`);
  }
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = element("canvas", {
    width: Math.max(1, Math.round(bitmap.width * scale)),
    height: Math.max(1, Math.round(bitmap.height * scale)),
  });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

/** The address of a picture of a described scene, as a hand would draw it; `seed` makes it another hand. */
export const sceneAddress = (words, seed) => `/scene.png?of=${encodeURIComponent(words)}&seed=${seed}`;

export async function scenePicture(words, seed) {
  const response = await fetch(sceneAddress(words, seed));
  if (!response.ok) throw new Error("The picture could not be made. Is the server still running?");
  return readPicture(await response.blob());
}

const pictureIn = (transfer) => [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));

/** Calls `onFile` with what is chosen, dropped or pasted; `sign` is shown while something is dragged over the page. */
export function takePictures({ input, sign, onFile, onProblem }) {
  input.onchange = () => {
    if (input.files[0]) onFile(input.files[0]);
    input.value = "";
  };
  document.addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    onFile(file);
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
    const file = pictureIn(event.dataTransfer);
    if (file) onFile(file);
    else onProblem("Only picture files can be dropped here.");
  });
}
