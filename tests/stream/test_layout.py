"""The stream's exact shape, and the vocabulary's ranges and refusals."""

import dataclasses

import pytest

from omniloom.stream import vocabulary as v
from omniloom.stream.folding import Folder, fold
from omniloom.stream.layout import NO_WORD, EncodedMessage, LossClass, Piece, Turn, lay_out, open_reply, prompt_ids
from omniloom.stream.vocabulary import MAX_SLOT, Plane, Vocabulary
from tests.stream.vocabularies import folding_vocabulary, small_vocabulary

VOCABULARY = small_vocabulary()
FOLDING = folding_vocabulary()
TEXT, SOUND, PICTURE = (VOCABULARY.start_of(m) for m in ("text", "audio", "image"))


def test_ranges_are_contiguous_after_the_controls():
    assert (TEXT, SOUND, PICTURE, VOCABULARY.size) == (32, 72, 96, 116)
    stops = [item.stop for item in VOCABULARY.ranges]
    assert [item.start for item in VOCABULARY.ranges] == [32, *stops[:-1]]


def test_spoken_reply_follows_its_text_word_by_word():
    row = lay_out(
        [
            EncodedMessage("user", (Piece("audio", [1, 13]), Piece("text", [5]))),
            EncodedMessage(
                "assistant", (Piece("text", [7]), Piece("audio", [2, 14]), Piece("text", [8]), Piece("audio", [3, 15]))
            ),
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
    reply = EncodedMessage("assistant", (Piece("text", [1]), Piece("image", [0] * 13)))
    row = lay_out([EncodedMessage("user", (Piece("text", [9]),)), reply], VOCABULARY)
    assert row.ids[3:7] == [v.WANT_IMAGE, v.ASSISTANT, TEXT + 1, v.IMAGE]
    assert row.classes[6] == LossClass.REPLY_TEXT
    assert row.ids[-1] == v.END


def test_want_tokens_come_in_one_order():
    assert open_reply(frozenset({"image", "audio"})) == [v.WANT_AUDIO, v.WANT_IMAGE, v.ASSISTANT]


def slots_of(ids, vocabulary):
    return [position.slot for position in fold(ids, vocabulary)]


def test_slots_count_within_runs_and_continue_over_pieces():
    ids = [v.USER, v.AUDIO, SOUND, SOUND + 12, SOUND, TEXT, SOUND, PICTURE]
    whole = fold(ids, VOCABULARY)
    assert [position.slot for position in whole] == [0, 0, 1, 2, 3, 0, 1, 1]
    folder = Folder(VOCABULARY)
    assert folder.push(ids[:4]) + folder.push(ids[4:]) == whole


def spoken_and_shown():
    """A conversation with sound, a picture and a video from the user, and sound and a picture in the reply."""
    picture = [*range(4), *range(8, 17)]
    said = Piece("audio", [1, 13, 2, 14, 3, 15], [Turn.GOES_ON, Turn.UNKNOWN, Turn.ENDED], [NO_WORD, 0, 5])
    frame = [7, 19, 18, 17]
    shown = [Piece("video", ()), Piece("frame", frame), Piece("track", [4, 16]), Piece("frame", frame)]
    asked = EncodedMessage("user", (said, Piece("image", picture), *shown, Piece("text", [5])))
    reply = (Piece("text", [6]), Piece("audio", [1, 13]), Piece("image", picture))
    return [asked, EncodedMessage("assistant", reply)]


@pytest.mark.parametrize("folds_replies", [False, True])
def test_prompts_fold_and_replies_where_they_may(folds_replies):
    vocabulary = folding_vocabulary(folds_replies=folds_replies)
    row = lay_out(spoken_and_shown(), vocabulary)
    positions = fold(row.ids, vocabulary)
    assert [token for position in positions for token in position.ids] == row.ids
    sizes = [len(position.ids) for position in positions]
    sound, picture = ([2], [4, 3, 3, 3]) if folds_replies else ([1] * 2, [1] * 13)
    reply = [1, 1, 1, 1, *sound, 1, *picture, 1]  # <want_audio> <want_image> <assistant>, a word, … <image>, … <end>
    assert sizes[-len(reply) :] == reply
    assert sizes[: -len(reply)] == [1, 1, 1, 2, 2, 2, 1, 4, 3, 3, 3, 1, 1, 4, 2, 1, 4, 1]
    assert [position.slot for position in positions[-1 - len(picture) :]] == [*range(1, len(picture) + 1), 0]
    block = positions[7]
    assert block.ids == (PICTURE, PICTURE + 8, PICTURE + 9, PICTURE + 11)
    assert [position.slot for position in positions[2:12]] == [0, 1, 2, 3, 0, 1, 2, 3, 4, 0]


def test_a_picture_comes_block_by_block_and_goes_back():
    spec, codes = FOLDING.specs["image"], [*range(4), *range(8, 17)]
    flat = lay_out([EncodedMessage("assistant", (Piece("image", codes),))], FOLDING).ids[4:-1]
    assert flat == [PICTURE + code for code in (0, 8, 9, 11, 1, 10, 12, 2, 13, 14, 3, 15, 16)]
    assert spec.from_groups(FOLDING.to_codes("image", flat)) == codes
    assert spec.in_groups([7, 19, 18, 17], is_frame=True) == [7, 19, 18, 17]
    assert FOLDING.specs["text"].in_groups([3, 1]) == FOLDING.specs["text"].from_groups([3, 1]) == [3, 1]
    swapped = dataclasses.replace(FOLDING.specs["audio"], groups=((1, 0),))
    assert swapped.in_groups([1, 13, 2, 14]) == [13, 1, 14, 2]
    assert swapped.from_groups([13, 1, 14, 2]) == [1, 13, 2, 14]


def test_scores_of_a_positions_further_ids_stand_behind_those_of_all_first_ones():
    assert [(place.modality, place.place, place.start, place.stop) for place in FOLDING.reply_places] == [
        ("audio", 1, SOUND + 12, SOUND + 24),
        *(("image", place, PICTURE + 8, PICTURE + 20) for place in (1, 2, 3)),
    ]
    assert FOLDING.num_scores == 116 + 4 * 12
    assert FOLDING.score_shift("audio", 0) == 0 and SOUND + 12 + FOLDING.score_shift("audio", 1) == 116
    assert PICTURE + 8 + FOLDING.score_shift("image", 3) == 116 + 3 * 12
    only_prompts = folding_vocabulary(folds_replies=False)
    assert only_prompts.reply_places == () and only_prompts.num_scores == only_prompts.size


@pytest.mark.parametrize("size", [1, 2, 5])
def test_folded_in_pieces_equals_folded_whole(size):
    ids = lay_out(spoken_and_shown(), FOLDING).ids
    folder, found = Folder(FOLDING), []
    for start in range(0, len(ids), size):
        found += folder.push(ids[start : start + size])
    assert found == fold(ids, FOLDING) and folder.num_waiting == 0


def test_a_copied_folder_goes_on_by_itself():
    folder = Folder(FOLDING)
    folder.push([v.BOS, v.USER, v.AUDIO, SOUND])
    other = folder.copy()
    assert other.push([SOUND + 12]) == [((SOUND, SOUND + 12), 1)]
    assert folder.num_waiting == 1 and other.num_waiting == 0


def test_half_a_frame_is_refused():
    with pytest.raises(ValueError, match="0 groups and 1 elements of audio that are no whole frame"):
        fold([v.BOS, v.USER, v.AUDIO, SOUND, v.WANT_TEXT], FOLDING)
    block = [PICTURE, *[PICTURE + 8] * 3]
    with pytest.raises(ValueError, match="1 groups and 0 elements of image that are no whole frame or picture"):
        fold([v.BOS, v.ASSISTANT, v.IMAGE, *block, v.END], FOLDING)
    with pytest.raises(ValueError, match="3 audio codes are not a whole number of 2"):
        prompt_ids([Piece("audio", [1, 13, 2])], FOLDING)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"groups": ((0,),)}, "each of 2 elements once"), ({"folds_replies": True}, "folds_replies needs groups")],
)
def test_groups_that_leave_something_out_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(VOCABULARY.specs["audio"], **values)


def test_frames_say_whether_the_turn_had_ended_with_their_last_token():
    row = lay_out(spoken_and_shown(), FOLDING)
    assert row.turns[3:9] == [0, Turn.GOES_ON, 0, 0, 0, Turn.ENDED]
    assert len(row.turns) == len(row.ids) and sum(row.turns) == Turn.GOES_ON + Turn.ENDED


def test_frames_know_the_word_heard_with_their_last_token():
    row, text = lay_out(spoken_and_shown(), FOLDING), FOLDING.start_of("text")
    assert row.words[3:9] == [0, 0, 0, text, 0, text + 5]
    assert len(row.words) == len(row.ids) and sum(map(bool, row.words)) == 2


def test_blocks_know_the_word_seen_at_the_code_that_it_was_given_for():
    text, codes = FOLDING.start_of("text"), [*range(4), *range(8, 17)]
    words = [NO_WORD] * len(codes)
    words[1], words[3] = 2, 0
    row = lay_out([EncodedMessage("user", (Piece("image", codes, words=words),))], FOLDING)
    order = FOLDING.specs["image"].in_groups(range(len(codes)))
    first = row.ids.index(v.IMAGE) + 1
    seen = {place: word for place, word in enumerate(row.words) if word}
    assert seen == {first + order.index(1): text + 2, first + order.index(3): text}


def test_a_model_that_knows_no_video_refuses_one():
    old = Vocabulary([*VOCABULARY.specs.values()], controls=v.CONTROLS[:10])
    assert not old.has_video and not old.has_turn_end
    with pytest.raises(ValueError, match="knows no video"):
        prompt_ids([Piece("video", ())], old)
    assert Vocabulary.from_json(old.to_json()).controls == old.controls


def test_unknown_controls_are_refused():
    with pytest.raises(ValueError, match="control tokens differ"):
        Vocabulary([*VOCABULARY.specs.values()], controls=["<pad>", "<else>"])


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
    assert Vocabulary.from_json(vocabulary.to_json()).specs == vocabulary.specs
    assert "slot_cycle" not in str(VOCABULARY.to_json())


def test_more_codebooks_than_slots_are_refused():
    with pytest.raises(ValueError, match="slot_cycle must be between 1 and 127, got 128"):
        dataclasses.replace(VOCABULARY.specs["audio"], slot_cycle=128)


def test_vocabulary_survives_json_and_refuses_another_codec():
    for vocabulary in (VOCABULARY, FOLDING):
        assert Vocabulary.from_json(vocabulary.to_json()).specs == vocabulary.specs
    again = Vocabulary.from_json(VOCABULARY.to_json())
    other = dataclasses.replace(VOCABULARY.specs["audio"], fingerprint="b")
    with pytest.raises(ValueError, match="audio codec b is not the one the model was trained with, a"):
        again.require([other])


def test_codes_outside_their_range_are_refused():
    assert VOCABULARY.to_codes("audio", VOCABULARY.to_ids("audio", [0, 23])) == [0, 23]
    with pytest.raises(ValueError, match="outside the audio range"):
        VOCABULARY.to_codes("audio", [TEXT])
