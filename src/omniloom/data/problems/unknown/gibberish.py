"""Words that are none: there is no end of them, so what is unknown cannot be learned by heart."""

from __future__ import annotations

import numpy as np

from omniloom.data.problems.base import Split
from omniloom.data.problems.holdout import is_composed_asking, is_new_topic
from omniloom.data.problems.templates import pick
from omniloom.data.problems.unknown.topics import things_of
from omniloom.data.problems.unknown.wording import Asked

STARTS = things_of("b, br, d, dr, f, fl, g, gl, h, j, k, kr, l, m, n, p, pl, s, sk, t, tr, v, w, z, sh, ch, th, qu")
MIDDLES = things_of("a, e, i, o, u, oo, ee, ai, ou, y")
ENDS = ("", "", *things_of("b, ck, g, l, m, n, nd, ng, p, r, rk, s, sh, t, x, z, zzle"))
KEYS = things_of("asdf, jkl, qwertz, hjkl, xxx, lol, zzz, aaaa, dfgh, uiop, blah, hmm, ???, ..., 1a2b")

QUESTIONS = ("what is a {x}", "who is {x}", "where is {x}", "do you know {x}", "how do i {x}", "is it {x}", "why {x}")
REQUESTS = ("{x}", "tell me about {x}", "say what {x} means", "give me a {x}", "make it {x}", "find {x}")
DRAWINGS = ("draw a {x}", "paint a red {x}", "show me a {x}", "draw a {x} at the top left", "draw {x}")


def gibberish(random: np.random.Generator, split: Split, *, is_spoken: bool, is_drawing: bool = False) -> Asked:
    """Words without sense, alone or asked about; by their own names, some are kept for each split."""
    while True:
        if not is_drawing and not is_spoken and random.random() < 0.2:
            words, core = " ".join(pick(random, KEYS) for _ in range(1 + int(random.integers(3)))), "keys"
        else:
            core = pick(random, DRAWINGS if is_drawing else (*QUESTIONS, *REQUESTS))
            num_words = 1 if core != "{x}" else 2 + int(random.integers(3))
            words = " ".join(_word(random) for _ in range(num_words))
        if split == "new":
            if is_new_topic("gibberish", words):
                return _asked(core, words, f"topic:gibberish/{words}")
        elif not is_new_topic("gibberish", words) and is_composed_asking(core, words) == (split == "composed"):
            fact = f"asking:{core}/{words}" if split == "composed" else f"topic:gibberish/{words}"
            return _asked(core, words, fact)


def _asked(core: str, words: str, fact: str) -> Asked:
    return Asked(core.format(x=words) if core != "keys" else words, core in QUESTIONS, [fact])


def _word(random: np.random.Generator) -> str:
    num_syllables = 1 + int(random.integers(3))
    return "".join(pick(random, STARTS) + pick(random, MIDDLES) + pick(random, ENDS) for _ in range(num_syllables))
