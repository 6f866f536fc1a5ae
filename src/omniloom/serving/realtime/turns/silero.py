"""The probability of speech, by silero's network: its weights once for the whole server, a few numbers a session.

The package `silero-vad` runs its network as TorchScript or ONNX, and keeps the state inside of what is loaded: a
session that listened needed a model of its own, megabytes of it, and 0.5 ms a window. The network is small enough to
write down (300,000 weights, taken from the package's TorchScript), so here the state is handed in and out.
Probabilities are the package's to 1e-5. onnxruntime with handed-in state was the second best: a dependency more, and
slower. The safetensors beside it in the package hold weights of another version.

Short-time Fourier magnitudes of four overlapping frames, four convolutions with rectifiers, a recurrent cell (LSTM),
and one weighed sum. Each convolution is a product of matrices here; of the third and the fourth only those taps are
kept that ever meet more than padding.
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

WINDOW = 512
"""Samples of one decision at 16 kHz, fixed by the network."""
CONTEXT = 64
"""Samples of the window before that it sees too."""
_FRAME, _HOP, _BANDS = 256, 128, 129
_WIDTH = 128

_LOADING = threading.Lock()

Window = Float32[np.ndarray, "512"]
Sound = Float32[np.ndarray, "576"]
"""A window after its context."""
State = Float32[np.ndarray, "128"]


class Silero:
    """One session's ear: call it with each window in turn; it holds 1.3 kB."""

    def __init__(self) -> None:
        """Loads the weights where no session has yet (60 ms).

        Raises:
            ValueError: If the package is missing.
        """
        with _LOADING:
            self._network = _network()
        self._context = np.zeros(CONTEXT, np.float32)
        self._hidden, self._cell = np.zeros(_WIDTH, np.float32), np.zeros(_WIDTH, np.float32)

    def __call__(self, window: Window) -> float:
        """How likely there is speech in the next 32 ms at 16 kHz."""
        sound = np.concatenate([self._context, window])
        probability, self._hidden, self._cell = self._network(sound, self._hidden, self._cell)
        self._context = sound[-CONTEXT:].copy()
        return probability


class _Network:
    """The weights, laid out for products of matrices."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        fourier = tensors["stft.forward_basis_buffer"][:, 0].T
        # Apart: together they are just large enough for a BLAS to wake up its other threads.
        self._real, self._imaginary = (np.ascontiguousarray(part) for part in np.split(fourier, [_BANDS], axis=1))
        self._convolutions = [_taps(tensors, number) for number in range(4)]
        both = [tensors["decoder.rnn.weight_ih"], tensors["decoder.rnn.weight_hh"]]
        self._recurrent = np.ascontiguousarray(np.concatenate(both, axis=1))
        self._recurrent_bias = tensors["decoder.rnn.bias_ih"] + tensors["decoder.rnn.bias_hh"]
        self._last = tensors["decoder.decoder.2.weight"][0, :, 0]
        self._last_bias = float(tensors["decoder.decoder.2.bias"][0])

    def __call__(self, sound: Sound, hidden: State, cell: State) -> tuple[float, State, State]:
        mirrored = np.concatenate([sound, sound[-CONTEXT - 1 : -1][::-1]])
        frames = np.stack([mirrored[start : start + _FRAME] for start in range(0, mirrored.size - _FRAME + 1, _HOP)])
        (first, first_bias), (second, second_bias), (third, third_bias), (fourth, fourth_bias) = self._convolutions
        padded = np.zeros((6, _BANDS), np.float32)
        padded[1:5] = np.sqrt(np.square(frames @ self._real) + np.square(frames @ self._imaginary))
        x = np.concatenate([padded[0:4], padded[1:5], padded[2:6]], axis=1) @ first + first_bias
        padded = np.zeros((5, x.shape[1]), np.float32)
        padded[1:5] = np.maximum(x, 0)
        x = np.maximum(np.stack([padded[0:3].ravel(), padded[2:5].ravel()]) @ second + second_bias, 0)
        x = np.maximum(x.ravel() @ third + third_bias, 0)
        x = np.maximum(x @ fourth + fourth_bias, 0)
        into, keep, new, out = (self._recurrent @ np.concatenate([x, hidden]) + self._recurrent_bias).reshape(4, _WIDTH)
        cell = _sigmoid(keep) * cell + _sigmoid(into) * np.tanh(new)
        hidden = _sigmoid(out) * np.tanh(cell)
        score = self._last @ np.maximum(hidden, 0) + self._last_bias
        return float(_sigmoid(score)), hidden, cell


@cache
def _network() -> _Network:
    found = importlib.util.find_spec("silero_vad")
    if found is None or not found.submodule_search_locations:
        raise ValueError(
            "turn detection needs the package silero-vad; install omniloom[serve], or send turn_detection null"
        )
    with warnings.catch_warnings():
        # TorchScript's loader is deprecated in torch 2.13; nothing of it is run here, only its weights are read.
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded = torch.jit.load(Path(found.submodule_search_locations[0]) / "data" / "silero_vad.jit")
    own = "_model."
    tensors = {name.removeprefix(own): tensor for name, tensor in loaded.state_dict().items() if name.startswith(own)}
    return _Network({name: tensor.numpy().copy() for name, tensor in tensors.items()})


def _taps(tensors: dict[str, np.ndarray], number: int) -> tuple[np.ndarray, np.ndarray]:
    """A convolution's weights as one matrix, rows tap by tap, without those that only ever meet padding."""
    layer = f"encoder.{number}.reparam_conv"
    kept = {2: (1, 2), 3: (1,)}.get(number, (0, 1, 2))
    weight = tensors[f"{layer}.weight"]
    return np.ascontiguousarray(np.concatenate([weight[:, :, tap].T for tap in kept])), tensors[f"{layer}.bias"]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # Equal to 1 / (1 + exp(-x)), and no overflow where a torn file holds enormous samples.
    return 0.5 + 0.5 * np.tanh(0.5 * x)
