"""From probabilities, frame by frame, to decisions, and what the decisions are worth.

The turn is held to be over once the probability has reached a threshold in so many frames in a row. Deciding before the
speaker has said all is a *cut-in*; not deciding within 800 ms of silence is a *miss*. One setting is chosen for every
voice and language, on voices that training heard, and reported on voices that it did not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

MISSED_AFTER_S = 0.8
QUICK_S = 0.16
"""A decision so soon after the true end leaves room for an answer within a third of a second."""

MOST_CUT_INS, MOST_MISSED = 0.03, 0.02
QUICK_ENOUGH = 0.9
"""The share to decide within `QUICK_S`: beyond it, being right is worth more than being quick."""
NEIGHBOURS = 2
"""Thresholds on either side whose faults count with a setting's own: of other voices, probabilities are others."""

THRESHOLDS = (*(step / 20 for step in range(1, 20)), 0.97, 0.98, 0.99, 0.995, 0.998)
NUM_FRAMES = (1, 2, 3, 4)
"""Frames in a row, of 40 ms each: more than four cannot end within `QUICK_S`."""


class Frame(NamedTuple):
    """The probability that the turn is over, and when it was known, in seconds from the start of the sound."""

    known_s: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class Setting:
    """When the turn is held to be over."""

    threshold: float
    num_frames: int


@dataclass(frozen=True, kw_only=True)
class TurnScore:
    """One detector on the utterances of a language, or of all; shares of `n`, the delay of those rightly decided."""

    detector: str
    language: str
    n: int
    cut_ins: float
    missed: float
    within_160_ms: float
    median_delay_ms: float | None


def decided_at(frames: Iterable[Frame], setting: Setting) -> float | None:
    """When the turn was held to be over; None if never."""
    in_a_row = 0
    for frame in frames:
        in_a_row = in_a_row + 1 if frame.probability >= setting.threshold else 0
        if in_a_row == setting.num_frames:
            return frame.known_s
    return None


def scored(
    decisions: Sequence[float | None], ends_s: Sequence[float], *, detector: str, language: str = "all"
) -> TurnScore:
    """What decisions are worth, each beside when the speaker had said all.

    Raises:
        ValueError: If there are none.
    """
    if not decisions:
        raise ValueError("there is no utterance to decide the end of; give at least one")
    delays_s = [None if at is None else at - end for at, end in zip(decisions, ends_s, strict=True)]
    right = [delay for delay in delays_s if delay is not None and 0 <= delay <= MISSED_AFTER_S]
    num_cut_ins = sum(delay is not None and delay < 0 for delay in delays_s)
    n = len(decisions)
    return TurnScore(
        detector=detector,
        language=language,
        n=n,
        cut_ins=num_cut_ins / n,
        missed=(n - num_cut_ins - len(right)) / n,
        within_160_ms=sum(delay <= QUICK_S + 1e-9 for delay in right) / n,
        median_delay_ms=1000 * median(right) if right else None,
    )


def curve(
    streams: Sequence[Sequence[Frame]], ends_s: Sequence[float], *, detector: str
) -> list[tuple[Setting, TurnScore]]:
    """Every setting with its score."""
    settings = [Setting(threshold=threshold, num_frames=frames) for frames in NUM_FRAMES for threshold in THRESHOLDS]
    return [
        (setting, scored([decided_at(frames, setting) for frames in streams], ends_s, detector=detector))
        for setting in settings
    ]


def chosen(scores: Sequence[tuple[Setting, TurnScore]]) -> Setting:
    """Of the settings that are quick enough, or nearest to it, the one with the fewest faults; of those, the quickest.

    A fault weighs by how few of its kind are allowed, and the faults are the mean over the setting and its neighbours,
    the `NEIGHBOURS` thresholds next to it on either side: a setting at the edge of those without a fault has nothing
    left for other voices, which are harder than those on which it is chosen.
    """
    by_frames: dict[int, list[tuple[Setting, TurnScore]]] = {}
    for item in sorted(scores, key=lambda item: item[0].threshold):
        by_frames.setdefault(item[0].num_frames, []).append(item)
    ranked = []
    for row in by_frames.values():
        faults = [score.cut_ins / MOST_CUT_INS + score.missed / MOST_MISSED for _, score in row]
        for place, (setting, score) in enumerate(row):
            nearby = faults[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]
            too_slow = max(0.0, QUICK_ENOUGH - score.within_160_ms)
            ranked.append(((too_slow, fmean(nearby), -score.within_160_ms), setting))
    return min(ranked, key=lambda item: item[0])[1]
