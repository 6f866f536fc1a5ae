"""Synthetic digits may come as those of people do, over a telephone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omniloom.data.problems.digits import DigitsProblem
from omniloom.stream.parts import Audio


@pytest.mark.parametrize(("share", "rates"), [(0.0, {16_000}), (0.5, {8_000, 16_000}), (1.0, {8_000})])
def test_a_share_of_synthetic_digits_comes_by_telephone(share: float, rates: set[int]) -> None:
    config = DigitsProblem.Config(synthetic=1.0, telephone=share)
    plain, narrow = DigitsProblem(replace(config, telephone=0.0)), DigitsProblem(config)
    found = set()
    for index in range(12):
        one, other = (problem.example("train", index, "digit_audio") for problem in (plain, narrow))
        (sound,), (heard,) = one.messages[0].parts, other.messages[0].parts
        assert isinstance(sound, Audio) and isinstance(heard, Audio)
        assert heard.duration_s == pytest.approx(sound.duration_s, abs=1e-3)
        assert heard.words == sound.words and heard.speech_end_s == sound.speech_end_s
        assert one.answer == other.answer
        found.add(heard.rate_hz)
    assert found == rates
