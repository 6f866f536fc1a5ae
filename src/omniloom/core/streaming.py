"""One contract for modules that can run whole or piece by piece (after Moshi's `modules/streaming.py`).

    state = encoder.initial_state(batch_size=1)
    with encoder.streaming_from(state):
        parts = [encoder(piece) for piece in pieces]     # equals encoder(whole)

Outside the context a module sees a whole signal. Inside, it and all its streaming submodules carry what they need from
piece to piece in a state that belongs to the caller: two conversations share one module and keep a state each. Moshi
keeps the state in the module alone, so that a second stream needs a second copy of the weights' owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from torch import nn

S = TypeVar("S")

StreamState = dict[str, Any]
"""The state of a module and of its streaming submodules, by their names within it; "" is the module itself."""


class StreamingModule(nn.Module, Generic[S]):
    """A module that can be called piece by piece; `S` is the dataclass that it carries between pieces."""

    def __init__(self) -> None:
        super().__init__()
        self._carried: S | None = None
        self._is_streaming = False

    def new_state(self, batch_size: int) -> S | None:
        """What this module itself carries before the first piece; None where only its submodules carry something."""
        raise NotImplementedError(f"{type(self).__name__} must say what it carries between pieces")

    @property
    def carried(self) -> S | None:
        """The state to read and update in `forward`; None outside of streaming."""
        return self._carried

    @property
    def is_streaming(self) -> bool:
        return self._is_streaming

    def initial_state(self, batch_size: int) -> StreamState:
        """A fresh stream's state for this module and all its streaming submodules."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        return {name: module.new_state(batch_size) for name, module in self._streaming_modules()}

    @contextmanager
    def streaming(self, batch_size: int) -> Iterator[StreamState]:
        """Inside, calls take up where the last one ended; the stream starts fresh and is forgotten afterwards."""
        state = self.initial_state(batch_size)
        with self.streaming_from(state):
            yield state

    @contextmanager
    def streaming_from(self, state: StreamState) -> Iterator[None]:
        """Inside, calls go on with a stream of the caller's; `state` is up to date afterwards.

        Raises:
            ValueError: If the module streams already, or the state is of another module.
        """
        modules = dict(self._streaming_modules())
        if any(module.is_streaming for module in modules.values()):
            raise ValueError(f"{type(self).__name__} is streaming already; leave that context first")
        if modules.keys() != state.keys():
            raise ValueError(f"this state is of a module with {sorted(state)}, not of {type(self).__name__}")
        for name, module in modules.items():
            module._carried, module._is_streaming = state[name], True
        try:
            yield
        finally:
            for name, module in modules.items():
                state[name] = module._carried
                module._carried, module._is_streaming = None, False

    def _streaming_modules(self) -> Iterator[tuple[str, StreamingModule[Any]]]:
        for name, module in self.named_modules():
            if isinstance(module, StreamingModule):
                yield name, module
