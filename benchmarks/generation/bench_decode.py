"""How fast one token is decoded on one thread, beside a bare loop over the same matrices and eager torch, and how soon
a spoken question is answered by sound.

    python benchmarks/generation/bench_decode.py [--checkpoint NAME_OR_FOLDER] [--json FILE] [--quick]

The bare loop is `F.linear` once for each weight matrix in float32, nothing else: what decoding cannot beat without
reading fewer bytes. Without a checkpoint, a model of the tiny size with random weights serves, rounded to bfloat16 as a
stored one is; its words are then one text token each. Latency is measured in process: from the last 40 ms of speech
given to `hear` until the first `AudioDelta`, so it holds that frame's codec and prefill, the reply's opening, its first
word's text, two frames of sound and their codec. Times are medians with the 10th and 90th percentile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.image import ImageCodec
from omniloom.codecs.text import TextCodec
from omniloom.generation import AudioDelta, Omni
from omniloom.generation.cache import CacheBudget
from omniloom.generation.decoder import PreparedModel, decoder_weights
from omniloom.generation.steps import PagedMemory, PagedRow, Share, TorchStep
from omniloom.kernels import CacheRow, DecodeStep, instruction_sets
from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.folding import Position
from omniloom.stream.grammar import ReplyLimits
from omniloom.stream.parts import Audio

POSITIONS = (0, 256, 1024)
BATCH_ROWS = 64
MAX_LATENCY_MS = 150.0
MIN_RATIO = 0.8


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Milliseconds: median, 10th and 90th percentile; and what one call did."""

    name: str
    median_ms: float
    low_ms: float
    high_ms: float
    tokens: int = 1

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.median_ms * 1000


def measure(name: str, call: Callable[[], object], *, repeats: int, tokens: int = 1) -> Timing:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    times.sort()
    low, middle, high = (times[round(q * (repeats - 1))] for q in (0.1, 0.5, 0.9))
    return Timing(name=name, median_ms=middle, low_ms=low, high_ms=high, tokens=tokens)


def random_omni(depth: int) -> Omni:
    """A model of the tiny shape that has learned nothing."""
    torch.manual_seed(0)
    audio, image = AudioCodec(AudioCodec.Config()), ImageCodec()
    audio.round_weights()
    image.round_weights()
    codecs = CodecSet(text=TextCodec.train(["say it"], 1024), audio=audio.eval(), image=image.eval())
    model = OmniModel(OmniConfig.from_depth(depth), codecs.vocabulary())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
        parameter.data = parameter.data.bfloat16().float()
    return Omni(model, codecs, limits=ReplyLimits(text_tokens=1, frames=8))


def bare_loop(prepared: PreparedModel) -> Callable[[], None]:
    matrices = decoder_weights(prepared.model, prepared.table).matrices()
    inputs = [torch.randn(matrix.shape[1]) for matrix in matrices]

    def run() -> None:
        for matrix, x in zip(matrices, inputs, strict=True):
            F.linear(x, matrix)

    return run


def decoding(prepared: PreparedModel, *, position: int, rows: int = 1, prompt: int = 1) -> Callable[[], None]:
    """A step of `rows` rows that each hold `position` tokens, or of `prompt` tokens for one row."""
    step = DecodeStep(decoder_weights(prepared.model, prepared.table), context=prepared.config.context)
    attention = prepared.config.attention
    shape = (prepared.config.depth, attention.num_kv_heads, position + prompt, attention.head_width)
    caches = [CacheRow(torch.randn(shape), torch.randn(shape)) for _ in range(rows)]
    scratch = step.scratch()
    count = rows * prompt

    def run() -> None:
        step(
            scratch,
            tokens=[40] * count,
            slots=[1] * count,
            positions=[position + i for i in range(prompt)] * rows,
            caches=[cache for cache in caches for _ in range(prompt)],
            num_logits=1 if prompt > 1 else rows,
        )

    return run


def eager(prepared: PreparedModel, *, position: int) -> Callable[[], None]:
    """The torch model with its cache, one token."""
    memory = PagedMemory(prepared.config, CacheBudget(2**30), torch.device("cpu"))
    step, row = TorchStep(prepared.model, memory, table=prepared.table, output=prepared.output), PagedRow(memory)
    row.reserve(position + 1)
    row.length = position
    shares = [Share(row, [Position((40,), 1)], 1)]

    def run() -> None:
        step(shares, [(0, len(prepared.output))])

    return run


def first_sound(omni: Omni, *, repeats: int) -> Timing:
    """Last frame of speech in, first sound out."""
    rate_hz = omni.codecs.audio.rate_hz
    pieces = (torch.randn(2 * rate_hz) * 0.1).split(rate_hz // 25)
    times = []
    for _ in range(repeats + 1):
        conversation = omni.conversation()
        for piece in pieces[:-1]:
            conversation.hear(Audio(piece, rate_hz))
        start = time.perf_counter()
        conversation.hear(Audio(pieces[-1], rate_hz))
        events = conversation.reply("audio", max_tokens=60)
        next(event for event in events if isinstance(event, AudioDelta))
        times.append((time.perf_counter() - start) * 1000)
        conversation.cancel()
    times = sorted(times[1:])
    low, middle, high = (times[round(q * (repeats - 1))] for q in (0.1, 0.5, 0.9))
    return Timing(name="last speech in, first sound out", median_ms=middle, low_ms=low, high_ms=high, tokens=0)


def run(omni: Omni, *, is_quick: bool) -> list[Timing]:
    repeats = 3 if is_quick else 200
    prepared = PreparedModel(omni.model)
    found = [measure("bare loop, float32", bare_loop(prepared), repeats=repeats)]
    forced = os.environ.get("OMNILOOM_ISA")
    for name in instruction_sets():
        os.environ["OMNILOOM_ISA"] = name
        for position in POSITIONS:
            call = decoding(prepared, position=position)
            found.append(measure(f"decode step, {name}, after {position} tokens", call, repeats=repeats))
    if forced is None:
        os.environ.pop("OMNILOOM_ISA", None)
    else:
        os.environ["OMNILOOM_ISA"] = forced
    found.append(measure("eager torch, after 256 tokens", eager(prepared, position=256), repeats=repeats))
    few = max(repeats // 10, 1)
    batch = decoding(prepared, position=128, rows=BATCH_ROWS)
    found.append(measure(f"batch of {BATCH_ROWS} rows, after 128 tokens", batch, repeats=few, tokens=BATCH_ROWS))
    prompt = decoding(prepared, position=0, prompt=128)
    found.append(measure("prefill of 128 tokens", prompt, repeats=few, tokens=128))
    found.append(first_sound(omni, repeats=max(few, 2)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="a shipped checkpoint's name or a folder; random weights without")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--quick", action="store_true", help="a small model and a few repeats: only that it runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    omni = Omni.load(options.checkpoint) if options.checkpoint else random_omni(2 if options.quick else 7)
    with torch.inference_mode():
        found = run(omni, is_quick=options.quick)
    machine = platform.processor() or platform.machine()
    print(f"{omni.model.num_parameters:,} parameters, one thread, {omni.instruction_set}, {machine}")
    print(f"{'':44} {'median ms':>10} {'10 %':>8} {'90 %':>8} {'tokens/s':>9} {'x bare':>7}")
    bare = found[0].tokens_per_s
    for timing in found:
        rate = f"{timing.tokens_per_s:9.0f} {timing.tokens_per_s / bare:7.2f}" if timing.tokens else ""
        print(f"{timing.name:44} {timing.median_ms:10.3f} {timing.low_ms:8.3f} {timing.high_ms:8.3f} {rate}")
    best = next(timing for timing in found if timing.name.endswith(f"after {POSITIONS[1]} tokens"))
    print(f"decoding {best.tokens_per_s / bare:.2f} x the bare loop (at least {MIN_RATIO}); ", end="")
    print(f"first sound after {found[-1].median_ms:.1f} ms (at most {MAX_LATENCY_MS:.0f})")
    if options.json:
        options.json.write_text(json.dumps([asdict(timing) for timing in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
