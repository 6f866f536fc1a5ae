"""An endless crowd of speakers: settings of espeak-ng's formant synthesizer, drawn by number.

The named variants of espeak-ng are a hundred voices, and a model that learns from some fifty of them knows those: of
what voices like the held-out `david` said it wrote down .40, of others 1.00. So half of what is said in training is
said by somebody who was never heard before. A throat is longer or shorter as a whole, each formant is moved, weakened
and widened a little on its own, and some speakers are hoarse, tremble, stress other syllables or stand in an echo. Of
English phrases by 60 of them the listener missed 12 % of the words in the mean, and 6 to 30 % of those by the held-out
voices, which are no easier.
"""

from __future__ import annotations

import numpy as np

from omniloom.core.randomness import generator

SOURCES = (1, 2, 3, 4, 6)
"""Kinds of Klatt's source that espeak-ng knows, which some of the crowd have in place of its own."""


def settings_of(number: int) -> str:
    """The voice variant of a speaker in espeak-ng's file format; the same number is always the same speaker."""
    random = generator("crowd", number)
    throat = random.uniform(0.84, 1.19)
    lines = ["language variant", f"name crowd{number}"]
    if random.random() < 0.25:
        lines.append(f"klatt {random.choice(SOURCES)}")
    # A longer throat goes with a deeper voice, though not strictly.
    lowest = round(75 * throat**1.5 * random.uniform(0.8, 1.25))
    lines.append(f"pitch {lowest} {round(lowest * random.uniform(1.1, 1.7))}")
    lines += [f"formant {index} {_formant(index, throat, random)}" for index in range(9)]
    more = (
        (0.5, "flutter", ((0, 20),)),
        (0.5, "roughness", ((0, 3),)),
        (0.5, "voicing", ((60, 200),)),
        (0.5, "consonants", ((60, 140), (60, 120))),
        (0.3, "echo", ((10, 140), (5, 25))),
        (0.4, "stressAmp", ((14, 26),) * 8),
    )
    for share, name, bounds in more:
        if random.random() < share:
            lines.append(f"{name} {_numbers(bounds, random)}")
    if random.random() < 0.4:
        heights = (int(random.integers(low, 256)) for low in (180, 80, 30, 30, 10))
        pairs = zip((100, 600, 1200, 2400, 4000), heights, strict=True)
        lines.append("tone " + " ".join(f"{frequency_hz} {height}" for frequency_hz, height in pairs))
    return "\n".join(lines) + "\n"


def _formant(index: int, throat: float, random: np.random.Generator) -> str:
    """Frequency, height and width in percent of the plain voice's; the upper formants may nearly go missing."""
    frequency = throat * random.uniform(0.93, 1.07)
    height = random.uniform(0.6 if index < 3 else 0.2, 1.3)
    return " ".join(str(round(100 * value)) for value in (frequency, height, random.uniform(0.7, 1.4)))


def _numbers(bounds: tuple[tuple[int, int], ...], random: np.random.Generator) -> str:
    return " ".join(str(random.integers(low, high + 1)) for low, high in bounds)
