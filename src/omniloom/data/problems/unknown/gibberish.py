"""Words that are none: there is no end of them, so what is unknown cannot be learned by heart.

Half of those to be drawn are near misses, which begin as a known name does and go on as another or as none
("hedgelass"), and many are asked for in the very words in which emoji are: what is known is then told by its whole name
alone.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby

import numpy as np

from omniloom.data.emoji import NAMES
from omniloom.data.emoji.stickers import FORMS
from omniloom.data.problems.base import Split
from omniloom.data.problems.emoji.wording import DRAW, requested, with_article
from omniloom.data.problems.holdout import is_composed_asking, is_new_topic
from omniloom.data.problems.templates import pick, without_accents
from omniloom.data.problems.unknown.topics import DRAWINGS as THINGS
from omniloom.data.problems.unknown.topics import things_of
from omniloom.data.problems.unknown.topics_french import FRENCH_DRAWINGS as FRENCH_THINGS
from omniloom.data.problems.unknown.wording import Asked
from omniloom.data.scenes import SHAPES
from omniloom.data.speech.french import FRENCH_SHAPES
from omniloom.data.speech.words import Language

STARTS = things_of("b, br, d, dr, f, fl, g, gl, h, j, k, kr, l, m, n, p, pl, s, sk, t, tr, v, w, z, sh, ch, th, qu")
MIDDLES = things_of("a, e, i, o, u, oo, ee, ai, ou, y")
ENDS = ("", "", *things_of("b, ck, g, l, m, n, nd, ng, p, r, rk, s, sh, t, x, z, zzle"))
KEYS = things_of("asdf, jkl, qwertz, hjkl, xxx, lol, zzz, aaaa, dfgh, uiop, blah, hmm, ???, ..., 1a2b")

QUESTIONS = ("what is a {x}", "who is {x}", "where is {x}", "do you know {x}", "how do i {x}", "is it {x}", "why {x}")
REQUESTS = ("{x}", "tell me about {x}", "say what {x} means", "give me a {x}", "make it {x}", "find {x}")
DRAWINGS: dict[Language, tuple[str, ...]] = {
    "en": ("draw a {x}", "paint a red {x}", "show me a {x}", "draw a {x} at the top left", "draw {x}"),
    "fr": ("dessine un {x}", "peins une {x} en rouge", "montre-moi un {x}", "dessine un petit {x} en bas à gauche"),
}
AS_EMOJI_SHARE = 0.5
"""Of what is to be drawn in English: asked for in the words in which emoji are."""
NEAR_MISS_SHARE = 0.5
KNOWN: dict[Language, tuple[str, ...]] = {"en": (*NAMES, *SHAPES), "fr": tuple(FRENCH_SHAPES.values())}
"""The names of all that is drawn."""
KNOWN_TAIL_SHARE: dict[Language, float] = {"en": 0.6, "fr": 0.2}
"""How often a near miss ends as a known name does; eight French ones have few ends."""
REAL = frozenset(word for topic in (*THINGS, *FRENCH_THINGS) for thing in topic.things for word in thing.split())
"""Words of unknown things, each of which has its own place in the splits."""


def gibberish(random: np.random.Generator, split: Split, *, is_spoken: bool) -> Asked:
    """Words without sense, alone or asked about in English; by their own names, some are kept for each split."""
    while True:
        if not is_spoken and random.random() < 0.2:
            words, core = " ".join(pick(random, KEYS) for _ in range(1 + int(random.integers(3)))), "keys"
        else:
            core = pick(random, (*QUESTIONS, *REQUESTS))
            num_words = 1 if core != "{x}" else 2 + int(random.integers(3))
            words = " ".join(_word(random) for _ in range(num_words))
        fact = _fact(core, words, split)
        if fact:
            return Asked(core.format(x=words) if core != "keys" else words, core in QUESTIONS, [fact])


def gibberish_to_draw(random: np.random.Generator, split: Split, language: Language, *, is_spoken: bool) -> Asked:
    """A thing without sense to be drawn; by its own name, some are kept for each split."""
    while True:
        name = near_miss(random, language) if random.random() < NEAR_MISS_SHARE else _word(random)
        if is_like_a_name(name, language):
            continue
        if language == "en" and random.random() < AS_EMOJI_SHARE:
            what, form = requested(name, pick(random, FORMS), random), "as an emoji"
            words, facts = DRAW.fill(random, split, is_spoken=is_spoken, what=what)
        else:
            form = pick(random, DRAWINGS[language])
            words, facts = form.format(x=name).replace(f" a {name}", f" {with_article(name)}"), []
        fact = _fact(form, name, split)
        if fact:
            return Asked(words, False, [fact, *facts])


def near_miss(random: np.random.Generator, language: Language) -> str:
    """A word that begins as a known name does, goes on as another or as none, and is not like one."""
    while True:
        first, second = (pick(random, pick(random, KNOWN[language]).split()) for _ in range(2))
        cut, rest = (1 + int(random.integers(len(word) - 1)) for word in (first, second))
        is_known_tail = random.random() < KNOWN_TAIL_SHARE[language]
        other_tail = pick(random, MIDDLES) + (pick(random, ENDS) if random.random() < 0.5 else _word(random))
        word = first[:cut] + (second[rest:] if is_known_tail else other_tail)
        if len(word) > 2 and not is_like_a_name(word, language):
            return word


def is_like_a_name(word: str, language: Language) -> bool:
    """Whether a word sounds like something that is drawn, or names an unknown thing that has its own split."""
    return sound_of(word) in _sounds(language) or word in REAL


def sound_of(word: str) -> str:
    """The consonants of a word, roughly: words that differ in more than these sound different."""
    word = without_accents(word).rstrip("e").rstrip("sxz").translate(str.maketrans("cqzy", "kksi"))
    return "".join(letter for letter, _ in groupby(letter for letter in word if letter not in "aeiouhwœ"))


@cache
def _sounds(language: Language) -> frozenset[str]:
    return frozenset(sound_of(word) for name in KNOWN[language] for word in name.split()) | {""}


def _fact(core: str, words: str, split: Split) -> str | None:
    """What is held out of these words, or None where they are not of the split."""
    if split == "new":
        return f"topic:gibberish/{words}" if is_new_topic("gibberish", words) else None
    if is_new_topic("gibberish", words) or is_composed_asking(core, words) != (split == "composed"):
        return None
    return f"asking:{core}/{words}" if split == "composed" else f"topic:gibberish/{words}"


def _word(random: np.random.Generator) -> str:
    num_syllables = 1 + int(random.integers(3))
    return "".join(pick(random, STARTS) + pick(random, MIDDLES) + pick(random, ENDS) for _ in range(num_syllables))
