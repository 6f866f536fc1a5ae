"""The bound of the discrete VAE over a run: what is published, and what a short run has in its place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from omniloom.codecs.image.dvae import DiscreteVAE
from omniloom.core.randomness import torch_generator
from omniloom.training.pictures import BoundObjective, PictureBatch, Relaxation
from tests.support.small_pictures import small_picture_model


@pytest.fixture(scope="module")
def codec() -> DiscreteVAE:
    return small_picture_model().image


def loss(codec: DiscreteVAE, relaxation: Relaxation, *, step: int, seed: int) -> Tensor:
    pixels = torch.rand(3, 3, 8, 8, generator=torch_generator("bound pixels"))
    objective = BoundObjective(relaxation, num_steps=100, seed=seed)
    return objective(codec, PictureBatch(pixels, step), over_all=lambda count: count).total.detach()


def test_the_published_schedule_ends_at_the_published_values_with_all_its_noise() -> None:
    published = Relaxation()
    ends = [schedule.at(99, num_steps=100) for schedule in (published.temperature, published.kl_weight)]
    assert ends == [1 / 16, 6.6]
    assert [published.noise_scale.at(step, num_steps=100) for step in (0, 50, 99)] == [1, 1, 1]


def test_a_short_run_ends_where_the_published_one_does_but_without_noise(codec: DiscreteVAE) -> None:
    short, published = Relaxation.short_run(), Relaxation()
    assert short.temperature.at(99, num_steps=100) == published.temperature.at(99, num_steps=100)
    assert {short.kl_weight.at(step, num_steps=100) for step in range(100)} == {6.6}
    assert torch.equal(loss(codec, short, step=95, seed=0), loss(codec, short, step=95, seed=1))
    assert not torch.equal(loss(codec, short, step=0, seed=0), loss(codec, short, step=0, seed=1))
    assert not torch.equal(loss(codec, published, step=95, seed=0), loss(codec, published, step=95, seed=1))
