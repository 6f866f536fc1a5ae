"""The text codec's recipe: every reply word is one token, with and without its leading space."""

from __future__ import annotations

import pytest

from omniloom.codecs.text import TextCodec
from omniloom.recipes.text_codec import ALL_REPLY_WORDS, TextCodecRecipe, english_texts, train

QUICK = TextCodecRecipe(num_examples=0, english_characters=60_000, word_repeats=200)


@pytest.fixture(scope="module")
def codec() -> TextCodec:
    return train(QUICK)


def test_every_reply_word_is_one_token(codec: TextCodec) -> None:
    assert [word for word in ALL_REPLY_WORDS if len(codec.encode_text(word)) > 1] == []
    assert [word for word in ALL_REPLY_WORDS if len(codec.encode_text(f" {word}")) > 1] == []


def test_the_vocabulary_is_full_and_english_is_cheaper_than_bytes(codec: TextCodec) -> None:
    assert codec.spec.size == 1280
    text = " ".join(english_texts(20_000, is_reversed=True))
    assert len(codec.encode_text(text)) < 0.6 * len(text.encode())


def test_english_is_at_hand_and_bounded() -> None:
    texts = english_texts(5_000)
    assert 5_000 <= sum(map(len, texts)) < 50_000
    assert texts == english_texts(5_000) != english_texts(5_000, is_reversed=True)
