"""Videos come in as one rate of frames or as one clear error; what is written comes back."""

import io
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

import omniloom
from omniloom.stream import Audio, Image, Text, Video, as_parts, parts
from omniloom.stream.message import Message
from omniloom.stream.parts import NamedPlace


def noise(num_frames: int, *, side: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (num_frames, 3, side, side), generator=torch.manual_seed(seed), dtype=torch.uint8)


def uneven(durations_ms: list[int], kind: str = "GIF") -> bytes:
    """A file whose frames are grey, each ten steps lighter than the one before."""
    frames = [PillowImage.new("RGB", (4, 4), (10 * place,) * 3) for place in range(len(durations_ms))]
    buffer = io.BytesIO()
    exact = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=durations_ms, **exact)
    return buffer.getvalue()


def shown(video: Video) -> list[int]:
    """The number of the frame that is on show at each step."""
    return [int(frame) // 10 for frame in video.frames[:, 0, 0, 0]]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.sampled_from([5.0, 10.0, 12.5, 25.0]), st.integers(0, 99), st.booleans())
def test_png_round_trips_exactly_even_where_nothing_moves(num_frames, rate_fps, seed, is_still):
    frames = noise(1, seed=seed).repeat(num_frames, 1, 1, 1) if is_still else noise(num_frames, seed=seed)
    again = Video.open(Video(frames, rate_fps).to_bytes("PNG"))
    if num_frames == 1:
        assert again.duration_s == pytest.approx(1 / rate_fps) and torch.equal(again.frames[0], frames[0])
    else:
        assert torch.equal(again.frames, frames) and again.rate_fps == pytest.approx(rate_fps)


def test_gif_round_trips_where_colours_are_few(tmp_path):
    frames = noise(8) // 128 * 128
    Video(frames, 5).save(tmp_path / "film.gif")
    again = Video.open(tmp_path / "film.gif")
    assert again.rate_fps == 5 and torch.equal(again.frames, frames)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_frames_are_shown_as_long_as_they_last(kind):
    video = Video.open(uneven([100, 300, 50], kind))
    assert video.rate_fps == pytest.approx(20) and video.duration_s == pytest.approx(0.45)
    assert shown(video) == [0, 0, 1, 1, 1, 1, 1, 1, 2]


def test_a_frame_without_a_duration_lasts_a_tenth_of_a_second():
    video = Video.open(uneven([0, 0, 0]))
    assert video.rate_fps == pytest.approx(10) and shown(video) == [0, 1, 2]


def test_sampled_takes_what_is_on_show_in_the_middle_of_each_time():
    video = Video.open(uneven([40] * 25))  # a second at 25 frames
    at_five = video.sampled(5)
    assert shown(at_five) == [2, 7, 12, 17, 22] and at_five.rate_fps == 5
    assert shown(video.sampled(50)) == [place // 2 for place in range(50)]
    # A rate that it has already changes nothing.
    assert shown(video.sampled(25)) == list(range(25))


def test_sampled_thins_a_long_video_evenly_and_keeps_its_length():
    sound = Audio(torch.zeros(16_000), 16_000)
    video = Video(torch.arange(200, dtype=torch.uint8).view(200, 1, 1, 1).expand(200, 3, 2, 2), 10, sound)
    thinned = video.sampled(5, max_frames=8)
    assert thinned.duration_s == pytest.approx(20) and thinned.sound is sound
    assert thinned.frames[:, 0, 0, 0].tolist() == [12, 37, 62, 87, 112, 137, 162, 187]
    assert len(video.sampled(max_frames=1).frames) == 1
    assert len(Video(noise(1), 30).sampled().frames) == 1  # shorter than one frame's time
    with pytest.raises(ValueError, match="max_frames at least 1"):
        video.sampled(max_frames=0)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_a_still_picture_is_no_video(kind):
    buffer = io.BytesIO()
    PillowImage.new("RGB", (4, 4), "red").save(buffer, kind)
    with pytest.raises(ValueError, match="still picture, not a video; open it as an Image"):
        Video.open(buffer.getvalue())


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x00\x00\x00 ftypisom"])
def test_other_files_are_one_clear_error(data):
    with pytest.raises(ValueError, match="use an animated GIF, WebP or PNG"):
        Video.open(data)


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "TIFF"])
def test_other_formats_never_reach_their_readers(kind):
    buffer = io.BytesIO()
    PillowImage.new("RGB", (4, 4), "red").save(buffer, kind)
    with pytest.raises(ValueError, match="use an animated GIF, WebP or PNG"):
        Video.open(buffer.getvalue())


def test_a_file_cut_short_is_one_clear_error():
    data = Video(noise(6, side=40), 5).to_bytes("PNG")
    with pytest.raises(ValueError, match="not a picture that can be read"):
        Video.open(data[: len(data) // 2])


def test_limits_are_refused_before_frames_are_decoded(monkeypatch):
    data = Video(noise(6, side=10), 5).to_bytes("PNG")
    monkeypatch.setattr(parts, "MAX_VIDEO_PIXELS", 599)
    monkeypatch.setattr(parts.Image, "from_pillow", lambda picture: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="600 pixels in all frames together, at most 599 are taken; make it smaller"):
        Video.open(data)


def test_a_minute_is_the_longest():
    with pytest.raises(ValueError, match=r"lasts 60\.2 s, at most 60 s are taken"):
        Video(noise(301, side=1), 5)
    with pytest.raises(ValueError, match=r"lasts 65\.0 s, at most 60 s"):
        Video.open(uneven([32_500, 32_500]))


def test_times_that_share_no_step_take_the_finest_that_fits(monkeypatch):
    monkeypatch.setattr(parts, "MAX_VIDEO_PIXELS", 16 * 20)
    video = Video.open(uneven([970, 30, 1010]))
    assert len(video.frames) <= 20 and video.duration_s == pytest.approx(2.01, rel=0.1)
    assert shown(video)[0] == 0 and shown(video)[-1] == 2


@pytest.mark.parametrize(
    ("frames", "rate_fps", "message"),
    [
        (torch.zeros(2, 3, 4, 4), 5, "uint8 of shape"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), 5, "uint8 of shape"),
        (torch.zeros(0, 3, 4, 4, dtype=torch.uint8), 5, "give one or more"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), 0, "rate_fps must be above 0"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), 61, "at most 60, got 61"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), float("nan"), "rate_fps must be above 0"),
    ],
)
def test_bad_frames_are_refused(frames, rate_fps, message):
    with pytest.raises(ValueError, match=message):
        Video(frames, rate_fps)


def test_frames_of_one_size_make_a_video():
    pictures = [Image(frame) for frame in noise(3)]
    assert torch.equal(Video.from_frames(pictures, 5).frames, noise(3))
    for wrong in ([], [pictures[0], Image(noise(1, side=7)[0])]):
        with pytest.raises(ValueError, match="pictures of one size"):
            Video.from_frames(wrong, 5)


def test_names_of_files_and_formats(tmp_path):
    video = Video(noise(2), 5)
    with pytest.raises(ValueError, match=r"end it with \.gif or \.png"):
        video.save(tmp_path / "film.mp4")
    with pytest.raises(ValueError, match="GIF or PNG, got 'WEBP'"):
        video.to_bytes("WEBP")


def test_a_video_is_a_part_that_only_a_user_gives():
    video = Video(noise(2), 5)
    assert omniloom.Video is Video
    assert as_parts(video) == (video,) and as_parts(["what moves?", video]) == (Text("what moves?"), video)
    assert Message("user", (video,)).parts == (video,)
    with pytest.raises(ValueError, match="the assistant cannot reply with a video"):
        Message("assistant", (Text("see"), video))


def test_what_is_named_goes_with_its_frame():
    named = tuple((NamedPlace((str(place),), (0, 0, 1, 1)),) for place in range(4))
    video = Video(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), 10.0, named=named)
    assert [places[0].words[0] for places in video.sampled(5).named] == ["1", "3"]
    with pytest.raises(ValueError, match="each frame or in none, got 4 lists for 3 frames"):
        replace(video, frames=video.frames[:3])
    with pytest.raises(ValueError, match="square frames only"):
        replace(video, frames=video.frames[..., :6])
