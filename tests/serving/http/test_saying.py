"""A text to be said: cut into phrases that were learned, each the model's own reply, and heard by the listener."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from omniloom.data.speech.listener import Listener
from omniloom.generation import Omni
from omniloom.serving.http.audio.saying import MAX_WORDS, Saying, language_of, phrases_of
from omniloom.stream.parts import Audio


def test_phrases_are_short_end_at_marks_and_leave_no_word_out() -> None:
    text = 'One two three four five. Six, "seven" eight!\nnine ten eleven twelve thirteen fourteen fifteen sixteen ten'
    found = phrases_of(text)
    assert [phrase.text for phrase in found[:4]] == ["One two", "three four five.", "Six,", "seven eight!"]
    assert [phrase.ends_sentence for phrase in found[:4]] == [False, True, False, True]
    assert " ".join(phrase.text for phrase in found).split() == text.replace('"', "").split()
    assert all(len(phrase.text.split()) <= MAX_WORDS for phrase in found)


@pytest.mark.parametrize(
    ("text", "language"),
    [("seven apple", "en"), ("trois maison", "fr"), ("orange", "en"), ("xyzzy", "en"), ("!", "en")],
)
def test_french_is_told_by_its_words(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.fixture(scope="module")
def tiny() -> Omni:
    return Omni.load("tiny")


def said(omni: Omni, text: str) -> Audio:
    pieces = list(Saying(omni, text, max_tokens=512).run())
    return Audio(torch.from_numpy(np.concatenate([piece.samples for piece in pieces])), pieces[0].rate_hz)


def test_a_phrase_is_the_models_reply(tiny: Omni) -> None:
    expected = tiny.reply('say "seven apple"', "audio").audio
    assert expected is not None
    # The codec decodes in pieces here and there alike; the very last bits depend on the sizes of products.
    torch.testing.assert_close(said(tiny, "seven apple").samples, expected.samples, rtol=0, atol=1e-4)


def test_a_long_text_is_heard_whole(tiny: Omni) -> None:
    text = "seven apple river window house. big red circle top left, twelve cloud!"
    assert Listener.load().transcribe(said(tiny, text)) == text.translate(str.maketrans("", "", ".,!"))


def test_nothing_to_say_is_refused(tiny: Omni) -> None:
    with pytest.raises(ValueError, match="nothing to say"):
        Saying(tiny, " ... ", max_tokens=8)


def test_a_cancel_ends_it(tiny: Omni) -> None:
    saying = Saying(tiny, "seven apple river window house bridge", max_tokens=512)
    pieces = saying.run()
    next(pieces)
    saying.cancel()
    rest = list(pieces)
    assert sum(piece.samples.size for piece in rest) < 16_000
    assert list(saying.run()) == []
