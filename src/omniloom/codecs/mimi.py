"""Mimi, a pretrained speech codec, as an audio codec of the stream: 24 kHz, 12.5 frames a second, up to 32 codebooks.

Mimi (Défossez et al. 2024, "Moshi", section 3.3) is a causal convolutional network around two transformers that see the
last ten seconds; a frame is a residual vector quantization whose first codebook carries what is said. The network and
its weights are those of `transformers`; this file gives it our streams, layout and folder. `transformers` streams the
encoder and the decoder's transformer but not the decoder's convolutions, which is done here: each is given what it has
seen last of the sound before.

As with our own codec, codes are made in double precision, so that they do not depend on how a sound was cut or batched;
that makes the encoder several times slower and keeps it a second time in memory. Sound is made in single precision.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.codecs.base import fingerprint
from omniloom.codecs.frames import FrameCodec, frame_spec
from omniloom.codecs.kinds import CONFIG_FILE, codec_kinds, require_kind
from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.stream.vocabulary import CodecSpec

KIND = "mimi"
MODEL_FOLDER = "model"
PIECE_FRAMES = 64
"""Frames, of all rows together, that go through the network at once: 5 s of sound, about 60 MB a layer in doubles."""

NUM_CODEBOOKS = 8
"""As many as Moshi generates: 100 codes a second, 1.1 kbit/s."""


@dataclass
class EncoderState:
    """What `transformers` keeps of the sound before: keys and values, and the inputs that convolutions look back on."""

    keys: Any = None
    padding: Any = None


@dataclass
class DecoderState:
    """Keys and values of the decoder's transformer, and by layer the inputs that convolutions look back on."""

    keys: Any = None
    inputs: dict[Any, Tensor] = field(default_factory=dict)


@codec_kinds.register(KIND)
class MimiCodec(FrameCodec[EncoderState, DecoderState]):
    """The first codebooks of a `transformers.MimiModel`, which it takes over.

    `folds`: a model that hears takes a frame's codes as one position.
    """

    def __init__(self, model: Any, *, num_codebooks: int = NUM_CODEBOOKS, folds: bool = True) -> None:
        config = model.config
        if not config.num_semantic_quantizers <= num_codebooks <= config.num_quantizers:
            raise ValueError(
                f"num_codebooks must be between {config.num_semantic_quantizers} and {config.num_quantizers}, the "
                f"model's own, got {num_codebooks}"
            )
        if not config.use_causal_conv or config.trim_right_ratio != 1 or config.pad_mode != "constant":
            raise ValueError("the Mimi model looks ahead or pads otherwise than with zeros; give a causal one")
        self.model = model.float().eval().requires_grad_(False)
        self.rate_hz: int = config.sampling_rate
        self.samples_per_frame: int = config.frame_size
        self.codebook_sizes = (config.codebook_size,) * num_codebooks
        self.folds = folds
        self._exact: _ExactEncoder | None = None
        self._spec: CodecSpec | None = None

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, num_codebooks: int = NUM_CODEBOOKS, folds: bool = True
    ) -> MimiCodec:
        """The model of a folder that `transformers` wrote, or of that name on its hub, as in "kyutai/mimi".

        Raises:
            ValueError: If there is none, or it has fewer codebooks.
            ModuleNotFoundError: If `transformers` is not installed, naming the extra that brings it.
        """
        transformers = _transformers()
        try:
            model = transformers.MimiModel.from_pretrained(str(source))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{source} holds no Mimi model ({error}); give a folder written by save_pretrained, or a name on the "
                "hub as kyutai/mimi"
            ) from error
        return cls(model, num_codebooks=num_codebooks, folds=folds)

    @property
    def spec(self) -> CodecSpec:
        """Planes and fingerprint, which is of the encoder and the codebooks in use, as they alone make the codes."""
        if self._spec is None:
            self._spec = frame_spec(self.codebook_sizes, fingerprint=self._fingerprint(), folds=self.folds)
        return self._spec

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def encode_piece(
        self, samples: Float[Tensor, "B N"], state: EncoderState | None
    ) -> tuple[Int[Tensor, "B F Q"], EncoderState]:
        """Codes, from 0 in each codebook, of whole frames of sound at `rate_hz`."""
        if self._exact is None or self._exact.device != self.device:
            self._exact = _ExactEncoder(self.model, num_codebooks=len(self.codebook_sizes), device=self.device)
        state, codes = state or EncoderState(), []
        for piece in samples.split(self._frames_at_once(samples) * self.samples_per_frame, dim=1):
            found, state = self._exact(piece, state)
            codes.append(found)
        return torch.cat(codes, dim=1), state

    def decode_piece(
        self, codes: Int[Tensor, "B F Q"], state: DecoderState | None
    ) -> tuple[Float[Tensor, "B N"], DecoderState]:
        """`samples_per_frame` samples for each frame of codes."""
        state = state or DecoderState()
        pieces = [self._decoded(piece, state) for piece in codes.split(self._frames_at_once(codes), dim=1)]
        return torch.cat(pieces, dim=1), state

    def save(self, folder: str | Path) -> None:
        """Write config.json and the whole model, as `save_pretrained` does, into a folder of its own."""

        def write(path: Path) -> None:
            fields = {"kind": KIND, "num_codebooks": len(self.codebook_sizes), "folds": self.folds}
            text = json.dumps(fields, indent=2)
            (path / CONFIG_FILE).write_text(text + "\n")
            self.model.save_pretrained(path / MODEL_FOLDER)

        write_folder(folder, write)

    @classmethod
    def load(cls, folder: str | Path) -> MimiCodec:
        """The codec saved in a folder, ready to use; nothing is fetched.

        Raises:
            ValueError: If the folder is torn, or holds something else.
            ModuleNotFoundError: If `transformers` is not installed, naming the extra that brings it.
        """
        read_manifest(folder)
        config = json.loads((Path(folder) / CONFIG_FILE).read_text())
        require_kind(folder, config.get("kind"), kind=KIND, name="Mimi codec")
        return cls.from_pretrained(
            Path(folder) / MODEL_FOLDER,
            num_codebooks=config["num_codebooks"],
            folds=config.get("folds", False),  # codecs from before there was `folds`
        )

    def _frames_at_once(self, rows: Tensor) -> int:
        return max(1, PIECE_FRAMES // rows.shape[0])

    def _decoded(self, codes: Int[Tensor, "B F Q"], state: DecoderState) -> Float[Tensor, "B N"]:
        """The sound of frames that follow those that the state has seen."""
        decoder = self.model.decoder
        x = self.model.quantizer.decode(codes.transpose(1, 2))
        x = _continued(decoder.upsample, x, state)
        found = decoder.decoder_transformer(x.transpose(1, 2), past_key_values=state.keys, use_cache=True)
        state.keys = found.past_key_values
        x = found.last_hidden_state.transpose(1, 2)
        for layer in decoder.decoder_seanet.layers:
            x = _continued(layer, x, state)
        return x[:, 0]

    def _fingerprint(self) -> str:
        """Of the weights by what they are, not by their names in this version of `transformers`."""
        config = self.model.config
        quantizers = _quantizers(self.model, len(self.codebook_sizes))
        weights = [*self.model.encoder.state_dict().values()]
        weights += [weight for q in quantizers for weight in (q.projection, *q.codebooks) if weight is not None]
        digests = sorted(hashlib.sha256(weight.cpu().contiguous().numpy().tobytes()).hexdigest() for weight in weights)
        shape = {name: getattr(config, name) for name in ("upsampling_ratios", "num_attention_heads", "sliding_window")}
        return fingerprint({"weights": digests, "num_codebooks": len(self.codebook_sizes), **shape}, {})


@dataclass(frozen=True)
class _Quantizer:
    """Codebooks that refine one another, over a projection of the latents."""

    projection: Float[Tensor, "C D 1"] | None
    codebooks: list[Float[Tensor, "V C"]]


def _quantizers(model: Any, num_codebooks: int) -> list[_Quantizer]:
    """The semantic and the acoustic quantizer, with the first codebooks of the model."""
    split = model.quantizer
    num_semantic = model.config.num_semantic_quantizers
    found = []
    for quantizer, count in (
        (split.semantic_residual_vector_quantizer, num_semantic),
        (split.acoustic_residual_vector_quantizer, num_codebooks - num_semantic),
    ):
        projection = None if quantizer.input_proj is None else quantizer.input_proj.weight
        found.append(_Quantizer(projection, [layer.codebook.embed for layer in quantizer.layers[:count]]))
    return found


class _ExactEncoder:
    """Encoder and quantizers in double precision."""

    def __init__(self, model: Any, *, num_codebooks: int, device: torch.device) -> None:
        self.device = device
        self._encoder = copy.deepcopy(model.encoder).double()
        self._quantizers = [
            _Quantizer(None if q.projection is None else q.projection.double(), [book.double() for book in q.codebooks])
            for q in _quantizers(model, num_codebooks)
        ]

    def __call__(self, samples: Float[Tensor, "B N"], state: EncoderState) -> tuple[Int[Tensor, "B F Q"], EncoderState]:
        found = self._encoder(
            samples[:, None].double(), past_key_values=state.keys, padding_cache=state.padding, use_streaming=True
        )
        codes = [code for quantizer in self._quantizers for code in _nearest(found.latents, quantizer)]
        return torch.stack(codes, dim=-1), EncoderState(found.past_key_values, found.padding_cache)


def _nearest(latents: Float[Tensor, "B D F"], quantizer: _Quantizer) -> list[Int[Tensor, "B F"]]:
    """The nearest entry of each codebook to what the ones before have left."""
    rest = latents if quantizer.projection is None else F.conv1d(latents, quantizer.projection)
    rest = rest.transpose(1, 2)
    codes = []
    for book in quantizer.codebooks:
        code = (book.square().sum(-1) - 2 * rest @ book.T).argmin(-1)
        rest = rest - book[code]
        codes.append(code)
    return codes


def _continued(layer: Any, x: Float[Tensor, "B C F"], state: DecoderState) -> Float[Tensor, "B C2 F2"]:
    """A layer of the decoder on the next piece, as if it stood behind all pieces before it."""
    conv = getattr(layer, "conv", None)
    if hasattr(layer, "block"):
        inner = x
        for part in layer.block:
            inner = _continued(part, inner, state)
        return _continued(layer.shortcut, x, state) + inner
    if isinstance(conv, nn.Conv1d):
        return conv(_with_last(layer, x, state, num_last=(conv.kernel_size[0] - 1) * conv.dilation[0]))
    if isinstance(conv, nn.ConvTranspose1d):
        stride = conv.stride[0]
        num_last = -(-conv.kernel_size[0] // stride) - 1
        wide = conv(_with_last(layer, x, state, num_last=num_last))
        start = num_last * stride
        return wide[..., start : start + x.shape[-1] * stride]
    result: Tensor = layer(x)
    return result


def _with_last(layer: Any, x: Float[Tensor, "B C F"], state: DecoderState, *, num_last: int) -> Tensor:
    """The layer's last inputs (nothing but zeros at first), then these, whose last are kept."""
    before = state.inputs.get(layer)
    if before is None:
        before = x.new_zeros(*x.shape[:2], num_last)
    joined = torch.cat([before, x], dim=-1)
    state.inputs[layer] = joined[..., joined.shape[-1] - num_last :].clone()
    return joined


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ModuleNotFoundError(
            "the Mimi codec needs the package transformers; install it with: pip install 'omniloom[hf]'",
            name="transformers",
        ) from error
    return transformers
