"""English beside French, cell by cell: the same tasks asked in both, so that what differs is the language.

The rarer language has few examples among a cell's own. More of it are drawn until it has a share of its own, up to a
limit of what is looked at; they count for the comparison and never for the cell's score, which follows the mix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean

from omniloom.data.problems import Example
from omniloom.evaluation.report import LanguageScore

FACT = "language:"
MIN_SHARE = 1 / 3
"""Of a cell's limit: so many examples each language has at least, where they can be found."""
MOST_LOOKED_AT = 5
"""Times the limit: where the rarer language stays short after that, it is shown with what there is."""


def language_of(example: Example) -> str | None:
    """The language of an example of a problem that has several; None where a problem has one."""
    return next((fact.removeprefix(FACT) for fact in example.facts if fact.startswith(FACT)), None)


def more_of_the_rarer(draw: Callable[[int], Example], examples: Sequence[Example]) -> list[Example]:
    """Further examples, from the index after these, of the languages that are short among these.

    Only languages and tasks that are seen among `examples` count; a cell of one language needs no more.
    """
    limit = len(examples)
    least = round(limit * MIN_SHARE)
    counts = Counter(filter(None, map(language_of, examples)))
    if len(counts) < 2:
        return []
    found = []
    for index in range(limit, MOST_LOOKED_AT * limit):
        if all(count >= least for count in counts.values()):
            break
        example = draw(index)
        language = language_of(example)
        if language is not None and 0 < counts[language] < least:
            counts[language] += 1
            found.append(example)
    return found


def by_language(
    examples: Sequence[Example], scores: Sequence[float], ceilings: Sequence[float]
) -> dict[str, LanguageScore]:
    """Scores by language, over the tasks that were asked in every language seen; nothing where there is one."""
    languages = sorted({language for example in examples if (language := language_of(example))})
    tasks = [{item.task for item in examples if language_of(item) == language} for language in languages]
    shared = set.intersection(*tasks) if tasks else set()
    if len(languages) < 2 or not shared:
        return {}
    found = {}
    for language in languages:
        places = [
            place
            for place, example in enumerate(examples)
            if language_of(example) == language and example.task in shared
        ]
        found[language] = LanguageScore(
            n=len(places),
            score=fmean(scores[place] for place in places),
            ceiling=fmean(ceilings[place] for place in places),
        )
    return found
