"""What is seen or heard is named: by its own name, or by a made-up one that only the demonstrations tell.

`omni-emoji` and `omni-digits` ask for names that a model may know without being shown any; `omni-new-names` and
`omni-new-digits` bind two kinds of thing to two made-up words, anew for each mapping (the fast concept binding of
Tsimpoukelli and others 2021, section 4.3, in the form of two ways), so that without demonstrations nothing tells them
apart. Pictures that are demonstrated are never asked, and recordings that are asked are takes that no training of ours
heard. `-shuffled` tasks are the control: the same texts with the media dealt out anew among the items of a mapping, or
of the whole task where there are no mappings, so that what is shown says nothing of what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from omniloom.core.randomness import generator
from omniloom.data.emoji import NAMES, random_sticker, render_sticker
from omniloom.data.scenes import COLOURS, POSITIONS, SHAPES, SIZES, Scene, SceneObject, render
from omniloom.data.speech import fsdd
from omniloom.data.speech.words import DIGIT_WORDS
from omniloom.evaluation.few_shot.models.base import Medium
from omniloom.evaluation.few_shot.models.media import MEDIUM
from omniloom.evaluation.few_shot.task import Item, Options, Split, Task, add_task

WORDS = ("dax", "wug", "blick", "toma", "fep", "zib", "modi", "gazzer", "kiki", "bouba", "tupa", "lorp")
"""Made-up names, such as children are taught in studies of how words are learned."""

NUM_OPTIONS = 4
"""Names to choose an emoji's from."""

NUM_MAPPINGS = 60
NUM_SHOWN, NUM_ASKED = 8, 1
"""Things of each of the two kinds of a mapping to be shown, and others to be asked."""

SEEN, HEARD = f"{MEDIUM} What is this?\n", f"{MEDIUM} Which digit is this?\n"
SHOTS = 8

Loader = Callable[[Split], Sequence[Item]]


def _emoji(split: Split) -> list[Item]:
    """Each emoji once; every third name is asked for, the others are shown."""
    found: list[Item] = []
    for number, name in enumerate(NAMES):
        if (number % 3 == 0) != (split == "test"):
            continue
        random = generator("omni emoji", name)
        others = [NAMES[place] for place in random.permutation(len(NAMES)) if NAMES[place] != name]
        options = others[: NUM_OPTIONS - 1]
        # As often at each place: who always picks one of them is right by chance and no more.
        options.insert(len(found) % NUM_OPTIONS, name)
        picture = render_sticker(random_sticker(name, random))
        found.append(Item(context=SEEN, answers=(name,), options=tuple(options), media=(picture,)))
    return found


def _digits(split: Split) -> list[Item]:
    takes = fsdd.recordings("new" if split == "test" else "train")
    return [
        Item(context=HEARD, answers=(DIGIT_WORDS[own.digit],), options=tuple(DIGIT_WORDS), media=(fsdd.load(own),))
        for own in takes
        if split == "test" or own.take % 4 == 0
    ]


def _new_names(split: Split) -> list[Item]:
    return _bound("shapes", split, SHAPES, _picture)


def _new_digits(split: Split) -> list[Item]:
    takes = fsdd.recordings("new" if split == "test" else "train")

    def said(digit: str, random: np.random.Generator) -> Medium:
        own = [take for take in takes if DIGIT_WORDS[take.digit] == digit]
        return fsdd.load(own[int(random.integers(len(own)))])

    return _bound("digits", split, DIGIT_WORDS, said)


def _bound(
    kind: str, split: Split, things: Sequence[str], shown: Callable[[str, np.random.Generator], Medium]
) -> list[Item]:
    """Two things with two made-up names for each mapping, in turn."""
    found: list[Item] = []
    for number in range(NUM_MAPPINGS):
        random = generator("omni mapping", kind, number)
        pair = [things[place] for place in random.permutation(len(things))[:2]]
        names = tuple(WORDS[place] for place in random.permutation(len(WORDS))[:2])
        own = generator("omni mapping", kind, number, split)
        for _ in range(NUM_ASKED if split == "test" else NUM_SHOWN):
            for thing, name in zip(pair, names, strict=True):
                medium = shown(thing, own)
                item = Item(context=SEEN, answers=(name,), options=names, mapping=f"{number}", media=(medium,))
                found.append(item)
    return found


def _picture(shape: str, random: np.random.Generator) -> Medium:
    """One object of this shape, of any colour, size and place."""
    colour, size, position = (own[int(random.integers(len(own)))] for own in (COLOURS, SIZES, POSITIONS))
    return render(Scene.of([SceneObject(shape=shape, colour=colour, size=size, position=position)]), jitter=random)


def shuffled(load: Loader, name: str) -> Loader:
    """The same items with their media dealt out anew within each mapping."""

    def dealt(split: Split) -> list[Item]:
        found: list[Item] = []
        for mapping, group in groupby(load(split), key=lambda item: item.mapping):
            own = list(group)
            order = generator("omni shuffled", name, split, mapping).permutation(len(own))
            found += [replace(item, media=own[place].media) for item, place in zip(own, order, strict=True)]
        return found

    return dealt


TASKS: dict[str, Loader] = {
    "omni-emoji": _emoji,
    "omni-digits": _digits,
    "omni-new-names": _new_names,
    "omni-new-digits": _new_digits,
}

OMNI = tuple(
    add_task(Task(name=name, load=load, answering=Options(), separator="\n", shots=SHOTS))
    for plain, load in TASKS.items()
    for name, load in ((plain, load), (f"{plain}-shuffled", shuffled(load, plain)))
)
"""The four tasks, each followed by its control."""
