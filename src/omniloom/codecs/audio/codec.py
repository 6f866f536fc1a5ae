"""Sound to 25 frames of codes a second and back: 16 kHz mono, frames of 40 ms, a code of each group in every frame.

Groups of finite scalar quantization (layers.quantizer), each on its share of the encoder's values, so every group is
read without the others. A stream of codes holds frame after frame: the first group's code, the second's (numbered
after the first), and so on.

Codes must not depend on how a sound was cut or batched. Sums in float32 differ in their last digits between shapes and
would flip a code that lies on a boundary about once in 1e5 frames; so codes are made in double precision.
How pieces become wholes and streams is `frames.FrameCodec`'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.codecs.audio.decoder import Decoder, DecoderState
from omniloom.codecs.audio.encoder import Encoder, EncoderState
from omniloom.codecs.audio.oscillator import NUM_PITCHES, PITCH_STEPS_PER_OCTAVE, pitch_index
from omniloom.codecs.audio.pitch import TrackedPitch, track_pitch
from omniloom.codecs.audio.spectrum import RATE_HZ, SAMPLES_PER_FRAME
from omniloom.codecs.base import fingerprint
from omniloom.codecs.frames import FrameCodec, frame_spec
from omniloom.codecs.kinds import CONFIG_FILE, codec_kinds, require_kind
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.core.config import from_dict, to_dict
from omniloom.kernels import look_up_codes
from omniloom.layers.prepared import FromWeights, in_double, prepared
from omniloom.layers.quantizer import FiniteScalarQuantizer
from omniloom.stream.vocabulary import CodecSpec

KIND = "audio_codec"
WEIGHTS_FILE = "model.safetensors"


class RoundTrip(NamedTuple):
    """What training sees: the sound, its pitch in octaves above the lowest, and the values before rounding."""

    samples: Float[Tensor, "B N"]
    octaves: Float[Tensor, "B F"]
    tracked: TrackedPitch
    bounded: Float[Tensor, "B F C"]


@codec_kinds.register(KIND)
class AudioCodec(FrameCodec[EncoderState, DecoderState], nn.Module):
    """The codec; build it from a `Config` to train, or `load` it."""

    rate_hz = RATE_HZ
    samples_per_frame = SAMPLES_PER_FRAME

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Its networks; `folds`: a model takes a frame's codes as one position, heard or spoken."""

        encoder: Encoder.Config = Encoder.Config()
        decoder: Decoder.Config = Decoder.Config()
        pitch_width: int = 64
        folds: bool = True
        num_groups: int = 2
        levels: tuple[int, ...] = (8, 5, 5, 5)
        """Of each group's channels; their product is the number of its codes."""

    def __init__(self, config: AudioCodec.Config) -> None:
        super().__init__()
        levels, num_groups = config.levels, config.num_groups
        num_channels = num_groups * len(levels)
        self.config = config
        self.codebook_sizes = (prod(levels),) * num_groups
        self.quantizer = FiniteScalarQuantizer(levels)
        self.encoder = Encoder(config.encoder, num_channels=num_channels)
        self.decoder = Decoder(config.decoder, num_channels=num_channels)
        # Together they start an octave above the lowest: 110 Hz.
        pitches = (_PitchOfGroup(len(levels), config.pitch_width, start=1 / num_groups) for _ in range(num_groups))
        self.pitch = nn.ModuleList(pitches)
        self._encoding = FromWeights(_encoding)
        self._decoding = FromWeights(_decoding)
        self._spec: CodecSpec | None = None

    @property
    def spec(self) -> CodecSpec:
        """Planes and fingerprint, which is the encoder's as it is now: it alone decides what a code stands for.

        So a decoder may be trained further, for codes that a model already knows, and the model still takes the codec.
        """
        if self._spec is None or self.training:
            digest = fingerprint(to_dict(self.config.encoder), self.encoder.state_dict())
            self._spec = frame_spec(
                self.codebook_sizes,
                fingerprint=digest,
                levels=self.config.levels,
                slot_cycle=1,
                folds=self.config.folds,
                folds_replies=self.config.folds,
            )
        return self._spec

    @property
    def device(self) -> torch.device:
        return self.encoder.out.weight.device

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def train(self, mode: bool = True) -> AudioCodec:
        self._forget()  # the weights may change from here on
        return super().train(mode)

    def forward(self, samples: Float[Tensor, "B N"]) -> RoundTrip:
        """The sound after the round trip, with gradients; for training.

        Pulses have the pitch that the sound has, not the one decoded: where decoded pitch is a little off, harmonics
        miss their places, and training then prefers noise, which misses none, to a voice.
        """
        z = self.encoder(samples)[0]
        values = self.quantizer(z.unflatten(-1, (self.config.num_groups, -1))).values
        octaves = self._octaves(values)
        tracked = track_pitch(samples)
        pitches = pitch_index(torch.where(tracked.is_voiced, tracked.octaves, octaves.detach().float()))
        return RoundTrip(self.decoder(values.flatten(-2), pitches)[0], octaves, tracked, torch.tanh(z))

    def encode_piece(
        self, samples: Float[Tensor, "B N"], state: EncoderState | None
    ) -> tuple[Int[Tensor, "B F Q"], EncoderState]:
        """Codes from 0 of each group, of whole frames of sound at 16 kHz."""
        z, state = self._encoding(self.encoder)(samples.double(), state)
        return self.quantizer.codes(z.unflatten(-1, (self.config.num_groups, -1))), state

    def decode_piece(
        self, codes: Int[Tensor, "B F Q"], state: DecoderState | None
    ) -> tuple[Float[Tensor, "B N"], DecoderState]:
        """640 samples for each frame of codes, from 0 in each group."""
        ready = self._decoding(self.decoder, self.quantizer, *self.pitch)
        try:
            values, pitches = look_up_codes(codes, ready.values, ready.octaves, PITCH_STEPS_PER_OCTAVE, NUM_PITCHES)
        except RuntimeError:
            self.quantizer.require(codes)
            raise
        if ready.is_native and not self.training and not torch.is_grad_enabled():
            return ready.decoder(values, pitches, state)
        with torch.autocast(codes.device.type, enabled=False):  # packed weights give no gradients
            return self.decoder(values, pitches, state)

    def save(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors (float16), whole or not at all; this codec is rounded alike."""
        self.round_weights()
        state = {name: tensor.half().contiguous().cpu() for name, tensor in self.state_dict().items()}

        def write(path: Path) -> None:
            (path / CONFIG_FILE).write_text(json.dumps({"kind": KIND, **to_dict(self.config)}, indent=2) + "\n")
            save_file(state, path / WEIGHTS_FILE)

        write_folder(folder, write)

    @classmethod
    def load(cls, folder: str | Path) -> AudioCodec:
        """The codec saved in a folder, ready to use.

        Raises:
            FileNotFoundError: If there is no such folder.
            ValueError: If the folder is torn, or holds something else than an audio codec of this version.
        """
        folder = Path(folder)
        read_manifest(folder)
        if not (folder / CONFIG_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
            raise ValueError(f"{folder} holds no audio codec; train one, or give its folder")
        data = json.loads((folder / CONFIG_FILE).read_text())
        require_kind(folder, data.pop("kind", None), kind=KIND, name="audio codec")
        codec = cls(from_dict(AudioCodec.Config, {"folds": False, **data}))  # codecs from before there was `folds`
        state = load_file(folder / WEIGHTS_FILE)
        try:
            codec.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        except RuntimeError as error:
            raise ValueError(f"{folder} does not fit this version of the audio codec: {error}") from error
        return codec.eval().requires_grad_(False)

    def round_weights(self) -> None:
        """Round the weights to float16, their form on disk: codes and fingerprint are then those of a loaded codec."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(parameter.half().float())
        self._forget()

    def _octaves(self, values: Float[Tensor, "B F Q C"]) -> Float[Tensor, "B F"]:
        return torch.stack([pitch(values[..., g, :]) for g, pitch in enumerate(self.pitch)]).sum(0)

    def _forget(self) -> None:
        self._encoding.forget()
        self._decoding.forget()
        self._spec = None


def _encoding(encoder: Encoder) -> Encoder:
    """In float64 either way."""
    form = prepared(encoder)
    return form if form is not encoder else in_double(encoder)


class _Decoding(NamedTuple):
    """What decoding needs: the decoder for inference, and what each code stands for."""

    decoder: nn.Module
    is_native: bool
    values: Float[Tensor, "codes C"]
    octaves: Float[Tensor, "Q codes"]


def _decoding(decoder: Decoder, quantizer: FiniteScalarQuantizer, *pitches: nn.Module) -> _Decoding:
    device = next(decoder.parameters()).device
    values = quantizer.codes_to_values(torch.arange(quantizer.num_codes, device=device))
    # Steps of 2^-20 octaves: sums of a few are exact, whatever the shape they are made in.
    octaves = [(in_double(pitch)(values.double()) * 2**20).round() / 2**20 for pitch in pitches]
    form = prepared(decoder)
    return _Decoding(form, form is not decoder, values, torch.stack(octaves))


class _PitchOfGroup(nn.Module):
    """A group's share of the pitch, in octaves above the lowest; the shares of all groups add up."""

    def __init__(self, num_channels: int, width: int, *, start: float) -> None:
        super().__init__()
        last = nn.Linear(width, 1)
        nn.init.constant_(last.bias, start)
        self.layers = nn.Sequential(nn.Linear(num_channels, width), nn.GELU(), last)

    def forward(self, values: Float[Tensor, "*rows C"]) -> Float[Tensor, "*rows"]:
        octaves: Tensor = self.layers(values)[..., 0]
        return octaves


def pad_to_frame(samples: Float[Tensor, "B N"]) -> Float[Tensor, "B padded"]:
    """The samples with silence after them, up to a whole number of frames."""
    return F.pad(samples, (0, -samples.shape[-1] % SAMPLES_PER_FRAME))
