// Plays pieces of sound one after another. A little is gathered before the first, so that late pieces leave no gap.
class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.pieces = [];
    this.offset = 0;
    this.waiting = 0;
    this.isPlaying = false;
    this.isWhole = false;
    this.port.onmessage = ({ data }) => {
      if (data.samples) {
        this.pieces.push(data.samples);
        this.waiting += data.samples.length;
      } else if (data.end) {
        this.isWhole = true;
      } else if (data.clear) {
        this.pieces = [];
        this.offset = this.waiting = 0;
        this.isPlaying = this.isWhole = false;
      }
    };
  }

  process(_inputs, [output]) {
    const out = output[0];
    if (!this.isPlaying) {
      const isReady = this.waiting >= sampleRate * 0.06 || (this.isWhole && this.waiting > 0);
      if (!isReady) {
        if (this.isWhole) this.stop();
        return true;
      }
      this.isPlaying = true;
      this.port.postMessage("started");
    }
    let at = 0;
    while (at < out.length && this.pieces.length) {
      const piece = this.pieces[0];
      const count = Math.min(out.length - at, piece.length - this.offset);
      out.set(piece.subarray(this.offset, this.offset + count), at);
      at += count;
      this.offset += count;
      this.waiting -= count;
      if (this.offset === piece.length) {
        this.pieces.shift();
        this.offset = 0;
      }
    }
    if (!this.pieces.length) {
      if (this.isWhole) this.stop();
      else this.isPlaying = false;
    }
    return true;
  }

  stop() {
    this.isPlaying = this.isWhole = false;
    this.port.postMessage("ended");
  }
}

registerProcessor("player", Player);
