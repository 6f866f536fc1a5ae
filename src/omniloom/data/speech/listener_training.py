"""How the listener learns: a pool of clean phrases, renewed all the time, blurred and masked anew at each use.

Synthesizing every training phrase would cost more than learning from it, so phrases stay in a pool as spectra, a few
of them replaced at every step. What microphones, rooms and codecs might do to a spectrum is then done to the spectrum
itself: noise of any colour, tilt, missing highs, smearing in time and in frequency, and masks (SpecAugment, Park and
others 2019). No codec and no model is heard. Single words come first, which this loss learns soonest. A phrase is a
function of its number, so an interrupted run resumes to the same bits without keeping the pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from omniloom.core.checkpoint import keep_newest, latest, write_folder
from omniloom.core.metrics import Metrics
from omniloom.core.progress import Progress
from omniloom.core.randomness import generator, seeded
from omniloom.core.state import load_state, save_state
from omniloom.data.speech import augmentation, fsdd
from omniloom.data.speech.listener import RATE_HZ, Listener, stack_spectra
from omniloom.data.speech.synthesis import (
    ASSISTANT_VOICES,
    LISTENER_FRENCH_VOICES,
    LISTENER_VOICES,
    assistant_word,
    synthesize,
)
from omniloom.data.speech.words import DIGIT_WORDS, LANGUAGES, Language, heard_as, words_of
from omniloom.stream.parts import Audio

VOICES = {"en": LISTENER_VOICES, "fr": LISTENER_FRENCH_VOICES}

LOG_EVERY = 20
STATE_FILE = "state.safetensors"


@dataclass(frozen=True, kw_only=True)
class Course:
    """One course of lessons."""

    num_steps: int = 5000
    batch_size: int = 32
    peak_rate: float = 2e-3
    weight_decay: float = 0.02
    pool_size: int = 6000
    renewed_per_step: int = 6
    single_words_share: float = 0.15
    """Share of the steps in which nearly all phrases are single words."""
    single_words_later: float = 0.15
    """Share of single words among the phrases after that."""
    longest_phrase: int = 6
    real_digits_share: float = 0.22
    """Share of the phrases that real people say; the rest is divided among the synthesized voices."""
    french_share: float = 0.35
    """Share of those that are French."""
    steps_per_checkpoint: int = 500
    seed: int = 0

    def is_early(self, step: int) -> bool:
        return step < self.single_words_share * self.num_steps


@dataclass(frozen=True, kw_only=True)
class ListenerTraining:
    """Two courses, about an hour of one slow core; the defaults made the listener that the package ships.

    After the first course one real digit in twelve was still misheard; the second has more of them, and more alone.
    """

    listener: Listener.Config = Listener.Config()
    first: Course = Course()
    second: Course = Course(
        num_steps=3500,
        peak_rate=1.2e-3,
        single_words_share=0.0,
        single_words_later=0.3,
        real_digits_share=0.45,
        seed=1,
    )


def train_listener(
    config: ListenerTraining, *, run_folder: str | Path, is_interrupted: Callable[[], bool] = lambda: False
) -> Listener:
    """The listener, from nothing or from the newest checkpoint in `run_folder`, where metrics go as well.

    Raises:
        KeyboardInterrupt: If `is_interrupted` came true between two steps; a checkpoint is written first.
    """
    folder = Path(run_folder)
    with seeded("listener", config.first.seed):
        listener = Listener(config.listener)
        _Lessons(listener, config.first, folder / "first").take(is_interrupted)
    with seeded("listener", config.second.seed):
        _Lessons(listener, config.second, folder / "second").take(is_interrupted)
    return listener.eval()


class _Lessons:
    """A listener on its way through a course, its optimizer, what it hears, and the step it stands at."""

    def __init__(self, listener: Listener, course: Course, folder: Path) -> None:
        self.listener, self.course, self.folder = listener, course, folder
        self.optimizer = torch.optim.AdamW(
            listener.parameters(), lr=course.peak_rate, betas=(0.9, 0.98), weight_decay=course.weight_decay
        )
        self.step = 0
        path = latest(folder / "checkpoints")
        if path is not None:
            self._load(path)
        self.school = _School(listener, course, step=self.step)

    def take(self, is_interrupted: Callable[[], bool]) -> None:
        """Every step that is left."""
        num_steps, start = self.course.num_steps, self.step
        progress = Progress(f"listener, {self.folder.name} course", total=num_steps, done=start)
        with Metrics(self.folder, resume_step=start or None) as metrics, progress:
            while self.step < num_steps:
                loss = self._take_step()
                progress.advance(1, {"loss": loss})
                if self.step % LOG_EVERY == 0:
                    metrics.write(self.step, {"loss": loss})
                # Asked once, or a signal that comes between the two lines would leave without saving.
                is_stopping = is_interrupted()
                if is_stopping or self.step % self.course.steps_per_checkpoint == 0 or self.step == num_steps:
                    self._save()
                if is_stopping:
                    raise KeyboardInterrupt(f"training stopped at step {self.step}; add --resume to go on")

    def _take_step(self) -> float:
        self.listener.train()
        for group in self.optimizer.param_groups:
            group["lr"] = _rate(self.course, self.step)
        loss = _loss(self.listener, *self.school.batch(self.step), is_early=self.course.is_early(self.step))
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.listener.parameters(), 2.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    def _save(self) -> None:
        state = {
            "step": self.step,
            "listener": dict(self.listener.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "dropout": torch.get_rng_state(),
        }
        checkpoints = self.folder / "checkpoints"
        write_folder(checkpoints / f"step-{self.step:06d}", lambda path: save_state(path / STATE_FILE, state))
        keep_newest(checkpoints, num_kept=2)

    def _load(self, path: Path) -> None:
        state = load_state(path / STATE_FILE)
        self.listener.load_state_dict(state["listener"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["dropout"])
        self.step = int(state["step"])


def _rate(course: Course, step: int) -> float:
    """Warm-up over a twentieth, then half a cosine down to nothing."""
    warm_up = max(1, course.num_steps // 20)
    if step < warm_up:
        return course.peak_rate * (step + 1) / warm_up
    return course.peak_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, course.num_steps - warm_up)))


def _loss(listener: Listener, spectra: list[Tensor], targets: list[list[int]], *, is_early: bool) -> Tensor:
    rows, num_hops = stack_spectra(spectra)
    scores, num_frames = listener(rows, num_hops)
    lengths = torch.tensor([len(target) for target in targets])
    flat = torch.tensor([index for target in targets for index in target])
    loss = F.ctc_loss(scores.transpose(0, 1), flat, num_frames, lengths, reduction="none", zero_infinity=True)
    mean = (loss / lengths).mean()
    return mean + _whole_word_loss(scores, num_frames, targets) if is_early else mean


def _whole_word_loss(scores: Tensor, num_frames: Tensor, targets: list[list[int]]) -> Tensor:
    """Which word is said at all, for the rows that are one word, wherever in the row it stands."""
    is_single = torch.tensor([len(target) == 1 for target in targets])
    if not is_single.any():
        return scores.new_zeros(())
    is_own = torch.arange(scores.shape[1]) < num_frames[:, None]
    said = (scores - scores[..., :1])[..., 1:].masked_fill(~is_own[..., None], -1e4).logsumexp(1)
    wanted = torch.tensor([target[0] - 1 for target in targets])
    return F.cross_entropy(said[is_single], wanted[is_single])


@dataclass(kw_only=True)
class _Phrase:
    """A phrase of the pool: which one it is says all about it; it is made when it is first heard."""

    number: int
    is_early: bool
    heard: tuple[Tensor, list[int]] | None = None


class _School:
    """The pool of phrases: its spectra and what they say."""

    def __init__(self, listener: Listener, course: Course, *, step: int) -> None:
        self._listener, self._course = listener, course
        self._classes = {word: 1 + index for index, word in enumerate(listener.config.words)}
        self._words = {language: words_of(language, listener.config.words) for language in LANGUAGES}
        self._pool: list[_Phrase] = []
        self._num_made = 0
        hears_digits = course.real_digits_share > 0 and set(DIGIT_WORDS) <= set(self._classes)
        self._digits = fsdd.recordings("train") if hears_digits else ()
        # One speaker's recordings together: a row of digits is said by one person.
        self._speakers = sorted({item.speaker for item in self._digits})
        for past in range(step):
            self._renew(past)

    def batch(self, step: int) -> tuple[list[Tensor], list[list[int]]]:
        """Disturbed spectra and the classes of their words; steps are asked for in order."""
        self._renew(step)
        rng = generator("listener", self._course.seed, "step", step)
        chosen = [self._pool[index] for index in rng.integers(len(self._pool), size=self._course.batch_size)]
        heard = [self._hear(phrase) for phrase in chosen]
        return [disturbed(spectrum.float(), rng) for spectrum, _ in heard], [target for _, target in heard]

    def _renew(self, step: int) -> None:
        course = self._course
        num_new = course.renewed_per_step * (3 if len(self._pool) < course.pool_size else 1)
        for _ in range(num_new if self._pool else min(course.pool_size, 8 * course.batch_size)):
            slot = self._num_made % course.pool_size
            self._pool[slot : slot + 1] = [_Phrase(number=self._num_made, is_early=course.is_early(step))]
            self._num_made += 1

    def _hear(self, phrase: _Phrase) -> tuple[Tensor, list[int]]:
        if phrase.heard is None:
            rng = generator("listener", self._course.seed, "phrase", phrase.number)
            is_single = rng.random() < (0.9 if phrase.is_early else self._course.single_words_later)
            num_words = 1 if is_single else int(rng.integers(1, self._course.longest_phrase + 1))
            audio, text = self._phrase(num_words, rng)
            with torch.no_grad():
                spectrum = self._listener.log_mel(audio.resampled(RATE_HZ).samples).half()
            phrase.heard = spectrum, [self._classes[word] for word in heard_as(text).split()]
        return phrase.heard

    def _phrase(self, num_words: int, rng: np.random.Generator) -> tuple[Audio, str]:
        if self._digits and rng.random() < self._course.real_digits_share:
            return self._in_real_digits(num_words, rng)
        language: Language = "fr" if rng.random() < self._course.french_share else "en"
        if not self._words[language]:
            language = "en" if language == "fr" else "fr"
        words = [self._words[language][index] for index in rng.integers(len(self._words[language]), size=num_words)]
        draw = rng.random()
        if 0.58 <= draw < 0.9:
            return self._in_assistant_words(words, language, rng), " ".join(words)
        own = VOICES[language]
        voice = own[rng.integers(len(own))] if draw < 0.58 else ASSISTANT_VOICES[language]
        return synthesize(" ".join(words), voice.varied(rng)).audio, " ".join(words)

    def _in_assistant_words(self, words: list[str], language: Language, rng: np.random.Generator) -> Audio:
        """As replies are spoken, word by word; for half of them a little faster or slower, and with longer pauses."""
        sounds = [assistant_word(word, language).samples.numpy() for word in words]
        if rng.random() < 0.5:
            speed = rng.uniform(0.85, 1.15)
            sounds = [augmentation.with_speed(sound, speed, rate_hz=RATE_HZ) for sound in sounds]
            sounds = [augmentation.with_offset(sound, rng.uniform(0, 0.15), rate_hz=RATE_HZ) for sound in sounds]
        return Audio(torch.from_numpy(np.concatenate(sounds)), RATE_HZ)

    def _in_real_digits(self, num_words: int, rng: np.random.Generator) -> tuple[Audio, str]:
        speaker = self._speakers[rng.integers(len(self._speakers))]
        own = [item for item in self._digits if item.speaker == speaker]
        takes = [own[index] for index in rng.integers(len(own), size=num_words)]
        sounds = [fsdd.augmented(fsdd.load(take), rng).samples.numpy() for take in takes]
        sounds = [augmentation.with_peak(sound, 0.8) for sound in sounds]
        sounds = [augmentation.with_offset(sound, rng.uniform(0, 0.2), rate_hz=RATE_HZ) for sound in sounds]
        return Audio(torch.from_numpy(np.concatenate(sounds)), RATE_HZ), " ".join(DIGIT_WORDS[t.digit] for t in takes)


def disturbed(spectrum: Float[Tensor, "bands hops"], rng: np.random.Generator) -> Float[Tensor, "bands hops"]:
    """A spectrum (0 loudest, -1 floor) as a worse microphone, room or line might have given it."""
    num_bands, num_hops = spectrum.shape
    if rng.random() < 0.2:
        return spectrum
    if rng.random() < 0.4:
        spectrum = _smeared(spectrum, int(rng.integers(1, 4)), int(rng.integers(1, 3)))
    if rng.random() < 0.5:
        spectrum = spectrum + torch.linspace(-1, 1, num_bands)[:, None] * float(rng.uniform(-0.15, 0.15))
    if rng.random() < 0.15:
        spectrum = spectrum.clone()
        spectrum[int(rng.integers(num_bands * 5 // 8, num_bands)) :] = -1
    if rng.random() < 0.5:
        level = rng.uniform(-1.0, -0.4) + np.linspace(-1, 1, num_bands) * rng.uniform(-0.2, 0.2)
        noise = level[:, None] + 0.1 * rng.standard_normal((num_bands, num_hops))
        spectrum = torch.maximum(spectrum, torch.from_numpy(noise).float())
    if rng.random() < 0.5:
        spectrum = spectrum + 0.06 * torch.from_numpy(rng.standard_normal((num_bands, num_hops))).float()
    spectrum = (spectrum + float(rng.uniform(-0.1, 0.1))).clamp(-1, 0)
    for _ in range(int(rng.integers(0, 3))):
        band, width = int(rng.integers(num_bands)), int(rng.integers(1, 7))
        hop, length = int(rng.integers(num_hops)), int(rng.integers(1, 9))
        spectrum[band : band + width] = -1
        spectrum[:, hop : hop + length] = -1
    return spectrum


def _smeared(spectrum: Tensor, hops: int, bands: int) -> Tensor:
    """The mean over 2 `bands` + 1 bands and 2 `hops` + 1 hops, in part."""
    blurred = F.avg_pool2d(
        spectrum[None, None], (2 * bands + 1, 2 * hops + 1), 1, (bands, hops), count_include_pad=False
    )
    return 0.3 * spectrum + 0.7 * blurred[0, 0]
