"""The stream's exact shape, and the vocabulary's ranges and refusals."""

import dataclasses

import pytest

from omniloom.stream import vocabulary as v
from omniloom.stream.layout import EncodedMessage, LossClass, lay_out, open_reply, slots_of
from omniloom.stream.vocabulary import MAX_SLOT, Plane, Vocabulary
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


@pytest.mark.parametrize("num_codebooks", [3, 8, 127])
def test_slots_of_frames_tell_the_codebook_however_long_the_sound(num_codebooks):
    """Without a cycle the last slot stays; with it each slot is one codebook's, and the first frames are counted."""
    specs = VOCABULARY.specs
    books = tuple(Plane(name=f"audio.{book}", size=4, count=1) for book in range(num_codebooks))
    plain = dataclasses.replace(specs["audio"], planes=books)
    frames = [SOUND + 4 * book for _ in range(1 + 300 // num_codebooks) for book in range(num_codebooks)]
    stays = slots_of(frames, Vocabulary([specs["text"], plain, specs["image"]]))
    assert stays == [min(place, MAX_SLOT) for place in range(1, len(frames) + 1)]
    cycling = dataclasses.replace(plain, slot_cycle=num_codebooks)
    vocabulary = Vocabulary([specs["text"], cycling, specs["image"]])
    slots = slots_of(frames, vocabulary)
    last = MAX_SLOT // num_codebooks * num_codebooks
    assert slots[:last] == list(range(1, last + 1)) and max(slots) == last
    assert all((slot - 1) % num_codebooks == place % num_codebooks for place, slot in enumerate(slots))
    assert slots_of(frames[200:], vocabulary, previous=slots[199]) == slots[200:]
    assert Vocabulary.from_json(vocabulary.to_json()).specs == vocabulary.specs
    assert "slot_cycle" not in str(VOCABULARY.to_json())


def test_more_codebooks_than_slots_are_refused():
    with pytest.raises(ValueError, match="slot_cycle must be between 1 and 127, got 128"):
        dataclasses.replace(VOCABULARY.specs["audio"], slot_cycle=128)


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
