"""Films show and sound what their clip says, and a frame is read right by rules."""

import numpy as np
import pytest
import torch

from omniloom.core.randomness import generator
from omniloom.data import clip_sounds
from omniloom.data.clip_sounds import RATE_HZ, SOUNDS, sound_track
from omniloom.data.clips import (
    MAX_FRAMES,
    MIN_FRAMES,
    Clip,
    ClipObject,
    describe_clip,
    film,
    random_clip,
    random_frame,
    read_frame,
)
from omniloom.data.scenes import HELD_OUT_PAIRS
from omniloom.stream.parts import Image, Video

CLIP = Clip(
    objects=(
        ClipObject(shape="ring", colour="blue", start="top right", end="top right"),
        ClipObject(shape="circle", colour="red", start="top left", end="bottom right"),
    )
)


def filmed(index: int, *, sounds: tuple[str, ...] = ()) -> tuple[Clip, Video]:
    random = generator("test clips", index)
    clip = random_clip(random, num_objects=1 + index % 2, pairs="train", is_moving=index % 3 > 0, sounds=sounds)
    return clip, film(clip, random)


def test_a_film_depends_on_its_random_numbers_alone() -> None:
    for index in range(6):
        (clip, video), (again, other) = (filmed(index, sounds=("drum",)) for _ in range(2))
        assert clip == again and torch.equal(video.frames, other.frames)
        assert video.sound is not None and other.sound is not None
        assert torch.equal(video.sound.samples, other.sound.samples)


def test_a_film_begins_and_ends_as_its_clip_says() -> None:
    right = 0
    for index in range(60):
        clip, video = filmed(index)
        first, last = (read_frame(Image(video.frames[place])) for place in (0, -1))
        right += first == {item.start: item.name for item in clip.objects}
        right += last == {item.end: item.name for item in clip.objects}
        assert bool((video.frames[0] == video.frames[-1]).all()) == (clip.mover is None)
        assert MIN_FRAMES <= len(video.frames) <= MAX_FRAMES and video.rate_fps == 5
    assert right / 120 >= 0.99


def test_frames_name_what_stands_in_their_quadrants() -> None:
    boxes = {(0.0, 0.0): "top left", (0.5, 0.0): "top right", (0.0, 0.5): "bottom left", (0.5, 0.5): "bottom right"}
    for index in range(30):
        clip, video = filmed(index)
        named = [{boxes[place.box[:2]]: set(place.words) for place in frame} for frame in video.named]
        assert len(named) == len(video.frames)
        assert named[0] == {item.start: {item.colour, item.shape} for item in clip.objects}
        assert named[-1] == {item.end: {item.colour, item.shape} for item in clip.objects}
        standing = {item.start: {item.colour, item.shape} for item in clip.objects if item != clip.mover}
        assert all(frame == standing for frame in named if frame not in (named[0], named[-1]))
        assert clip.mover is None or standing in named


def test_what_moves_goes_straight() -> None:
    video = film(CLIP, generator("test clips", "straight"))
    red = [((frame[0].float() - frame[2].float()).clamp(min=0) * (frame[1] < 120)) for frame in video.frames]
    places = [
        (
            float((mass.sum(0) * torch.arange(32)).sum() / mass.sum()),
            float((mass.sum(1) * torch.arange(32)).sum() / mass.sum()),
        )
        for mass in red
    ]
    xs, ys = zip(*places, strict=True)
    assert np.diff(xs).min() > -0.2 and np.diff(ys).min() > -0.2  # pixels; rounded colours move the mean a little
    assert abs(np.array(xs) - np.array(ys)).max() < 2.5


def test_the_rule_reader_reads_frames() -> None:
    random = generator("test clips", "reader")
    shown = [random_frame(random, pairs="any", is_still=True) for _ in range(100)]
    right = [read_frame(frame) == {item.start: item.name for item in clip.objects} for clip, frame in shown]
    assert np.mean(right) >= 0.99
    assert read_frame(Image(torch.full((3, 32, 32), 255, dtype=torch.uint8))) is None


def test_pairs_of_training_and_held_out_ones() -> None:
    random = generator("test clips", "pairs")
    for _ in range(200):
        train = random_clip(random, num_objects=2, pairs="train", is_moving=True)
        assert not {(item.colour, item.shape) for item in train.objects} & HELD_OUT_PAIRS
        composed = random_clip(random, num_objects=2, pairs="composed", is_moving=True)
        assert len({(item.colour, item.shape) for item in composed.objects} & HELD_OUT_PAIRS) == 1


def test_descriptions_and_ends() -> None:
    assert describe_clip(CLIP) == "red circle top left goes bottom right and blue ring top right"
    assert [item.position for item in CLIP.scene_at_end.objects] == ["top right", "bottom right"]
    assert CLIP.mover is CLIP.objects[1]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([("top left", "top left"), ("top left", "top left")], "quadrants of their own"),
        ([("top left", "top right"), ("top right", "top right")], "quadrants of their own"),
        ([("top left", "bottom left"), ("top right", "bottom right")], "only one object moves"),
        ([], "quadrants of their own"),
    ],
)
def test_clips_that_cannot_be_are_refused(places: list[tuple[str, str]], message: str) -> None:
    objects = tuple(
        ClipObject(shape="star", colour=colour, start=start, end=end)
        for colour, (start, end) in zip(("red", "blue"), places, strict=False)
    )
    with pytest.raises(ValueError, match=message):
        Clip(objects=objects)


def test_a_sound_track_is_as_long_as_its_film() -> None:
    for index in range(20):
        clip, video = filmed(index, sounds=("whistle", "bell"))
        assert clip.num_frames == MAX_FRAMES
        assert video.sound is not None and video.sound.rate_hz == RATE_HZ
        assert video.sound.duration_s == pytest.approx(video.duration_s)
        assert 0.05 < float(video.sound.samples.abs().max()) <= 1


def test_sounds_come_in_their_order_at_times_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(clip_sounds._MADE, "bell", lambda random: np.ones(3000))
    monkeypatch.setitem(clip_sounds._MADE, "drum", lambda random: -np.ones(5000))
    starts = set()
    for seed in range(20):
        for names, sign in ((("bell", "drum"), 1), (("drum", "bell"), -1)):
            track = sign * sound_track(names, 25_600, np.random.default_rng(seed))
            first, second = np.flatnonzero(track > 0.05), np.flatnonzero(track < -0.05)
            assert first[-1] + 1000 < second[0]
            assert abs(len(first) + len(second) - 8000) < 400  # but for their soft ends
            starts.add((first[0], second[0]))
    assert len(starts) > 30


def test_sounds_are_told_apart_by_their_spectra() -> None:
    """The nearest of a few known ones names nearly every sound, so the four are four."""

    def heard(name: str, seed: int) -> np.ndarray:
        track = sound_track((name,), 12_800, np.random.default_rng([SOUNDS.index(name), seed]))
        power = np.abs(np.fft.rfft(track[: 12_800 // 640 * 640].reshape(-1, 640) * np.hanning(640))) ** 2
        bands = np.stack([band.sum(1) for band in np.array_split(power, np.geomspace(2, 320, 16).astype(int), axis=1)])
        level = np.log(bands + 1e-3 * bands.max())
        return np.concatenate([level.mean(1), level.max(1), np.sort(level.sum(0))])

    known = [(name, heard(name, seed)) for name in SOUNDS for seed in range(40)]
    right = 0
    for name in SOUNDS:
        for seed in range(100, 120):
            new = heard(name, seed)
            right += name == min(known, key=lambda item: float(((item[1] - new) ** 2).sum()))[0]
    assert right / 80 >= 0.9


def test_unknown_sounds_and_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="got 'gong'"):
        sound_track(("gong",), 16_000, np.random.default_rng(0))
    with pytest.raises(ValueError, match="give fewer sounds"):
        sound_track(SOUNDS, 16_000, np.random.default_rng(0))
