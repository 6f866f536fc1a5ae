"""A pause comes only where a request cannot be over, and the end of a turn is known to the sample."""

from __future__ import annotations

import re
import sys
from itertools import product

import numpy as np
import pytest

from omniloom.data.problems import DigitsProblem, Mixture, turns
from omniloom.data.problems.templates import Templates
from omniloom.data.problems.turn_ends.pauses import open_places, open_times_s, with_pause, word_starts_s
from omniloom.data.problems.turn_ends.utterances import paused_utterance, request, utterance
from omniloom.data.problems.wording import PHRASE_WORDINGS, SCENE_WORDINGS
from omniloom.data.speech.synthesis import TRAIN_VOICES, Spoken, synthesize
from omniloom.stream.parts import Audio, TimedWord


def opened(text: str, language: str = "en") -> str:
    """The text with a bar at each open place."""
    words = text.split()
    places = open_places(words, language)  # type: ignore[arg-type]
    return " ".join(f"{word} |" if index in places else word for index, word in enumerate(words))


@pytest.mark.parametrize(
    "marked",
    [
        "draw | a | big | red | circle at | the | top left",
        "what | is | seven plus | five",
        "what | is | seven minus | five",
        "seven minus five",
        "make | it red",
        "draw | an | orange square and | small blue ring",
        "say | red and blue",
        "can | you say | big and small",
        "red and blue circle",
        "where | is | the | star please",
        "what | moves where please",
        "is | the | red | star small or | big",
    ],
)
def test_open_places(marked: str) -> None:
    assert opened(marked.replace(" |", "")) == marked


@pytest.mark.parametrize(
    "marked",
    [
        "dessine | un grand | cercle rouge en | haut à | gauche et | petite étoile verte",
        "où | est | l'étoile verte s'il te plaît",
        "dis petite maison",
        "un grande maison",
        "que | vois-tu à | droite du | cercle bleu",
        "rends | la | forme petite",
    ],
)
def test_open_places_in_french(marked: str) -> None:
    assert opened(marked.replace(" |", ""), "fr") == marked


@pytest.mark.parametrize("language", ["en", "fr"])
def test_nothing_before_an_open_place_is_a_whole_request(language) -> None:
    random = np.random.default_rng(0)
    asked = [request(random, "train", language) for _ in range(400)]
    whole = set(asked)
    phrases = PHRASE_WORDINGS[language]
    whole |= {core for core in phrases.transcribe.cores}
    whole |= set(SCENE_WORDINGS[language].describe.cores)
    for text in asked:
        words = text.split()
        for place in open_places(words, language):
            assert " ".join(words[: place + 1]) not in whole, text


def spoken_templates() -> list[Templates]:
    """Every wording of every problem that may be heard."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("omniloom.data.problems"):
            for value in vars(module).values():
                for item in value.values() if isinstance(value, dict) else [value]:
                    if isinstance(item, Templates):
                        found[item.family, item.language, item.cores] = item
    for wording in SCENE_WORDINGS.values():
        for item in (wording.describe, wording.draw, *wording.questions.values(), *wording.edits.values()):
            found[item.family, item.language, item.cores] = item
    return list(found.values())


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_wording_of_any_problem_is_whole_at_an_open_place(language) -> None:
    whole = set()
    for templates in spoken_templates():
        if templates.language == language:
            spoken = templates._spoken
            for opener, core, closer in product(spoken.openers, spoken.cores, spoken.closers):
                filled = re.sub(r"{\w+}", "thing", core)
                whole.add(" ".join(filter(None, (opener, filled, closer))))
    assert len(whole) > 300
    for text in whole:
        words = text.split()
        for place in open_places(words, language):
            assert " ".join(words[: place + 1]) not in whole, text


def test_a_phrase_to_repeat_is_never_paused_inside() -> None:
    for text in ("minus and red", "say minus and big red and", "seven minus two and"):
        assert all(text.split()[place] == "say" for place in open_places(text.split()))


def test_times_are_of_the_words_that_follow() -> None:
    text = "draw a red circle"
    timed = [TimedWord("draw", 0.0, 0.3), TimedWord("a", 0.3, 0.4), TimedWord("red", 0.4, 0.7)]
    assert word_starts_s(text, timed) == [0.0, 0.3, 0.4, None]
    assert open_times_s(text, timed) == [0.3, 0.4]
    # A word that the synthesizer runs into the one before has no time of its own.
    merged = [TimedWord("quelle", 0.0, 0.3), TimedWord("est", 0.3, 0.6)]
    assert word_starts_s("quelle est la", merged) == [0.0, 0.3, None]


def test_a_pause_is_put_in_whole_and_cuts_nothing_out() -> None:
    sound = np.sin(np.arange(16_000) * 0.2).astype(np.float32)
    paused, cut = with_pause(sound, 0.5, 0.4, rate_hz=16_000)
    assert paused.size == sound.size + 6400
    assert abs(cut - 8000) <= 600
    assert not paused[cut : cut + 6400].any()
    fade = 80
    assert np.array_equal(paused[: cut - fade], sound[: cut - fade])
    assert np.array_equal(paused[cut + 6400 + fade :], sound[cut + fade :])


def test_a_spoken_turn_knows_its_end() -> None:
    pytest.importorskip("espeakng_loader")
    for seed in range(6):
        for split in ("train", "new"):
            sound, facts = turns.aloud("draw a big red circle", np.random.default_rng(seed), split)
            assert facts[0].startswith("voice:")
            end = round(sound.speech_end_s * sound.rate_hz)
            loudest = sound.samples.abs().max()
            assert sound.samples[end - 400 : end].abs().max() > 0.01 * loudest
            assert 0 <= sound.duration_s - sound.speech_end_s <= 0.24
            assert end == sound.samples.numel() or sound.samples[end:].abs().max() < 0.2 * loudest


@pytest.mark.parametrize("paused_share", [0.0, 1.0])
def test_a_spoken_turn_knows_its_words(paused_share) -> None:
    pytest.importorskip("espeakng_loader")
    for seed in range(6):
        random = np.random.default_rng(seed)
        sound, facts = turns.aloud("draw a big red circle", random, "train", paused_share=paused_share)
        assert [word.text for word in sound.words] == ["draw", "a", "big", "red", "circle"]
        times = [time for word in sound.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        # Trimming takes a few faint milliseconds off both ends, which the synthesizer counts as the word's.
        assert times[0] > -0.1 and sound.words[-1].end_s == pytest.approx(sound.speech_end_s, abs=0.1)
        if paused_share:
            [pause] = [fact.removeprefix("pause:") for fact in facts if fact.startswith("pause:")]
            start_s, end_s = map(float, pause.split())
            assert all(word.end_s < start_s + 0.06 or word.start_s > end_s - 0.06 for word in sound.words)


def test_pauses_are_of_training_alone_unless_asked_for() -> None:
    pytest.importorskip("espeakng_loader")

    def shares(split, **more) -> float:
        found = [turns.aloud("draw a red circle", np.random.default_rng(seed), split, **more)[1] for seed in range(40)]
        return sum(any(fact.startswith("pause:") for fact in facts) for facts in found) / 40

    assert 0.2 < shares("train") < 0.6
    assert shares("new") == 0
    assert shares("new", paused_share=1.0) == 1


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_paused_utterance_is_quiet_for_as_long_as_it_says(language, monkeypatch) -> None:
    pytest.importorskip("espeakng_loader")
    said = []
    monkeypatch.setattr(
        "omniloom.data.problems.turn_ends.utterances.aloud",
        lambda *given, **named: said.append(turns.aloud(*given, **named)) or said[-1],
    )
    for index in range(6):
        sound = paused_utterance("new", index, language)
        facts = said[-1][1]
        [pause] = [fact.removeprefix("pause:") for fact in facts if fact.startswith("pause:")]
        start_s, end_s = map(float, pause.split())
        assert 0.29 <= end_s - start_s <= 1.01
        assert 0 < start_s < end_s < sound.speech_end_s <= sound.duration_s
        inside = sound.samples[round(start_s * 16_000) + 80 : round(end_s * 16_000) - 80]
        assert inside.abs().max() < 0.25 * sound.samples.abs().max()


def test_the_same_utterance_comes_again() -> None:
    pytest.importorskip("espeakng_loader")
    one, two = (utterance("new", 3, "fr", is_paused=True) for _ in range(2))
    assert (one.samples == two.samples).all() and one.speech_end_s == two.speech_end_s
    plain = utterance("new", 3, "fr", is_paused=False)
    assert plain.speech_end_s is not None


def test_digits_by_people_end_and_then_it_is_quiet(digits_at_hand, monkeypatch) -> None:
    monkeypatch.setattr(turns, "synthesize", lambda text, voice: Spoken(synthesize("seven", TRAIN_VOICES[0]).audio, ()))
    problem = DigitsProblem()
    tails = []
    for index in range(40):
        [sound] = [
            part for part in problem.example("train", index, "digit_audio").prompt[-1].parts if isinstance(part, Audio)
        ]
        assert 0 < sound.speech_end_s <= sound.duration_s
        assert not sound.words or sound.words[-1].end_s == pytest.approx(sound.speech_end_s, abs=0.03)
        tails.append(sound.duration_s - sound.speech_end_s)
        new = problem.example("new", index, "digit_audio").prompt[-1].parts[0]
        assert new.duration_s - new.speech_end_s < 0.02  # a tone to the last sample
    assert max(tails) > 0.15 and max(tails) < 0.26


def test_every_made_sound_of_a_user_knows_its_end(digits_at_hand, emoji_at_hand, humming) -> None:
    world = Mixture()
    for index in range(150):
        for message in world.example("train", index).prompt:
            for part in message.parts:
                assert not isinstance(part, Audio) or message.role != "user" or part.speech_end_s is not None
