"""JSON bodies, parsed and checked in a thread and bounded in what they hold, so that none holds up the event loop.

FastAPI parses and checks a body on the loop, and every session waits for it: for 64 MiB of `[[],[],…`, seconds. A
thread alone does not help, for the parser holds the interpreter's lock from the first value to the last. So the values
are counted first, as those of events are (`realtime.parsing`), and a body of too many is refused unparsed. What is left
is at most `Limits.json_values` values and long texts, which take milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException

from omniloom.serving.http.errors import ApiError, of_validation
from omniloom.serving.realtime.parsing import holds_over

LARGEST_WHOLE = 2**63
"""Beyond every integer that a field takes."""


def body_route(*, max_values: int) -> type[APIRoute]:
    """The class for routes whose JSON bodies are read here; give it to routers as `route_class`."""

    class BodyRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()
            model = self.body_field.field_info.annotation if self.body_field is not None else None
            if not (isinstance(model, type) and issubclass(model, BaseModel)):
                return handle

            async def handle_read(request: Request) -> Response:
                try:
                    return await handle(_ReadRequest(request, model=model, max_values=max_values))
                except _Refused as refused:
                    raise refused.error from None

            return handle_read

    return BodyRoute


def read_body(body: bytes, model: type[BaseModel], *, max_values: int) -> BaseModel:
    """The body as its type.

    Raises:
        ApiError: If it holds too many values, is no JSON, or does not fit.
    """
    if holds_over(body, max_values):
        message = f"the body holds over {max_values:,} values; send fewer, or shorter texts"
        raise ApiError(message, status=413, code="too_many_values")
    try:
        data = from_json(body)  # unlike json.loads it refuses deep nesting and half surrogate pairs
    except ValueError as error:
        raise ApiError(f"the body is not JSON: {error}", code="invalid_json") from error
    try:
        return model.model_validate(_with_whole_numbers(data))
    except ValidationError as error:
        raise of_validation(error.errors(include_url=False), data) from None


def _with_whole_numbers(value: Any) -> Any:
    """The same with 2 for 2.0: to JSON, and so to the document, both are one integer, and some clients write that one.

    Nesting is as shallow as the parser lets it be.
    """
    if isinstance(value, float):
        return int(value) if abs(value) < LARGEST_WHOLE and value.is_integer() else value
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_whole_numbers(item) for name, item in value.items()}
    return value


class _Refused(HTTPException):
    """The one kind of error that FastAPI hands on from where it reads a body."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.status)
        self.error = error


class _ReadRequest(Request):
    """A request whose JSON is its type already, which FastAPI then takes as it is."""

    def __init__(self, request: Request, *, model: type[BaseModel], max_values: int) -> None:
        super().__init__(request.scope, request.receive)
        self._model = model
        self._max_values = max_values

    async def json(self) -> BaseModel:
        body = await self.body()
        try:
            return await asyncio.to_thread(read_body, body, self._model, max_values=self._max_values)
        except ApiError as error:
            raise _Refused(error) from error
