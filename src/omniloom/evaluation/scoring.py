"""One row of the evaluation: a model's replies to its examples, beside the ceiling and every control.

All that a row asks, its controls included, goes to the model at once, for many rows together decode faster. What is
said in a reply is heard once, however often it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from statistics import fmean
from typing import Any, Protocol

from omniloom.data.problems import Example, Split, Transcriber, is_refusal, majority, partial_scores, score
from omniloom.data.problems.score import normalised
from omniloom.evaluation.languages import by_language, more_of_the_rarer
from omniloom.evaluation.mixed import majority_by_kind, swapped
from omniloom.evaluation.report import CellScore, TaskScore
from omniloom.evaluation.round_trip import MediaCodecs, round_trip
from omniloom.evaluation.rows import SEED_STRIDE, ScoredRow, World, inputs_of, output_of
from omniloom.stream.message import Message, wanted_of
from omniloom.stream.parts import Audio, Part, Text

Prompt = Sequence[Part] | Sequence[Message]
"""The parts of one turn, or the turns of a conversation."""


class Talker(Protocol):
    """What is evaluated: `generation.Omni`, or a stand-in whose replies are known."""

    @property
    def codecs(self) -> MediaCodecs: ...

    def reply_batch(self, prompts: Sequence[Prompt], *, want: Iterable[str], seed: int) -> Sequence[Any]: ...


def score_row(
    omni: Talker, world: World, row: ScoredRow, split: Split, *, limit: int, seed: int, listener: Transcriber
) -> CellScore:
    """One row on one split."""
    listener = _Remembering(listener)

    def draw(index: int) -> Example:
        return row.example(world, split, seed * SEED_STRIDE + index)

    def judge(asked: Sequence[Example], replies: Iterable[Sequence[Part]]) -> list[float]:
        return [score(example, parts, listener) for example, parts in zip(asked, replies, strict=True)]

    examples = [draw(index) for index in range(limit)]
    further = more_of_the_rarer(draw, examples)
    inputs = row.inputs or inputs_of(examples[0])
    parts_taken = inputs if row.kind in ("mixed", "task") and len(inputs) > 1 else ()
    controls = [swapped(examples, taken, seed) for taken in (inputs, *((name,) for name in parts_taken))]
    replies, replies_further, *replies_of_controls = _answered(omni, [examples, further, *controls], seed=seed)
    scores = judge(examples, replies)
    ceilings = judge(examples, (round_trip(example.reply.parts, omni.codecs) for example in examples))
    shuffled, *without = (fmean(judge(examples, control)) for control in replies_of_controls)
    known = [place for place, example in enumerate(examples) if not is_refusal(words_of(example.reply.parts))]
    return CellScore(
        name=row.name,
        kind=row.kind,
        input="any" if row.kind == "unknown" else "+".join(inputs),
        output="any" if row.kind == "unknown" else output_of(examples[0]),
        split=split,
        n=len(examples),
        score=fmean(scores),
        ceiling=fmean(ceilings),
        majority=majority(examples),
        majority_by_kind=majority_by_kind(examples),
        shuffled=shuffled,
        without=dict(zip(parts_taken, without, strict=True)),
        known=len(known),
        refused=fmean(is_refusal(words_of(replies[place])) for place in known) if known else 0.0,
        tasks=_by_task(examples, scores, ceilings, replies, listener),
        languages=by_language(
            [*examples, *further],
            [*scores, *judge(further, replies_further)],
            [*ceilings, *judge(further, (round_trip(example.reply.parts, omni.codecs) for example in further))],
        ),
    )


def answers(omni: Talker, examples: Sequence[Example], *, seed: int) -> list[tuple[Part, ...]]:
    """The model's replies to the examples, in the modalities of their references."""
    found: dict[int, tuple[Part, ...]] = {}
    wants = [wanted_of(example.reply) for example in examples]
    for want in sorted(set(wants), key=sorted):
        rows = [row for row in range(len(examples)) if wants[row] == want]
        replies = omni.reply_batch([_prompt(examples[row]) for row in rows], want=want, seed=seed)
        found.update(zip(rows, (tuple(reply.parts) for reply in replies), strict=True))
    return [found[row] for row in range(len(examples))]


def words_of(parts: Sequence[Part]) -> str:
    """What a reply says in its text, which stands beside its sound and its picture too."""
    return normalised("".join(part.text for part in parts if isinstance(part, Text)))


def _answered(omni: Talker, groups: Sequence[Sequence[Example]], *, seed: int) -> list[list[tuple[Part, ...]]]:
    """Replies to groups of examples, asked all together."""
    replies = answers(omni, [example for group in groups for example in group], seed=seed)
    ends = accumulate((len(group) for group in groups), initial=0)
    return [replies[start:stop] for start, stop in pairwise(ends)]


def _prompt(example: Example) -> Prompt:
    return example.prompt if len(example.prompt) > 1 else example.prompt[0].parts


def _by_task(
    examples: Sequence[Example],
    scores: Sequence[float],
    ceilings: Sequence[float],
    replies: Sequence[Sequence[Part]],
    listener: Transcriber,
) -> Mapping[str, TaskScore]:
    details = [partial_scores(example, parts, listener) for example, parts in zip(examples, replies, strict=True)]
    found = {}
    for task in sorted({example.task for example in examples}):
        places = [place for place, example in enumerate(examples) if example.task == task]
        names = sorted({name for place in places for name in details[place]})
        found[task] = TaskScore(
            n=len(places),
            score=fmean(scores[place] for place in places),
            ceiling=fmean(ceilings[place] for place in places),
            parts={name: fmean(details[place][name] for place in places if name in details[place]) for name in names},
        )
    return found


class _Remembering:
    """A listener that hears the same sound once."""

    def __init__(self, listener: Transcriber) -> None:
        self._listener = listener
        self._heard: dict[tuple[int, bytes], str] = {}

    def transcribe(self, audio: Audio) -> str:
        key = (audio.rate_hz, audio.samples.numpy().tobytes())
        if key not in self._heard:
            self._heard[key] = self._listener.transcribe(audio)
        return self._heard[key]
