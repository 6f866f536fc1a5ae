"""What a model does not know is refused by name, and takes one id and no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from omniloom.codecs.absent import NoAudio, NoImage
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.text import TextCodec
from omniloom.stream import Audio, Image
from omniloom.stream.grammar import ReplyGrammar
from omniloom.stream.vocabulary import NUM_CONTROLS, Vocabulary

CODECS = CodecSet.of_text(TextCodec.train(["one two three"], 300))


def test_a_set_of_text_saved_equals_loaded(tmp_path: Path) -> None:
    CODECS.save(tmp_path)
    assert CodecSet.load(tmp_path).specs == CODECS.specs


def test_what_is_absent_takes_one_id_each() -> None:
    vocabulary = CODECS.vocabulary()
    assert vocabulary.size == NUM_CONTROLS + 300 + 1 + 1
    again = Vocabulary.from_json(vocabulary.to_json())
    assert [again.knows(modality) for modality in ("text", "audio", "image")] == [True, False, False]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: NoAudio().encode(Audio(torch.zeros(200), 8000)),
        lambda: NoAudio().decode([0]),
        lambda: NoAudio().encoder_stream().push(torch.zeros(160)),
    ],
)
def test_sound_is_refused(ask: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="this model knows no audio; give it text"):
        ask()


def test_pictures_are_refused() -> None:
    picture = Image(torch.zeros(3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="this model knows no image; give it text"):
        NoImage().encode(picture)


@pytest.mark.parametrize("want", ["audio", "image"])
def test_a_reply_of_what_is_absent_is_refused(want: str) -> None:
    with pytest.raises(ValueError, match=f"this model gives no {want}; want text"):
        ReplyGrammar(CODECS.vocabulary(), want)
    assert ReplyGrammar(CODECS.vocabulary(), "text").num_states > 1
