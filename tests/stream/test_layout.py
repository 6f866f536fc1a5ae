"""The stream's exact shape, and the vocabulary's ranges and refusals."""

import dataclasses

import pytest

from omniloom.stream import vocabulary as v
from omniloom.stream.layout import EncodedMessage, LossClass, lay_out, open_reply, slots_of
from omniloom.stream.vocabulary import Vocabulary
from tests.stream.vocabularies import small_vocabulary

VOCABULARY = small_vocabulary()
TEXT, SOUND, PICTURE = (VOCABULARY.start_of(m) for m in ("text", "audio", "image"))


def test_ranges_are_contiguous_after_the_controls():
    assert (TEXT, SOUND, PICTURE, VOCABULARY.size) == (32, 72, 96, 116)
    stops = [item.stop for item in VOCABULARY.ranges]
    assert [item.start for item in VOCABULARY.ranges] == [32, *stops[:-1]]


def test_spoken_reply_follows_its_text_word_by_word():
    row = lay_out(
        [
            EncodedMessage("user", (("audio", [1, 13]), ("text", [5]))),
            EncodedMessage("assistant", (("text", [7]), ("audio", [2, 14]), ("text", [8]), ("audio", [3, 15]))),
        ],
        VOCABULARY,
    )
    assert row.ids == [
        v.BOS, v.USER, v.AUDIO, SOUND + 1, SOUND + 13, TEXT + 5, v.WANT_AUDIO, v.ASSISTANT,
        TEXT + 7, SOUND + 2, SOUND + 14, TEXT + 8, SOUND + 3, SOUND + 15, v.END,
    ]  # fmt: skip
    c = LossClass
    assert row.classes == [
        c.NONE, c.NONE, c.NONE, c.PROMPT_AUDIO, c.PROMPT_AUDIO, c.PROMPT_TEXT, c.NONE, c.NONE,
        c.REPLY_TEXT, c.REPLY_AUDIO, c.REPLY_AUDIO, c.REPLY_TEXT, c.REPLY_AUDIO, c.REPLY_AUDIO, c.REPLY_TEXT,
    ]  # fmt: skip


def test_drawn_reply_says_what_it_understood_and_marks_its_picture():
    reply = EncodedMessage("assistant", (("text", [1]), ("image", [0] * 13)))
    row = lay_out([EncodedMessage("user", (("text", [9]),)), reply], VOCABULARY)
    assert row.ids[3:7] == [v.WANT_IMAGE, v.ASSISTANT, TEXT + 1, v.IMAGE]
    assert row.classes[6] == LossClass.REPLY_TEXT
    assert row.ids[-1] == v.END


def test_want_tokens_come_in_one_order():
    assert open_reply(frozenset({"image", "audio"})) == [v.WANT_AUDIO, v.WANT_IMAGE, v.ASSISTANT]


def test_slots_count_within_runs_and_continue_over_pieces():
    ids = [v.USER, v.AUDIO, SOUND, SOUND + 12, SOUND, TEXT, SOUND, PICTURE]
    whole = slots_of(ids, VOCABULARY)
    assert whole == [0, 0, 1, 2, 3, 0, 1, 2]
    assert slots_of(ids[:4], VOCABULARY) + slots_of(ids[4:], VOCABULARY, previous=whole[3]) == whole


def test_vocabulary_survives_json_and_refuses_another_codec():
    again = Vocabulary.from_json(VOCABULARY.to_json())
    assert again.specs == VOCABULARY.specs
    other = dataclasses.replace(VOCABULARY.specs["audio"], fingerprint="b")
    with pytest.raises(ValueError, match="audio codec b is not the one the model was trained with, a"):
        again.require([other])


def test_codes_outside_their_range_are_refused():
    assert VOCABULARY.to_codes("audio", VOCABULARY.to_ids("audio", [0, 23])) == [0, 23]
    with pytest.raises(ValueError, match="outside the audio range"):
        VOCABULARY.to_codes("audio", [TEXT])
