"""A codec of one's own: written, registered, saved with a model, loaded again, and streamed.

    python examples/own_codec.py my_codecs

It turns sound into its loudness and back into a hum that is as loud: 25 codes a second, one codebook of 32. To train a
model with it, put it where the recipe finds it, and make it known to the command as docs/codecs.md says:

    LoudnessCodec(num_levels=32).save("runs/mine/codecs/audio/codec")
    omniloom train tiny --out runs/mine --resume
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omniloom import Audio, Omni
from omniloom.codecs.base import fingerprint
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.frames import FrameCodec, frame_spec
from omniloom.codecs.kinds import codec_kinds
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.stream.vocabulary import CodecSpec

PITCH_HZ = 140


@codec_kinds.register("loudness")
class LoudnessCodec(FrameCodec[None, int]):
    """How loud each 40 ms are, in steps from silence to full scale."""

    rate_hz = 16_000
    samples_per_frame = 640

    def __init__(self, *, num_levels: int) -> None:
        self.codebook_sizes = (num_levels,)

    @property
    def spec(self) -> CodecSpec:
        return frame_spec(self.codebook_sizes, fingerprint=fingerprint({"num_levels": self.codebook_sizes[0]}, {}))

    def encode_piece(self, samples: Tensor, state: None) -> tuple[Tensor, None]:
        """A frame's code depends on the frame alone, so there is no state."""
        loudness = samples.double().unflatten(1, (-1, self.samples_per_frame)).square().mean(-1).sqrt()
        top = self.codebook_sizes[0] - 1
        return (loudness * math.sqrt(2) * top).round().clamp(0, top).long()[..., None], None

    def decode_piece(self, codes: Tensor, state: int | None) -> tuple[Tensor, int]:
        """The state is where the hum stands, so that it goes on without a click."""
        start = state or 0
        num_samples = codes.shape[1] * self.samples_per_frame
        time_s = torch.arange(start, start + num_samples, dtype=torch.float64) / self.rate_hz
        loudness = (codes[..., 0] / (self.codebook_sizes[0] - 1)).repeat_interleave(self.samples_per_frame, dim=1)
        return (loudness * torch.sin(2 * torch.pi * PITCH_HZ * time_s)).float(), start + num_samples

    def save(self, folder: str | Path) -> None:
        config = {"kind": "loudness", "num_levels": self.codebook_sizes[0]}
        write_folder(folder, lambda path: (path / "config.json").write_text(json.dumps(config)))

    @classmethod
    def load(cls, folder: str | Path) -> Any:
        read_manifest(folder)
        return cls(num_levels=json.loads((Path(folder) / "config.json").read_text())["num_levels"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()

    shipped = Omni.load("tiny").codecs
    CodecSet(text=shipped.text, audio=LoudnessCodec(num_levels=32), image=shipped.image).save(options.folder)
    codecs = CodecSet.load(options.folder)
    vocabulary = codecs.vocabulary()
    print(f"{options.folder} holds a {type(codecs.audio).__name__}; the vocabulary has {vocabulary.size} tokens")

    swell = torch.linspace(0, 1, 16_000) * torch.sin(torch.arange(16_000) * 2 * torch.pi * 440 / 16_000)
    codes = codecs.audio.encode(Audio(swell, 16_000))
    print("codes   ", *codes)

    encoder, decoder = codecs.audio.encoder_stream(), codecs.audio.decoder_stream()
    streamed = [code for piece in swell.split(1000) for code in encoder.push(piece)] + encoder.flush()
    sound = torch.cat([decoder.push([code]) for code in streamed])
    whole = codecs.audio.decode(codes).samples
    print("streamed", "as the whole" if streamed == codes and torch.equal(sound, whole) else "otherwise")


if __name__ == "__main__":
    main()
