"""The world of films: one or two coloured shapes, of which one may go somewhere else, and sounds beside them.

A clip is what a user films: eight frames of 32x32 at most, five a second, drawn with the jitter of a shown picture at
half its size, so that a quadrant is one block of the image codec. The assistant makes no films; it answers about them
and draws how they end, as a scene. Sounds are made from a few formulas each time anew: recordings would be few, and a
few are soon known by heart. Pictures of more than two objects were left out: at this size they touch one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage
from torch import Tensor

from omniloom.data.clip_sounds import RATE_HZ, sound_track
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import (
    COLOURS,
    HELD_OUT_PAIRS,
    MAX_SCALING,
    MAX_SHADING,
    MAX_TURN_DEGREES,
    POSITIONS,
    RADIUS_PX,
    RGB,
    SHAPES,
    SIDE,
    Pairs,
    Scene,
    SceneObject,
    coverage,
    quadrant_box,
)
from omniloom.stream.parts import Audio, Image, NamedPlace, Video

FRAME_SIDE = 32
CELL = FRAME_SIDE // 2
RATE_FPS = 5
MIN_FRAMES, MAX_FRAMES = 6, 8
FRAME_RADIUS_PX = RADIUS_PX["big"] / 2
FRAME_SHIFT_PX = 0.7
FREE_PX = 0.5
"""Paper between a shape and the edge of its quadrant."""

END_SIZE = "big"
"""The size of every object in the drawing of how a clip ends: there is one size in films."""


@dataclass(frozen=True, kw_only=True)
class ClipObject:
    """A coloured shape that stands in a quadrant, or goes from one to another."""

    shape: str
    colour: str
    start: str
    end: str

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a film shows and what sounds in it, in order; at most one of the objects moves."""

    objects: tuple[ClipObject, ...]
    num_frames: int = MAX_FRAMES
    sounds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for places in ([item.start for item in self.objects], [item.end for item in self.objects]):
            if len(set(places)) < len(places) or not places:
                raise ValueError(f"one or two objects stand in quadrants of their own, got {places}")
        if len({item.name for item in self.objects}) < len(self.objects):
            raise ValueError("no two objects may share both shape and colour; change one of them")
        if sum(item.start != item.end for item in self.objects) > 1:
            raise ValueError("only one object moves; let the others stand")

    @property
    def mover(self) -> ClipObject | None:
        """The object that goes somewhere else."""
        return next((item for item in self.objects if item.start != item.end), None)

    @property
    def scene_at_end(self) -> Scene:
        """How the clip ends, to be drawn."""
        return Scene.of(
            SceneObject(shape=item.shape, colour=item.colour, size=END_SIZE, position=item.end) for item in self.objects
        )


def describe_clip(clip: Clip) -> str:
    """All that is seen, in words: "red circle top left goes bottom right and blue ring top right"."""
    ordered = sorted(clip.objects, key=lambda item: POSITIONS.index(item.start))
    return " and ".join(
        f"{item.name} {item.start}" + (f" goes {item.end}" if item.start != item.end else "") for item in ordered
    )


def random_clip(
    random: np.random.Generator, *, num_objects: int, pairs: Pairs, is_moving: bool, sounds: Sequence[str] = ()
) -> Clip:
    """A clip drawn evenly; of "composed", one of the objects is of a held-out pair, of "train" none."""
    held_out = sorted(HELD_OUT_PAIRS)
    chosen = [held_out[random.integers(len(held_out))]] if pairs == "composed" else []
    while len(chosen) < num_objects:
        pair = (COLOURS[random.integers(len(COLOURS))], SHAPES[random.integers(len(SHAPES))])
        if pair not in chosen and (pairs == "any" or pair not in HELD_OUT_PAIRS):
            chosen.append(pair)
    places = [POSITIONS[place] for place in random.permutation(len(POSITIONS))]
    order = random.permutation(num_objects)
    objects = []
    for place, index in enumerate(order):
        colour, shape = chosen[index]
        # The first in the shuffled order moves, to the first quadrant that nobody stands in.
        end = places[num_objects] if is_moving and place == 0 else places[place]
        objects.append(ClipObject(shape=shape, colour=colour, start=places[place], end=end))
    shortest = MAX_FRAMES if len(sounds) > 1 else MIN_FRAMES
    num_frames = int(random.integers(shortest, MAX_FRAMES + 1))
    return Clip(objects=tuple(objects), num_frames=num_frames, sounds=tuple(sounds))


def film(clip: Clip, random: np.random.Generator) -> Video:
    """The clip as a user films it: jittered, moving at a time and a speed of its own; about 2 ms."""
    looks = [_look(item, random) for item in clip.objects]
    leaves, arrives = random.integers(0, 2), clip.num_frames - random.integers(1, 3)
    moved = ((np.arange(clip.num_frames) - leaves) / (arrives - leaves)).clip(0, 1)
    drawn = {share: _drawn(looks, share) for share in set(moved.tolist())}
    frames = torch.stack([drawn[share] for share in moved.tolist()])
    named = tuple(_named(clip, share) for share in moved.tolist())
    sound = None
    if clip.sounds:
        samples = sound_track(clip.sounds, clip.num_frames * RATE_HZ // RATE_FPS, random)
        sound = Audio(torch.from_numpy(samples), RATE_HZ)
    return Video(frames, RATE_FPS, sound, named)


def _named(clip: Clip, moved: float) -> tuple[NamedPlace, ...]:
    """What stands in the quadrants of a frame; the mover stands in none while it is on its way."""
    return tuple(
        NamedPlace((item.shape, item.colour), quadrant_box(item.end if moved == 1 else item.start))
        for item in clip.objects
        if item.start == item.end or moved in (0, 1)
    )


def random_frame(random: np.random.Generator, *, pairs: Pairs, is_still: bool) -> tuple[Clip, Image]:
    """A frame of a clip, with all objects in their quadrants or with one of them on its way."""
    clip = random_clip(random, num_objects=int(random.integers(1, 3)), pairs=pairs, is_moving=not is_still)
    looks = [_look(item, random) for item in clip.objects]
    return clip, Image(_drawn(looks, float(random.uniform())))


def read_frame(frame: Image) -> dict[str, str] | None:
    """Colour and shape by quadrant, or None where what a quadrant shows is no shape; for frames in which all stand.

    The frame is read by the rules for pictures, at twice its size.
    """
    large = frame.to_pillow().resize((SIDE, SIDE), PillowImage.Resampling.BICUBIC)
    scene = read_scene(Image.from_pillow(large))
    return None if scene is None else {item.position: f"{item.colour} {item.shape}" for item in scene.objects}


class _Look(NamedTuple):
    """How an object is drawn all through a clip: where it starts and ends, in pixels, its form and its colour."""

    shape: str
    start: Float[np.ndarray, " 2"]
    end: Float[np.ndarray, " 2"]
    radius_px: float
    turn_degrees: float
    rgb: Float[np.ndarray, " 3"]


def _look(item: ClipObject, random: np.random.Generator) -> _Look:
    scaling, turn = random.uniform(-1, 1, 2)
    radius_px = FRAME_RADIUS_PX * (1 + MAX_SCALING * scaling)
    # What is drawn larger has less room before it sticks out of its quadrant.
    room_px = min(FRAME_SHIFT_PX, max(0.0, CELL / 2 - FREE_PX - radius_px))
    start, end = (_centre(place) + room_px * random.uniform(-1, 1, 2) for place in (item.start, item.end))
    if item.start == item.end:
        end = start
    rgb = np.clip(np.asarray(RGB[item.colour]) + random.uniform(-MAX_SHADING, MAX_SHADING, 3), 0, 255)
    return _Look(item.shape, start, end, radius_px, MAX_TURN_DEGREES * turn, rgb)


def _centre(position: str) -> Float[np.ndarray, " 2"]:
    """Of a quadrant, x and y."""
    row, column = divmod(POSITIONS.index(position), 2)
    return np.array([column, row]) * CELL + CELL / 2


def _drawn(looks: Sequence[_Look], moved: float) -> UInt8[Tensor, "3 32 32"]:
    """A frame in which the mover has gone so much of its way; it passes in front of what stands."""
    paper = np.full((FRAME_SIDE, FRAME_SIDE, 3), 255.0)
    for look in sorted(looks, key=lambda look: bool((look.start != look.end).any())):
        x, y = look.start + moved * (look.end - look.start) - FRAME_SIDE / 2
        # A quadrant of a scene is as large as a frame.
        alpha = coverage(look.shape, radius_px=look.radius_px, turn_degrees=look.turn_degrees, shift_px=(x, y))
        paper = paper + alpha[..., None] * (look.rgb - paper)
    return torch.from_numpy(np.rint(paper).astype(np.uint8)).permute(2, 0, 1).contiguous()
