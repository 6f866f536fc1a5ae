"""Both sides of a conversation as parts: what a user types or says, and the three forms of a reply.

A user's sound is worn a little in training and in testing alike: other loudness, faint noise, a moment of silence.
Clean synthetic sound alone is recognised by its silence, and a microphone has none. In training some users stop to
think where they have not said all (see `turn_ends.pauses`), and every sound says when its speaker has: the end of a
turn is learned from both.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from omniloom.data.problems.base import HEARD_MARK, Split
from omniloom.data.problems.templates import as_typed, pick
from omniloom.data.problems.turn_ends.pauses import PAUSE_S, open_times_s, with_pause
from omniloom.data.scenes import Scene, describe, render
from omniloom.data.speech.augmentation import as_another_speaker
from omniloom.data.speech.synthesis import RATE_HZ, VOICES, speak_reply, synthesize
from omniloom.data.speech.words import Language
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Part, Text

RATES_WPM = (165, 225)
"""Brisk speech: each second of it costs 50 tokens."""

MAX_SILENCE_S = 0.06
"""Before the first word."""
TRAILING_S = (0.0, 0.24)
"""After the last: enough to learn that a turn has ended, and a few frames at most."""
PAUSED_SHARE = 0.4
"""Of the spoken turns in training that have a place to stop at, which two in five have."""
CROWD_SHARE = 0.5
"""Of what is said in training: by a speaker of the crowd, in the accent of a named voice."""
NOISE_SHARE = 0.5
NOISE_DB = (-65.0, -40.0)
GAIN_DB = (-12.0, 3.0)
AUDIBLE = 0.01
"""Of the peak; quieter than this is cut from both ends of synthetic speech."""


def asked(
    words: str,
    random: np.random.Generator,
    split: Split,
    *,
    is_spoken: bool,
    is_question: bool,
    language: Language = "en",
) -> tuple[Part, list[str]]:
    """What the user says, written or aloud, and the facts of the voice."""
    if is_spoken:
        return aloud(words, random, split, language)
    return Text(as_typed(words, random, is_question=is_question, language=language)), []


def aloud(
    words: str,
    random: np.random.Generator,
    split: Split,
    language: Language = "en",
    *,
    paused_share: float | None = None,
) -> tuple[Audio, list[str]]:
    """Words said by a voice of the split in some mood, trimmed and worn.

    In training it is a speaker like that voice, or one of the crowd with its accent. A share of those that have an open
    place is paused there: in training `PAUSED_SHARE`, else none, unless it is given. The pause is among the facts, in
    seconds from the beginning.
    """
    voice = pick(random, VOICES[language][split])
    if split == "train" and random.random() < CROWD_SHARE:
        voice = voice.like_nobody(random)
    mood = replace(voice.varied(random), rate_wpm=int(random.integers(*RATES_WPM)))
    spoken = synthesize(words, mood)
    sound = spoken.audio.samples.numpy()
    if split == "train":
        sound = as_another_speaker(sound, random, rate_hz=RATE_HZ)
    # Another speaker is another speed.
    slower = sound.size / spoken.audio.samples.numel()
    sound, first = _from_first_to_last(sound)
    if paused_share is None:
        paused_share = PAUSED_SHARE if split == "train" else 0.0
    said = [word.moved(-first / RATE_HZ, slower=slower) for word in spoken.words]
    cut, pause_s = 0, 0.0
    if paused_share > 0 and random.random() < paused_share:
        times = [time * slower - first / RATE_HZ for time in open_times_s(words, spoken.words, language)]
        inside = [time for time in times if 0 < time < sound.size / RATE_HZ]
        if inside:
            pause_s = random.uniform(*PAUSE_S)
            sound, cut = with_pause(sound, pick(random, inside), pause_s, rate_hz=RATE_HZ)
            # The cut is the quietest place near a word's beginning, so a word's middle tells its side.
            said = [w.moved(pause_s if w.start_s + w.end_s > 2 * cut / RATE_HZ else 0.0) for w in said]
    heard, end = worn(sound, random)
    before_s = (end - sound.size) / RATE_HZ
    facts = [f"voice:{voice.name}"]
    if pause_s:
        start_s = before_s + cut / RATE_HZ
        facts.append(f"pause:{start_s:.3f} {start_s + pause_s:.3f}")
    words_heard = tuple(word.moved(before_s) for word in said)
    return Audio(torch.from_numpy(heard), RATE_HZ, end / RATE_HZ, words_heard), facts


def trimmed(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound from its first to its last audible sample."""
    return _from_first_to_last(sound)[0]


def _from_first_to_last(sound: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    heard = np.flatnonzero(np.abs(sound) > AUDIBLE * np.abs(sound).max())
    return (sound[heard[0] : heard[-1] + 1], int(heard[0])) if heard.size else (sound, 0)


def worn(sound: NDArray[np.float32], random: np.random.Generator) -> tuple[NDArray[np.float32], int]:
    """The sound at another loudness, with silence around it and often a little noise, and the sample after its end."""
    before, after = (int(random.uniform(*bounds) * RATE_HZ) for bounds in ((0, MAX_SILENCE_S), TRAILING_S))
    louder = np.pad(sound * 10 ** (random.uniform(*GAIN_DB) / 20), (before, after))
    if random.random() < NOISE_SHARE:
        level = 10 ** (random.uniform(*NOISE_DB) / 20)
        louder = louder + level * random.standard_normal(louder.size)
    return louder.clip(-1, 1).astype(np.float32), before + sound.size


def written_reply(answer: str) -> Message:
    return Message("assistant", (Text(answer),))


def spoken_reply(answer: str, language: Language = "en") -> Message:
    """Each word's text just ahead of its sound."""
    return Message("assistant", tuple(speak_reply(answer, language)))


def after_what_was_heard(reply: Message, words: str) -> Message:
    """The reply, led by the request in writing where it was made aloud; nothing of that is said.

    So what was heard is at hand as words when it is looked up or carried out, as in a request that was typed.
    """
    first = reply.parts[0]
    assert isinstance(first, Text), "replies begin with text"
    return replace(reply, parts=(Text(f"{words}{HEARD_MARK} {first.text.strip()}"), *reply.parts[1:]))


def picture_reply(scene: Scene, language: Language = "en") -> Message:
    """What was understood, in words, and then the canonical drawing of it."""
    return Message("assistant", (Text(describe(scene, language)), render(scene)))
