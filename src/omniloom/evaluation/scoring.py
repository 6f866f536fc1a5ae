"""One row of the evaluation: a model's replies to its examples, beside the ceiling and every control.

All that a row asks, its controls included, goes to the model at once, for many rows together decode faster. What is
said in a reply is heard once, however often it is looked at. Of a reply only the judgement is kept, which is small and
tells all that the row is made of: so a row that was stopped goes on with the replies that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from omniloom.evaluation.suites.items import Items
from omniloom.stream.message import Message, wanted_of
from omniloom.stream.parts import Audio, Part, Text

Prompt = Sequence[Part] | Sequence[Message]
"""The parts of one turn, or the turns of a conversation."""


class Talker(Protocol):
    """What is evaluated: `generation.Omni`, a served one, or a stand-in whose replies are known.

    One that has `replies` (`endpoints.talker.ServedOmni`) gives them as they come, to be kept one by one.
    """

    @property
    def codecs(self) -> MediaCodecs: ...

    def reply_batch(self, prompts: Sequence[Prompt], *, want: Iterable[str], seed: int) -> Sequence[Any]: ...


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One reply: its score, what of it is right, and whether it says that it does not know."""

    score: float
    parts: Mapping[str, float]
    is_refusal: bool


def score_row(
    omni: Talker,
    world: World,
    row: ScoredRow,
    split: Split,
    *,
    limit: int,
    seed: int,
    listener: Transcriber,
    kept: Items | None = None,
) -> CellScore:
    """One row on one split; replies that are `kept` already are not asked for again."""
    listener = _Remembering(listener)

    def draw(index: int) -> Example:
        return row.example(world, split, seed * SEED_STRIDE + index)

    examples = [draw(index) for index in range(limit)]
    further = more_of_the_rarer(draw, examples)
    inputs = row.inputs or inputs_of(examples[0])
    parts_taken = inputs if row.kind in ("mixed", "task") and len(inputs) > 1 else ()
    # What is exchanged with what, and which languages are rare, depends on how many examples there are.
    groups = {"asked": examples, f"further of {limit}": further}
    for taken in (inputs, *((name,) for name in parts_taken)):
        groups[f"without {'+'.join(taken)} of {limit}"] = swapped(examples, taken, seed)
    asked, more, shuffled, *without = _judged(
        omni, groups, name=row_key(row, split), seed=seed, listener=listener, kept=kept
    )

    def ceilings_of(these: Sequence[Example]) -> list[float]:
        trips = (round_trip(example.reply.parts, omni.codecs) for example in these)
        return [score(example, parts, listener) for example, parts in zip(these, trips, strict=True)]

    ceilings, ceilings_further = ceilings_of(examples), ceilings_of(further)
    scores = [own.score for own in asked]
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
        shuffled=fmean(own.score for own in shuffled),
        without={name: fmean(own.score for own in group) for name, group in zip(parts_taken, without, strict=True)},
        known=len(known),
        refused=fmean(asked[place].is_refusal for place in known) if known else 0.0,
        tasks=_by_task(examples, asked, ceilings),
        languages=by_language(
            [*examples, *further], [*scores, *(own.score for own in more)], [*ceilings, *ceilings_further]
        ),
        scores=tuple(scores),
    )


def row_key(row: ScoredRow, split: Split) -> str:
    """What the keys of a row's kept replies begin with."""
    return f"{row.kind} {row.name} {split}, "


def _judged(
    omni: Talker,
    groups: Mapping[str, Sequence[Example]],
    *,
    name: str,
    seed: int,
    listener: Transcriber,
    kept: Items | None,
) -> list[list[Judged]]:
    """The judgements of the replies to groups of examples, those that are missing asked all together."""
    items = kept if kept is not None else Items(None, suite="world", subject="", settings={})
    keys = [f"{name}{group} {place}" for group, own in groups.items() for place in range(len(own))]
    examples = [example for own in groups.values() for example in own]
    missing = [place for place, key in enumerate(keys) if key not in items]
    for number, parts in replies_to(omni, [examples[place] for place in missing], seed=seed):
        example = examples[missing[number]]
        items.add(
            keys[missing[number]],
            {
                "score": score(example, parts, listener),
                "parts": partial_scores(example, parts, listener),
                "is_refusal": is_refusal(words_of(parts)),
            },
        )
    found = [Judged(**items[key]) for key in keys]
    ends = accumulate((len(own) for own in groups.values()), initial=0)
    return [found[start:stop] for start, stop in pairwise(ends)]


def replies_to(omni: Talker, examples: Sequence[Example], *, seed: int) -> Iterator[tuple[int, tuple[Part, ...]]]:
    """The replies as they come, each with its example's place."""
    one_by_one = getattr(omni, "replies", None)
    if one_by_one is None:
        yield from enumerate(answers(omni, examples, seed=seed))
        return
    wants = [wanted_of(example.reply) for example in examples]
    for place, reply in one_by_one([_prompt(example) for example in examples], wants, seed=seed):
        yield place, tuple(reply.parts)


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


def _prompt(example: Example) -> Prompt:
    return example.prompt if len(example.prompt) > 1 else example.prompt[0].parts


def _by_task(
    examples: Sequence[Example], judged: Sequence[Judged], ceilings: Sequence[float]
) -> Mapping[str, TaskScore]:
    found = {}
    for task in sorted({example.task for example in examples}):
        places = [place for place, example in enumerate(examples) if example.task == task]
        names = sorted({name for place in places for name in judged[place].parts})
        found[task] = TaskScore(
            n=len(places),
            score=fmean(judged[place].score for place in places),
            ceiling=fmean(ceilings[place] for place in places),
            parts={
                name: fmean(judged[place].parts[name] for place in places if name in judged[place].parts)
                for name in names
            },
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
