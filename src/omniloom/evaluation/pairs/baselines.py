"""What a translation must beat: a word-for-word dictionary learned from the same pairs.

The dictionary is IBM model 1 (Brown et al. 1993, section 4.2) by expectation-maximization over the training pairs: each
source word becomes its most probable target word, in the source's order. It is given its best: words are learned
without their case and get it back, signs stay, words seen too seldom are copied, and how often a word must have been
seen is chosen on the development split. A model of order or of phrases was left out; it would no longer be word for
word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from omniloom.data.problems.pairs import TextPair, pair_metrics

WORDS = re.compile(r"\w+(?:['’]\w+)*['’]?")
"""A word with its apostrophes; all else is kept as it stands."""

NUM_ROUNDS = 5
"""Of expectation-maximization, after which best entries hardly change (Brown et al. took twelve)."""

MAX_WORDS = 80
"""Of a side that is learned from: a pair costs the product of its sides, and long ones tell little of single words."""

TIMES_SEEN = (1, 2, 3, 5, 10, 20)


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """What each source word becomes, how often it was seen, and how often it must have been."""

    entries: dict[str, str]
    counts: Counter[str]
    min_count: int = 1

    def translate(self, text: str) -> str:
        """The text word for word."""
        return WORDS.sub(lambda match: self._word(match[0]), text)

    def _word(self, word: str) -> str:
        folded = word.lower()
        if self.counts[folded] < self.min_count or folded not in self.entries:
            return word
        found = self.entries[folded]
        return found[0].upper() + found[1:] if word[0].isupper() else found


def best_dictionary(train: Sequence[TextPair], dev: Sequence[TextPair]) -> Dictionary:
    """The dictionary of the training pairs that scores best on the development pairs."""
    learned, bleu = learn_dictionary(train), pair_metrics.get("bleu")
    references = [pair.target for pair in dev]

    def score(dictionary: Dictionary) -> float:
        return bleu([dictionary.translate(pair.source) for pair in dev], references).value

    return max((replace(learned, min_count=count) for count in TIMES_SEEN), key=score)


def learn_dictionary(pairs: Sequence[TextPair]) -> Dictionary:
    """IBM model 1 of these pairs."""
    sides = [tuple([word.lower() for word in WORDS.findall(text)][:MAX_WORDS] for text in pair) for pair in pairs]
    sides = [(source, target) for source, target in sides if source and target]
    # The empty word, which explains what no source word does, is number 0.
    sources = {word: number for number, word in enumerate(dict.fromkeys(w for s, _ in sides for w in s), start=1)}
    targets = {word: number for number, word in enumerate(dict.fromkeys(w for _, t in sides for w in t))}
    source, target, probability = _fitted(
        [(np.array([0, *map(sources.get, s)]), np.array([*map(targets.get, t)])) for s, t in sides],
        num_sources=len(sources) + 1,
        num_targets=len(targets),
    )
    # Of each source word the most probable comes last and stays.
    order = np.lexsort((probability, source))
    best = dict(zip(source[order].tolist(), target[order].tolist(), strict=True))
    target_words = list(targets)
    entries = {word: target_words[best[number]] for word, number in sources.items()}
    return Dictionary(entries=entries, counts=Counter(word for words, _ in sides for word in words))


def _fitted(
    rows: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], *, num_sources: int, num_targets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The source and target words that ever stand in one pair, and the probability of the target given the source."""
    starts = np.cumsum([0, *(len(target) for _, target in rows)])
    source = np.concatenate([np.tile(s, len(t)) for s, t in rows])
    target = np.concatenate([np.repeat(t, len(s)) for s, t in rows])
    place = np.concatenate(
        [first + np.repeat(np.arange(len(t)), len(s)) for first, (s, t) in zip(starts[:-1], rows, strict=True)]
    )
    together, cell = np.unique(source * num_targets + target, return_inverse=True)
    of_source = together // num_targets
    probability = np.ones(len(together))
    for _ in range(NUM_ROUNDS):
        expected = probability[cell]
        expected /= np.bincount(place, expected)[place]
        counts = np.bincount(cell, expected, len(together))
        probability = counts / np.bincount(of_source, counts, num_sources)[of_source]
    return of_source, together % num_targets, probability
