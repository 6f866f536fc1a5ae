"""What is said in a sound, written by the model: asked in the words that it learned to be asked in.

There is no second model for it. `data.problems.speech_problem` teaches to write down what is heard, and the same
wording asks for it here; a language of the question is the language that the model writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from omniloom.data.problems.wording import PHRASE_WORDINGS
from omniloom.generation import Omni, Sampling, TextDelta
from omniloom.stream.parts import Audio

MAX_TEXT_TOKENS = 256
"""Longest text of one turn; thirty seconds of quick speech are some 120 words."""


def question(language: str) -> str:
    """What the model is asked for the text of a sound.

    Raises:
        ValueError: If the model does not write that language.
    """
    wordings = {str(name): wording for name, wording in PHRASE_WORDINGS.items()}
    if language not in wordings:
        raise ValueError(f"language must be one of {', '.join(wordings)}, got {language[:40]!r}")
    return f"{wordings[language].transcribe.cores[0]}?".capitalize()


def transcribe(omni: Omni, audio: Audio, *, language: str = "en", sampling: Sampling = Sampling()) -> Iterator[str]:
    """The text in pieces, as it is written; leaving the iterator early stops the model within a step.

    Raises:
        ValueError: If the model does not write that language, or the sound does not fit its context.
    """
    return _pieces(omni, [question(language), audio], sampling)


def _pieces(omni: Omni, prompt: list[str | Audio], sampling: Sampling) -> Iterator[str]:
    with closing(omni.stream(prompt, "text", sampling=sampling, max_tokens=MAX_TEXT_TOKENS)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, TextDelta):
                yield event.text
