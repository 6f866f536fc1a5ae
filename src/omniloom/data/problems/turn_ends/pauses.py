"""Where a speaker may stop to think without having said a whole request, and a silence put in there.

A model that answers the first silence cuts people off. So that it learns to listen to what was said and not only to how
long it is quiet, some spoken requests have a pause in a place where nothing whole was said yet: after an article, a
preposition, a verb that needs its object. The rule is careful: a place counts only if no request of any problem ends
there, for a pause after a whole request would teach to wait when it is one's turn. A phrase to be said or written down
may stop after any of its words, so in these only words count that no phrase holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omniloom.data.speech.words import (
    COLOUR_WORDS,
    FRENCH_SIZE_WORDS,
    PHRASE_WORDS_IN,
    SIZE_WORDS,
    Language,
)
from omniloom.stream.parts import TimedWord

PAUSE_S = (0.3, 1.0)

_SLACK_S = 0.03
"""How far from the synthesizer's word time the quietest place is looked for."""
_STEP_S = 0.005
_FADE_S = 0.005


@dataclass(frozen=True)
class _Grammar:
    """Words of a language after which more must come: always; and where the sentence is no phrase to repeat."""

    open_words: frozenset[str]
    articles: frozenset[str]
    adjectives: frozenset[str]
    joining: frozenset[str]
    """Words that phrases hold too, and that join two things elsewhere."""
    repeating: frozenset[str]
    """Words of requests to repeat, which say that what follows is a phrase."""


_ENGLISH_OPEN = (
    "a an the of to at in into with from or what which how many much where is are do does can could plus draw paint "
    "show make put move place bring turn change replace remove delete add say repeat"
)
_FRENCH_OPEN = (
    "un une le la les du de des au aux à en dans avec par sur que quel quelle combien où est ou et se trouve dessine "
    "peins fais mets place déplace bouge change transforme remplace rends ajoute enlève efface retire supprime colorie "
    "montre montre-moi peux-tu veux"
)

_CLOSING = frozenset({"please", "now", "thanks", "for", "then", "too", "s'il", "maintenant", "merci", "pour"})
"""First words of what is said after a whole request: "what moves where" is one, though "where" seldom ends any."""

_GRAMMARS: dict[Language, _Grammar] = {
    "en": _Grammar(
        open_words=frozenset(_ENGLISH_OPEN.split()),
        articles=frozenset({"a", "an", "the"}),
        # An orange may be a fruit, and then it is a noun.
        adjectives=frozenset({*SIZE_WORDS, *COLOUR_WORDS} - {"orange"}),
        joining=frozenset({"and", "minus"}),
        repeating=frozenset({"say", "repeat", "speak", "read", "write", "words"}),
    ),
    "fr": _Grammar(
        open_words=frozenset(_FRENCH_OPEN.split()),
        articles=frozenset({"un", "une", "le", "la"}),
        adjectives=frozenset(FRENCH_SIZE_WORDS),
        joining=frozenset(),
        repeating=frozenset({"dis", "répète", "dire", "lis", "écris"}),
    ),
}


def open_places(words: Sequence[str], language: Language = "en") -> list[int]:
    """The numbers of the words after which more must come, whatever it is; never the last."""
    grammar = _GRAMMARS[language]
    # French "un" is a number as well as an article.
    open_words = grammar.open_words - set(PHRASE_WORDS_IN[language])
    is_phrase = bool(grammar.repeating & set(words)) or not open_words & set(words)
    found = []
    for index, word in enumerate(words[:-1]):
        is_joining = word in grammar.joining or _is_before_noun(words, index, grammar)
        if (word in open_words or (is_joining and not is_phrase)) and words[index + 1] not in _CLOSING:
            found.append(index)
    return found


def _is_before_noun(words: Sequence[str], index: int, grammar: _Grammar) -> bool:
    """Whether a word is an adjective, with only adjectives between it and its article."""
    while index >= 0 and words[index] in grammar.adjectives:
        index -= 1
        if index >= 0 and words[index] in grammar.articles:
            return True
    return False


def word_starts_s(text: str, timed: Sequence[TimedWord]) -> list[float | None]:
    """When each word of a text begins; None for one that the synthesizer runs into the one before."""
    starts: dict[int, float] = {}
    place = 0
    for word in timed:
        found = text.find(word.text, place)
        if found >= 0:
            starts[found] = word.start_s
            place = found + len(word.text)
    begins, place = [], 0
    for written in text.split():
        place = text.index(written, place)
        begins.append(starts.get(place))
        place += len(written)
    return begins


def open_times_s(text: str, timed: Sequence[TimedWord], language: Language = "en") -> list[float]:
    """The times in a sound at which what was said needs more."""
    starts = word_starts_s(text, timed)
    times = [starts[index + 1] for index in open_places(text.split(), language)]
    return [time for time in times if time is not None and time > 0]


def with_pause(
    sound: NDArray[np.float32], at_s: float, pause_s: float, *, rate_hz: int
) -> tuple[NDArray[np.float32], int]:
    """A sound with silence put in at the quietest place near a time, and the sample at which it begins."""
    step, slack = round(_STEP_S * rate_hz), round(_SLACK_S * rate_hz)
    middle = round(at_s * rate_hz)
    first, last = max(0, middle - slack), min(sound.size - step, middle + slack)
    places = range(first, max(first + 1, last + 1), step)
    cut = min(places, key=lambda place: float(np.square(sound[place : place + step]).sum())) + step // 2
    fade = np.linspace(1, 0, min(round(_FADE_S * rate_hz), cut, sound.size - cut), dtype=np.float32)
    before, after = sound[:cut].copy(), sound[cut:].copy()
    before[cut - fade.size :] *= fade
    after[: fade.size] *= fade[::-1]
    return np.concatenate([before, np.zeros(round(pause_s * rate_hz), np.float32), after]), cut
