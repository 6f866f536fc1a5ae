"""Picking tokens: the limits keep what they say, and draws follow the probabilities."""

import pytest
import torch

from omniloom import Sampling
from omniloom.generation import TokenChoice
from omniloom.generation.sampling import Picker, guided
from tests.stream.vocabularies import small_vocabulary

VOCABULARY = small_vocabulary()
TEXT = VOCABULARY.planes_of("text")[0]
RANGES = [(TEXT.start, TEXT.start + 4)]


def logits_of(probabilities: list[float]) -> torch.Tensor:
    logits = torch.full((VOCABULARY.size,), -torch.inf)
    logits[TEXT.start : TEXT.start + len(probabilities)] = torch.tensor(probabilities).log()
    return logits


def counts(sampling: Sampling, probabilities: list[float], draws: int = 4000) -> list[float]:
    picker = Picker(sampling, seed=0, vocabulary=VOCABULARY)
    logits = logits_of(probabilities)
    found = [picker.pick(logits, RANGES) - TEXT.start for _ in range(draws)]
    return [found.count(i) / draws for i in range(len(probabilities))]


def test_draws_follow_the_probabilities():
    # Four standard errors of 4000 draws at p = 0.4 are 0.031.
    assert counts(Sampling(temperature=1.0), [0.1, 0.4, 0.3, 0.2]) == pytest.approx([0.1, 0.4, 0.3, 0.2], abs=0.031)


def test_temperature_sharpens():
    expected = torch.tensor([0.1, 0.4, 0.3, 0.2]) ** 2
    expected /= expected.sum()
    assert counts(Sampling(temperature=0.5), [0.1, 0.4, 0.3, 0.2]) == pytest.approx(expected.tolist(), abs=0.031)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0, 1, 0, 0]),
        (Sampling(temperature=1.0, top_k=1), [0, 1, 0, 0]),
        (Sampling(temperature=1.0, top_k=2), [0, 4 / 7, 3 / 7, 0]),
        (Sampling(temperature=1.0, top_p=0.39), [0, 1, 0, 0]),
        (Sampling(temperature=1.0, top_p=0.5), [0, 4 / 7, 3 / 7, 0]),
    ],
)
def test_limits(sampling, expected):
    assert counts(sampling, [0.1, 0.4, 0.3, 0.2]) == pytest.approx(expected, abs=0.031)


def test_each_kind_of_token_has_its_choice():
    sampling = Sampling(temperature=1.0, text=TokenChoice())
    assert sampling.of("text").temperature == 0
    assert sampling.of("audio").temperature == 1
    assert counts(sampling, [0.1, 0.4, 0.3, 0.2]) == [0, 1, 0, 0]


def test_text_decides_when_a_word_ends_and_sound_which_sound():
    audio = VOCABULARY.planes_of("audio")[0]
    picker = Picker(Sampling(audio=TokenChoice(temperature=5.0)), seed=0, vocabulary=VOCABULARY)
    logits = torch.zeros(VOCABULARY.size)
    ranges = [(audio.start, audio.stop), (TEXT.start, TEXT.stop)]
    logits[audio.start] = 1
    assert all(audio.start <= picker.pick(logits, ranges) < audio.stop for _ in range(50))
    logits[TEXT.start + 3] = 2
    assert picker.pick(logits, ranges) == TEXT.start + 3


def test_guidance_formula():
    with_prompt, without = torch.tensor([1.0, 2.0, -torch.inf, 0.0]), torch.tensor([0.5, 3.0, -torch.inf, 0.0])
    expected = torch.tensor([-torch.inf, 2.0 * 3 - 3.0 * 2, -torch.inf, -torch.inf])
    assert torch.equal(guided(with_prompt, without, [(1, 2)], 2.0), expected)


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", -1), ("temperature", 11), ("top_k", 0), ("top_p", 0), ("image_guidance", -1)]
)
def test_bad_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*{value}"):
        Sampling(**{name: value})
