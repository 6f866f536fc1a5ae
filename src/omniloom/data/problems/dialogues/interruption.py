"""A spoken reply that the user cuts off, and what may be said of it afterwards.

What was said stays in the conversation up to the last whole frame, as it does when somebody speaks into a reply. "Go
on" begins again with the word that was being said: nobody wants half a word, and the text before its sound tells which
word it is.
"""

from __future__ import annotations

import numpy as np

from omniloom.data.speech.synthesis import FRAME_SAMPLES
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Part, Text


def cut_short(reply: Message, *, num_words: int, num_frames: int) -> Message:
    """A spoken reply up to some frames into its last word kept; `num_frames` counts from the start of that word."""
    parts: list[Part] = list(reply.parts[: 2 * num_words])
    last = parts[-1]
    assert isinstance(parts[-2], Text) and isinstance(last, Audio), "a spoken reply is text and sound in turn"
    parts[-1] = Audio(last.samples[: num_frames * FRAME_SAMPLES], last.rate_hz)
    return Message("assistant", tuple(parts), is_cut=True)


def cut_somewhere(reply: Message, random: np.random.Generator, *, most_words: int) -> tuple[Message, int]:
    """The reply cut in one of its first words, and how many words of it had begun."""
    num_words = 1 + int(random.integers(most_words))
    last = reply.parts[2 * num_words - 1]
    assert isinstance(last, Audio)
    num_frames = 1 + int(random.integers(last.samples.numel() // FRAME_SAMPLES))
    return cut_short(reply, num_words=num_words, num_frames=num_frames), num_words
