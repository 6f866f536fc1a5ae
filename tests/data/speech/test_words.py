"""The closed reply vocabulary and the numbers written in it."""

from __future__ import annotations

import pytest

from omniloom.data.speech.words import REPLY_WORDS, number_words


def test_words_are_lower_case_and_different():
    assert len(set(REPLY_WORDS)) == len(REPLY_WORDS)
    assert all(word.isascii() and word.isalpha() and word.islower() for word in REPLY_WORDS)


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "zero"), (7, "seven"), (12, "twelve"), (20, "twenty"), (31, "thirty one"), (40, "forty"), (-4, "minus four")],
)
def test_number_words(number, words):
    assert number_words(number) == words


def test_every_number_is_its_own_phrase_of_reply_words():
    phrases = [number_words(number) for number in range(-49, 50)]
    assert len(set(phrases)) == len(phrases)
    assert {word for phrase in phrases for word in phrase.split()} <= set(REPLY_WORDS)


def test_a_number_too_large_is_refused():
    with pytest.raises(ValueError, match="between -49 and 49, got 50"):
        number_words(50)
