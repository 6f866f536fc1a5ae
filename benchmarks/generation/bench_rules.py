"""What it costs to hold a reply to a form: once for the form, then for each token; and for whole replies.

    python benchmarks/generation/bench_rules.py [--checkpoint NAME_OR_FOLDER] [--json FILE] [--quick]

A text of each form is drawn once at random; then it is walked again and again: which codes may follow, minus infinity
for the others, the next code taken. That is all that a form adds to a token, whatever the model. It is done with the
model's own codec, and with a made one of 131,072 codes, every byte and random words, as large models have. Last, the
model's own reply to a sum, held to a pattern that it has anyway. Times are of one thread; half of all rounds lie in the
brackets.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from omniloom.codecs.base import AnyTextCodec
from omniloom.codecs.text import TextStream
from omniloom.core.timing import take_turns
from omniloom.generation import Constraint, Omni, TextRules, Tool, json_object, json_schema, regex, tool_call_grammar
from omniloom.generation.rules import Rulebook
from omniloom.generation.rules.rulebook import spread
from omniloom.reproductions.result import machine
from omniloom.stream import vocabulary as v
from omniloom.stream.grammar import NextIds
from omniloom.stream.vocabulary import CodecSpec, Plane, Vocabulary

LARGE_VOCABULARY = 131_072
TEXT: frozenset[Any] = frozenset({"text"})
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "born": {"type": "string", "format": "date"},
        "likes": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 4},
        "address": {
            "type": "object",
            "properties": {"street": {"type": "string", "maxLength": 20}, "number": {"type": "integer"}},
            "required": ["street", "number"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "age", "born", "likes", "address"],
    "additionalProperties": False,
}
SUM = "27+14"


class MadeCodec:
    """As much of a codec as rules need: every byte, and random words of 2 to 9 letters."""

    def __init__(self, size: int) -> None:
        random = np.random.default_rng(0)
        words: set[bytes] = set()
        while len(words) < size - 256:
            letters = random.integers(ord("a"), ord("z") + 1, size=int(random.integers(2, 10)), dtype=np.uint8)
            words.add(b" " * int(random.integers(2)) + letters.tobytes())
        self.token_bytes = [*(bytes([byte]) for byte in range(256)), *sorted(words)]
        self.spec = CodecSpec(modality="text", planes=(Plane(name="text", size=size),), fingerprint="made")

    def encode_text(self, text: str) -> list[int]:
        return list(text.encode())

    def stream(self) -> TextStream:
        return TextStream(self.token_bytes)


def forms() -> dict[str, TextRules]:
    calls = tool_call_grammar([Tool(name="add_person", parameters=PERSON), Tool(name="list_people")], "required")
    constraints: dict[str, Constraint] = {
        "any JSON object": json_object(),
        "JSON schema of 7 properties": json_schema(PERSON),
        "a pattern of words": regex("[a-z]{2,8}( [a-z]{2,8}){5,20}"),
    }
    held = {name: TextRules(constraint=own) for name, own in constraints.items()}
    return {**held, "call of one of 2 tools": TextRules(calls=calls)}


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A text of a form: its codes, and the ids that the grammar of replies offers at each."""

    book: Rulebook
    rules: TextRules
    codes: list[int]
    offered: NextIds

    def __call__(self) -> None:
        ruling = self.book.ruling(self.rules, TEXT)
        assert ruling is not None
        scores = np.zeros(self.offered.stop - self.offered.first, dtype=np.float32)
        first = self.book.vocabulary.start_of("text")
        for code in self.codes:
            assert ruling.look(self.offered)
            ruling.steer(scores, self.offered)
            ruling.take(first + code, scores, self.offered)


def walk_of(book: Rulebook, rules: TextRules, *, max_tokens: int) -> Walk:
    vocab_size, text = len(book.codec.token_bytes), book.vocabulary.start_of("text")
    offered = NextIds(
        first=v.END, stop=text + vocab_size, shift=0, gaps=((v.END + 1, text),), modality="text", sound=None
    )
    constraint = rules.calls.constraint if rules.calls is not None else rules.constraint
    assert constraint is not None
    matcher, random, codes = book.matcher(constraint), np.random.default_rng(1), []
    while len(codes) < max_tokens:
        allowed = spread(matcher.compute_bitmask(), vocab_size)
        code = int(random.choice(allowed.nonzero()[0]))
        if code == vocab_size:
            break
        matcher.consume_token(code)
        codes.append(code)
    return Walk(book=book, rules=rules, codes=codes, offered=offered)


def measure(book: Rulebook, *, max_tokens: int, num_rounds: int) -> list[dict[str, Any]]:
    size, found = len(book.codec.token_bytes), []
    for name, rules in forms().items():
        walk = walk_of(book, rules, max_tokens=max_tokens)
        constraint = rules.calls.constraint if rules.calls is not None else rules.constraint
        things = {"compile": lambda own=constraint: book._compile(own), "walk": walk}
        timings = take_turns(things, num_rounds=num_rounds, round_s=0.01)
        token_us = [1e6 * seconds / len(walk.codes) for seconds in timings.seconds["walk"]]
        low, middle, high = np.percentile(token_us, [25, 50, 75])
        row = {"codes": size, "form": name, "compile_ms": 1e3 * timings.typical("compile"), "token_us": float(middle)}
        found.append({**row, "tokens": len(walk.codes), "low": float(low), "high": float(high)})
        print(f"| {size:,} | {name} | {row['compile_ms']:.1f} | {middle:.1f} ({low:.1f}–{high:.1f}) |", flush=True)
    return found


def measure_replies(omni: Omni, *, num_rounds: int) -> dict[str, Any]:
    """A sum asked and answered, free and held."""
    rules = TextRules(constraint=regex(r"[0-9]{2}\+[0-9]{2}=[0-9]{2}: [a-z ]{3,30}"))
    free, held = omni.reply(SUM), omni.reply(SUM, rules=rules)
    assert free.ids == held.ids
    things = {"free": lambda: omni.reply(SUM), "held": lambda: omni.reply(SUM, rules=rules)}
    timings = take_turns(things, num_rounds=num_rounds, round_s=0.05)
    found = {name: 1e3 * timings.typical(name) for name in things}
    ratio = timings.ratio("held", "free")
    print(
        f"\nA sum and its answer of {len(free.ids)} tokens: {found['free']:.2f} ms free, {found['held']:.2f} ms held,"
    )
    print(f"{ratio} times as long.")
    return {"free_ms": found["free"], "held_ms": found["held"], "ratio": vars(ratio), "tokens": len(free.ids)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="tiny", help="a shipped checkpoint's name or a folder (default: tiny)")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--quick", action="store_true", help="few tokens and one round: only that it runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    omni = Omni.load(options.checkpoint)
    print(f"{machine()}; one thread; {options.checkpoint}\n")
    print("| codes | form | compiled in, ms | a token, µs |\n|---|---|---|---|")
    made = MadeCodec(1_024 if options.quick else LARGE_VOCABULARY)
    others = [omni.codecs.audio.spec, omni.codecs.image.spec]
    books = [
        Rulebook(omni.vocabulary, omni.codecs.text),
        Rulebook(Vocabulary([made.spec, *others]), cast(AnyTextCodec, made)),
    ]
    settings = dict(max_tokens=8 if options.quick else 100, num_rounds=1 if options.quick else 15)
    found = {"forms": [row for book in books for row in measure(book, **settings)]}
    result = {**found, "replies": measure_replies(omni, num_rounds=settings["num_rounds"])}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
