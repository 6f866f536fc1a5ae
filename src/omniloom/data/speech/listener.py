"""An independent ear: which reply words are said in a recording.

A spoken reply is judged by a small recogniser that knows exactly the words that replies are made of. It learned from
clean speech alone (synthesized voices and real digits, see `listener_training`), never from the sound of a codec or of
a model, so it cannot learn their faults; its own errors are measured on voices that it did not learn from
(`listener_measure`). It hears a log-mel spectrum through convolutions and says one word or nothing every 40 ms
(connectionist temporal classification, Graves and others 2006). Whole words rather than letters, because the list is
closed; convolutions rather than a recurrent network, because they run over all frames at once on one core.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.core.config import from_dict, to_dict
from omniloom.data.speech.words import HEARD_WORDS
from omniloom.stream.parts import Audio

RATE_HZ = 16_000
HOP_SAMPLES = 160
HOPS_PER_FRAME = 4
"""Spectrum columns (10 ms) for each time that a word may be said (40 ms)."""

_WINDOW_SAMPLES = 512
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 7600.0
_FLOOR = 1e-5
"""Power against the recording's loudest bands at which the ear goes deaf: 50 dB below, where codecs' noise begins."""
_MIN_HOPS = 40
"""Shorter recordings are heard with silence after them."""
_PAD_HOPS = 8
"""Silence heard before and after every recording, so that a word cut tight has an edge."""
_USUAL, _SPREAD = -0.6, 0.3
"""Mean and spread of a spectrum of speech."""
_BLANK = 0


class LogMel(nn.Module):
    """Loudness in `num_bands` mel bands every 10 ms: 0 for the loudest, -1 at the floor 50 dB below."""

    def __init__(self, num_bands: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(_WINDOW_SAMPLES), persistent=False)
        self.register_buffer("bands", _mel_bands(num_bands), persistent=False)
        self.window: Tensor
        self.bands: Tensor

    def forward(self, samples: Float[Tensor, " N"]) -> Float[Tensor, "bands hops"]:
        missing = (_MIN_HOPS * HOP_SAMPLES - samples.numel()) if samples.numel() < _MIN_HOPS * HOP_SAMPLES else 0
        silence = _PAD_HOPS * HOP_SAMPLES
        padded = F.pad(samples, (silence, silence + missing))
        spectrum = torch.stft(padded, _WINDOW_SAMPLES, HOP_SAMPLES, window=self.window, return_complex=True)
        power = self.bands @ spectrum.abs().square()
        loudest = torch.quantile(power.amax(0), 0.95).clamp(min=1e-10)
        relative = (power / loudest).clamp(_FLOOR, 1.0)
        return relative.log10() / -float(np.log10(_FLOOR))


class _Block(nn.Module):
    """A dilated convolution added to its input."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.convolution = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B D F"], mask: Float[Tensor, "B 1 F"]) -> Float[Tensor, "B D F"]:
        normed = F.gelu(self.norm(x)) * mask
        added: Tensor = self.dropout(self.convolution(normed))
        return (x + added) * mask


class Listener(nn.Module):
    """Hears reply words; `Listener.load()` gives the shipped one."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        words: tuple[str, ...] = HEARD_WORDS
        num_bands: int = 48
        width: int = 144
        dilations: tuple[int, ...] = (1, 2, 4, 1, 2)
        dropout: float = 0.1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.num_bands)
        narrow = config.width * 3 // 4
        # Normalised over the batch: frame by frame, what all frames have in common stays and learning took long.
        self.enter = nn.Sequential(nn.Conv1d(config.num_bands, narrow, 5, stride=2, padding=2), nn.BatchNorm1d(narrow))
        self.halve = nn.Conv1d(narrow, config.width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Block(config.width, dilation, config.dropout) for dilation in config.dilations)
        self.norm = nn.BatchNorm1d(config.width)
        self.head = nn.Linear(config.width, 1 + len(config.words))

    def forward(
        self, spectra: Float[Tensor, "B bands hops"], num_hops: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B F words"], Int[Tensor, " B"]]:
        """Log probability of no word (0) and of each word, and how many frames of each row are its own."""
        # Mean near 0 and spread near 1 on speech, so that the first steps already learn.
        spectra = (spectra - _USUAL) / _SPREAD
        x = F.gelu(self.enter(spectra * _mask(num_hops, spectra.shape[-1])))
        num_halves = (num_hops + 1) // 2
        x = self.halve(x * _mask(num_halves, x.shape[-1]))
        num_frames = (num_halves + 1) // 2
        mask = _mask(num_frames, x.shape[-1])
        x = x * mask
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x).transpose(1, 2)).log_softmax(-1), num_frames

    def transcribe(self, audio: Audio) -> str:
        """The words heard, in order; an empty string where there are none."""
        return self.transcribe_batch([audio])[0]

    @torch.inference_mode()
    def transcribe_batch(self, audios: Sequence[Audio]) -> list[str]:
        """The same as each alone; audio of any rate and loudness."""
        if not audios:
            return []
        was_training = self.training
        self.eval()
        spectra, num_hops = stack_spectra([self.log_mel(audio.resampled(RATE_HZ).samples) for audio in audios])
        scores, num_frames = self(spectra, num_hops)
        self.train(was_training)
        best = scores.argmax(-1)
        return [self._spelled(row[:size].tolist()) for row, size in zip(best, num_frames.tolist(), strict=True)]

    def _spelled(self, classes: Sequence[int]) -> str:
        """Greedy reading: a run of one class is one word, and nothing between."""
        starts = [c for before, c in zip([_BLANK, *classes], classes, strict=False) if c != before]
        return " ".join(self.config.words[c - 1] for c in starts if c != _BLANK)

    def save(self, path: str | Path) -> Path:
        """Write a checkpoint folder, its weights in 16-bit floats."""

        def write(folder: Path) -> None:
            (folder / "config.json").write_text(json.dumps(to_dict(self.config), indent=1) + "\n")
            save_file(
                {name: _on_disk(value) for name, value in self.state_dict().items()},
                folder / "listener.safetensors",
            )

        return write_folder(path, write)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Listener:
        """Read a checkpoint folder; without a path, the listener that the package ships.

        Raises:
            ValueError: If the folder is torn or holds something else.
        """
        folder = Path(path) if path is not None else Path(str(files("omniloom") / "checkpoints" / "listener"))
        read_manifest(folder)
        if not (folder / "listener.safetensors").is_file():
            raise ValueError(f"{folder} holds no listener; give a folder that `Listener.save` wrote")
        listener = cls(from_dict(cls.Config, json.loads((folder / "config.json").read_text())))
        weights = load_file(folder / "listener.safetensors")
        # Into 32-bit parameters: copying widens the 16-bit weights.
        listener.load_state_dict(weights)
        return listener.eval()


def stack_spectra(
    spectra: Sequence[Float[Tensor, "bands _"]],
) -> tuple[Float[Tensor, "B bands hops"], Int[Tensor, " B"]]:
    """Spectra of different lengths as rows of one tensor, and their lengths."""
    num_hops = torch.tensor([spectrum.shape[1] for spectrum in spectra])
    longest = int(num_hops.max())
    rows = [F.pad(spectrum, (0, longest - spectrum.shape[1]), value=-1.0) for spectrum in spectra]
    return torch.stack(rows), num_hops


def _on_disk(value: Tensor) -> Tensor:
    return (value.half() if value.is_floating_point() else value).contiguous()


def _mask(lengths: Int[Tensor, " B"], longest: int) -> Float[Tensor, "B 1 F"]:
    is_own: Bool[Tensor, "B F"] = torch.arange(longest) < lengths[:, None]
    return is_own[:, None, :].float()


def _mel_bands(num_bands: int) -> Float[Tensor, "bands bins"]:
    """Triangles even on the mel scale 2595 log10(1 + f / 700)."""
    low_mel, high_mel = (2595 * np.log10(1 + hz / 700) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    mel = np.linspace(low_mel, high_mel, num_bands + 2)
    edges_hz = 700 * (10 ** (mel / 2595) - 1)
    bins_hz = np.fft.rfftfreq(_WINDOW_SAMPLES, 1 / RATE_HZ)
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    return torch.from_numpy(np.minimum(rising, falling).clip(0).astype(np.float32))
