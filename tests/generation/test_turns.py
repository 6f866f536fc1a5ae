"""Whatever is cut out of a conversation, or put into it, it goes on as one that began like that."""

from __future__ import annotations

import pytest
import torch

from omniloom import Audio, Image, Message, Sampling, Text
from omniloom.generation import Done, Turn
from omniloom.generation.turns import row_ids
from tests.generation.untrained import picture, sound, untrained_omni, video

LIVELY = Sampling(temperature=1.5)
OMNI, FOLDED = untrained_omni(context=1024), untrained_omni(context=1024, is_folded=True)
OMNIS = [OMNI, FOLDED]


def answered(conversation, want="audio", **options):
    *_, done = conversation.reply(want, **{"seed": 7, "sampling": LIVELY, "max_tokens": 120} | options)
    assert isinstance(done, Done)
    return done.reply


def talk(omni):
    """Three finished turns of both sides, of every kind."""
    conversation = omni.conversation()
    for number, want in enumerate(("audio", "text", "image")):
        conversation.add([f"say {number}", picture(number)])
        conversation.hear(sound(0.2, seed=number))
        answered(conversation, want, seed=number, max_tokens=300)
    assert [turn.role for turn in conversation.turns] == ["user", "assistant"] * 3
    return conversation


def assert_goes_on_as_new(conversation, turns, omni):
    fresh = omni.conversation()
    fresh.restate(turns)
    assert conversation._row.ids == fresh._row.ids == row_ids(turns)
    for one in (conversation, fresh):
        one.add("and this?")
    mine, theirs = answered(conversation), answered(fresh)
    assert mine.ids == theirs.ids
    assert conversation._row.ids == fresh._row.ids


@pytest.mark.parametrize("omni", OMNIS)
@pytest.mark.parametrize("dropped", [0, 1, 2, 3, 4, 5])
def test_a_conversation_without_a_turn_goes_on_as_if_it_had_never_been(omni, dropped):
    conversation = talk(omni)
    turns = [turn for number, turn in enumerate(conversation.turns) if number != dropped]
    conversation.restate(turns)
    assert_goes_on_as_new(conversation, turns, omni)


@pytest.mark.parametrize("omni", OMNIS)
@pytest.mark.parametrize("num_frames", [0, 1, 3, 5])
def test_a_spoken_turn_is_cut_to_what_was_heard_of_it(omni, num_frames):
    conversation = omni.conversation()
    conversation.add("say")
    answered(conversation)
    user, reply = conversation.turns
    cut = omni.turns.cut_to_frames(reply, num_frames)
    assert list(cut.ids) == list(reply.ids[: len(cut.ids)])
    assert omni.turns.num_frames(cut) == num_frames < omni.turns.num_frames(reply)
    if num_frames:
        heard, whole = omni.turns.parts(cut), omni.turns.parts(reply)
        assert isinstance(heard[-1], Audio) and omni.turns.text(reply).startswith(omni.turns.text(cut))
        samples = torch.cat([part.samples for part in heard if isinstance(part, Audio)])
        said = torch.cat([part.samples for part in whole if isinstance(part, Audio)])
        assert len(samples) == num_frames * omni.codecs.audio.samples_per_frame
        torch.testing.assert_close(samples, said[: len(samples)], rtol=0, atol=1e-5)
    else:
        assert list(cut.ids) == []
    before = conversation._row.num_fed
    conversation.restate([user, cut])
    assert conversation._row.num_fed <= before
    assert_goes_on_as_new(conversation, [user, cut], omni)


def test_a_written_turn_is_cut_to_whole_ids_of_what_was_sent():
    turn = OMNI.turns.encode(Message("assistant", (Text("say big naïve 猫"),)))
    text = OMNI.turns.text(turn)
    for num_chars in range(len(text) + 1):
        cut = OMNI.turns.cut_to_text(turn, num_chars)
        said = OMNI.turns.text(cut).removesuffix("\ufffd")
        assert text.startswith(said) and len(said) <= num_chars
    assert OMNI.turns.cut_to_text(turn, len(text)) is turn


@pytest.mark.parametrize("omni", OMNIS)
def test_what_is_heard_meanwhile_goes_on_after_an_edit(omni):
    conversation = talk(omni)
    speech = sound(0.5, seed=9).samples
    conversation.hear(Audio(speech[:3000], 16_000))
    turns = conversation.turns[:3]
    conversation.restate(turns)
    conversation.hear(Audio(speech[3000:], 16_000))
    ends = conversation.end_hearing()
    fresh = omni.conversation()
    fresh.restate(turns)
    fresh.hear(Audio(speech, 16_000))
    assert conversation._row.ids[: len(fresh._row.ids)] == fresh._row.ids
    fresh.end_hearing()
    assert conversation._row.ids == fresh._row.ids and ends
    heard = list(conversation.last_heard.ids)
    assert heard == list(fresh.last_heard.ids) == list(fresh.turns[-1].ids)[-len(heard) :]
    assert answered(conversation).ids == answered(fresh).ids


def test_speech_that_is_dropped_was_never_heard():
    conversation = talk(FOLDED)
    before = [*conversation._row.ids]
    conversation.hear(sound(0.3))
    conversation.drop_hearing()
    assert conversation._row.ids == before
    conversation.add("say")
    kept = [*conversation._row.ids]
    conversation.hear(sound(0.3))
    conversation.drop_hearing()
    assert conversation._row.ids == kept
    new = FOLDED.conversation()
    new.hear(sound(0.3))
    new.drop_hearing()
    assert (new._row.ids, new.turns, new.history) == ([], (), ())


def test_turns_that_only_keep_ids_go_on_the_same_and_can_be_shown():
    conversation = talk(FOLDED)
    packed = [turn.packed() for turn in conversation.turns]
    for kept, turn in zip(packed, conversation.turns, strict=True):
        shown, parts = FOLDED.turns.parts(kept), FOLDED.turns.parts(turn)
        assert [type(part) for part in shown] == [type(part) for part in parts]
        if turn.role == "assistant":
            for one, other in zip(shown, parts, strict=True):
                if isinstance(one, Image):
                    assert torch.equal(one.pixels, other.pixels)
    conversation.restate(packed)
    assert_goes_on_as_new(conversation, packed, FOLDED)


def test_an_open_turn_stays_open_and_what_says_nothing_is_left_out():
    conversation = talk(OMNI)
    silent = Turn("assistant", [])
    opened = OMNI.turns.encode(Message("user", (Text("and"),)))
    turns = [*conversation.turns[:2], opened, silent, opened]
    conversation.restate(turns)
    assert len(conversation.turns) == 3
    assert list(conversation.turns[-1].ids) == [*opened.ids, *opened.ids]
    assert answered(conversation).ids
    conversation.restate([])
    assert conversation.turns == () and conversation.num_tokens == 0


def test_what_does_not_fit_is_refused_and_changes_nothing():
    conversation = talk(OMNI)
    before, turns = [*conversation._row.ids], conversation.turns
    with pytest.raises(ValueError, match="do not fit the model's context of 1024"):
        conversation.restate([*turns, OMNI.turns.encode(Message("user", (sound(30.0),)))])
    assert conversation._row.ids == before
    assert OMNI.turns.num_tokens(turns) == conversation.num_tokens


def test_a_video_cannot_be_made_again_from_its_tokens():
    turn = FOLDED.turns.encode(Message("user", (video(),)))
    assert FOLDED.turns.parts(turn) == turn.parts
    with pytest.raises(ValueError, match="a video cannot be made"):
        FOLDED.turns.parts(turn.packed())


def test_usage_tells_what_the_prompt_was_made_of_and_what_was_known():
    conversation = FOLDED.conversation()
    conversation.add(["say", picture()])
    usage = answered(conversation, "text").usage
    assert usage.prompt_tokens == usage.prompt.total == usage.cached_tokens + 2  # <want_text> <assistant>
    assert usage.prompt.image == 17 and usage.prompt.audio == 0
    conversation.hear(sound(0.2))
    usage = answered(conversation, "text").usage
    assert (usage.prompt.image, usage.prompt.audio) == (17, 5)
