// Sounds to send: a file decoded by the browser into what the protocol takes, 24 kHz mono.

import { RATE } from "./audio.js";

export const LONGEST_S = 30;
const SHORTEST_S = 0.1;
const PIECE = RATE / 50;

/** {name, samples, levels} of the sound in a file or a response's bytes; `name` is what it is called. */
export async function readSound(blob, name) {
  let decoded;
  try {
    // The rate of the context is that to which it decodes; its length is not used.
    decoded = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await blob.arrayBuffer());
  } catch {
    throw new Error(`${name} is not a sound this browser can read. Use WAV, MP3, Ogg, FLAC or M4A.`);
  }
  if (decoded.duration > LONGEST_S) {
    throw new Error(`${name} lasts ${Math.round(decoded.duration)} s; the server takes up to ${LONGEST_S} s at once.`);
  }
  if (decoded.duration < SHORTEST_S) throw new Error(`${name} is too short to be heard.`);
  const samples = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    const one = decoded.getChannelData(channel);
    for (let at = 0; at < samples.length; at++) samples[at] += one[at] / decoded.numberOfChannels;
  }
  return { name, samples, levels: loudness(samples) };
}

function loudness(samples) {
  const levels = [];
  for (let from = 0; from < samples.length; from += PIECE) {
    const piece = samples.subarray(from, from + PIECE);
    levels.push(Math.sqrt(piece.reduce((sum, sample) => sum + sample * sample, 0) / piece.length));
  }
  return levels;
}
