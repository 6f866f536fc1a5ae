"""The nine cells {text, audio, image} in x {text, audio, image} out on two splits that training never saw.

Every number stands beside what it means: the ceiling of the reply's codec (see `round_trip`), the majority baseline,
and the same model with shuffled inputs. Replies are greedy, so a model has one score and not a spread of them. A cell
that is done is kept in FILE.partial, so that an evaluation that was stopped goes on where it was, provided model,
judge and settings are the same; the file goes when the report is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import torch

from omniloom.codecs.base import fingerprint
from omniloom.core.progress import Progress
from omniloom.data.problems import (
    CELLS,
    Example,
    Mixture,
    Split,
    Transcriber,
    majority,
    partial_scores,
    score,
    shuffled,
)
from omniloom.evaluation.report import CellScore, SpeakerScore, TaskScore, WorldReport
from omniloom.evaluation.round_trip import MediaCodecs, round_trip
from omniloom.stream.message import wanted_of
from omniloom.stream.parts import Part

DEFAULT_LIMIT = 300
SEED_STRIDE = 1_000_000
"""Indices between the examples of one seed and those of the next."""

TESTED_SPLITS: tuple[Split, ...] = ("new", "composed")


class Talker(Protocol):
    """What is evaluated: `generation.Omni`, or a stand-in whose replies are known."""

    @property
    def codecs(self) -> MediaCodecs: ...

    def reply_batch(self, prompts: Sequence[Sequence[Part]], *, want: Iterable[str], seed: int) -> Sequence[Any]: ...


def evaluate(
    omni: Talker,
    *,
    limit: int = DEFAULT_LIMIT,
    cells: Sequence[str] = CELLS,
    splits: Sequence[Split] = TESTED_SPLITS,
    seed: int = 0,
    listener: Transcriber,
    out: str | Path | None = None,
    speakers: bool = True,
) -> WorldReport:
    """Score the cells; with `out`, write the report there and keep what is done beside it meanwhile.

    Raises:
        ValueError: If a cell or split is unknown, or `limit` is not positive.
    """
    _check(cells, splits, limit)
    settings = {"limit": limit, "seed": seed, "model": identity(omni), "listener": judge_identity(listener)}
    partial = None if out is None else Path(out).with_name(Path(out).name + ".partial")
    done = _resume(partial, settings)
    with Progress("world", total=len(cells) * len(splits), unit="cell") as progress:
        for split in splits:
            for cell in cells:
                if (cell, split) not in done:
                    done[cell, split] = score_cell(omni, cell, split, limit=limit, seed=seed, listener=listener)
                    if partial is not None:
                        WorldReport(cells=list(done.values()), settings=settings).save(partial)
                found = done[cell, split]
                progress.advance(1, {"last": f"{cell} {split} {found.score:.3f}"})
    voices: Sequence[SpeakerScore] = ()
    if speakers:
        from omniloom.evaluation.speakers import score_speakers

        voices = score_speakers(omni, listener=listener)
    chosen = [done[cell, split] for split in splits for cell in cells]
    report = WorldReport(cells=chosen, speakers=voices, settings=settings)
    if out is not None:
        report.save(out)
        assert partial is not None
        partial.unlink(missing_ok=True)
    return report


def score_cell(omni: Talker, cell: str, split: Split, *, limit: int, seed: int, listener: Transcriber) -> CellScore:
    """One cell on one split."""
    given, _, reply = cell.partition("-to-")
    world = Mixture()
    examples = [world.cell_example(cell, split, seed * SEED_STRIDE + index) for index in range(limit)]

    def judge(replies: Iterable[Sequence[Part]]) -> list[float]:
        return [score(example, parts, listener) for example, parts in zip(examples, replies, strict=True)]

    replies = answers(omni, examples, seed=seed)
    scores = judge(replies)
    ceilings = judge(round_trip(example.reply.parts, omni.codecs) for example in examples)
    details = [partial_scores(example, parts, listener) for example, parts in zip(examples, replies, strict=True)]
    return CellScore(
        name=cell,
        input=given,
        output=reply,
        split=split,
        n=len(examples),
        score=fmean(scores),
        ceiling=fmean(ceilings),
        majority=majority(examples),
        shuffled=fmean(judge(answers(omni, shuffled(examples, seed), seed=seed))),
        tasks=_by_task(examples, scores, ceilings, details),
    )


def answers(omni: Talker, examples: Sequence[Example], *, seed: int) -> list[tuple[Part, ...]]:
    """The model's replies to the examples, in the modalities of their references."""
    found: dict[int, tuple[Part, ...]] = {}
    wants = [wanted_of(example.reply) for example in examples]
    for want in sorted(set(wants), key=sorted):
        rows = [row for row in range(len(examples)) if wants[row] == want]
        replies = omni.reply_batch([_only_turn(examples[row]) for row in rows], want=want, seed=seed)
        found.update(zip(rows, (tuple(reply.parts) for reply in replies), strict=True))
    return [found[row] for row in range(len(examples))]


def identity(omni: Talker) -> str:
    """Sixteen digits that change with the model's weights or its codecs.

    A codec's own fingerprint may leave out its decoder, which the scores depend on; its weights are therefore added.
    """
    model = getattr(omni, "model", None)
    weights = dict(model.state_dict()) if isinstance(model, torch.nn.Module) else {}
    codecs = {}
    for name in ("text", "audio", "image"):
        codec = getattr(omni.codecs, name, None)  # a stand-in may have no text codec
        if codec is not None:
            codecs[name] = codec.spec.fingerprint
            weights |= _weights(codec, f"{name} codec.")
    return fingerprint(codecs, weights)


def judge_identity(listener: Transcriber) -> str:
    """The listener's class, and for a model sixteen digits that change with its configuration or weights."""
    name = type(listener).__qualname__
    if not isinstance(listener, torch.nn.Module):
        return name
    return f"{name} {fingerprint({'config': getattr(listener, 'config', None)}, listener.state_dict())}"


def _weights(codec: object, prefix: str) -> dict[str, torch.Tensor]:
    if not isinstance(codec, torch.nn.Module):
        return {}
    return {prefix + name: weight for name, weight in codec.state_dict().items()}


def _only_turn(example: Example) -> tuple[Part, ...]:
    assert len(example.prompt) == 1, "a scored example is one question and its reply"
    return example.prompt[0].parts


def _by_task(
    examples: Sequence[Example],
    scores: Sequence[float],
    ceilings: Sequence[float],
    details: Sequence[Mapping[str, float]],
) -> dict[str, TaskScore]:
    found = {}
    for task in sorted({example.task for example in examples}):
        places = [place for place, example in enumerate(examples) if example.task == task]
        found[task] = TaskScore(
            n=len(places),
            score=fmean(scores[place] for place in places),
            ceiling=fmean(ceilings[place] for place in places),
            parts={name: fmean(details[place][name] for place in places) for name in details[places[0]]},
        )
    return found


def _check(cells: Sequence[str], splits: Sequence[str], limit: int) -> None:
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    for kind, chosen, known in (("cells", cells, CELLS), ("splits", splits, TESTED_SPLITS)):
        unknown = [name for name in chosen if name not in known]
        if unknown or not chosen:
            raise ValueError(f"{kind} must be of {', '.join(known)}, got {', '.join(unknown) or 'none'}")


def _resume(partial: Path | None, settings: Mapping[str, Any]) -> dict[tuple[str, str], CellScore]:
    """Cells of an evaluation that was stopped, if it was this one."""
    if partial is None or not partial.exists():
        return {}
    report = WorldReport.load(partial)
    if dict(report.settings) != dict(settings):
        return {}
    return {(cell.name, cell.split): cell for cell in report.cells}
