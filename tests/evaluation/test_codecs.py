"""Codec ceilings: a codec that loses nothing leaves what the reader can read, one that loses all leaves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.support.emoji import made_up_emoji

from omniloom.codecs.text import TextCodec
from omniloom.data.speech import fsdd
from omniloom.evaluation import codecs
from omniloom.evaluation.codecs import measure_audio, measure_emoji, measure_frames, measure_image, measure_text
from omniloom.evaluation.round_trip import round_trip
from omniloom.stream.parts import Audio, Image, Text


class Lossless:
    """Keeps what it is given and hands it back."""

    spec = SimpleNamespace(fingerprint="lossless")

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def encode(self, part: Any) -> list[int]:
        self._kept.append(part)
        return [len(self._kept) - 1]

    def decode(self, codes: Sequence[int]) -> Any:
        return self._kept[codes[0]]


class Blank(Lossless):
    """Gives white paper back."""

    def decode(self, codes: Sequence[int]) -> Any:
        return Image(torch.full((3, 64, 64), 255, dtype=torch.uint8))


def test_a_lossless_image_codec_reaches_the_reader_s_own_ceiling() -> None:
    for ceiling in measure_image(Lossless(), limit=12):
        assert ceiling.after == ceiling.direct >= 0.9


def test_white_paper_is_read_as_no_scene() -> None:
    assert [ceiling.after for ceiling in measure_image(Blank(), limit=6)] == [0, 0, 0, 0]


def test_frames_are_read_after_the_codec_s_round_trip() -> None:
    lossless: Any = SimpleNamespace(encode_frames=lambda pixels: pixels, decode_frames=lambda codes: codes)
    for ceiling in measure_frames(lossless, limit=12):
        assert ceiling.codec == "image" and ceiling.after == ceiling.direct >= 0.9
    blank: Any = SimpleNamespace(encode_frames=torch.ones_like, decode_frames=lambda codes: codes)
    assert [ceiling.after for ceiling in measure_frames(blank, limit=6)] == [0, 0]


def test_emoji_are_read_as_well_after_a_lossless_codec_and_not_at_all_off_white_paper() -> None:
    with made_up_emoji():
        for ceiling in measure_emoji(Lossless(), limit=10):
            assert ceiling.after == ceiling.direct >= 0.9
        assert {ceiling.after for ceiling in measure_emoji(Blank(), limit=4)} == {0}


def test_words_too_many_and_too_few_count(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("espeakng_loader")
    monkeypatch.setattr(fsdd, "recordings", lambda split: ())
    monkeypatch.setattr(codecs, "_words_heard", lambda codec, listener, what, pairs: (what, len(pairs)))
    found = measure_audio(Lossless(), SimpleNamespace(transcribe=lambda audio: ""), limit=3)
    totals = {
        what: sum(count for name, count in found if name.split(",")[0] == what)
        for what in ("words of the assistant", "words of new voices", "digits of real voices")
    }
    assert list(totals.values()) == [3, 3, 0]  # French ones have a row of their own
    monkeypatch.undo()
    silence = Audio(torch.zeros(1600), 16_000)
    ear = SimpleNamespace(transcribe=lambda audio: "red star")
    pairs = [(silence, "red star"), (silence, "blue star"), (silence, "star")]
    ceiling = codecs._words_heard(Lossless(), ear, "words", pairs)
    assert (ceiling.n, ceiling.direct) == (5, pytest.approx(1 - 2 / 5))
    french = SimpleNamespace(transcribe=lambda audio: "étoile bleu")
    assert codecs._words_heard(Lossless(), french, "words", [(silence, "étoile bleue")]).direct == 1


def test_text_costs_are_tokens_for_each_word() -> None:
    codec = TextCodec.train(["red star"] * 50, vocab_size=300)
    cost = measure_text(codec, world=["red star"], english=["xyz"], reply_words=["star", "zebra"])
    assert (cost.world_tokens_per_word, cost.english_tokens_per_word) == (1, 3)
    assert (cost.single_token_words, cost.reply_words) == (1, 2)


def test_a_reply_s_sounds_go_through_the_codec_joined() -> None:
    media: Any = SimpleNamespace(audio=Lossless(), image=Lossless())
    one, two = Audio(torch.zeros(640), 16_000), Audio(torch.ones(1280), 16_000)
    text, sound = round_trip((Text("big"), one, two), media)
    assert isinstance(sound, Audio) and text == Text("big")
    assert torch.equal(sound.samples, torch.cat([one.samples, two.samples]))
