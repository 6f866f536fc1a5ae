// The model's answers: what arrives is shown and played, and an interruption is the same one here and on the server.

import { toSamples } from "./audio.js";
import { Timing } from "./latency.js";

export class Answers {
  #running = null; // the id of the response being made
  #turn = null; // the turn of the newest response
  #speaking = null; // the turn whose sound is in the loudspeaker
  #awaited = null; // {timing, expected, onRetry} of what was asked and is not answered yet

  constructor({ realtime, loudspeaker, view, history, onChange }) {
    Object.assign(this, { realtime, loudspeaker, view, history, onChange });
    loudspeaker.onStart = (at) => {
      this.#speaking?.heard(at);
      this.#remember(this.#speaking);
      onChange();
    };
    loudspeaker.onEnd = onChange;
    this.#listen();
  }

  get isBusy() {
    return this.#running !== null || this.loudspeaker.isPlaying;
  }

  /** What the model is doing with the answer, or null: speaking, writing, drawing or thinking. */
  get doing() {
    if (this.loudspeaker.isPlaying) return "speaking";
    if (!this.#running) return null;
    if (!this.#turn?.hasBegun) return "thinking";
    return { text: "writing", audio: "speaking", image: "drawing" }[this.#turn.form];
  }

  /** An answer comes next; `timing` is what it is measured from, `onRetry` asks for it once more. */
  expect({ timing, expected = null, onRetry = null }) {
    this.#awaited = { timing, expected, onRetry };
  }

  /** Stop what is said or made, here and on the server; what was not heard leaves the model's memory too. */
  interrupt() {
    const running = this.#running;
    if (running) this.realtime.send({ type: "response.cancel", response_id: running });
    this.#running = null;
    this.#fallSilent();
    if (running && this.#turn?.id === running) this.#turn.interrupt(this.#turn.isAloud ? this.#turn.heardMs ?? null : null);
    this.onChange();
  }

  #fallSilent() {
    const heardMs = this.loudspeaker.heardMs;
    const turn = this.#speaking;
    const isCut = turn?.part && heardMs < Math.floor(turn.receivedMs);
    this.loudspeaker.clear();
    this.#speaking = null;
    if (!isCut) return;
    turn.heardMs = heardMs;
    turn.interrupt(heardMs);
    this.#remember(turn);
    const { itemId, index } = turn.part;
    this.realtime.send({
      type: "conversation.item.truncate",
      event_id: `truncate_${itemId}`,
      item_id: itemId,
      content_index: index,
      audio_end_ms: heardMs,
    });
  }

  replay(samples) {
    this.interrupt();
    for (const piece of samples) this.loudspeaker.play(piece);
    this.loudspeaker.end();
  }

  /** The connection is gone: what was not answered is said to be, and may be asked again. */
  lose() {
    const isUnanswered = this.#awaited !== null || this.#running !== null;
    this.loudspeaker.clear();
    this.#speaking = null;
    if (isUnanswered) {
      const awaited = this.#awaited ?? {};
      const turn = this.#running ? this.#turn : this.view.addModel({ id: null, form: "text", timing: new Timing() });
      turn.onRetry = awaited.onRetry ?? turn.onRetry;
      const message = "The connection was lost before the answer was whole.";
      turn.finish({ status: "lost", status_details: { error: { message } } });
    }
    this.forget();
  }

  forget() {
    this.loudspeaker.clear();
    this.#running = this.#turn = this.#speaking = this.#awaited = null;
  }

  /** Keep a turn in the history once it is known how soon it began. */
  #remember(turn) {
    if (!turn?.measured || turn.isRemembered || (!turn.isAloud && !turn.isOver)) return;
    turn.isRemembered = true;
    this.history.add(turn.measured);
  }

  #listen() {
    const { realtime, loudspeaker, view } = this;

    // The server has stopped the answer by itself; playing and the model's memory are for the page to stop.
    realtime.on("input_audio_buffer.speech_started", () => {
      this.#running = null;
      this.#fallSilent();
      this.onChange();
    });

    realtime.on("response.created", ({ response }) => {
      const modalities = response.output_modalities;
      const form = modalities.includes("audio") ? "audio" : modalities.at(-1);
      const { timing, expected, onRetry } = this.#awaited ?? {};
      this.#awaited = null;
      this.#running = response.id;
      this.#turn = view.addModel({ id: response.id, form, timing: timing ?? new Timing(), expected });
      this.#turn.onRetry = onRetry ?? null;
      this.onChange();
    });

    /** Do something with the turn that an event belongs to, unless it was interrupted. */
    const onTurn = (type, act) =>
      realtime.on(type, (event) => {
        if (this.#running !== event.response_id) return;
        act(this.#turn, event);
        this.onChange();
      });
    onTurn("response.output_text.delta", (turn, { delta }) => turn.addWords(delta));
    onTurn("response.output_audio_transcript.delta", (turn, { delta }) => turn.addWords(delta));
    onTurn("response.output_audio.delta", (turn, { delta, item_id: itemId, content_index: index }) => {
      const samples = toSamples(delta);
      if (this.#speaking !== turn) {
        loudspeaker.clear();
        this.#speaking = turn;
      }
      turn.addSound(samples, { itemId, index });
      loudspeaker.play(samples);
    });
    onTurn("response.output_audio.done", () => loudspeaker.end());
    onTurn("response.output_image.delta", (turn, { delta }) => turn.showPicture(delta, false));
    onTurn("response.output_image.done", (turn, { image }) => turn.showPicture(image, true));

    realtime.on("response.done", ({ response }) => {
      if (this.#turn?.id === response.id) {
        this.#turn.isOver = true;
        this.#turn.finish(response);
        this.#remember(this.#turn);
      }
      if (this.#running === response.id) this.#running = null;
      this.onChange();
    });
  }
}
