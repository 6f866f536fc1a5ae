"""What one session may cost the server, in one place, and the error that a client gets for going beyond it.

Every queue and buffer of a session is bounded by a number here, so that no client, however broken, grows memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from omniloom.serving.realtime.protocol import ErrorDetails


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what a client sends and on what waits for it."""

    event_bytes: int = 8 * 1024 * 1024
    """Longest event as text; a phone's photograph in base64 fits."""
    audio_s: float = 30.0
    """Longest spoken turn; longer speech is taken as a turn when it gets there."""
    min_commit_ms: int = 100
    """Shortest sound that can be committed, as in the GA protocol."""
    text_chars: int = 4_000
    image_pixels: int = 16_000_000
    """In all pictures of one message together: a blank one of that size takes a few kilobytes on the wire."""
    unsent_bytes: int = 16 * 1024 * 1024
    """Events that wait for a slow reader; beyond this it is cut off."""
    waiting_jobs: int = 4_096
    """Pieces of input that wait for the model."""
    waiting_bytes: int = 128 * 1024 * 1024
    """Sound and pixels, decoded, that wait for the model: two pictures of the largest size."""
    response_tokens: int = 512
    """Longest reply where the session says "inf"."""
    sessions: int = 16
    """Sessions at once on one server."""


class RequestError(ValueError):
    """What a client did wrong; becomes one `error` event and leaves the session as it was."""

    def __init__(self, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param

    def details(self, event_id: str | None) -> ErrorDetails:
        return ErrorDetails(
            type="invalid_request_error", code=self.code, message=str(self), param=self.param, event_id=event_id
        )
