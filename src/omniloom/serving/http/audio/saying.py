"""A text said by the model, as it stands: asked in the words that it learned to be asked in, a few at a time.

`data.problems.speech_problem` teaches to say phrases of at most `MAX_WORDS` words, and of longer ones the shipped model
says hardly any right (docs/api.md has the numbers). So a text is said phrase by phrase, each a reply of its own, broken
off at punctuation first; a sentence is followed by a short silence.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from omniloom.data.problems.speech_problem import SpeechProblem
from omniloom.data.speech.words import REPLY_WORDS_IN
from omniloom.generation import AudioDelta, Conversation, Done, Omni, Usage
from omniloom.stream.message import Message
from omniloom.stream.parts import Text

MAX_WORDS = len(SpeechProblem.Config().lengths)
PAUSE_S = 0.2
"""Between sentences."""

_REQUESTS = {"en": 'say "{}"', "fr": 'dis "{}"'}
_SENTENCE, _CLAUSE = re.compile(r"(?<=[.!?…])\s+|\n+"), re.compile(r"(?<=[,;:])\s+")
_QUOTES = str.maketrans("", "", '"“”«»')


@dataclass(frozen=True)
class Phrase:
    """So many words as are said at once, and whether a sentence ends with them."""

    text: str
    ends_sentence: bool


@dataclass(frozen=True, eq=False)
class Said:
    """More of the sound; with the last of a phrase, what it took."""

    samples: Float32[np.ndarray, " N"]
    rate_hz: int
    usage: Usage | None = None


def phrases_of(text: str) -> list[Phrase]:
    """The text in phrases of at most `MAX_WORDS` words that no sentence or clause ends in the midst of."""
    found: list[Phrase] = []
    for sentence in _SENTENCE.split(text.translate(_QUOTES)):
        parts = [part for clause in _CLAUSE.split(sentence) for part in _split(clause.split())]
        found += [Phrase(" ".join(part), place == len(parts) - 1) for place, part in enumerate(parts)]
    return found


def language_of(text: str) -> str:
    """French where every word is French and not every one English; the model's words are too few to guess by more."""
    words = re.findall(r"\w+", text.lower())
    is_in = {language: all(word in known for word in words) for language, known in REPLY_WORDS_IN.items()}
    return "fr" if words and is_in["fr"] and not is_in["en"] else "en"


class Saying:
    """A job that says a text; `cancel`, from any thread, ends it at the model's next token."""

    def __init__(self, omni: Omni, text: str, *, max_tokens: int) -> None:
        """Raises ValueError if there is nothing to say."""
        self._omni = omni
        self._request = _REQUESTS[language_of(text)]
        self._phrases = [phrase for phrase in phrases_of(text) if re.search(r"\w", phrase.text)]
        self._max_tokens = max_tokens
        self._is_cancelled = threading.Event()
        self._conversation: Conversation | None = None
        if not self._phrases:
            raise ValueError("there is nothing to say; give at least one word")

    def run(self) -> Iterator[Said]:
        for place, phrase in enumerate(self._phrases):
            words = _REQUEST_MARKS.sub("", phrase.text)
            prompt = Message("user", (Text(self._request.format(words)),))
            self._conversation = self._omni.conversation([prompt], is_asked_at_once=True)
            rate_hz = self._omni.codecs.audio.rate_hz
            events = self._conversation.reply("audio", max_tokens=self._max_tokens)
            if self._is_cancelled.is_set():
                return
            for event in events:
                if isinstance(event, AudioDelta):
                    yield Said(event.samples.detach().float().cpu().numpy(), event.rate_hz)
                elif isinstance(event, Done):
                    is_between = phrase.ends_sentence and place < len(self._phrases) - 1
                    silence = np.zeros(round(PAUSE_S * rate_hz) if is_between else 0, np.float32)
                    yield Said(silence, rate_hz, event.usage)

    def cancel(self) -> None:
        self._is_cancelled.set()
        if self._conversation is not None:
            self._conversation.cancel()


_REQUEST_MARKS = re.compile(r"[.!?…,;:]+$")
"""The end of a phrase as written; the phrases that the model learned to say have none."""


def _split(words: list[str]) -> list[list[str]]:
    """As few parts as hold all words, as even as can be: of five words three and two."""
    count = -(-len(words) // MAX_WORDS)
    return [words[len(words) * part // count : len(words) * (part + 1) // count] for part in range(count)]
