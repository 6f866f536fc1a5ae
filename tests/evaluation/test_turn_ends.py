"""Decisions against true ends: what is early cuts in, what is late is missed, and the setting keeps to the bars."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from omniloom.evaluation.report import WorldReport
from omniloom.evaluation.suites import Items
from omniloom.evaluation.table import turn_rows
from omniloom.evaluation.turn_ends import Frame, Setting, decided_at, draw_turns, measure_turns
from omniloom.evaluation.turn_ends.decisions import TurnScore, chosen, scored
from omniloom.evaluation.turn_ends.measure import stream
from omniloom.evaluation.turn_ends.silero import silero_detector
from omniloom.evaluation.turn_ends.utterances import TAIL_S, with_tail
from omniloom.stream.parts import Audio

RATE_HZ = 16_000


def made(split: str, index: int, language: str) -> Audio:
    """Speech is 1, a pause 0.5, silence 0: 0.4 s said, a pause of half a second, 0.4 s said, and a moment after."""
    levels = [(10, 1.0), (12, 0.5), (10, 1.0), (1, 0.0)]
    return Audio(torch.cat([torch.full((count * RATE_HZ // 25,), level) for count, level in levels]), RATE_HZ, 1.28)


class Ear:
    """A conversation that tells a pause from the end, and is unsure of the first frame of either."""

    def __init__(self, in_a_pause: float) -> None:
        self._in_a_pause = in_a_pause
        self._before = 1.0

    def conversation(self) -> Ear:
        return Ear(self._in_a_pause)

    def hear(self, audio: Audio) -> list[float]:
        assert audio.samples.numel() == RATE_HZ // 25
        level = float(audio.samples.mean())
        is_first, self._before = level < self._before, level
        if level > 0.75:
            return [0.01]
        return [0.6 if is_first else self._in_a_pause if level > 0.25 else 0.99]


def never(audio: Audio) -> float | None:
    return None


def test_a_decision_takes_so_many_frames_in_a_row() -> None:
    frames = [Frame(0.04 * (place + 1), value) for place, value in enumerate([0.9, 0.2, 0.9, 0.95, 0.9])]
    assert decided_at(frames, Setting(threshold=0.9, num_frames=1)) == pytest.approx(0.04)
    assert decided_at(frames, Setting(threshold=0.9, num_frames=2)) == pytest.approx(0.16)
    assert decided_at(frames, Setting(threshold=0.9, num_frames=4)) is None


def test_early_cuts_in_late_is_missed_and_the_delay_is_of_the_rest() -> None:
    score = scored([0.9, 1.0, 1.1, 1.3, 1.9, None], [1.0] * 6, detector="x")
    assert score == TurnScore(
        detector="x",
        language="all",
        n=6,
        cut_ins=pytest.approx(1 / 6),
        missed=pytest.approx(2 / 6),
        within_160_ms=pytest.approx(2 / 6),
        median_delay_ms=pytest.approx(100),
    )
    with pytest.raises(ValueError, match="no utterance"):
        scored([], [], detector="x")


def turn_score(cut_ins: float, missed: float, quick: float) -> TurnScore:
    return TurnScore(
        detector="x", language="all", n=100, cut_ins=cut_ins, missed=missed, within_160_ms=quick, median_delay_ms=1
    )


def test_of_the_quick_enough_the_setting_with_the_fewest_faults_is_chosen() -> None:
    settings = [Setting(threshold=0.5, num_frames=frames) for frames in (1, 2, 3)]

    def best(*scores: TurnScore) -> Setting:
        return chosen(list(zip(settings, scores, strict=True)))

    score = turn_score
    assert best(score(0.2, 0.0, 0.99), score(0.01, 0.0, 0.95), score(0.0, 0.0, 0.5)) == settings[1]
    # A cut-in fewer is worth more than being quick oftener than is enough.
    assert best(score(0.2, 0.0, 0.99), score(0.01, 0.0, 0.99), score(0.0, 0.0, 0.93)) == settings[2]
    # Two misses weigh as three cut-ins do; without a difference in faults the quickest is chosen.
    assert best(score(0.03, 0.0, 0.93), score(0.01, 0.02, 0.99), score(0.0, 0.01, 0.95)) == settings[2]
    assert best(score(0.0, 0.0, 0.93), score(0.0, 0.0, 0.99), score(0.0, 0.0, 0.95)) == settings[1]
    # Where none is quick enough, the nearest to it.
    assert best(score(0.0, 0.0, 0.2), score(0.1, 0.0, 0.5), score(0.0, 0.0, 0.4)) == settings[1]


def test_a_setting_at_the_edge_of_the_faultless_is_not_chosen() -> None:
    cut_ins = [0.3, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    missed = [0.0] * 8 + [0.2]
    row = [
        (Setting(threshold=0.1 * place, num_frames=2), turn_score(*faults, 0.99 - 0.001 * place))
        for place, faults in enumerate(zip(cut_ins, missed, strict=True))
    ]
    assert chosen(row) == chosen(row[::-1]) == row[5][0]


def test_what_is_known_counts_from_the_end_of_the_piece() -> None:
    frames = stream(Ear(0.1), Audio(torch.zeros(RATE_HZ // 25 * 3), RATE_HZ))
    assert [frame.known_s for frame in frames] == pytest.approx([0.04, 0.08, 0.12])


def test_a_model_that_understands_cuts_in_nowhere_and_is_quick(tmp_path: Path) -> None:
    report = measure_turns(Ear(0.1), make=made, limit=4, beside=never)
    ours = {score.language: score for score in report.scores if score.detector == "omniloom"}
    assert set(ours) == {"all", "en", "fr"} and ours["en"].n == ours["fr"].n == 2
    for score in ours.values():
        assert (score.cut_ins, score.missed, score.within_160_ms) == (0.0, 0.0, 1.0)
        assert score.median_delay_ms == pytest.approx(80, abs=41)
    other = next(score for score in report.scores if score.detector == "silero 500 ms")
    assert other.missed == 1.0 and other.median_delay_ms is None
    report.save(tmp_path / "turns.json")
    data = json.loads((tmp_path / "turns.json").read_text())
    assert data["setting"] == {"threshold": report.setting.threshold, "num_frames": report.setting.num_frames}
    assert WorldReport.from_json(WorldReport(cells=[], turns=data).to_json()).turns == data
    assert len(turn_rows(data)) == 6 and turn_rows({}) == []


def test_a_detector_of_silence_cuts_in_at_a_pause() -> None:
    report = measure_turns(Ear(0.99), make=made, limit=2, beside=never)
    assert report.scores[0].cut_ins == 1.0
    assert all(score.cut_ins == 1.0 for setting, score in report.curve if setting.threshold <= 0.95)


def test_a_stopped_run_hears_nothing_twice(tmp_path: Path) -> None:
    class Stopping(Ear):
        num_left = 3
        num_heard = 0

        def conversation(self) -> Any:
            if not self.num_left:
                raise KeyboardInterrupt
            self.num_left -= 1
            self.num_heard += 1
            return super().conversation()

    def kept() -> Items:
        return Items(tmp_path / "items.jsonl", suite="turns", subject="an ear", settings={"seed": 0})

    first, second = Stopping(0.1), Stopping(0.1)
    second.num_left = 100
    with pytest.raises(KeyboardInterrupt):
        measure_turns(first, make=made, limit=4, beside=never, kept=kept())
    report = measure_turns(second, make=made, limit=4, beside=never, kept=kept())
    assert report.to_json() == measure_turns(Ear(0.1), make=made, limit=4, beside=never).to_json()
    assert (first.num_heard, second.num_heard) == (3, 4 + 5 - 3)


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw_turns(measure_turns(Ear(0.1), make=made, limit=2, beside=never).to_json(), tmp_path / "deep" / "turns.png")
    assert (tmp_path / "deep" / "turns.png").stat().st_size > 5_000


def test_the_room_goes_on_after_the_end() -> None:
    noise = 0.01 * torch.randn(RATE_HZ // 2)
    sound = Audio(torch.cat([torch.ones(RATE_HZ), noise]), RATE_HZ, 1.0)
    longer = with_tail(sound, 1.0)
    assert longer.duration_s == pytest.approx(1.0 + TAIL_S, abs=1e-3)
    assert torch.equal(longer.samples[: sound.samples.numel()], sound.samples)
    assert longer.samples[sound.samples.numel() :].std() == pytest.approx(0.01, rel=0.3)
    assert with_tail(longer, 0.5) is longer


def test_a_model_that_knows_no_ends_is_told_apart() -> None:
    omni: Any = SimpleNamespace(vocabulary=SimpleNamespace(has_turn_end=False))
    with pytest.raises(ValueError, match="was not trained to tell the end of a turn"):
        measure_turns(omni, make=made, beside=never)
    with pytest.raises(ValueError, match="at least 2"):
        measure_turns(Ear(0.1), make=made, limit=1, beside=never)


def test_a_sound_without_a_known_end_is_refused() -> None:
    with pytest.raises(ValueError, match="does not tell when its speaker has said all"):
        measure_turns(Ear(0.1), make=lambda *args: Audio(torch.zeros(640), RATE_HZ), limit=2, beside=never)


def test_silero_waits_half_a_second() -> None:
    pytest.importorskip("silero_vad", reason="the serve extra has it")
    synthesis = pytest.importorskip("omniloom.data.speech.synthesis")
    pytest.importorskip("espeakng_loader", reason="the speech extra has it")
    sound = synthesis.synthesize("draw a big red circle", synthesis.NEW_VOICES[0]).audio
    end_s = sound.duration_s
    decided = silero_detector()(with_tail(sound, end_s))
    assert decided is not None and 0.3 < decided - end_s < 0.8
