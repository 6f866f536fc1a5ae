"""How people ask about emoji and for them."""

from __future__ import annotations

import numpy as np

from omniloom.data.emoji.stickers import PLAIN, SMALL
from omniloom.data.problems.templates import Templates, pick

CORNER = "corner"
"""The key of requests for any of the four quarters."""

QUESTIONS = {
    "name": Templates(
        "emoji name",
        ("what is this", "what do you see", "which emoji is this", "what is in the picture", "name this"),
        True,
        spoken_cores=("what is this", "what do you see", "name this"),
    ),
    "where": Templates("emoji where", ("where is it", "where do you see it", "in which corner is it", "find it"), True),
    "size": Templates("emoji size", ("how big is it", "is it small or big", "what size is it"), True),
}
DRAW = Templates(
    "emoji draw",
    ("draw {what}", "show me {what}", "make a picture of {what}", "i want to see {what}", "paint {what}"),
    False,
    spoken_cores=("draw {what}", "show me {what}", "paint {what}"),
)
EDITS = {
    PLAIN: Templates("emoji copy", ("draw this", "draw it again", "copy this", "draw the same"), False),
    SMALL: Templates("emoji shrink", ("make it small", "draw it small", "make this smaller", "shrink it"), False),
    CORNER: Templates(
        "emoji move",
        ("move it to the {position}", "put it at the {position}", "place it at the {position}", "draw it {position}"),
        False,
    ),
}

NO_ARTICLE = (
    "blueberries", "bread", "broccoli", "cherries", "fire", "french fries", "glasses", "grapes", "headphones", "honey",
    "jeans", "lightning", "popcorn", "scissors", "socks", "spaghetti", "sunglasses", "yarn",
)  # fmt: skip
"""Names of several things, or of none that can be counted."""
AN, NOT_AN = ("hourglass",), ("unicorn",)
PLACES = ("at the {position}", "in the {position} corner", "{position}")


def with_article(name: str, words: str = "") -> str:
    """A name as one asks for it, `words` before it: "a cat", "an owl", "small grapes"."""
    whole = f"{words} {name}".strip()
    if name in NO_ARTICLE:
        return whole
    is_vowel = whole[0] in "aeiou" and whole not in NOT_AN
    return f"{'an' if is_vowel or whole in AN else 'a'} {whole}"


def requested(name: str, form: str, random: np.random.Generator) -> str:
    """What to draw in one of the forms of drawings, as it is asked for: "a cat", "a small cat", "a cat top left"."""
    if form == PLAIN:
        return with_article(name)
    if form == SMALL:
        return with_article(name, "small")
    return f"{with_article(name)} {pick(random, PLACES).format(position=form)}"
