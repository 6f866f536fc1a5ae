"""Transcribing asks the model in words that it was trained on, and hands on what it writes."""

from __future__ import annotations

import pytest
import torch

from omniloom.generation import Omni
from omniloom.serving.transcribing import transcribe
from omniloom.stream.parts import Audio


@pytest.fixture(scope="module")
def tiny() -> Omni:
    return Omni.load("tiny")


@pytest.fixture
def spoken(tiny: Omni) -> Audio:
    said = tiny.reply('say "seven apple"', "audio").audio
    assert said is not None
    return said


def test_pieces_make_the_reply_to_the_question(tiny: Omni, spoken: Audio) -> None:
    pieces = list(transcribe(tiny, spoken))
    assert len(pieces) > 1
    assert "".join(pieces) == tiny.reply(["Write what you hear?", spoken]).text == "seven apple"


def test_the_question_is_asked_in_the_language_that_is_written(tiny: Omni) -> None:
    said = tiny.reply('dis "trois maison"', "audio").audio
    assert said is not None
    assert "".join(transcribe(tiny, said, language="fr")) == "trois maison"


def test_another_language_is_refused(tiny: Omni) -> None:
    with pytest.raises(ValueError, match="one of en, fr, got 'de'"):
        transcribe(tiny, Audio(torch.zeros(16_000), 16_000), language="de")
