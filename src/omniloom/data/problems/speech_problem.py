"""Speech for its own sake: say a phrase, write down what is heard, repeat it.

The phrases mean nothing on purpose. One that makes sense can be guessed from half of its sound; of these, every word
has to be heard and said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from omniloom.data.emoji.table import NAMES
from omniloom.data.problems.base import Example, Split, WeightedTasks, problems
from omniloom.data.problems.holdout import (
    composed_bigrams,
    composed_bigrams_in,
    is_new_phrase,
    phrase_facts,
)
from omniloom.data.problems.templates import NO_ACCENTS_SHARE, as_typed, pick, without_accents
from omniloom.data.problems.turns import aloud, asked, spoken_reply, written_reply
from omniloom.data.problems.wording import PHRASE_WORDINGS, choose_language
from omniloom.data.speech.words import PHRASE_WORDS_IN, Language
from omniloom.stream.message import Message
from omniloom.stream.parts import Text

EMOJI_WORDS: tuple[str, ...] = tuple(dict.fromkeys(word for name in NAMES for word in name.split()))
Lengths = tuple[float, float, float, float]
"""How often a phrase has one, two, three and four words."""


@problems.register("speech")
class SpeechProblem(WeightedTasks):
    """Phrases of one to four words of the reply vocabulary."""

    name = "speech"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn, and how long its phrases are."""

        say: float = 2.0
        transcribe: float = 10.0
        echo: float = 5.0
        lengths: Lengths = (0.3, 0.3, 0.25, 0.15)
        echo_lengths: Lengths = (0.4, 0.4, 0.2, 0.0)
        french: float = 0.4
        """Share of the phrases that are French."""
        emoji_words: float = 0.4
        """Share of the English phrases to be written down, in training, that may have words of emoji's names."""

    cells: ClassVar[dict[str, str | None]] = {
        "say": "text-to-audio",
        "transcribe": "audio-to-text",
        "echo": "audio-to-audio",
    }

    def __init__(self, config: SpeechProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())

    def _say(self, random: np.random.Generator, split: Split) -> Example:
        return self._repeat("say", random, split, self.config.lengths)

    def _echo(self, random: np.random.Generator, split: Split) -> Example:
        return self._repeat("echo", random, split, self.config.echo_lengths)

    def _transcribe(self, random: np.random.Generator, split: Split) -> Example:
        language = choose_language(random, self.config.french)
        # Drawings are asked for by these names too, and no other task teaches to hear them.
        is_wider = split == "train" and language == "en" and random.random() < self.config.emoji_words
        phrase = phrase_of(random, split, self.config.lengths, language, more_words=EMOJI_WORDS if is_wider else ())
        words, facts = PHRASE_WORDINGS[language].transcribe.fill(random, split, is_spoken=False)
        question = Text(as_typed(words, random, is_question=True, language=language))
        sound, voice = aloud(phrase, random, split, language)
        facts = [*phrase_facts(phrase, language), *facts, *voice, f"language:{language}"]
        messages = (Message("user", (question, sound)), written_reply(phrase))
        return self.made("transcribe", messages=messages, answer=phrase, facts=facts)

    def _repeat(self, task: str, random: np.random.Generator, split: Split, lengths: Lengths) -> Example:
        language = choose_language(random, self.config.french)
        phrase = phrase_of(random, split, lengths, language)
        is_spoken = task == "echo"
        words, facts = PHRASE_WORDINGS[language].say.fill(random, split, is_spoken=is_spoken, phrase=phrase)
        if is_spoken:
            part, voice = asked(words, random, split, is_spoken=True, is_question=False, language=language)
        else:
            part, voice = Text(quoted(words, phrase, random, language)), []
        facts = [*phrase_facts(phrase, language), *facts, *voice, f"language:{language}"]
        messages = (Message("user", (part,)), spoken_reply(phrase, language))
        return self.made(task, messages=messages, answer=phrase, facts=facts)


def phrase_of(
    random: np.random.Generator,
    split: Split,
    lengths: Lengths,
    language: Language = "en",
    *,
    more_words: tuple[str, ...] = (),
) -> str:
    """A phrase of the split; those of *new* and *composed* have two words or more."""
    shares = np.array(lengths if split == "train" else (0.0, *lengths[1:]))
    if shares.sum() <= 0:
        raise ValueError(f"lengths {lengths} leave no phrase of two words or more, which {split!r} needs")
    num_words = 1 + int(random.choice(len(shares), p=shares / shares.sum()))
    pool = (*PHRASE_WORDS_IN[language], *more_words)
    while True:
        words = [pick(random, pool) for _ in range(num_words)]
        if split == "composed":
            place = int(random.integers(num_words - 1))
            words[place : place + 2] = pick(random, composed_bigrams(language))
            return " ".join(words)
        phrase = " ".join(words)
        if not composed_bigrams_in(phrase, language) and is_new_phrase(phrase) == (split == "new"):
            return phrase


def quoted(words: str, phrase: str, random: np.random.Generator, language: Language = "en") -> str:
    """The request as typed, the phrase marked off: what follows it ("please") is otherwise read as part of it."""
    style = random.random()
    if style < 0.4:
        words = words.replace(phrase, f'"{phrase}"')
    elif style < 0.6:
        words = words.replace(phrase, f": {phrase}").replace(" :", ":")
    if language == "fr" and random.random() < NO_ACCENTS_SHARE:
        words = without_accents(words)
    return words if random.random() < 0.5 else words[0].upper() + words[1:]
