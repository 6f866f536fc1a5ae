"""The official client of an OpenAI-compatible server (extra `eval`), for many requests of which none may be lost.

Requests run side by side, and each answer is handed on when it is there, to be kept. What passes by itself (no
connection, too many requests, an error of the server) is tried again, each time after a longer pause, or the one that
the server asks for. What does not ends the run in words that say what to do: a key that is refused, a name that the
server does not know. After that nothing more is asked, and what was under way is still handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

from omniloom.core.nearest import nearest

MAX_RETRIES = 6
"""After half a second, one, two, four, eight and eight: a server that is started anew is there by then."""

NUM_PARALLEL = 8
TIMEOUT_S = 120.0

Request = TypeVar("Request")
T = TypeVar("T")


class Client:
    """`model` of the server at `url`, as http://host:8000/v1; `num_parallel` requests at a time."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str = "none",
        num_parallel: int = NUM_PARALLEL,
        timeout_s: float = TIMEOUT_S,
        max_retries: int | None = None,
    ) -> None:
        from openai import OpenAI

        retries = MAX_RETRIES if max_retries is None else max_retries
        self.openai: Any = OpenAI(base_url=url, api_key=api_key, timeout=timeout_s, max_retries=retries)
        self.url, self.model = url, model
        self._num_parallel = num_parallel
        self._facts: Mapping[str, Any] | None = None

    def facts(self) -> Mapping[str, Any]:
        """What the server tells of the model, beyond its name too; nothing where it lists no models.

        Raises:
            ValueError: If it refuses the key, or knows the names of its models and this is none.
            ConnectionError: If it does not answer.
        """
        if self._facts is None:
            self._facts = self._asked_facts()
        return self._facts

    def each(self, ask: Callable[[Request], T], requests: Sequence[Request]) -> Iterator[tuple[int, T]]:
        """The answers as they come, each with its request's place.

        Raises:
            ValueError: If the server refuses the key, the model or a request.
            ConnectionError: If it fails or answers no more.
        """
        from openai import OpenAIError

        error: OpenAIError | None = None
        with ThreadPoolExecutor(self._num_parallel) as pool:
            places = {pool.submit(ask, request): place for place, request in enumerate(requests)}
            try:
                for future in as_completed(places):
                    if future.cancelled():
                        continue
                    failure = future.exception()
                    if failure is None:
                        yield places[future], future.result()
                        continue
                    _cancel(places)
                    if not isinstance(failure, OpenAIError):
                        raise failure
                    error = error or failure
            finally:
                # Whoever stops listening, by Ctrl-C for instance, waits for those under way and no more.
                _cancel(places)
        if error is not None:
            raise self.failure(error) from error

    def failure(self, error: Exception) -> Exception:
        """What the client says, with the address and the remedy."""
        from openai import APIStatusError, AuthenticationError, PermissionDeniedError

        if isinstance(error, AuthenticationError | PermissionDeniedError):
            return ValueError(f"{self.url} refuses the key; set OPENAI_API_KEY to one that it takes ({_told(error)})")
        if isinstance(error, APIStatusError) and error.status_code < 500 and error.status_code not in (408, 409, 429):
            return ValueError(f"{self.url} refuses a request to {self.model!r} ({_told(error)})")
        return ConnectionError(
            f"{self.url} failed ({type(error).__name__}: {_told(error)}); finished items are kept where results go to "
            "a file: see that the endpoint answers, and run the same command again"
        )

    def _asked_facts(self) -> Mapping[str, Any]:
        from openai import APIStatusError, AuthenticationError, OpenAIError, PermissionDeniedError

        try:
            listed = [one.model_dump() for one in self.openai.models.list()]
        except OpenAIError as error:
            is_refused = isinstance(error, AuthenticationError | PermissionDeniedError)
            if isinstance(error, APIStatusError) and not is_refused:
                return {}  # it answers, and has no such list
            raise self.failure(error) from error
        except (AttributeError, TypeError, ValueError):
            return {}  # an answer of another form, from a server that has no such list
        by_name = {str(one.get("id")): one for one in listed}
        if by_name and self.model not in by_name:
            best = nearest(self.model, by_name)
            remedy = f"did you mean {best!r}?" if best else f"it serves {', '.join(list(by_name)[:12])}"
            raise ValueError(f"{self.url} serves no model {self.model!r}; {remedy}")
        return by_name.get(self.model, {})


def _cancel(places: Mapping[Any, int]) -> None:
    for future in places:
        future.cancel()


def _told(error: Exception) -> str:
    return str(getattr(error, "message", "") or error)
