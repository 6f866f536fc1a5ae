"""What every codec offers: a part to integer codes and back.

Codes are element numbers with the plane offsets already added (see `stream.vocabulary`). Audio codecs also stream; the
text codec decodes incrementally. A codec's fingerprint is a digest of its configuration and weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from torch import Tensor

from omniloom.stream.vocabulary import CodecSpec

P = TypeVar("P")


class Codec(Protocol[P]):
    """A part to codes and back."""

    @property
    def spec(self) -> CodecSpec: ...

    def encode(self, part: P) -> list[int]: ...

    def decode(self, codes: Sequence[int]) -> P: ...


def fingerprint(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """Sixteen hexadecimal digits that change with any configuration field or weight."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(name.encode())
        digest.update(str((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.float().numpy().tobytes())
    return digest.hexdigest()[:16]
