"""Turns in one cache: what is heard in pieces, streamed or cut short equals the plain way to the same end."""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from omniloom import Audio, Image, Message, Sampling, Text, Video
from omniloom.generation import AudioDelta, Done, ImageDelta, ImageDone, TextDelta
from omniloom.generation.conversation import encode, num_alike
from omniloom.generation.reply import ReplyBuilder, TokenCounts
from omniloom.stream import vocabulary as v
from omniloom.stream.layout import lay_out, open_reply
from omniloom.stream.message import wanted
from omniloom.stream.vocabulary import CONTROLS
from tests.generation.untrained import picture, sound, uncached_scores, untrained_codecs, untrained_omni, video

OMNI = untrained_omni()
FOLDED = untrained_omni(is_folded=True)
ROOT = Path(__file__).parents[2]
LIVELY = Sampling(temperature=1.0)


def laid_out(messages, omni=OMNI) -> list[int]:
    return lay_out([encode(message, omni.codecs) for message in messages], omni.vocabulary).ids


def written(text: str) -> tuple[Text]:
    return (Text(text),)


def read(events) -> list:
    found = list(events)
    assert isinstance(found[-1], Done)
    assert not any(isinstance(event, Done) for event in found[:-1])
    return found


@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
@pytest.mark.parametrize(("piece_ms", "omni"), [(20, OMNI), (33, FOLDED), (100, FOLDED)])
def test_heard_in_pieces_equals_given_whole(piece_ms, omni, rate_hz):
    whole = sound(0.71, rate_hz=rate_hz)
    heard, given = omni.conversation(), omni.conversation()
    heard.add("what is this?")
    for piece in whole.samples.split(rate_hz * piece_ms // 1000):
        heard.hear(Audio(piece, rate_hz))
    given.add(["what is this?", whole])
    mine, theirs = (
        read(heard.reply("audio", seed=3, sampling=LIVELY)),
        read(given.reply("audio", seed=3, sampling=LIVELY)),
    )
    assert mine[-1].reply.ids == theirs[-1].reply.ids
    assert heard._row.ids == given._row.ids
    assert torch.equal(heard.history[0].parts[1].samples, whole.samples)


def test_history_keeps_pictures_as_small_as_their_codec_sees_them():
    large = Image(torch.randint(0, 256, (3, 300, 200), dtype=torch.uint8))
    added, written_open = OMNI.conversation(), OMNI.conversation([Message("user", (large,))])
    added.add(large)
    written_before = OMNI.conversation([Message("user", (large,)), Message("assistant", written("say"))])
    for conversation in (added, written_open, written_before):
        (kept,) = conversation.history[0].parts
        assert kept.pixels.shape == (3, 64, 64)
        assert untrained_codecs().image.encode(kept) == untrained_codecs().image.encode(large)


def test_sound_is_fed_while_it_is_heard():
    conversation = OMNI.conversation()
    conversation.hear(sound(0.2))
    assert conversation._row.num_fed == conversation.num_tokens == 3 + 10  # <bos> <user> <audio>, 5 frames of 2
    folded = FOLDED.conversation()
    folded.hear(sound(0.2))
    assert folded._row.num_fed == folded.num_tokens == 3 + 5


@pytest.mark.parametrize("is_folded", [False, True])
def test_turns_are_laid_out_as_in_training(is_folded):
    omni = untrained_omni(context=2048, is_folded=is_folded)
    conversation = omni.conversation()
    expected = [v.BOS]
    for turn, want in enumerate(("text", "audio", {"audio", "image"}, "image")):
        conversation.add([f"say {turn}", picture(turn)])
        conversation.add(video(num_frames=2, sound_s=0.5, seed=turn))
        conversation.hear(sound(0.1, seed=turn))
        reply = read(conversation.reply(want, seed=turn, sampling=LIVELY, max_tokens=200))[-1].reply
        user = conversation.history[2 * turn]
        assert [type(part) for part in user.parts] == [Text, Image, Video, Audio]
        expected += [*laid_out([user], omni)[1:], *open_reply(wanted(want)), *reply.ids]
        if reply.finish_reason == "length":
            del expected[len(conversation._row.ids) - 1 :]
            expected.append(v.END)
        assert conversation._row.ids == expected
    assert [message.role for message in conversation.history] == ["user", "assistant"] * 4


def test_a_written_history_goes_on_where_a_conversation_is():
    history = [Message("user", written("hello")), Message("assistant", written("say"))]
    conversation = OMNI.conversation(history)
    conversation.add("what is this?")
    assert conversation._row.ids == laid_out([*history, Message("user", written("what is this?"))])
    continued = read(conversation.reply(max_tokens=20))[-1].reply.ids
    asked = OMNI.reply([*history, Message("user", written("what is this?"))], max_tokens=20)
    assert continued == asked.ids


@pytest.mark.parametrize("want", ["text", "audio", "image", ("audio", "image")])
@pytest.mark.parametrize(("seed", "omni"), [(0, OMNI), (1, FOLDED), (2, FOLDED)])
def test_streamed_equals_whole(want, seed, omni):
    options = dict(sampling=LIVELY, seed=seed, max_tokens=150)
    events = read(omni.stream(["say", sound(0.3)], want, **options))
    whole = omni.reply_batch([["say", sound(0.3)]], want, **options)[0]
    done = events[-1].reply
    assert done.ids == whole.ids
    assert done.finish_reason == whole.finish_reason
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == done.text == whole.text
    sounds = [event.samples for event in events if isinstance(event, AudioDelta)]
    assert (done.audio is None) == (not sounds) == (whole.audio is None)
    if sounds:
        torch.testing.assert_close(torch.cat(sounds), whole.audio.samples, rtol=0, atol=1e-5)
        assert torch.equal(torch.cat(sounds), done.audio.samples)
    pictures = [event.image for event in events if isinstance(event, ImageDone)]
    assert (whole.image is None) == (not pictures)
    if pictures:
        assert torch.equal(pictures[0].pixels, whole.image.pixels)
    assert [type(part) for part in done.parts] == [type(part) for part in whole.parts]


def test_turn_ends_are_read_at_every_frame():
    """Whatever the pieces, and as the model says when all is given at once."""
    for omni in (OMNI, FOLDED):
        whole = sound(0.5)
        found = []
        for piece_ms in (20, 100, 333):
            conversation = omni.conversation()
            assert conversation.turn_end_probability is None
            heard = [
                probability
                for piece in whole.samples.split(16 * piece_ms)
                for probability in conversation.hear(Audio(piece, 16_000))
            ]
            heard += conversation.end_hearing()
            assert conversation.turn_end_probability == heard[-1]
            found.append(heard)
        assert [len(heard) for heard in found] == [13, 13, 13]  # of 40 ms, the last one filled up
        torch.testing.assert_close(torch.tensor(found), torch.tensor([expected_turn_ends(omni, whole)] * 3))


def expected_turn_ends(omni, whole: Audio) -> list[float]:
    logits = uncached_scores(omni.model, laid_out([Message("user", (whole,))], omni))
    frames = logits[3:] if omni is FOLDED else logits[4::2]  # after <bos> <user> <audio>
    found: list[float] = frames[:, [v.TURN_END, v.AUDIO]].softmax(-1)[:, 0].tolist()
    return found


def test_a_model_that_knows_no_turn_ends_tells_none():
    conversation = untrained_omni(controls=CONTROLS[:10]).conversation()
    assert conversation.hear(sound(0.2)) == conversation.end_hearing() == []
    assert conversation.turn_end_probability is None


def test_a_new_sound_forgets_how_the_last_one_ended():
    conversation = FOLDED.conversation()
    conversation.hear(sound(0.2))
    conversation.add("say")
    assert conversation.turn_end_probability is not None
    conversation.hear(sound(0.01))
    assert conversation.turn_end_probability is None


def test_a_model_that_knows_no_videos_refuses_them():
    omni = untrained_omni(controls=CONTROLS[:10])
    with pytest.raises(ValueError, match="this model knows no video"):
        omni.reply(["what moves?", video()])


def test_history_keeps_videos_as_small_as_the_model_saw_them():
    clip = Video(torch.randint(0, 256, (40, 3, 90, 120), dtype=torch.uint8), 20.0, sound(2.0))
    added, written_open = FOLDED.conversation(), FOLDED.conversation([Message("user", (clip,))])
    added.add(clip)
    for conversation in (added, written_open):
        (kept,) = conversation.history[0].parts
        assert kept.frames.shape == (10, 3, 32, 32) and kept.rate_fps == 5.0
        again = FOLDED.conversation(conversation.history)
        assert again._row.ids == conversation._row.ids
    # <bos> <user> <video>, and a frame of its mark, 4 blocks and 5 frames of sound
    assert added.num_tokens == 3 + 10 * (1 + 4 + 5)


def test_a_drawn_picture_takes_one_position_a_block_and_is_shown_row_by_row():
    for omni, num_positions, num_shown in ((OMNI, 81, 4), (FOLDED, 17, 3)):
        conversation = omni.conversation()
        conversation.add("draw")
        before = conversation.num_tokens
        events = read(conversation.reply("image", seed=1, sampling=LIVELY))
        reply, kinds = events[-1].reply, [type(event) for event in events]
        # <want_image> <assistant>, the text, <image>, the picture, <end>
        assert conversation.num_tokens - before == 2 + reply.usage.text_tokens + 1 + num_positions + 1
        assert kinds.count(ImageDelta) == num_shown and kinds.count(ImageDone) == 1
        assert reply.usage.image_tokens == 81
        half = [event for event in events if isinstance(event, ImageDelta)][1].image.pixels
        paper = half[:, -1:, -1:]
        assert bool((half[:, 48:] == paper).all()) and bool((half[:, :16] != paper).any())


def test_a_pictures_codes_are_those_that_were_laid_out():
    """Through lay_out, its ids as a reply's, and back: in the order of the stream, whichever it is."""
    for omni in (OMNI, FOLDED):
        message = Message("assistant", (picture(5),))
        codes = omni.codecs.image.encode(picture(5))
        ids = laid_out([message], omni)
        for is_live in (False, True):
            builder = ReplyBuilder(omni.codecs, omni.vocabulary, is_live=is_live)
            events = [event for token in ids[ids.index(v.ASSISTANT) + 1 :] for event in builder.push(token)]
            done = [*events, *builder.finish("stop", prompt=TokenCounts())][-1]
            assert torch.equal(done.reply.image.pixels, omni.codecs.image.decode(codes).pixels)
        assert omni.conversation([Message("user", written("draw")), message]).num_tokens == (
            2 + len(omni.codecs.text.encode_text("draw")) + 3 + (17 if omni is FOLDED else 81) + 1
        )


def test_the_first_sound_comes_after_two_frames():
    events = OMNI.stream("say", "audio", seed=1, sampling=LIVELY)
    first = next(event for event in events if isinstance(event, AudioDelta))
    assert first.samples.numel() <= 2 * untrained_codecs().audio.samples_per_frame


def test_same_seed_same_reply_and_another_seed_another():
    replies = [OMNI.reply("say", "audio", sampling=LIVELY, seed=seed, max_tokens=60).ids for seed in (4, 4, 5)]
    assert replies[0] == replies[1] != replies[2]


@pytest.mark.parametrize("want", ["text", "audio", "image", ("audio", "image")])
@pytest.mark.parametrize("num_events", [0, 1, 3, 6])
def test_cancel_ends_at_the_next_token_and_the_conversation_goes_on(want, num_events):
    conversation = FOLDED.conversation()
    conversation.add(["say big red circle", picture()])
    asked = conversation._row.ids.copy()
    events = conversation.reply(want, seed=0, sampling=LIVELY)
    got = list(itertools.islice(events, num_events))
    if got and isinstance(got[-1], Done):
        return
    before = conversation.num_tokens
    conversation.cancel()
    done = list(events)[-1]
    assert done.finish_reason == "cancelled"
    assert conversation.num_tokens <= max(before, len(asked)) + 1  # nothing more but <end>
    if len(conversation.history) == 1:
        assert conversation._row.ids == asked
    else:
        opened = [*asked, *open_reply(wanted(want))]
        ids = conversation._row.ids
        assert ids[: len(opened)] == opened and ids[-1] == v.END
        kept = ids[len(opened) : -1]
        assert kept == list(done.reply.ids[: len(kept)])
        in_frames = sum(token >= OMNI.vocabulary.start_of("audio") for token in kept)
        assert in_frames % 2 == 0
    conversation.add("say seven")
    assert read(conversation.reply("text"))[-1].finish_reason == "stop"


def test_leaving_the_iterator_cancels():
    conversation = OMNI.conversation()
    conversation.add("say")
    events = conversation.reply("audio", seed=1, sampling=LIVELY)
    next(event for event in events if isinstance(event, AudioDelta))
    events.close()
    assert conversation.history[-1].role == "assistant"
    assert isinstance(conversation.history[-1].parts[-1], Audio)
    conversation.add("and")
    assert len(conversation.history) == 3


def test_a_reply_left_half_read_is_freed_and_the_interpreter_ends_well():
    program = (
        "from omniloom.generation import AudioDelta; from tests.generation.untrained import untrained_omni\n"
        "kept = untrained_omni().stream('say', 'audio'); next(e for e in kept if isinstance(e, AudioDelta))\n"
        "cycle = [kept]; cycle.append(cycle); del kept\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ | {"PYTHONPATH": "src"}, timeout=60)
    assert done.returncode == 0


def test_cancel_from_another_thread():
    conversation = OMNI.conversation()
    conversation.add("say")
    never_ends = Sampling(temperature=10.0)
    seen = threading.Event()

    def cancel_when_it_speaks() -> None:
        assert seen.wait(10)
        conversation.cancel()

    thread = threading.Thread(target=cancel_when_it_speaks)
    thread.start()
    events = []
    for event in conversation.reply("audio", sampling=never_ends, max_tokens=400):
        events.append(event)
        seen.set()
        thread.join()
    assert events[-1].finish_reason == "cancelled"


@pytest.mark.parametrize(("omni", "max_tokens"), [(OMNI, 6), (FOLDED, 6), (FOLDED, 7), (FOLDED, 8)])
def test_a_reply_cut_by_its_limit_stays_whole_frames(omni, max_tokens):
    conversation = omni.conversation()
    conversation.add("say")
    done = read(conversation.reply("audio", seed=1, sampling=LIVELY, max_tokens=max_tokens))[-1]
    assert done.finish_reason == "length"
    assert done.usage.reply_tokens == len(done.reply.ids) == max_tokens
    (alone,) = omni.reply_batch(["say"], "audio", seed=1, sampling=LIVELY, max_tokens=max_tokens)
    assert alone.ids == done.reply.ids
    *_, last, end = conversation._row.ids
    assert end == v.END
    second_codes = OMNI.vocabulary.planes_of("audio")[1]
    assert second_codes.start <= last < second_codes.stop
    assert conversation.history[-1].parts[-1].samples.numel() % untrained_codecs().audio.samples_per_frame == 0


def test_unread_reply_is_no_turn():
    conversation = OMNI.conversation()
    conversation.add("say")
    conversation.reply("text")
    conversation.add("seven")
    assert len(conversation.history) == 1


def test_while_a_reply_is_read_nothing_else_goes_in():
    conversation = OMNI.conversation()
    conversation.add("say")
    events = conversation.reply("text", max_tokens=30)
    next(events)
    with pytest.raises(ValueError, match="a reply is still being read"):
        conversation.hear(sound(0.1))


def test_clear_errors():
    conversation = OMNI.conversation()
    with pytest.raises(ValueError, match="there is nothing to answer"):
        conversation.reply("text")
    with pytest.raises(ValueError, match="text is empty"):
        conversation.add("  ")
    conversation.add("say")
    with pytest.raises(ValueError, match=r"want must be of text, audio, image, got \['video'\]"):
        conversation.reply("video")
    with pytest.raises(ValueError, match="max_tokens must be at least 1, got 0"):
        conversation.reply("text", max_tokens=0)
    conversation.hear(sound(0.1))
    with pytest.raises(ValueError, match="sound began at 16000 Hz and goes on at 8000 Hz"):
        conversation.hear(sound(0.1, rate_hz=8000))
    with pytest.raises(ValueError, match="do not fit the model's context of 512"):
        conversation.add(sound(30.0))


def test_a_context_with_no_room_for_a_reply_is_refused():
    omni = untrained_omni(context=40)
    conversation = omni.conversation()
    conversation.add("a" * 37)
    with pytest.raises(ValueError, match="fill the model's context of 40"):
        conversation.reply("text")
    with pytest.raises(ValueError, match="the model's context is 40"):
        omni.reply_batch(["a" * 37], "text")


@given(a=st.lists(st.integers(0, 2), max_size=40), b=st.lists(st.integers(0, 2), max_size=40), both=st.integers(0, 40))
def test_what_two_rows_have_alike(a, b, both):
    first, second = [0] * both + a, [0] * both + b
    alike = next((place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), None)
    assert num_alike(first, second) == (min(len(first), len(second)) if alike is None else alike)
