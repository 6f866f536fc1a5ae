"""What the audio codec is trained on: the assistant's words, other voices' sentences, real people's digits.

Words and sentences are English and French: vowels through the nose or with round lips are in no English word.

The assistant's replies are all in one voice and must come out best, so its few words come often, joined as replies are.
Other speakers and people teach the codes what may be heard. Held-out voices and takes are in none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.codecs.audio import RATE_HZ, SAMPLES_PER_FRAME
from omniloom.core.progress import track
from omniloom.core.randomness import generator
from omniloom.data.speech import augmentation, fsdd
from omniloom.data.speech.synthesis import VOICES, assistant_word, synthesize
from omniloom.data.speech.words import LANGUAGES, REPLY_WORDS_IN, Language

OPENERS: dict[Language, tuple[str, ...]] = {
    "en": (
        "what is", "draw a", "write what you hear", "which digit is this", "say", "please tell me",
        "how many shapes are there", "what colour is the", "make it", "move it to the", "where is the",
        "turn it into a", "can you show me a picture of", "could you", "what shape is", "i would like", "thanks",
    ),
    "fr": (
        "combien font", "dessine un", "écris ce que tu entends", "quel chiffre est-ce", "dis", "s'il te plaît dis-moi",
        "combien de formes y a-t-il", "de quelle couleur est le", "mets-le", "déplace-le vers le", "où est le",
        "transforme-le en", "peux-tu me montrer une image de", "qu'est-ce que tu vois", "je voudrais", "merci",
    ),
}  # fmt: skip
"""Function words that questions hold beside the reply words; none is a whole question of the tests."""

FRENCH_SHARE = 0.3
"""Of the sentences. Of the assistant's words a third are French."""

CROWD_SHARE = 0.5
"""Of the sentences to learn from: by a speaker of the crowd in place of a named one."""

NOISE_SHARE = 0.4
NOISE_DB = (-75.0, -40.0)
"""White noise in what the encoder hears, against full scale. It is in no target: codes need not tell it."""


class Batch(NamedTuple):
    """What the encoder hears, and what shall come back: the same without noise."""

    heard: Float[Tensor, "B N"]
    wanted: Float[Tensor, "B N"]


@dataclass(frozen=True)
class Sounds:
    """Recordings of each kind: samples (N,) at 16 kHz."""

    words: Sequence[Tensor]
    sentences: Sequence[Tensor]
    digits: Sequence[Tensor]


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Shares of a batch's rows; digits take the rest."""

    words: float = 0.18
    sentences: float = 0.37

    def __post_init__(self) -> None:
        if min(self.words, self.sentences) < 0 or self.words + self.sentences > 1:
            raise ValueError(f"shares must be 0 or more and at most 1 together, got {self.words} and {self.sentences}")


def training_sounds(num_sentences: int, *, digit_copies: int, seed: int) -> Sounds:
    """Make them: about 2 s of speech a sentence, at a hundred times real time; `digit_copies` 0 leaves people out.

    The first copy of a digit is as it was recorded, the others are augmented.
    """
    digits = [
        _digit(take, generator("audio codec digit", seed, index, copy), is_plain=copy == 0)
        for index, take in enumerate(fsdd.recordings("train") if digit_copies else ())
        for copy in range(digit_copies)
    ]
    return Sounds(
        words=assistant_words(),
        sentences=spoken_sentences(num_sentences, split="train", seed=seed),
        digits=digits,
    )


def assistant_words() -> list[Tensor]:
    """Every word of a reply in each language."""
    return [assistant_word(word, language).samples for language in LANGUAGES for word in REPLY_WORDS_IN[language]]


def spoken_sentences(num_sentences: int, *, split: Literal["train", "new"], seed: int) -> list[Tensor]:
    """Reply words of one language in random order, half of them after an opener, in the voices of a split."""
    spoken = []
    for index in track(range(num_sentences), f"sentences of {split} voices"):
        rng = generator("audio codec sentence", split, seed, index)
        language: Language = "fr" if rng.random() < FRENCH_SHARE else "en"
        openers, known, voices = OPENERS[language], REPLY_WORDS_IN[language], VOICES[language][split]
        opener = [openers[int(rng.integers(len(openers)))]] if rng.random() < 0.5 else []
        words = [known[i] for i in rng.integers(len(known), size=rng.integers(2, 6))]
        voice = voices[index % len(voices)]
        if split == "train" and rng.random() < CROWD_SHARE:
            voice = voice.like_nobody(rng)
        samples = synthesize(" ".join([*opener, *words]), voice.varied(rng)).audio.samples
        spoken.append(_as_another_speaker(samples, rng) if split == "train" else samples)
    return spoken


def _digit(take: fsdd.Recording, rng: np.random.Generator, *, is_plain: bool) -> Tensor:
    sound = fsdd.load(take)
    return (sound.resampled(RATE_HZ) if is_plain else fsdd.augmented(sound, rng)).samples


def _as_another_speaker(samples: Tensor, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(augmentation.as_another_speaker(samples.numpy(), rng, rate_hz=RATE_HZ))


def training_batch(sounds: Sounds, mix: Mix, rng: np.random.Generator, *, num_rows: int, num_frames: int) -> Batch:
    """Excerpts of `num_frames` frames, some with noise in what is heard."""
    size = num_frames * SAMPLES_PER_FRAME
    heard, wanted = [], []
    for _ in range(num_rows):
        draw = rng.random()
        if draw < mix.words:
            excerpt = _joined_words(sounds.words, size, rng)
        elif draw < mix.words + mix.sentences or not sounds.digits:
            excerpt = _sentence(sounds.sentences, size, rng)
        else:
            excerpt = _joined_digits(sounds.digits, size, rng)
        wanted.append(excerpt)
        heard.append(_with_noise(excerpt, rng) if rng.random() < NOISE_SHARE else excerpt)
    return Batch(torch.stack(heard).clamp(-1, 1), torch.stack(wanted).clamp(-1, 1))


def _with_noise(samples: Tensor, rng: np.random.Generator) -> Tensor:
    level = 10 ** (rng.uniform(*NOISE_DB) / 20)
    return samples + level * torch.from_numpy(rng.standard_normal(samples.numel(), dtype=np.float32))


def _joined_words(words: Sequence[Tensor], size: int, rng: np.random.Generator) -> Tensor:
    """A reply from its start or from one of its frames: words are whole frames, and codes must be learned in step."""
    joined = _enough(words, size, rng)
    last = (joined.numel() - size) // SAMPLES_PER_FRAME
    start = 0 if rng.random() < 0.3 else int(rng.integers(last + 1)) * SAMPLES_PER_FRAME
    return joined[start : start + size]


def _sentence(sentences: Sequence[Tensor], size: int, rng: np.random.Generator) -> Tensor:
    samples = sentences[int(rng.integers(len(sentences)))]
    start = int(rng.integers(max(1, samples.numel() - size + 1)))
    excerpt = samples[start : start + size] * float(np.exp(rng.uniform(-0.9, 0.5)))
    return torch.nn.functional.pad(excerpt, (0, size - excerpt.numel()))


def _joined_digits(digits: Sequence[Tensor], size: int, rng: np.random.Generator) -> Tensor:
    """Digits with up to a quarter second of silence before each."""
    gaps = [torch.zeros(int(gap)) for gap in rng.integers(RATE_HZ // 4, size=16)]
    joined = _enough([*digits], size, rng, gaps=gaps)
    start = int(rng.integers(joined.numel() - size + 1))
    return joined[start : start + size]


def _enough(sounds: Sequence[Tensor], size: int, rng: np.random.Generator, *, gaps: Sequence[Tensor] = ()) -> Tensor:
    """Sounds in random order until there are `size` samples."""
    pieces: list[Tensor] = []
    total = 0
    while total < size:
        if gaps:
            pieces.append(gaps[int(rng.integers(len(gaps)))])
        pieces.append(sounds[int(rng.integers(len(sounds)))])
        total = sum(piece.numel() for piece in pieces)
    return torch.cat(pieces)
