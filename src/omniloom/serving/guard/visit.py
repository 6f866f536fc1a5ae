"""Who a request or a session is from: whom to count and to charge what the model does for it.

The guards note it in the scope and in the context, which threads that work for a request or a session take over; the
model tells what each reply took in the thread that reads it (`Omni.on_usage`), and so it reaches the right client from
every endpoint, without any of them saying so. Outside of a server nobody is counted.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omniloom.generation import Usage

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
    is_welcome: Callable[[], bool] = lambda: True
    """Whether the key that it came with is still taken."""
    metrics: Metrics | None = None
    allowance: Allowance | None = None

    def took(self, usage: Usage) -> None:
        """Count one reply; what the model had read already costs nothing."""
        read = usage.prompt_tokens - usage.cached_tokens
        if self.metrics is not None:
            kinds = {"input": read, "cached_input": usage.cached_tokens}
            kinds |= {"text": usage.text_tokens, "audio": usage.audio_tokens, "image": usage.image_tokens}
            self.metrics.add_tokens(kinds)
        if self.allowance is not None:
            self.allowance.spend(read + usage.reply_tokens)


_CURRENT: ContextVar[Visit | None] = ContextVar("omniloom_visit", default=None)


def visit_of(scope: MutableMapping[str, Any]) -> Visit:
    """The visit that a scope belongs to; made where there is none yet, and from then on the context's too."""
    visit = scope.get(SCOPE_KEY)
    if visit is None:
        visit = scope[SCOPE_KEY] = Visit()
        _CURRENT.set(visit)
    assert isinstance(visit, Visit)
    return visit


def current_visit() -> Visit:
    """The visit that this code runs for; an anonymous one without limits where it runs for none."""
    return _CURRENT.get() or Visit()


def count_usage(usage: Usage) -> None:
    """Count a reply for whoever it is; what `Omni.on_usage` is given."""
    current_visit().took(usage)
