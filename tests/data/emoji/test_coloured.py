"""Emoji in colours: held-out pairs are enumerated, captions are English, and a tint is the colour that it is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tests.support.emoji import made_up_emoji

from omniloom.core.randomness import generator
from omniloom.data.emoji import NAMES
from omniloom.data.emoji.coloured import (
    COLOURS,
    HELD_OUT,
    NATURAL,
    OBJECTS,
    RGB,
    TINTS,
    ColouredEmoji,
    caption,
    coloured_pairs,
    render_coloured,
)


@pytest.fixture(scope="module", autouse=True)
def emoji() -> Iterator[None]:
    with made_up_emoji():
        yield


def test_every_object_lacks_three_colours_and_every_colour_three_eighths_of_them() -> None:
    train, composed = coloured_pairs("train"), coloured_pairs("composed")
    assert len(set(OBJECTS)) == len(OBJECTS)
    assert Counter(item.name for item in composed) == dict.fromkeys(OBJECTS, 3)
    assert all(abs(count - len(OBJECTS) * 3 / 8) < 2 for count in Counter(item.tint for item in composed).values())
    assert not set(train) & set(composed)
    assert set(train) | set(composed) == set(coloured_pairs("any"))
    assert len(coloured_pairs("any")) == len(OBJECTS) * len(TINTS)
    assert len(HELD_OUT) == 3 * len(NAMES)


@pytest.mark.parametrize(
    ("name", "tint", "words"),
    [
        ("cat", "blue", "a blue cat"),
        ("cat", "orange", "an orange cat"),
        ("elephant", NATURAL, "an elephant"),
        ("unicorn", NATURAL, "a unicorn"),
        ("umbrella", NATURAL, "an umbrella"),
        ("glasses", "red", "red glasses"),
        ("palm tree", "pink", "a pink palm tree"),
    ],
)
def test_captions_are_english(name: str, tint: str, words: str) -> None:
    assert caption(ColouredEmoji(name=name, tint=tint)) == words


def test_a_caption_in_other_words_holds_the_phrase() -> None:
    item = ColouredEmoji(name="cat", tint="blue")
    found = {caption(item, generator("captions", number)) for number in range(40)}
    assert len(found) == 4
    assert all("a blue cat" in words for words in found)


@pytest.mark.parametrize("tint", COLOURS)
def test_a_tint_has_the_hue_that_it_is_called(tint: str) -> None:
    """The order of red, green and blue among the pixels drawn is that of the colour itself."""
    pixels = render_coloured(ColouredEmoji(name="cat", tint=tint)).pixels.float().flatten(1)
    drawn = pixels[:, (pixels < 250).any(dim=0)].mean(dim=1)
    colour = np.array(RGB[tint])
    assert int(drawn.argmax()) == int(colour.argmax())
    assert int(drawn.argmin()) == int(colour.argmin())


def test_a_tint_does_not_change_the_outline() -> None:
    pictures = [render_coloured(ColouredEmoji(name="dog", tint=tint)).pixels for tint in COLOURS]
    paper = [(picture == 255).all(dim=0) for picture in pictures]
    assert all(torch.equal(paper[0], other) for other in paper)


def test_renderings_are_functions_of_their_randomness() -> None:
    item = ColouredEmoji(name="cat", tint="green")
    first, again, other = (render_coloured(item, generator("rendering", seed)).pixels for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (3, 32, 32)


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no 'mauve' 'cat'"):
        ColouredEmoji(name="cat", tint="mauve")
