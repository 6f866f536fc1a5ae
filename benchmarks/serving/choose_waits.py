"""How long silence is waited for, by how sure the model is of the turn's end: every candidate on voices of training.

    python benchmarks/serving/choose_waits.py                    # 10 minutes of one core, the recording of what is said
    python benchmarks/serving/choose_waits.py --minutes 3        # as many turns as that gives; called again, it goes on

Two kinds of turns are listened to once, in pieces of 20 ms with the server's own detector, and what the model and the
silence say at each is kept: the spoken turns of `spoken_turns.py` and requests that each have a pause of 0.3 to 1.0 s
(`data.problems.turn_ends`), both by voices and takes of *training*, so that *new* is scored by nothing that was chosen
on it. Then every setting is applied to what was kept. It ends turns wrongly (cut-ins before the true end, at most 3 %)
or not within 0.8 s (at most 2 %); of the settings whose faults are furthest below both, the quickest is taken.

What was heard stands in OUT/traces.jsonl, a line a turn. The first line says by which model and ear: with others,
nothing of it holds, and it is begun anew.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from latency_report import MOST_CUT_INS, MOST_MISSED
from realtime_client import PIECE
from spoken_turns import WIRE_RATE_HZ, room, spoken_turn

from omniloom.core.progress import Progress
from omniloom.core.randomness import generator
from omniloom.data.problems.turn_ends.utterances import paused_utterance
from omniloom.evaluation.turn_ends.utterances import LANGUAGES, with_tail
from omniloom.generation import Omni
from omniloom.generation.loading import find
from omniloom.serving import voices
from omniloom.serving.realtime.media import MODEL_RATE_HZ, to_audio
from omniloom.serving.realtime.protocol import SemanticVad
from omniloom.serving.realtime.turns import Heard, Silero, Stopped, TurnDetector, TurnEnd, detector, silence, silero
from omniloom.serving.realtime.turns.detector import WAITS
from omniloom.serving.voices import Resampler

SPOKEN, REQUESTS = "spoken turns", "requests with a pause"
LATE_S = 0.8
TAIL_S = 1.4

Wait = tuple[int, float, int]
SURE: tuple[Wait, ...] = tuple((n, p, ms) for n, p in ((1, 0.97), (1, 0.98), (1, 0.99), (2, 0.9)) for ms in (60, 80))
LIKELY: tuple[Wait, ...] = tuple((n, p, ms) for n in (1, 2, 4) for p in (0.3, 0.4, 0.5) for ms in (240, 280, 320))
MAYBE: tuple[Wait, ...] = tuple((n, p, ms) for n in (1, 2, 4) for p in (0.1, 0.2) for ms in (320, 400, 480))


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What was known at each 20 ms of a turn from its start on."""

    kind: str
    index: int
    end_s: float
    at_s: np.ndarray
    silence_ms: np.ndarray
    newest: np.ndarray
    """The probabilities of the last four frames, the newest last; below 0 where there was none yet."""

    def ends_at(self, wait: Wait) -> float:
        """When this wait alone would end it; infinite where it never would."""
        num_frames, least, wait_ms = wait
        is_over = (self.newest[:, -num_frames:].min(axis=1) >= least) & (self.silence_ms >= wait_ms)
        return float(self.at_s[is_over.argmax()]) if is_over.any() else np.inf

    def to_json(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).round(4).tolist() for name in ("at_s", "silence_ms", "newest")}
        return {"kind": self.kind, "index": self.index, "end_s": self.end_s, **arrays}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Trace:
        newest = np.array(data["newest"], float).reshape(-1, 4)
        rest = {name: np.array(data[name], float) for name in ("at_s", "silence_ms")}
        return cls(kind=data["kind"], index=data["index"], end_s=data["end_s"], newest=newest, **rest)


class Patient(TurnEnd):
    """Remembers what the model says and never lets a turn end by it."""

    def wait_ms(self, longest_ms: int) -> int:
        return 1_000_000

    @property
    def newest(self) -> list[float]:
        found = list(self._newest)
        return [-1.0] * (4 - len(found)) + found


def heard(omni: Omni, turn: Turn) -> Trace:
    """One turn through resampler, detector and model."""
    samples = turn.samples
    turn_end, resampler, conversation = Patient(), Resampler(WIRE_RATE_HZ, MODEL_RATE_HZ), omni.conversation()
    ear = TurnDetector(SemanticVad(), Silero(), max_turn_s=30, turn_end=turn_end)
    rows: list[tuple[float, int, list[float]]] = []
    for start in range(0, len(samples) - PIECE + 1, PIECE):
        for signal in ear.push(resampler.push(samples[start : start + PIECE])):
            if isinstance(signal, Heard):
                turn_end.tell(conversation.hear(to_audio(signal.samples)))
            assert not isinstance(signal, Stopped)
        if ear.is_speaking:
            rows.append(((start + PIECE) / WIRE_RATE_HZ, ear.silence_ms, turn_end.newest))
    return Trace(
        kind=turn.kind,
        index=turn.index,
        end_s=turn.end_s,
        at_s=np.array([at_s for at_s, _, _ in rows]),
        silence_ms=np.array([silence_ms for _, silence_ms, _ in rows]),
        newest=np.array([newest for _, _, newest in rows]).reshape(-1, 4),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """A sound at 24 kHz with the room after it, and its true end."""

    kind: str
    index: int
    samples: np.ndarray
    end_s: float


def spoken(index: int) -> Turn:
    """What the benchmark of latency says, by voices of training."""
    turn = spoken_turn(index, split="train")
    tail = room(turn.noise, round(TAIL_S * WIRE_RATE_HZ), generator("after", index))
    return Turn(kind=SPOKEN, index=index, samples=np.concatenate([turn.samples, tail]), end_s=turn.end_s)


def requested(index: int) -> Turn:
    """A request with a pause in it."""
    language = LANGUAGES[index % len(LANGUAGES)]
    sound = paused_utterance("train", 4_000_000 + index, language)
    assert sound.speech_end_s is not None
    random = generator("room of an utterance", index)
    said = with_tail(sound, sound.speech_end_s).resampled(WIRE_RATE_HZ).samples.numpy()
    lead = int(random.uniform(0.3, 0.4) * WIRE_RATE_HZ)
    noise = float(np.abs(said).max() * 10 ** (random.uniform(-70, -45) / 20))
    samples = (np.pad(said, (lead, 0)) + room(noise, lead + said.size, random)).astype(np.float32)
    return Turn(kind=REQUESTS, index=index, samples=samples, end_s=lead / WIRE_RATE_HZ + sound.speech_end_s)


def made_by() -> str:
    """A name for the model and the ear that hear."""
    ear = [Path(str(module.__file__)) for module in (detector, silence, silero, voices)]
    files = [find("tiny") / "manifest.json", *ear]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def listen(path: Path, *, num_turns: int, minutes: float) -> list[Trace]:
    """All turns, or as many as there is time for; those that were heard before are read."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if not lines or json.loads(lines[0]) != {"made_by": made_by()}:
        lines = [json.dumps({"made_by": made_by()})]
        path.write_text(lines[0] + "\n", encoding="utf-8")
    traces = [Trace.from_json(json.loads(line)) for line in lines[1:]]
    known = {(trace.kind, trace.index) for trace in traces}
    until_s, omni = time.monotonic() + 60 * minutes, None
    with (
        path.open("a", encoding="utf-8") as file,
        Progress("listening", total=2 * num_turns, unit="turn") as progress,
    ):
        # By turns, so that a part of them is a part of both.
        for index, (kind, make) in itertools.product(range(num_turns), ((SPOKEN, spoken), (REQUESTS, requested))):
            if time.monotonic() > until_s:
                break
            if (kind, index) not in known:
                omni = omni or Omni.load("tiny")
                traces.append(heard(omni, make(index)))
                file.write(json.dumps(traces[-1].to_json()) + "\n")
                file.flush()
            progress.advance()
    return [trace for trace in traces if trace.index < num_turns]


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a setting is worth on one kind of turn."""

    cut_ins: float
    missed: float
    p50_ms: float

    @property
    def faults(self) -> float:
        """1 where a bar is just held."""
        return self.cut_ins / MOST_CUT_INS + self.missed / MOST_MISSED


class Scorer:
    """What settings are worth on one kind of turn; each wait is applied once, whatever settings it is in."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        self._traces = traces
        self._ends_s = np.array([trace.end_s for trace in traces])
        self._known: dict[Wait, np.ndarray] = {}

    def score(self, waits: Sequence[Wait]) -> Score:
        delays_s = np.min([self._ends_at(wait) for wait in waits], axis=0) - self._ends_s
        cut_ins, right = (delays_s < 0).mean(), (delays_s >= 0) & (delays_s <= LATE_S)
        p50_ms = 1000 * float(np.median(delays_s[right])) if right.any() else np.inf
        return Score(cut_ins=float(cut_ins), missed=float(1 - cut_ins - right.mean()), p50_ms=p50_ms)

    def _ends_at(self, wait: Wait) -> np.ndarray:
        if wait not in self._known:
            self._known[wait] = np.array([trace.ends_at(wait) for trace in self._traces])
        return self._known[wait]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/waits"), metavar="FOLDER", help="what was heard")
    parser.add_argument("--turns", type=int, default=360, help="of each of the two kinds (default: 360)")
    parser.add_argument(
        "--minutes", type=float, default=np.inf, help="of listening at most (default: until it is done)"
    )
    parser.add_argument("--show", type=int, default=10, help="how many of the best settings (default: 10)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    traces = listen(options.out / "traces.jsonl", num_turns=options.turns, minutes=options.minutes)
    kinds: dict[str, list[Trace]] = {}
    for trace in traces:
        kinds.setdefault(trace.kind, []).append(trace)
    print("; ".join(f"{len(found)} {kind}" for kind, found in kinds.items()) + f" of {options.turns} each\n")
    tell({kind: Scorer(found) for kind, found in kinds.items()}, show=options.show)


def tell(scorers: dict[str, Scorer], *, show: int) -> None:
    """The setting as shipped and the best, as a table."""
    candidates = [(WAITS, "as shipped"), *((waits, "") for waits in itertools.product(SURE, LIKELY, MAYBE))]
    ranked = []
    for waits, name in candidates:
        scores = {kind: scorer.score(waits) for kind, scorer in scorers.items()}
        faults = max(score.faults for score in scores.values())
        # A tenth of what is allowed is worth 10 ms.
        cost_ms = next(iter(scores.values())).p50_ms + 100 * max(0.0, faults - 0.5)
        ranked.append((cost_ms, name, waits, scores))
    best = sorted(ranked[1:], key=lambda item: item[0])[:show]
    columns = " | ".join(f"{kind}: cut-ins, missed, p50" for kind in scorers)
    print(f"| Frames, probability, silence in ms | cost | {columns} |")
    print("|---" * (2 + len(scorers)) + "|")
    for cost_ms, name, waits, scores in [ranked[0], *best]:
        cells = [f"{name} {waits}".strip(), f"{cost_ms:.0f} ms"]
        for score in scores.values():
            cells.append(f"{100 * score.cut_ins:.1f} %, {100 * score.missed:.1f} %, {score.p50_ms:.0f} ms")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
