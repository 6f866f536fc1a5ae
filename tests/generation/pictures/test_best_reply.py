"""The omni model's candidates in a reranker's order: they are its ordinary replies, and all of them are there."""

from __future__ import annotations

import pytest
import torch

from omniloom.core.randomness import seeded
from omniloom.generation import Omni, Sampling
from omniloom.generation.rerank import Reranker, best_reply
from omniloom.models.pictures import Contrastive

PROMPT = "draw a big red circle at the top left"


@pytest.fixture(scope="module")
def omni() -> Omni:
    return Omni.load("tiny")


@pytest.fixture(scope="module")
def reranker(omni: Omni) -> Reranker:
    """Untrained: an order is all that is asked of it. It reads with the model's own text codec."""
    text = omni.codecs.text
    config = Contrastive.Config(
        text_vocabulary=len(text.token_bytes), text_length=32, side=64, patch=16, width=16, num_heads=2, space=8
    )
    with seeded("untrained reranker"):
        return Reranker(Contrastive(config), text)  # type: ignore[arg-type]


def test_replies_are_the_models_own_the_best_first(omni: Omni, reranker: Reranker) -> None:
    sampling = Sampling(temperature=1.5)
    found = best_reply(omni, reranker, PROMPT, num_replies=3, sampling=sampling, seed=4)
    assert sorted(item.number for item in found) == [0, 1, 2]
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    for item in found:
        own = omni.reply(PROMPT, want="image", sampling=sampling, seed=4 + item.number)
        assert own.image is not None and item.candidate.image is not None
        assert torch.equal(own.image.pixels, item.candidate.image.pixels)
        [score] = reranker.scores(PROMPT, [own.image]).tolist()
        assert score == pytest.approx(item.score, abs=1e-5)


@pytest.mark.parametrize(
    ("number", "temperature", "message"),
    [(0, 1.0, "at least 1, got 0"), (2, 0.0, "all 2 replies are the same; give a temperature above 0")],
)
def test_what_cannot_be_chosen_is_refused(
    omni: Omni, reranker: Reranker, number: int, temperature: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        best_reply(omni, reranker, PROMPT, num_replies=number, sampling=Sampling(temperature=temperature))
