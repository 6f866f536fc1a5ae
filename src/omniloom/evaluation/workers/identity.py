"""Which model was scored and who judged it: scores of others are never taken for theirs."""

from __future__ import annotations

import torch

from omniloom.codecs.base import fingerprint
from omniloom.data.problems import Transcriber
from omniloom.evaluation.scoring import Talker


def identity(omni: Talker) -> str:
    """Sixteen digits that change with the model's weights or its codecs; of a served model, its name and address.

    A codec's own fingerprint may leave out its decoder, which the scores depend on; its weights are therefore added.
    """
    own = getattr(omni, "identity", None)
    if isinstance(own, str):
        return own
    model = getattr(omni, "model", None)
    weights = dict(model.state_dict()) if isinstance(model, torch.nn.Module) else {}
    codecs = {}
    for name in ("text", "audio", "image"):
        codec = getattr(omni.codecs, name, None)  # a stand-in may have no text codec
        if codec is not None:
            codecs[name] = codec.spec.fingerprint
            weights |= _weights(codec, f"{name} codec.")
    return fingerprint(codecs, weights)


def judge_identity(listener: Transcriber) -> str:
    """The listener's class, and for a model sixteen digits that change with its configuration or weights."""
    name = type(listener).__qualname__
    if not isinstance(listener, torch.nn.Module):
        return name
    return f"{name} {fingerprint({'config': getattr(listener, 'config', None)}, listener.state_dict())}"


def _weights(codec: object, prefix: str) -> dict[str, torch.Tensor]:
    if not isinstance(codec, torch.nn.Module):
        return {}
    return {prefix + name: weight for name, weight in codec.state_dict().items()}
