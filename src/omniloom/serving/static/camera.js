// The dialog that takes one picture with the camera: what it sees, one press, the picture, and a press to use it.

import { openDialog } from "./elements.js";
import { readFrame } from "./pictures.js";

const PROBLEMS = {
  NotAllowedError: "The camera is blocked. Allow it for this page in the browser's address bar, then try again.",
  NotFoundError: "No camera was found. Attach a picture file instead.",
  NotReadableError: "The camera is used by another program. Close that program, then try again.",
};

export class Camera {
  #stream = null;
  #isFront = false;
  #picture = null;

  constructor({ dialog, onUse }) {
    Object.assign(this, { dialog, onUse });
    const at = (id) => dialog.querySelector(`#${id}`);
    Object.assign(this, { finder: at("finder"), taken: at("taken"), words: at("camera-words"), take: at("take") });
    Object.assign(this, { again: at("take-again"), turn: at("turn-camera") });
    this.take.onclick = () => (this.#picture ? this.#finish() : this.#freeze());
    this.again.onclick = () => this.#show(null);
    this.turn.onclick = () => {
      this.#isFront = !this.#isFront;
      this.#start();
    };
    dialog.onclose = () => this.#stop();
  }

  open() {
    openDialog(this.dialog);
    this.#start();
  }

  async #start() {
    this.#stop();
    this.take.disabled = true;
    this.#show(null);
    this.words.textContent = "Waiting for the camera…";
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw new Error("This browser gives the camera only to pages on localhost or over https.");
      const facingMode = this.#isFront ? "user" : "environment";
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode, width: 640, height: 480 } });
      if (!this.dialog.open) return stream.getTracks().forEach((track) => track.stop());
      this.#stream = stream;
      this.finder.srcObject = stream;
      await this.finder.play();
      const devices = await navigator.mediaDevices.enumerateDevices();
      this.turn.hidden = devices.filter(({ kind }) => kind === "videoinput").length < 2;
    } catch (problem) {
      this.words.textContent = PROBLEMS[problem.name] ?? problem.message;
      return;
    }
    this.words.textContent = "The square in the middle is what will be sent.";
    this.take.disabled = false;
    this.take.focus();
  }

  #freeze() {
    this.#show(readFrame(this.finder));
    this.words.textContent = "This is the picture. Use it, or take another.";
  }

  #show(picture) {
    this.#picture = picture;
    this.taken.hidden = this.again.hidden = picture === null;
    this.finder.hidden = picture !== null;
    if (picture) this.taken.src = picture;
    this.take.textContent = picture ? "Use this picture" : "Take the picture";
    this.take.focus();
  }

  #finish() {
    const picture = this.#picture;
    this.dialog.close();
    this.onUse(picture);
  }

  #stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
  }
}
