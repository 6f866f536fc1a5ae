"""The whole measurement: a setting chosen on training voices, its score on held-out ones, silero on the same sounds.

Sound is given in pieces of 40 ms, as a microphone gives it; a decision counts from the end of the piece with which it
was known, so whatever a codec or a resampler holds back is in the delay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from omniloom.core.progress import Progress
from omniloom.data.problems.turn_ends.utterances import paused_utterance
from omniloom.evaluation.suites.items import Items
from omniloom.evaluation.turn_ends.decisions import Frame, Setting, TurnScore, chosen, curve, decided_at, scored
from omniloom.evaluation.turn_ends.silero import SILENCE_MS, silero_detector
from omniloom.evaluation.turn_ends.utterances import LANGUAGES, Maker, Utterance, utterances
from omniloom.stream.parts import Audio

PIECE_MS = 40
TRAIN_SHARE = 4 / 3
"""Training utterances for each held-out one: faults are few, and so hard to tell apart."""


class Hearing(Protocol):
    """A conversation that says of every frame of sound how likely the turn is over."""

    def hear(self, audio: Audio) -> Sequence[float]: ...


class Ear(Protocol):
    """What is measured: `generation.Omni`, or a stand-in."""

    def conversation(self) -> Hearing: ...


@dataclass(frozen=True, kw_only=True)
class TurnReport:
    """The setting, what it scores by language, silero beside it, and the scores of every other setting."""

    setting: Setting
    scores: Sequence[TurnScore]
    curve: Sequence[tuple[Setting, TurnScore]]
    settings: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "setting": asdict(self.setting),
            "scores": [asdict(score) for score in self.scores],
            "curve": [asdict(setting) | _shares(score) for setting, score in self.curve],
            "settings": dict(self.settings),
        }

    def save(self, path: str | Path) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    def table(self) -> Any:
        """The scores as a rich renderable."""
        from omniloom.evaluation.table import TURN_COLUMNS, rich_table, turn_rows

        title = f"Ends of turns: over after {self.setting.num_frames} frames of at least {self.setting.threshold:g}"
        return rich_table(title, TURN_COLUMNS, turn_rows(self.to_json()))


def measure_turns(
    omni: Ear,
    *,
    make: Maker = paused_utterance,
    limit: int = 300,
    seed: int = 0,
    beside: Callable[[Audio], float | None] | None = None,
    kept: Items | None = None,
) -> TurnReport:
    """Choose the setting on training voices and measure it on held-out ones.

    `make` makes the requests with pauses, those of `data.problems` unless given; `beside` is silero unless given. What
    the model said of an utterance is `kept`, and it is not heard again.

    Raises:
        ValueError: If the model was not trained to tell the end of a turn, or `limit` is below 2.
    """
    if limit < len(LANGUAGES):
        raise ValueError(f"limit must be at least {len(LANGUAGES)}, one for each language, got {limit}")
    if not knows_turn_ends(omni):
        raise ValueError("this model was not trained to tell the end of a turn; train one with this version")
    other = beside or silero_detector()
    num_train = max(len(LANGUAGES), round(limit * TRAIN_SHARE))
    items = kept if kept is not None else Items(None, suite="turns", subject="", settings={})
    with Progress("turns", total=num_train + limit, unit="utterance") as progress:
        train, held_out = (
            _heard(omni, make, split, count, seed=seed, progress=progress, kept=items)
            for split, count in (("train", num_train), ("new", limit))
        )
    detector = "omniloom"
    setting = chosen(curve(train.streams, train.ends_s, detector=detector))
    decisions = [decided_at(frames, setting) for frames in held_out.streams]
    others = [other(item.audio) for item in held_out.items]
    scores = [
        *_by_language(held_out, decisions, detector=detector),
        *_by_language(held_out, others, detector=f"silero {SILENCE_MS} ms"),
    ]
    return TurnReport(
        setting=setting,
        scores=scores,
        curve=curve(held_out.streams, held_out.ends_s, detector=detector),
        settings={"limit": limit, "seed": seed, "chosen on": num_train},
    )


def knows_turn_ends(omni: object) -> bool:
    """Whether the model says at every frame of sound if the other has finished; a stand-in is taken to."""
    return bool(getattr(getattr(omni, "vocabulary", None), "has_turn_end", True))


def stream(omni: Ear, audio: Audio) -> list[Frame]:
    """What the model says of each frame, as the sound comes."""
    conversation = omni.conversation()
    piece = audio.rate_hz * PIECE_MS // 1000
    found = []
    for start in range(0, audio.samples.numel(), piece):
        part = audio.samples[start : start + piece]
        known_s = (start + part.numel()) / audio.rate_hz
        found += [Frame(known_s, float(value)) for value in conversation.hear(Audio(part, audio.rate_hz))]
    return found


@dataclass(frozen=True, kw_only=True)
class _Heard:
    items: Sequence[Utterance]
    streams: Sequence[Sequence[Frame]]

    @property
    def ends_s(self) -> list[float]:
        return [item.end_s for item in self.items]


def _heard(omni: Ear, make: Maker, split: Any, count: int, *, seed: int, progress: Progress, kept: Items) -> _Heard:
    items, streams = [], []
    for number, item in enumerate(utterances(make, split, limit=count, seed=seed)):
        key = f"{split} {number}"
        if key not in kept:
            kept.add(key, {"frames": [list(frame) for frame in stream(omni, item.audio)]})
        items.append(item)
        streams.append([Frame(*frame) for frame in kept[key]["frames"]])
        progress.advance(1, {"voices": split})
    return _Heard(items=items, streams=streams)


def _by_language(heard: _Heard, decisions: Sequence[float | None], *, detector: str) -> list[TurnScore]:
    found = [scored(decisions, heard.ends_s, detector=detector)]
    for language in LANGUAGES:
        places = [place for place, item in enumerate(heard.items) if item.language == language]
        own = [decisions[place] for place in places]
        ends = [heard.ends_s[place] for place in places]
        found.append(scored(own, ends, detector=detector, language=language))
    return found


def _shares(score: TurnScore) -> dict[str, Any]:
    return {name: getattr(score, name) for name in ("cut_ins", "missed", "within_160_ms", "median_delay_ms")}
