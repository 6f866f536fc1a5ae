"""A video's pieces: nothing is lost, and what sounds stands after the frame that it sounds with."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.generation.untrained import picture, sound, untrained_codecs, video

from omniloom import Image, Text, Video
from omniloom.codecs.pieces import as_seen, pieces_of, video_pieces
from omniloom.stream.layout import Piece


def test_text_sounds_and_pictures_are_one_piece_each():
    codecs = untrained_codecs()
    for part, kind, codes in (
        (Text("say"), "text", codecs.text.encode(Text("say"))),
        (sound(0.2), "audio", codecs.audio.encode(sound(0.2))),
        (picture(), "image", codecs.image.encode(picture())),
    ):
        assert pieces_of(part, codecs) == [Piece(kind, codes)]


def test_the_sound_of_a_frame_follows_it():
    found = video_pieces([[1, 2], [3, 4], [5, 6]], range(100, 130), codes_per_sound_frame=2, sound_frames_per_frame=5.0)
    assert [(kind, list(codes)) for kind, codes, *_ in found] == [
        ("video", []),
        ("frame", [1, 2]),
        ("track", [*range(100, 110)]),
        ("frame", [3, 4]),
        ("track", [*range(110, 120)]),
        ("frame", [5, 6]),
        ("track", [*range(120, 130)]),
    ]


def test_a_short_sound_ends_early_and_a_long_one_goes_on_after_the_last_frame():
    options = dict(codes_per_sound_frame=1, sound_frames_per_frame=2.0)
    kinds = [(kind, len(codes)) for kind, codes, *_ in video_pieces([[1]] * 3, range(3), **options)]
    assert kinds == [("video", 0), ("frame", 1), ("track", 2), ("frame", 1), ("track", 1), ("frame", 1)]
    assert len(video_pieces([[1]] * 3, range(20), **options)[-1].codes) == 16
    assert [piece.kind for piece in video_pieces([[1]] * 2, [], **options)] == ["video", "frame", "frame"]


@given(st.integers(1, 20), st.integers(0, 200), st.sampled_from([1, 2, 8]), st.floats(0.3, 40))
def test_no_code_is_lost(num_frames, num_sound_frames, codes_per_frame, sound_frames_per_frame):
    sound_codes = [*range(num_sound_frames * codes_per_frame)]
    found = video_pieces(
        [[number] for number in range(num_frames)],
        sound_codes,
        codes_per_sound_frame=codes_per_frame,
        sound_frames_per_frame=sound_frames_per_frame,
    )
    assert [code for piece in found if piece.kind == "track" for code in piece.codes] == sound_codes
    assert [code for piece in found if piece.kind == "frame" for code in piece.codes] == [*range(num_frames)]
    assert all(len(piece.codes) % codes_per_frame == 0 for piece in found if piece.kind == "track")


def test_a_videos_codes_are_those_of_its_frames_and_of_its_whole_sound():
    codecs, clip = untrained_codecs(), video(num_frames=4, sound_s=1.0)
    head, *rest = pieces_of(clip, codecs)
    assert head == Piece("video", ())
    tracks = [code for piece in rest if piece.kind == "track" for code in piece.codes]
    assert tracks == codecs.audio.encode(clip.sound)
    assert [len(piece.codes) for piece in rest] == [20, 10, 20, 10, 20, 10, 20, 20]
    alone = [pieces_of(Video(frame[None], 5.0), codecs)[1] for frame in clip.frames]
    assert [piece for piece in rest if piece.kind == "frame"] == alone


@pytest.mark.parametrize(("num_frames", "rate_fps", "seen"), [(30, 10.0, 15), (200, 10.0, 64), (1, 30.0, 1)])
def test_a_video_seen_twice_is_the_same(num_frames, rate_fps, seen):
    codecs = untrained_codecs()
    once = as_seen(Video(torch.randint(0, 256, (num_frames, 3, 20, 10), dtype=torch.uint8), rate_fps), codecs)
    assert once.frames.shape == (seen, 3, 32, 32)
    twice = as_seen(once, codecs)
    assert torch.equal(twice.frames, once.frames) and twice.rate_fps == once.rate_fps
    assert torch.equal(Image(once.frames[0]).resized(32).pixels, once.frames[0])


def test_sound_of_a_thinned_video_keeps_its_time():
    """20 s at 25 frames of sound a second are 500, of which each of 64 pictures has 7 or 8."""
    clip = Video(torch.zeros(100, 3, 8, 8, dtype=torch.uint8), 5.0, sound(20.0))
    tracks = [len(piece.codes) // 2 for piece in pieces_of(clip, untrained_codecs()) if piece.kind == "track"]
    assert len(tracks) == 64 and sum(tracks) == 500 and set(tracks) == {7, 8}
