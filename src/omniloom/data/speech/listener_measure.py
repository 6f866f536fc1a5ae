"""How well the listener itself hears, on speech that it did not learn from: the error bar under every spoken score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from omniloom.core.randomness import generator
from omniloom.data.speech import fsdd
from omniloom.data.speech.listener import Listener
from omniloom.data.speech.synthesis import VOICES, Voice, speak_reply, synthesize
from omniloom.data.speech.words import DIGIT_WORDS, LANGUAGES, Language, heard_as, words_of
from omniloom.stream.parts import Audio

FEW_WORDS = 10
_BATCH_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One kind of clean speech: how many phrases, the share heard exactly, and wrong words per word said."""

    what: str
    n: int
    exact: float
    word_error: float


def measure_listener(listener: Listener, *, num_phrases: int = 300) -> list[Heard]:
    """The assistant's voice, each new voice, and each real speaker's new takes (where the recordings are at hand).

    A language of which it knows fewer than ten words is left out.
    """
    found = []
    for language in LANGUAGES:
        words = words_of(language, listener.config.words)
        if len(words) < FEW_WORDS and language != LANGUAGES[0]:
            continue
        name = "assistant" if language == LANGUAGES[0] else f"assistant, {language}"
        for low, high in ((1, 4), (5, 17)):
            phrases = _assistant_phrases(words, language, num_phrases, low, high)
            found.append(heard(listener, f"{name}, {low}-{high} words", phrases))
        voices = VOICES[language]["new"]
        for voice in voices:
            phrases = _voice_phrases(words, voice, -(-num_phrases // len(voices)))
            found.append(heard(listener, f"new voice {voice.name}", phrases))
    for speaker in fsdd.SPEAKERS:
        takes = [take for take in fsdd.recordings("new") if take.speaker == speaker]
        pairs = [(fsdd.load(take), DIGIT_WORDS[take.digit]) for take in takes]
        found.append(heard(listener, f"digits by {speaker}", pairs))
    return found


def heard(listener: Listener, what: str, phrases: Sequence[tuple[Audio, str]]) -> Heard:
    """Compare what is said with what is heard."""
    errors = words = exact = 0
    for start in range(0, len(phrases), _BATCH_SIZE):
        batch = phrases[start : start + _BATCH_SIZE]
        for text, (_, truth) in zip(listener.transcribe_batch([audio for audio, _ in batch]), batch, strict=True):
            truth, text = heard_as(truth), heard_as(text)
            errors += edit_distance(truth.split(), text.split())
            words += len(truth.split())
            exact += truth == text
    return Heard(what=what, n=len(phrases), exact=exact / len(phrases), word_error=errors / words)


def edit_distance(truth: Sequence[str], other: Sequence[str]) -> int:
    """Fewest words put in, left out or changed to make one from the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for index, word in enumerate(truth, 1):
        before, row = row, [index]
        for place, candidate in enumerate(other, 1):
            row.append(min(before[place] + 1, row[place - 1] + 1, before[place - 1] + (word != candidate)))
    return row[-1]


def _assistant_phrases(
    words: Sequence[str], language: Language, num: int, shortest: int, longest: int
) -> list[tuple[Audio, str]]:
    phrases = []
    for index in range(num):
        text = _random_words(words, "assistant", index, shortest, longest)
        sounds = [part for part in speak_reply(text, language) if isinstance(part, Audio)]
        phrases.append((Audio(torch.cat([sound.samples for sound in sounds]), sounds[0].rate_hz), text))
    return phrases


def _voice_phrases(words: Sequence[str], voice: Voice, num: int) -> list[tuple[Audio, str]]:
    phrases = []
    for index in range(num):
        text = _random_words(words, voice.name, index, 1, 4)
        varied = voice.varied(generator("listener", "measure", voice.name, "mood", index))
        phrases.append((synthesize(text, varied).audio, text))
    return phrases


def _random_words(words: Sequence[str], key: str, index: int, shortest: int, longest: int) -> str:
    rng = generator("listener", "measure", key, shortest, index)
    return " ".join(words[i] for i in rng.integers(len(words), size=int(rng.integers(shortest, longest + 1))))
