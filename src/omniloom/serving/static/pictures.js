// Pictures to send: from a file, the camera, or made of shapes; always a PNG of at most 512 pixels a side.

import { load } from "./api.js";
import { element } from "./elements.js";

const MAX_SIDE = 512;

/** A data URI of the picture in a file, on white paper. */
export async function readPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name || "That"} is not a picture this browser can read. Use PNG, JPEG, WebP or GIF.`);
  }
  return drawn(bitmap, { width: bitmap.width, height: bitmap.height });
}

/** A data URI of the middle square of what a camera shows now. */
export function readFrame(video) {
  const side = Math.min(video.videoWidth, video.videoHeight);
  return drawn(video, { width: side, height: side, x: (video.videoWidth - side) / 2, y: (video.videoHeight - side) / 2 });
}

function drawn(source, { width, height, x = 0, y = 0 }) {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  const canvas = element("canvas", {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, x, y, width, height, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

/** The address of a picture of a described scene, as a hand would draw it; `seed` makes it another hand. */
export const sceneAddress = (words, seed) => `/scene.png?of=${encodeURIComponent(words)}&seed=${seed}`;

/** A data URI of the picture at an address of this server. */
export async function fetchPicture(address) {
  const response = await load(address);
  if (!response) throw new Error("The picture could not be loaded. Is the server still running?");
  return readPicture(await response.blob());
}
