"""How fast the shipped codecs are on one thread: run by torch's modules, and by native operators with packed weights.

    python benchmarks/codecs/bench_codecs.py [--quick] [--json FILE]

Both take turns in one run, and both keep what is made once (windows, weights in float64, what every code stands for),
so that a ratio is that of the operators alone; pictures are encoded in float64 by torch either way. A stream's time is
that of one push, the mean over three seconds of sound: encoding 40 ms at a time, decoding one to eight frames.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import omniloom
from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.image import ImageCodec
from omniloom.core.processes import one_thread
from omniloom.core.timing import take_turns
from omniloom.kernels import REFERENCE, chosen_instruction_set
from omniloom.reproductions.result import machine

SECONDS, QUICK_SECONDS = 3.0, 0.4
FRAMES_OF_A_FILM = 10
FRAMES_A_PUSH = (1, 2, 4, 8)
"""What a reply's sound comes in: its first chunks are short, so that it is heard soon."""

Calls = dict[str, Callable[[], object]]


def shipped(instruction_set: str) -> CodecSet:
    """The codecs of the tiny model, which prepare themselves for an instruction set as they are first used."""
    codecs = CodecSet.load(Path(omniloom.__file__).parent / "checkpoints" / "tiny" / "codecs")
    before = os.environ.get("OMNILOOM_ISA")
    os.environ["OMNILOOM_ISA"] = instruction_set
    try:
        for call in (sound_calls(codecs.audio, 0.04) | picture_calls(codecs.image)).values():
            call()
    finally:
        os.environ.pop("OMNILOOM_ISA")
        if before is not None:
            os.environ["OMNILOOM_ISA"] = before
    return codecs


def sound_calls(codec: AudioCodec, seconds: float) -> Calls:
    """A whole sound, and the same in pieces."""
    generator = torch.Generator().manual_seed(0)
    samples = 0.1 * torch.randn(1, round(seconds * codec.rate_hz), generator=generator)
    codes = codec.encode_samples(samples)

    flat = codec.interleaved(codes[0])

    def encoded() -> None:
        stream = codec.encoder_stream()
        for piece in samples[0].split(codec.samples_per_frame):
            stream.push(piece)

    def decoded(num_frames: int) -> Callable[[], object]:
        step = num_frames * len(codec.codebook_sizes)

        def run() -> None:
            stream = codec.decoder_stream()
            for start in range(0, len(flat), step):
                stream.push(flat[start : start + step])

        return run

    return {
        "sound, encode": lambda: codec.encode_samples(samples),
        "sound, encode, 1 frame a push": encoded,
        "sound, decode": lambda: codec.decode_frames(codes),
        **{f"sound, decode, {count} frame{'s' * (count > 1)} a push": decoded(count) for count in FRAMES_A_PUSH},
    }


def picture_calls(codec: ImageCodec) -> Calls:
    """A picture, half of one, and the frames of a film together."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 3, codec.side, codec.side, generator=generator)
    frames = torch.rand(FRAMES_OF_A_FILM, 3, codec.frame_side, codec.frame_side, generator=generator)
    codes, frame_codes = codec.encode_pixels(pixels), codec.encode_frames(frames)
    half = codec.spec.in_groups(codes[0].tolist())[: codec.num_codes // 2]
    return {
        "picture, encode": lambda: codec.encode_pixels(pixels),
        "picture, decode": lambda: codec.decode_codes(codes),
        "picture, decode_partial": lambda: codec.decode_partial(half),
        f"{FRAMES_OF_A_FILM} frames of a film, encode": lambda: codec.encode_frames(frames),
        f"{FRAMES_OF_A_FILM} frames of a film, decode": lambda: codec.decode_frames(frame_codes),
    }


def calls_a_run(name: str, seconds: float) -> int:
    """How many calls a thing to time makes."""
    frames_a_push = name.partition("decode, ")[2] or name.partition("encode, ")[2]
    return -(-round(seconds * 25) // int(frames_a_push.split()[0])) if "a push" in name else 1


@torch.no_grad()
def compare(*, is_quick: bool) -> list[dict[str, Any]]:
    seconds = QUICK_SECONDS if is_quick else SECONDS
    by_torch, ours = (
        {**sound_calls(codecs.audio, seconds), **picture_calls(codecs.image)}
        for codecs in (shipped(REFERENCE), shipped(chosen_instruction_set()))
    )
    rows = []
    for name in ours:
        things = {"torch": by_torch[name], "ours": ours[name]}
        timings = take_turns(things, num_rounds=2 if is_quick else 11, round_s=0.001 if is_quick else 0.05)
        calls = calls_a_run(name, seconds)
        rows.append(
            {
                "what": name,
                "torch_ms": 1000 * timings.typical("torch") / calls,
                "ours_ms": 1000 * timings.typical("ours") / calls,
                "over_torch": asdict(timings.ratio("torch", "ours")),
                "shown": str(timings.ratio("torch", "ours")),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short sound and two rounds: only that it runs")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    with one_thread():
        rows = compare(is_quick=options.quick)
    print(f"{machine()}; one thread; torch {torch.__version__}; {chosen_instruction_set()}\n")
    print("| what, ms a call | torch's modules | native | torch / native |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['what']} | {row['torch_ms']:.2f} | {row['ours_ms']:.2f} | {row.pop('shown')} |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
