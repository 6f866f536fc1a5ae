"""How long silence is waited for, by how sure the model is of the turn's end: every candidate on voices of training.

    python benchmarks/serving/choose_waits.py                    # 10 minutes of one core, the recording of what is said
    python benchmarks/serving/choose_waits.py --turns 48         # fewer of each

Two kinds of turns are listened to once, in pieces of 20 ms with the server's own detector, and what the model and the
silence say at each is kept: the spoken turns of `spoken_turns.py` and requests that each have a pause of 0.3 to 1.0 s
(`data.problems.turn_ends`), both by voices and takes of *training*, so that *new* is scored by nothing that was chosen
on it. Then every setting is applied to what was kept. It ends turns wrongly (cut-ins before the true end, at most 3 %)
or not within 0.8 s (at most 2 %); of the settings whose faults are furthest below both, the quickest is taken.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from latency_report import MOST_CUT_INS, MOST_MISSED
from realtime_client import PIECE
from spoken_turns import WIRE_RATE_HZ, room, spoken_turns

from omniloom.core.progress import Progress
from omniloom.core.randomness import generator
from omniloom.data.problems.turn_ends.utterances import paused_utterance
from omniloom.evaluation.turn_ends.utterances import utterances
from omniloom.generation import Omni
from omniloom.serving.realtime.media import MODEL_RATE_HZ, to_audio
from omniloom.serving.realtime.protocol import SemanticVad
from omniloom.serving.realtime.turns import Heard, Silero, Stopped, TurnDetector, TurnEnd
from omniloom.serving.realtime.turns.detector import WAITS
from omniloom.serving.voices import Resampler

LATE_S = 0.8
TAIL_S = 1.4

Wait = tuple[int, float, int]
SURE: tuple[Wait, ...] = tuple((n, p, ms) for n, p in ((1, 0.97), (1, 0.98), (1, 0.99), (2, 0.9)) for ms in (60, 80))
LIKELY: tuple[Wait, ...] = tuple((n, p, ms) for n in (1, 2, 4) for p in (0.3, 0.4, 0.5) for ms in (240, 280, 320))
MAYBE: tuple[Wait, ...] = tuple((n, p, ms) for n in (1, 2, 4) for p in (0.1, 0.2) for ms in (320, 400, 480))


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What was known at each 20 ms of a turn from its start on."""

    end_s: float
    at_s: np.ndarray
    silence_ms: np.ndarray
    newest: np.ndarray
    """The probabilities of the last four frames, the newest last; below 0 where there was none yet."""

    def ends_at(self, waits: Sequence[Wait]) -> float | None:
        is_over = np.zeros(self.at_s.size, bool)
        for num_frames, least, wait_ms in waits:
            is_over |= (self.newest[:, -num_frames:].min(axis=1) >= least) & (self.silence_ms >= wait_ms)
        return float(self.at_s[is_over.argmax()]) if is_over.any() else None


class Patient(TurnEnd):
    """Remembers what the model says and never lets a turn end by it."""

    def wait_ms(self, longest_ms: int) -> int:
        return 1_000_000

    @property
    def newest(self) -> list[float]:
        found = list(self._newest)
        return [-1.0] * (4 - len(found)) + found


def heard(omni: Omni, samples: np.ndarray, end_s: float) -> Trace:
    """One turn at 24 kHz through resampler, detector and model."""
    turn_end, resampler, conversation = Patient(), Resampler(WIRE_RATE_HZ, MODEL_RATE_HZ), omni.conversation()
    detector = TurnDetector(SemanticVad(), Silero(), max_turn_s=30, turn_end=turn_end)
    rows: list[tuple[float, int, list[float]]] = []
    for start in range(0, len(samples) - PIECE + 1, PIECE):
        for signal in detector.push(resampler.push(samples[start : start + PIECE])):
            if isinstance(signal, Heard):
                turn_end.tell(conversation.hear(to_audio(signal.samples)))
            assert not isinstance(signal, Stopped)
        if detector.is_speaking:
            rows.append(((start + PIECE) / WIRE_RATE_HZ, detector.silence_ms, turn_end.newest))
    return Trace(
        end_s=end_s,
        at_s=np.array([at_s for at_s, _, _ in rows]),
        silence_ms=np.array([silence_ms for _, silence_ms, _ in rows]),
        newest=np.array([newest for _, _, newest in rows]).reshape(-1, 4),
    )


def all_turns(num: int) -> Iterator[tuple[str, np.ndarray, float]]:
    """Sounds at 24 kHz with the room after them, and their true ends."""
    for turn in spoken_turns(num, split="train"):
        tail = room(turn.noise, round(TAIL_S * WIRE_RATE_HZ), generator("after", turn.index))
        yield "spoken turns", np.concatenate([turn.samples, tail]), turn.end_s
    for index, item in enumerate(utterances(paused_utterance, "train", limit=num, seed=4)):
        random = generator("room of an utterance", index)
        said = item.audio.resampled(WIRE_RATE_HZ).samples.numpy()
        lead = int(random.uniform(0.3, 0.4) * WIRE_RATE_HZ)
        noise = float(np.abs(said).max() * 10 ** (random.uniform(-70, -45) / 20))
        samples = np.pad(said, (lead, 0)) + room(noise, lead + said.size, random)
        yield "requests with a pause", samples.astype(np.float32), lead / WIRE_RATE_HZ + item.end_s


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a setting is worth on one kind of turn."""

    cut_ins: float
    missed: float
    delays_ms: tuple[float, ...]

    @property
    def faults(self) -> float:
        """1 where a bar is just held."""
        return self.cut_ins / MOST_CUT_INS + self.missed / MOST_MISSED


def scored(traces: Sequence[Trace], waits: Sequence[Wait]) -> Score:
    ends = [(trace.ends_at(waits), trace.end_s) for trace in traces]
    delays_s = [at - end_s for at, end_s in ends if at is not None]
    right = [delay for delay in delays_s if 0 <= delay <= LATE_S]
    cut_ins = sum(delay < 0 for delay in delays_s)
    n = len(traces)
    return Score(
        cut_ins=cut_ins / n, missed=(n - cut_ins - len(right)) / n, delays_ms=tuple(1000 * delay for delay in right)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=360, help="of each of the two kinds (default: 360)")
    parser.add_argument("--show", type=int, default=10, help="how many of the best settings (default: 10)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    omni = Omni.load("tiny")
    kinds: dict[str, list[Trace]] = {}
    with Progress("listening", total=2 * options.turns, unit="turn") as progress:
        for kind, samples, end_s in all_turns(options.turns):
            kinds.setdefault(kind, []).append(heard(omni, samples, end_s))
            progress.advance()
    candidates = [(WAITS, "as shipped"), *((waits, "") for waits in itertools.product(SURE, LIKELY, MAYBE))]
    ranked = []
    for waits, name in candidates:
        scores = {kind: scored(traces, waits) for kind, traces in kinds.items()}
        faults = max(score.faults for score in scores.values())
        delay_ms = median(next(iter(scores.values())).delays_ms or [1e9])
        # A tenth of what is allowed is worth 10 ms.
        ranked.append((delay_ms + 100 * max(0.0, faults - 0.5), name, waits, scores))
    best = sorted(ranked[1:], key=lambda item: item[0])[: options.show]
    columns = " | ".join(f"{kind}: cut-ins, missed, p50" for kind in kinds)
    print(f"| Frames, probability, silence in ms | {columns} |")
    print("|---" * (1 + len(kinds)) + "|")
    for _, name, waits, scores in [ranked[0], *best]:
        cells = [f"{name} {waits}".strip()]
        for score in scores.values():
            p50 = f"{median(score.delays_ms):.0f} ms" if score.delays_ms else "–"
            cells.append(f"{100 * score.cut_ins:.1f} %, {100 * score.missed:.1f} %, {p50}")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
