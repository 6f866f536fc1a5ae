// Microphone to 20 ms pieces of 16-bit samples at 24 kHz, with their loudness; other rates are averaged down or held.
const RATE = 24000;
const PIECE = RATE / 50;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ratio = sampleRate / RATE;
    this.position = 0; // input samples since the last output sample
    this.sum = 0;
    this.count = 0;
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.energy = 0;
  }

  put(sample) {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.piece[this.filled++] = clipped * 32767;
    this.energy += clipped * clipped;
    if (this.filled === PIECE) {
      this.port.postMessage({ piece: this.piece, level: Math.sqrt(this.energy / PIECE) }, [this.piece.buffer]);
      this.piece = new Int16Array(PIECE);
      this.filled = 0;
      this.energy = 0;
    }
  }

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    if (this.ratio === 1) {
      for (const sample of samples) this.put(sample);
      return true;
    }
    for (const sample of samples) {
      this.sum += sample;
      this.count += 1;
      this.position += 1;
      while (this.position >= this.ratio) {
        this.put(this.count ? this.sum / this.count : sample);
        this.sum = this.count = 0;
        this.position -= this.ratio;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
