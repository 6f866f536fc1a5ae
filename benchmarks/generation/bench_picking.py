"""What it costs to pick a token, beside the same by torch: top-k, softmax, running sum and `rand`, masks for a batch.

    python benchmarks/generation/bench_picking.py [--checkpoint NAME_OR_FOLDER] [--json FILE] [--quick]

First one draw from a row of scores, of the model's own words and of large vocabularies (normal numbers times 4). Then
what decoding does for each token besides the model: one reply's recorded scores, and a batch of rows that stand at
different places of it, are picked from again and again, with the grammar's next state; greedily and drawn. Times are
microseconds a token on one thread; half of all rounds lie in the brackets.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omniloom.core.timing import Timings, take_turns
from omniloom.generation import Omni, Sampling, TokenChoice
from omniloom.generation.batch import Row, take_position
from omniloom.generation.conversation import encode
from omniloom.generation.decoder import PreparedModel, RowDecoder
from omniloom.generation.engine import Engine
from omniloom.generation.sampling import Picker
from omniloom.reproductions.result import machine
from omniloom.stream.grammar import NextIds, ReplyGrammar
from omniloom.stream.layout import lay_out, open_reply
from omniloom.stream.message import Message, Want
from omniloom.stream.parts import Text

BATCH_ROWS = 64
LARGE_VOCABULARIES = (131_072, 262_144)
PROMPTS: dict[Want, str] = {
    "text": "what is 27 + 14",
    "audio": "say red star seven",
    "image": "draw a big red circle at the top left",
}
SETTINGS = {
    "temperature 1": Sampling(temperature=1.0),
    "temperature 1, top_p 0.9": Sampling(temperature=1.0, top_p=0.9),
    "temperature 0.7, top_k 50, top_p 0.95": Sampling(temperature=0.7, top_k=50, top_p=0.95),
}


class TorchPicker:
    """The peer: picking in plain torch, from the scores of all ids."""

    def __init__(self, sampling: Sampling, *, seed: int, grammar: ReplyGrammar) -> None:
        self.sampling = sampling
        self._generator = torch.Generator().manual_seed(seed)
        planes = {kind: grammar.vocabulary.planes_of(kind) for kind in ("audio", "image")}
        self._audio, self._image = ((own[0].start, own[-1].stop) for own in planes.values())
        self.is_greedy = all(sampling.of(kind).temperature == 0 for kind in ("text", "audio", "image"))

    def pick(self, logits: Tensor, ranges: Sequence[tuple[int, int]]) -> int:
        start = ranges[0][0]
        if self._image[0] <= start < self._image[1]:
            return self._draw(logits, ranges, self.sampling.of("image"))
        audio = [pair for pair in ranges if self._audio[0] <= pair[0] < self._audio[1]]
        if len(audio) < len(ranges):
            token = self._draw(logits, ranges, self.sampling.of("text"))
            if not self._audio[0] <= token < self._audio[1] or self.sampling.of("audio").temperature == 0:
                return token
        return self._draw(logits, audio, self.sampling.of("audio"))

    def _draw(self, logits: Tensor, ranges: Sequence[tuple[int, int]], choice: TokenChoice) -> int:
        if choice.temperature == 0:
            first, stop = ranges[0] if len(ranges) == 1 else (0, len(logits))
            return first + int(logits[first:stop].argmax())
        allowed = torch.cat([logits[first:stop] for first, stop in ranges])
        place = drawn_by_torch(allowed, choice, self._generator)
        for first, stop in ranges:
            if place < stop - first:
                return first + place
            place -= stop - first
        raise AssertionError("a drawn place lies in one of the ranges")


def drawn_by_torch(scores: Tensor, choice: TokenChoice, generator: torch.Generator) -> int:
    best, places = scores.topk(min(choice.top_k or len(scores), len(scores)))
    probabilities = ((best - best[0]) / choice.temperature).softmax(0)
    before = probabilities.cumsum(0) - probabilities
    probabilities = probabilities * (before < choice.top_p)
    reached = probabilities.cumsum(0)
    draw = torch.rand((), generator=generator) * reached[-1]
    return int(places[min(int((reached <= draw).sum()), int((probabilities > 0).sum()) - 1)])


@dataclass(kw_only=True)
class TorchRow:
    """What the peer needs of a row in a batch."""

    grammar: ReplyGrammar
    picker: TorchPicker
    state: int = 0
    ids: list[int] = field(default_factory=list)


def taken_by_torch(rows: Sequence[TorchRow], scores: Tensor) -> None:
    """One more position in each row: masks over the vocabulary for all, then row by row."""
    size = rows[0].grammar.vocabulary.size
    masks = torch.stack([row.grammar.allowed(row.state) for row in rows])
    logits = scores[:, :size].masked_fill(~masks, -math.inf)
    best: list[int] = logits.argmax(-1).tolist()
    for place, row in enumerate(rows):
        ranges = row.grammar.allowed_ranges(row.state)
        _take(row, best[place] if row.picker.is_greedy else row.picker.pick(logits[place], ranges))
        while row.grammar.is_inside(row.state):
            own = _at_ids(row.grammar, row.state, scores[place])
            ranges = row.grammar.allowed_ranges(row.state)
            first, stop = ranges[0]
            likeliest = first + int(own[first:stop].argmax())
            _take(row, likeliest if row.picker.is_greedy else row.picker.pick(own, ranges))


def _take(row: TorchRow, token: int) -> None:
    row.ids.append(token)
    row.state = row.grammar.advance(row.state, token)


def _at_ids(grammar: ReplyGrammar, state: int, scores: Tensor) -> Tensor:
    """The scores of a state, each at its id's number."""
    shift = grammar.next_ids(state).shift
    return scores[shift : shift + grammar.vocabulary.size]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A greedy reply: the model's scores for each token and the state in which it was picked."""

    grammar: ReplyGrammar
    wants: frozenset[Want]
    scores: list[Tensor]
    states: list[int]


def record(omni: Omni, prepared: PreparedModel, want: Want, *, max_tokens: int) -> Recording:
    wants = frozenset({want})
    grammar, row, engine = prepared.grammar(wants), RowDecoder(prepared), Engine(prepared)
    message = encode(Message("user", (Text(PROMPTS[want]),)), omni.codecs)
    row.append([*lay_out([message], prepared.vocabulary).ids, *open_reply(wants)])
    found, picker = Recording(grammar=grammar, wants=wants, scores=[], states=[]), Picker(Sampling(), seed=0)
    state, scores = grammar.start(), torch.zeros(0)
    while not grammar.is_done(state) and len(found.states) < max_tokens:
        if not grammar.is_inside(state):
            scores = engine.feed(row, ids=range(prepared.vocabulary.num_scores))[-1]
        found.scores.append(scores)
        found.states.append(state)
        token = picker.pick(grammar.scores(state, scores), grammar.next_ids(state))
        state = grammar.advance(state, token)
        row.append([token])
    return found


def compare_draws(vocabulary: int, sampling: Sampling, *, num_rounds: int) -> Timings:
    scores = torch.randn(vocabulary, generator=torch.Generator().manual_seed(0)) * 4
    ids = NextIds(first=0, stop=vocabulary, shift=0, gaps=(), modality="text", sound=None)
    picker, generator = Picker(sampling, seed=0), torch.Generator().manual_seed(0)
    things = {"ours": lambda: picker.pick(scores, ids), "torch": lambda: drawn_by_torch(scores, sampling, generator)}
    return take_turns(things, num_rounds=num_rounds, round_s=0.005)


def compare_alone(recording: Recording, sampling: Sampling, *, num_rounds: int) -> Timings:
    grammar, ours = recording.grammar, Picker(sampling, seed=0)
    theirs = TorchPicker(sampling, seed=0, grammar=grammar)
    steps = list(zip(recording.scores, recording.states, strict=True))

    def pick() -> None:
        for scores, state in steps:
            grammar.advance(state, ours.pick(grammar.scores(state, scores), grammar.next_ids(state)))

    def pick_by_torch() -> None:
        for scores, state in steps:
            ranges = grammar.allowed_ranges(state)
            grammar.advance(state, theirs.pick(_at_ids(grammar, state, scores), ranges))

    return take_turns({"ours": pick, "torch": pick_by_torch}, num_rounds=num_rounds, round_s=0.01)


def compare_together(
    recording: Recording, sampling: Sampling, *, num_rows: int, num_rounds: int
) -> tuple[Timings, int]:
    """One position of each row; and how many tokens these are."""
    grammar = recording.grammar
    firsts = [place for place, state in enumerate(recording.states) if not grammar.is_inside(state)]
    places = [firsts[row * len(firsts) // num_rows] for row in range(num_rows)]
    states, scores = [recording.states[place] for place in places], torch.stack([recording.scores[p] for p in places])
    limits: dict[str, Any] = dict(written=grammar, num_positions=0, max_tokens=10**9, max_positions=10**9)
    ours = [
        Row(wants=recording.wants, grammar=grammar, picker=Picker(sampling, seed=seed), **limits)
        for seed in range(num_rows)
    ]
    theirs = [
        TorchRow(grammar=grammar, picker=TorchPicker(sampling, seed=seed, grammar=grammar)) for seed in range(num_rows)
    ]

    def on(rows: Sequence[Any], take: Callable[[Any, Tensor], object]) -> None:
        for row, state in zip(rows, states, strict=True):
            row.state = state
            row.ids.clear()
        take(rows, scores)

    on(ours, take_position)
    num_tokens = sum(len(row.ids) for row in ours)
    things = {"ours": lambda: on(ours, take_position), "torch": lambda: on(theirs, taken_by_torch)}
    return take_turns(things, num_rounds=num_rounds, round_s=0.005), num_tokens


def row_of(name: str, timings: Timings, num_tokens: int) -> dict[str, Any]:
    ours, theirs = (1e6 * timings.typical(thing) / num_tokens for thing in ("ours", "torch"))
    return {"name": name, "ours_us": ours, "torch_us": theirs, "over_torch": timings.ratio("torch", "ours")}


def cells(row: dict[str, Any]) -> str:
    return f"{row['ours_us']:.1f} | {row['torch_us']:.1f} | {row['over_torch']}"


def compare_all_draws(vocabularies: Sequence[int], *, num_rounds: int) -> list[dict[str, Any]]:
    print("| a draw from | picked by | ours, us | torch, us | x torch |\n|---|---|---|---|---|")
    found = []
    for vocabulary in vocabularies:
        for name, sampling in SETTINGS.items():
            timings = compare_draws(vocabulary, sampling, num_rounds=num_rounds)
            found.append(row_of(f"one of {vocabulary:,}: {name}", timings, 1))
            print(f"| {vocabulary:,} | {name} | {cells(found[-1])} |", flush=True)
    return found


def compare_all_decoding(omni: Omni, *, max_tokens: int, num_rounds: int) -> list[dict[str, Any]]:
    columns = [
        f"{name}{where}" for where in ("", f", {BATCH_ROWS} rows") for name in ("ours, us", "torch, us", "x torch")
    ]
    print(f"\n| a token of | picked by | {' | '.join(columns)} |\n|---|---|---|---|---|---|---|---|")
    prepared, found = PreparedModel(omni.model), []
    for want in PROMPTS:
        recording = record(omni, prepared, want, max_tokens=max_tokens)
        for name, sampling in {"greedy": Sampling(), **SETTINGS}.items():
            alone = compare_alone(recording, sampling, num_rounds=num_rounds)
            together, num_tokens = compare_together(recording, sampling, num_rows=BATCH_ROWS, num_rounds=num_rounds)
            found += [
                row_of(f"{want} alone: {name}", alone, len(recording.states)),
                row_of(f"{want}, {BATCH_ROWS} rows: {name}", together, num_tokens),
            ]
            print(f"| {want} | {name} | {cells(found[-2])} | {cells(found[-1])} |", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="tiny", help="a shipped checkpoint's name or a folder (default: tiny)")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--quick", action="store_true", help="few tokens and one round: only that it runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    omni = Omni.load(options.checkpoint)
    print(f"{machine()}; one thread; torch {torch.__version__}; {options.checkpoint}\n")
    (words,) = omni.vocabulary.planes_of("text")
    num_rounds = 1 if options.quick else 9
    vocabularies = (words.plane.size, *((1000,) if options.quick else LARGE_VOCABULARIES))
    found = compare_all_draws(vocabularies, num_rounds=num_rounds)
    found += compare_all_decoding(omni, max_tokens=20 if options.quick else 150, num_rounds=num_rounds)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, default=vars) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
