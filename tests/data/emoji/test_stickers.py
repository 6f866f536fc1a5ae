"""Named emoji: the table is whole, what is drawn is read back, and other pictures are read as none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.emoji import made_up_emoji

from omniloom.core.config import override
from omniloom.data.emoji import (
    CORNERS,
    EMOJI,
    FORMS,
    NAMES,
    Drawing,
    Sticker,
    describe_drawing,
    draw,
    pictures,
    random_sticker,
    read_drawing,
    read_sticker,
    render_sticker,
    training_picture,
)
from omniloom.data.emoji.stickers import BACKGROUNDS, PALE
from omniloom.data.problems import Mixture, WorldMix
from omniloom.data.scenes import COLOURS, SHAPES, random_scene, render
from omniloom.stream.parts import Image

HAS_PICTURES = (Path(os.environ.get("OMNILOOM_DATA", "nowhere")) / "noto-emoji" / "png" / "72").is_dir()
needs_pictures = pytest.mark.skipif(not HAS_PICTURES, reason="noto-emoji is needed: set OMNILOOM_DATA")

ASKED_FOR = """
dog cat wolf fox lion horse zebra cow pig goat camel giraffe elephant mouse bear koala panda chicken penguin duck owl
frog turtle snake whale dolphin octopus snail butterfly spider cactus mushroom grapes melon mango cherries strawberry
tomato potato onion bread pretzel hamburger taco egg popcorn cookie train bus tractor rocket anchor bicycle umbrella
rainbow fire balloon trophy crown scissors key robot ghost skull monkey tiger rabbit lemon guitar house cloud mountain
"""


@pytest.fixture(params=["made up", pytest.param("real", marks=needs_pictures)])
def emoji(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "real":
        yield
    else:
        with made_up_emoji():
            yield


def test_the_table_is_whole() -> None:
    assert 200 <= len(EMOJI) <= 250
    for values in (NAMES, [emoji.file for emoji in EMOJI], [emoji.sha256 for emoji in EMOJI]):
        assert len(set(values)) == len(EMOJI)
    assert list(NAMES) == sorted(NAMES) and set(ASKED_FOR.split()) <= set(NAMES)
    for emoji in EMOJI:
        assert re.fullmatch(r"[a-z]+( [a-z]+)?", emoji.name), emoji
        assert re.fullmatch(r"emoji_u[0-9a-f]+(_[0-9a-f]+)*\.png", emoji.file), emoji
        assert re.fullmatch(r"[0-9a-f]{64}", emoji.sha256), emoji


def test_no_emoji_is_named_like_what_scenes_are_made_of() -> None:
    assert not set(NAMES) & {*COLOURS, *SHAPES}


@needs_pictures
def test_every_picture_is_at_hand_and_is_the_one_of_the_table() -> None:
    found = pictures.pictures()
    assert set(found) == set(NAMES)
    assert all(picture.mode == "RGBA" and max(picture.size) == 72 for picture in found.values())


@pytest.mark.usefixtures("emoji")
def test_every_drawing_is_read_as_itself() -> None:
    for name in NAMES:
        assert read_sticker(draw(Drawing(name=name))) == name
    for name in NAMES[::5]:
        for form in FORMS:
            drawing = Drawing(name=name, form=form)
            assert read_drawing(draw(drawing)) == drawing


@pytest.mark.usefixtures("emoji")
def test_emoji_anywhere_on_any_paper_are_read() -> None:
    random = np.random.default_rng(3)
    names = [NAMES[place] for place in random.integers(0, len(NAMES), 500)]
    shown = [
        random_sticker(name, random, background=BACKGROUNDS[index % len(BACKGROUNDS)])
        for index, name in enumerate(names)
    ]
    read = [read_sticker(render_sticker(sticker)) for sticker in shown]
    assert np.mean([found == sticker.name for found, sticker in zip(read, shown, strict=True)]) >= 0.98


@needs_pictures
def test_scenes_and_blank_paper_are_no_emoji() -> None:
    blank = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    assert read_sticker(Image(blank)) is None and read_drawing(Image(blank)) is None
    assert read_sticker(Image(torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8))) is None
    random = np.random.default_rng(5)
    scenes = [random_scene(random, num_objects=2, pairs="any") for _ in range(100)]
    assert np.mean([read_sticker(render(scene)) is None for scene in scenes]) > 0.9


@pytest.mark.usefixtures("emoji")
def test_a_speck_does_not_move_a_drawing() -> None:
    picture = draw(Drawing(name="cat")).pixels.clone()
    picture[:, 2, 60] = 0
    assert read_drawing(Image(picture)) == Drawing(name="cat")


def test_drawings_have_plain_words() -> None:
    forms = {form: describe_drawing(Drawing(name="cat", form=form)) for form in FORMS}
    assert forms["plain"] == "cat" and forms["small"] == "small cat" and forms["top left"] == "cat top left"
    assert len(set(forms.values())) == len(FORMS)


def test_a_sticker_knows_its_quarter_and_stays_on_the_sheet() -> None:
    quarters = [Sticker(name="cat", scale=30, x=x, y=y).quarter for y in (0, 34) for x in (0, 34)]
    assert quarters == list(CORNERS)
    with pytest.raises(ValueError, match="not within the sheet"):
        Sticker(name="cat", scale=40, x=30, y=0)
    with pytest.raises(ValueError, match="no emoji named 'kitten'"):
        Sticker(name="kitten", scale=40, x=0, y=0)
    with pytest.raises(ValueError, match="forms are"):
        Drawing(name="cat", form="upside down")


@pytest.mark.usefixtures("emoji")
def test_pictures_to_learn_from_depend_on_the_seed_alone_and_show_every_name() -> None:
    one, other = ([training_picture(random) for _ in range(5)] for random in map(np.random.default_rng, (1, 1)))
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))
    random = np.random.default_rng(2)
    seen = {read_sticker(training_picture(random)) for _ in range(400)}
    assert len(seen) > 150


@pytest.mark.usefixtures("emoji")
def test_paper_shows_around_an_emoji() -> None:
    pixels = render_sticker(Sticker(name="cat", scale=32, x=0, y=0, background=PALE[0])).pixels
    assert tuple(pixels[:, 63, 63].tolist()) == PALE[0]


def test_without_pictures_one_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNILOOM_DATA", raising=False)
    monkeypatch.setenv("OMNILOOM_CACHE", str(tmp_path))

    def no_network(*args: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    pictures.pictures.cache_clear()
    world = Mixture()  # nothing is read before it is needed
    with pytest.raises(ValueError, match=r"OMNILOOM_DATA, or leave emoji out: --set mix\.emoji=none"):
        world.example("train", 0, "name_emoji_text")
    pictures.pictures.cache_clear()
    left = Mixture(override(WorldMix(), {"emoji": "none"}))
    assert "name_emoji_text" not in {task.name for task in left.tasks}
