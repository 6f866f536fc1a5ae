"""The detector's network equals the package's own, and sessions that listen at once do not hear one another."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from omniloom.data.problems import SpeechProblem
from omniloom.serving.realtime.turns.silero import WINDOW, Silero


def windows_of(index: int) -> list[np.ndarray]:
    """Speech in a room, cut into windows."""
    (sound,) = SpeechProblem().example("new", index, "echo").prompt[-1].parts
    random = np.random.default_rng(index)
    room = random.normal(0, 1e-3, 16_000).astype(np.float32)
    heard = np.concatenate([room, sound.resampled(16_000).samples.numpy(), room])
    heard = heard + random.normal(0, 1e-3, len(heard)).astype(np.float32)
    return [heard[start : start + WINDOW] for start in range(0, len(heard) - WINDOW + 1, WINDOW)]


@pytest.fixture(scope="module")
def package():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript's loader, in the package
        from silero_vad import load_silero_vad

        return load_silero_vad()


@pytest.mark.parametrize("index", range(4))
def test_probabilities_are_the_packages(package, index):
    package.reset_states()
    ear = Silero()
    windows = windows_of(index)
    with torch.inference_mode():
        expected = [float(package(torch.from_numpy(window), 16_000)) for window in windows]
    found = [ear(window) for window in windows]
    assert max(expected) > 0.9 and min(expected) < 0.1  # both speech and the room are in it
    # Sums of float32 in another order.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_sessions_that_listen_at_once_hear_only_their_own():
    first, second = windows_of(0), windows_of(1)
    alone = [[ear(window) for window in windows] for ear, windows in ((Silero(), first), (Silero(), second))]
    ears = Silero(), Silero()
    together = [[ears[0](a), ears[1](b)] for a, b in zip(first, second, strict=False)]
    assert [a for a, _ in together] == alone[0][: len(together)]
    assert [b for _, b in together] == alone[1][: len(together)]
