"""What is drawn is what is described, and the rule reader reads it back."""

from collections import Counter

import numpy as np
import pytest
import torch

from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import (
    COLOURS,
    HELD_OUT_PAIRS,
    POSITIONS,
    RGB,
    SHAPES,
    SIZES,
    Scene,
    SceneObject,
    coverage,
    describe,
    parse_description,
    random_scene,
    render,
)
from omniloom.stream.parts import Image


def scenes(num_scenes: int, pairs: str) -> list[Scene]:
    rng = np.random.default_rng(7)
    return [random_scene(rng, num_objects=1 + index % 3, pairs=pairs) for index in range(num_scenes)]  # type: ignore[arg-type]


def alone(shape: str, colour: str, size: str = "big", position: str = "top left") -> Scene:
    return Scene((SceneObject(shape=shape, colour=colour, size=size, position=position),))


def test_every_canonical_object_is_read_back() -> None:
    for colour in COLOURS:
        for shape in SHAPES:
            for size in SIZES:
                scene = alone(shape, colour, size)
                assert read_scene(render(scene)) == scene


def test_jittered_scenes_are_read_back() -> None:
    rng = np.random.default_rng(0)
    drawn = scenes(400, "any")
    right = sum(read_scene(render(scene, jitter=rng)) == scene for scene in drawn)
    assert right >= 0.995 * len(drawn)


def test_descriptions_round_trip() -> None:
    for scene in scenes(100, "any"):
        assert parse_description(describe(scene)) == scene
        assert parse_description(describe(scene, "fr"), "fr") == scene
    assert describe(alone("ring", "red", "small", "bottom right")) == "small red ring bottom right"


@pytest.mark.parametrize(
    "words",
    [
        "",
        "big red circle",
        "big red blob top left",
        "red big circle top left",
        "big red ring top left and small red cross top left",
    ],
)
def test_words_that_describe_no_scene(words: str) -> None:
    assert parse_description(words) is None
    assert parse_description(words, "fr") is None


def test_an_object_is_drawn_alike_in_every_quadrant() -> None:
    whole = [render(alone("heart", "pink", "small", position)).pixels for position in POSITIONS]
    tiles = [pixels[:, 32 * (index // 2) :, 32 * (index % 2) :][:, :32, :32] for index, pixels in enumerate(whole)]
    assert all(torch.equal(tile, tiles[0]) for tile in tiles)


@pytest.mark.parametrize("shape", SHAPES)
def test_jitter_keeps_a_shape_inside_its_quadrant(shape: str) -> None:
    for shift_px in [(2.0, 2.0), (-2.0, -2.0), (2.0, -2.0)]:
        alpha = coverage(shape, radius_px=14.56, turn_degrees=10.0, shift_px=shift_px)
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert border.max() <= 0.75 and np.array_equal(alpha * 16, np.rint(alpha * 16))


def test_held_out_pairs_are_eight_and_spread() -> None:
    assert len(HELD_OUT_PAIRS) == 8
    assert max(Counter(colour for colour, _ in HELD_OUT_PAIRS).values()) == 1
    assert max(Counter(shape for _, shape in HELD_OUT_PAIRS).values()) == 1


@pytest.mark.parametrize(("pairs", "held_out"), [("train", 0), ("composed", 1)])
def test_held_out_pairs_stay_out_of_training(pairs: str, held_out: int) -> None:
    for scene in scenes(200, pairs):
        assert sum((item.colour, item.shape) in HELD_OUT_PAIRS for item in scene.objects) == held_out


def test_canonical_colours_suit_the_codec() -> None:
    assert all(channel % 15 == 0 for rgb in RGB.values() for channel in rgb)


def test_invalid_scenes_are_refused() -> None:
    with pytest.raises(ValueError, match="colour must be one of"):
        alone("ring", "beige")
    with pytest.raises(ValueError, match="reading order"):
        Scene(alone("ring", "red", position="bottom left").objects + alone("star", "red").objects)
    with pytest.raises(ValueError, match="both shape and colour"):
        Scene.of(alone("ring", "red", position="bottom left").objects + alone("ring", "red").objects)
    with pytest.raises(ValueError, match="1 to 3"):
        Scene(())


def test_pictures_of_no_scene_are_read_as_none() -> None:
    paper = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    noise = torch.from_numpy(np.random.default_rng(3).integers(0, 256, (3, 64, 64), dtype=np.uint8))
    assert read_scene(Image(paper)) is None
    assert read_scene(Image(noise)) is None
