"""Measure the audio codec: is speech still understood after it, are its codes steady, and what does it cost?

The listener judges, which never heard a codec; its own share on undamaged sound stands beside each ceiling
(evaluation.codecs). Steadiness is counted on the assistant's words, which a language model has to write.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from omniloom.codecs.audio import RATE_HZ, AudioCodec
from omniloom.codecs.audio.codec import pad_to_frame
from omniloom.codecs.audio.losses import mel_distance
from omniloom.core.processes import one_thread
from omniloom.core.randomness import generator
from omniloom.data.problems import Transcriber
from omniloom.data.speech import fsdd
from omniloom.data.speech.synthesis import assistant_word
from omniloom.data.speech.words import REPLY_WORDS
from omniloom.evaluation.codecs import Ceiling, measure_audio
from omniloom.recipes.audio_codec_sounds import assistant_words, spoken_sentences


@dataclass(frozen=True, kw_only=True)
class AudioCodecMeasure:
    """Ceilings (empty without a listener), log10 mel distances by kind of sound, steadiness, and cost on one thread."""

    ceilings: tuple[Ceiling, ...]
    mel_assistant: float
    mel_new_voices: float
    mel_new_takes: float
    codes_kept_after_other_words: float
    codes_used: tuple[int, ...]
    encode_real_times: float
    decode_real_times: float
    num_parameters: int


def measure_audio_codec(
    codec: AudioCodec, *, listener: Transcriber | None = None, limit: int = 100
) -> AudioCodecMeasure:
    """All of it: under a minute at a hundred sounds of each kind."""
    words = assistant_words()
    sentences = spoken_sentences(limit, split="new", seed=0)
    takes = [fsdd.load(take).resampled(RATE_HZ).samples for take in fsdd.recordings("new")[:limit]]
    encode_real_times, decode_real_times = _real_times(codec)
    return AudioCodecMeasure(
        ceilings=tuple(measure_audio(codec, listener, limit=limit)) if listener is not None else (),
        mel_assistant=_mel_distance(codec, words),
        mel_new_voices=_mel_distance(codec, sentences),
        mel_new_takes=_mel_distance(codec, takes),
        codes_kept_after_other_words=codes_kept_after_other_words(codec),
        codes_used=_codes_used(codec, [*words, *sentences, *takes]),
        encode_real_times=encode_real_times,
        decode_real_times=decode_real_times,
        num_parameters=codec.num_parameters,
    )


def codes_kept_after_other_words(codec: AudioCodec, words: Sequence[str] = REPLY_WORDS) -> float:
    """The share of the codes of assistant's words that stay the same when another word comes before."""
    kept = []
    for index, word in enumerate(words):
        samples = assistant_word(word).samples
        other = assistant_word(words[int(generator("word before", index).integers(len(words)))]).samples
        alone = codec.encode_samples(samples[None])[0]
        after = codec.encode_samples(torch.cat([other, samples])[None])[0, -len(alone) :]
        kept.append(float((alone == after).float().mean()))
    return fmean(kept)


def _mel_distance(codec: AudioCodec, sounds: list[Tensor]) -> float:
    """Mean over sounds, in decades of magnitude: 0.1 is 2 dB."""
    pairs = [(pad_to_frame(sound[None]), codec.decode_frames(codec.encode_samples(sound[None]))) for sound in sounds]
    return fmean(float(mel_distance(made, target)) for target, made in pairs)


def _codes_used(codec: AudioCodec, sounds: list[Tensor]) -> tuple[int, ...]:
    """How many of each group's codes."""
    codes = torch.cat([codec.encode_samples(sound[None])[0] for sound in sounds])
    return tuple(int(group.unique().numel()) for group in codes.unbind(-1))


def _real_times(codec: AudioCodec, *, duration_s: int = 10, repeats: int = 3) -> tuple[float, float]:
    """Seconds of sound encoded, and decoded, in a second: the best of `repeats`, on one thread."""
    sound = torch.from_numpy(generator("codec cost").standard_normal(duration_s * RATE_HZ)).float()[None] * 0.1
    with one_thread():
        times_s = []
        for _ in range(repeats + 1):
            start_s = time.perf_counter()
            codes = codec.encode_samples(sound)
            between_s = time.perf_counter()
            codec.decode_frames(codes)
            times_s.append((between_s - start_s, time.perf_counter() - between_s))
    return duration_s / min(t[0] for t in times_s[1:]), duration_s / min(t[1] for t in times_s[1:])
