"""Who a request or a session is from, carried in its scope: whom to count and to charge.

The guards fill it in; endpoints and sockets tell it what an answer took (`visit_of(scope).took(...)`), and it reaches
the metrics and the client's allowance from there. Without guards it stands for an anonymous client without limits.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omniloom.serving.guard.rates import Allowance
    from omniloom.serving.telemetry.metrics import Metrics

SCOPE_KEY = "omniloom.visit"


@dataclass
class Visit:
    """One request or one socket."""

    client: str = ""
    """`key:ID`, or `address:…` where it has no key."""
    has_key: bool = True
    """False only where keys are asked for and this client has none."""
    metrics: Metrics | None = None
    allowance: Allowance | None = None

    def took(self, *, input: int = 0, cached: int = 0, text: int = 0, audio: int = 0, image: int = 0) -> None:
        """Tell what one answer took, in tokens: of the input those that were `cached`, of the output by kind."""
        if self.metrics is not None:
            kinds = {"input": input - cached, "cached_input": cached, "text": text, "audio": audio, "image": image}
            self.metrics.add_tokens(kinds)
        if self.allowance is not None:
            self.allowance.spend(input - cached + text + audio + image)


def visit_of(scope: MutableMapping[str, Any]) -> Visit:
    """The visit that a scope belongs to; made where there is none yet."""
    visit = scope.setdefault(SCOPE_KEY, Visit())
    assert isinstance(visit, Visit)
    return visit
