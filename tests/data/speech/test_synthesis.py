"""Synthetic speech: repeatable, timed, and for the assistant cut into whole frames."""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from omniloom.data.speech import _espeak
from omniloom.data.speech.synthesis import (
    ASSISTANT_VOICE,
    ASSISTANT_VOICES,
    FRAME_SAMPLES,
    FRENCH_NEW_VOICES,
    FRENCH_TRAIN_VOICES,
    LISTENER_FRENCH_VOICES,
    NEW_VOICES,
    TRAIN_VOICES,
    Voice,
    assistant_word,
    speak_reply,
    synthesize,
)
from omniloom.data.speech.words import LANGUAGES, REPLY_WORDS_IN, heard_as
from omniloom.stream.parts import Audio, Text

SENTENCE = "draw a big red circle at the top left"
FRENCH_VOICES = (*FRENCH_TRAIN_VOICES, *FRENCH_NEW_VOICES, ASSISTANT_VOICES["fr"])


def spoken_bytes(sentence: str) -> bytes:
    return synthesize(sentence, TRAIN_VOICES[1]).audio.samples.numpy().tobytes()


def test_the_same_text_gives_the_same_samples_whatever_was_said_before():
    first = spoken_bytes(SENTENCE)
    synthesize("something quite different", NEW_VOICES[0])
    assert spoken_bytes(SENTENCE) == first


def test_a_second_later_every_voice_says_the_same_samples():
    voices = (*TRAIN_VOICES, *NEW_VOICES, ASSISTANT_VOICE, *FRENCH_VOICES)
    first = [synthesize("seven", voice).audio.samples for voice in voices]
    time.sleep(1.1)
    for voice, samples in zip(voices, first, strict=True):
        assert torch.equal(synthesize("seven", voice).audio.samples, samples), voice.name


def test_threads_do_not_mix_their_sounds():
    texts = [f"this is sentence {number}" for number in range(6)]
    alone = [spoken_bytes(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(spoken_bytes, texts)) == alone


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_give_the_same_samples(method):
    alone = spoken_bytes(SENTENCE)
    # A forked process must not use torch's threads, which stayed behind in its parent.
    with multiprocessing.get_context(method).Pool(1, torch.set_num_threads, (1,)) as pool:
        assert pool.apply_async(spoken_bytes, (SENTENCE,)).get(timeout=60) == alone


def test_words_are_timed_in_order_and_within_the_sound():
    spoken = synthesize(SENTENCE, TRAIN_VOICES[0])
    assert [word.text for word in spoken.words] == SENTENCE.split()
    assert spoken.audio.rate_hz == 16_000
    times = [time for word in spoken.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[-1] <= spoken.audio.duration_s


def test_a_timed_word_holds_its_sound():
    spoken = synthesize("yes water yes", ASSISTANT_VOICE)
    water = spoken.words[1]
    inside = spoken.audio.samples[round(water.start_s * 16_000) : round(water.end_s * 16_000)]
    after = spoken.audio.samples[round(water.end_s * 16_000) : round(spoken.words[2].start_s * 16_000)]
    assert inside.square().mean().sqrt() > 0.02
    assert after.numel() == 0 or after.square().mean().sqrt() < 0.01


def test_every_voice_exists_and_no_two_sound_the_same():
    voices = (*TRAIN_VOICES, *NEW_VOICES, ASSISTANT_VOICE)
    assert len(TRAIN_VOICES) >= 60 and len(NEW_VOICES) >= 5
    assert len({voice.name for voice in voices}) == len(voices)
    sounds = {synthesize("seven", voice).audio.samples.numpy().tobytes() for voice in voices}
    assert len(sounds) == len(voices)
    used = {(voice.language, voice.variant) for voice in TRAIN_VOICES}
    variants = {voice.variant for voice in TRAIN_VOICES}
    assert all((voice.language, voice.variant) not in used and voice.variant not in variants for voice in NEW_VOICES)


def test_french_voices_are_as_many_speakers_and_the_new_ones_are_in_no_training():
    assert len(FRENCH_TRAIN_VOICES) >= 30 and len(LISTENER_FRENCH_VOICES) >= 12 and len(FRENCH_NEW_VOICES) >= 4
    assert len({voice.name for voice in FRENCH_VOICES}) == len(FRENCH_VOICES)
    sounds = {synthesize("sept", voice).audio.samples.numpy().tobytes() for voice in FRENCH_VOICES}
    assert len(sounds) == len(FRENCH_VOICES)
    trained = {voice.variant for voice in (*TRAIN_VOICES, *FRENCH_TRAIN_VOICES)}
    assert not trained & {voice.variant for voice in FRENCH_NEW_VOICES}
    assert all(voice.language.startswith("fr") for voice in FRENCH_VOICES)


def test_varied_stays_within_its_bounds():
    rng = np.random.default_rng(0)
    for _ in range(50):
        voice = TRAIN_VOICES[0].varied(rng)
        assert 128 <= voice.rate_wpm <= 192 and 35 <= voice.pitch <= 65
        assert voice.variant == TRAIN_VOICES[0].variant


def test_a_reply_alternates_text_and_whole_frames():
    parts = speak_reply("big red circle")
    assert [part.text for part in parts[::2] if isinstance(part, Text)] == ["big", " red", " circle"]
    for part in parts[1::2]:
        assert isinstance(part, Audio) and part.samples.numel() % FRAME_SAMPLES == 0


def test_a_word_sounds_the_same_wherever_it_stands():
    first, second = speak_reply("red star and red"), speak_reply("big red")
    assert torch.equal(first[1].samples, second[3].samples)
    assert torch.equal(first[7].samples, second[3].samples)


def test_reply_words_are_short_even_and_quiet_at_their_ends():
    for language, word in [(which, word) for which in LANGUAGES for word in REPLY_WORDS_IN[which]]:
        samples = assistant_word(word, language).samples
        assert 4 <= samples.numel() // FRAME_SAMPLES <= 15, word
        assert samples[:80].abs().max() == 0 and samples[-320:].abs().max() == 0, word
        assert 0.05 < samples.square().mean().sqrt() < 0.12, word


def test_words_that_sound_the_same_are_known_as_homophones():
    for language in LANGUAGES:
        spelled: dict[bytes, str] = {}
        for word in REPLY_WORDS_IN[language]:
            sound = assistant_word(word, language).samples.numpy().tobytes()
            assert spelled.setdefault(sound, heard_as(word)) == heard_as(word), word


def test_a_language_has_its_own_sound_of_a_word():
    assert not torch.equal(assistant_word("orange", "fr").samples, assistant_word("orange").samples)
    # Said alone, a French word has the end that it has at the end of a sentence.
    six, dix = (assistant_word(word, "fr").samples.numel() for word in ("six", "dix"))
    assert min(six, dix) >= 6 * FRAME_SAMPLES


@pytest.mark.parametrize(
    ("voice", "message"),
    [("en-us+nobody", "no voice variant 'nobody'"), ("martian", "no voice 'martian'")],
)
def test_an_unknown_voice_is_refused(voice, message):
    language, _, variant = voice.partition("+")
    with pytest.raises(ValueError, match=message):
        synthesize("yes", Voice(name="x", language=language, variant=variant))


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_to_say_is_refused(text):
    with pytest.raises(ValueError, match="nothing to say"):
        synthesize(text, ASSISTANT_VOICE)
    with pytest.raises(ValueError, match="at least one word"):
        speak_reply(text)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    _espeak._espeak.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"omniloom\[speech\]") as error:
        synthesize("yes", ASSISTANT_VOICE)
    assert error.value.name == "espeakng_loader"  # by which the command line knows what is missing
