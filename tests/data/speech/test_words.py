"""The closed reply vocabulary and the numbers written in it."""

from __future__ import annotations

import pytest

from omniloom.data.speech.words import (
    FRENCH_PHRASE_WORDS,
    HEARD_WORDS,
    HOMOPHONES,
    PHRASE_WORDS,
    REPLY_WORDS,
    REPLY_WORDS_IN,
    heard_as,
    number_words,
    words_of,
)


def test_words_are_lower_case_and_different():
    assert len(set(REPLY_WORDS)) == len(REPLY_WORDS)
    assert all(word.isascii() and word.isalpha() and word.islower() for word in REPLY_WORDS)
    french = REPLY_WORDS_IN["fr"]
    assert len(set(french)) == len(french)
    assert all(word.isalpha() and word.islower() for word in french)


def test_phrases_are_of_reply_words_and_of_no_homophones():
    assert set(PHRASE_WORDS) <= set(REPLY_WORDS)
    assert set(FRENCH_PHRASE_WORDS) <= set(REPLY_WORDS_IN["fr"]) - {"bleue", "noire", "petit", "grand"}


def test_each_sound_is_heard_as_one_spelling():
    assert len(set(HEARD_WORDS)) == len(HEARD_WORDS)
    assert not set(HOMOPHONES) & set(HEARD_WORDS)
    assert heard_as("petite étoile bleue") == "petite étoile bleu"
    assert heard_as("i know") == "i no"
    assert heard_as("en bas à gauche") != heard_as("en haut à gauche")
    assert len({heard_as(word) for word in FRENCH_PHRASE_WORDS}) == len(FRENCH_PHRASE_WORDS)
    assert len({heard_as(word) for word in PHRASE_WORDS}) == len(PHRASE_WORDS)
    for words in REPLY_WORDS_IN.values():
        assert set(heard_as(" ".join(words)).split()) <= set(HEARD_WORDS)


def test_the_words_of_a_language_are_those_that_can_be_heard():
    assert words_of("en", ("red", "rouge", "bleu")) == ("red",)
    assert words_of("fr", ("red", "rouge", "bleu")) == ("rouge", "bleu", "bleue")
    assert words_of("fr", HEARD_WORDS) == REPLY_WORDS_IN["fr"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (7, "seven"),
        (12, "twelve"),
        (20, "twenty"),
        (31, "thirty one"),
        (40, "forty"),
        (99, "ninety nine"),
        (-4, "minus four"),
    ],
)
def test_number_words(number, words):
    assert number_words(number) == words


def test_every_number_is_its_own_phrase_of_reply_words():
    phrases = [number_words(number) for number in range(-99, 100)]
    assert len(set(phrases)) == len(phrases)
    assert {word for phrase in phrases for word in phrase.split()} <= set(REPLY_WORDS)


def test_a_number_too_large_is_refused():
    with pytest.raises(ValueError, match="between -99 and 99, got 100"):
        number_words(100)
