"""The same keys give the same bits anywhere; other keys give others; the global generator is left as it was."""

import numpy as np
import pytest
import torch

from omniloom.core.randomness import generator, seed_of, seeded, torch_generator


def test_seeds_are_the_same_on_every_machine() -> None:
    # Literal values: a change here would silently change every example ever generated.
    assert seed_of("scenes", "train", 7) == 1397146461496924153
    assert seed_of(0) == 3229673090972834898


def test_keys_do_not_run_into_each_other() -> None:
    keys = [("ab", "c"), ("a", "bc"), ("abc",), (1, 2), (12,), ("1", 2), (1, "2"), ("a", 1), ("a", 2)]
    assert len({seed_of(*key) for key in keys}) == len(keys)
    assert seed_of(np.int64(3)) == seed_of(3)


def test_generators_repeat() -> None:
    assert np.array_equal(generator("a", 1).random(5), generator("a", 1).random(5))
    assert not np.array_equal(generator("a", 1).random(5), generator("a", 2).random(5))
    draws = [torch.rand(5, generator=torch_generator("a", 1)) for _ in range(2)]
    assert torch.equal(*draws)


def test_seeded_repeats_and_restores() -> None:
    before = torch.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded("draw", 1):
            draws.append(torch.rand(3))
    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("keys", [(), (1.5,), (None,)])
def test_other_keys_are_refused(keys: tuple) -> None:
    with pytest.raises(ValueError, match="key"):
        seed_of(*keys)
