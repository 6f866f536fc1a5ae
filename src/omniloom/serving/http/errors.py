"""Errors as OpenAI's clients read them: one shape, whatever went wrong and wherever.

An endpoint raises `ApiError`. What FastAPI and Starlette raise by themselves (a field that does not fit, a path that
does not exist) is put into the same shape here, so that no client ever meets a second one, a stack, or plain text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from omniloom.generation import OutOfCache
from omniloom.serving.realtime.limits import RequestError

R = TypeVar("R")

LOGGER = logging.getLogger(__name__)

CLIENT_GONE = 499
"""Status of a request whose client has left; nobody reads it, but a log does."""

RETRY_S = 1
"""When a client may ask again that was refused because the server is busy."""

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""What kind of error a status is; below 500 the others are the request's fault."""

_SOURCES = ("body", "query", "path", "header", "cookie")


class ErrorDetails(BaseModel):
    """What went wrong and what would be right."""

    message: str
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(description="The field that is wrong, by its path in the request.")
    code: str | None = Field(description="A word for programs to act on.")


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetails


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "A field is missing, unknown, wrong or not served; `param` names it."},
    404: {"model": ErrorBody, "description": "There is no such model, item or path."},
    413: {"model": ErrorBody, "description": "The body is larger than this server takes."},
    429: {"model": ErrorBody, "description": "Too much at once or in a minute; `Retry-After` says when to come again."},
    "5XX": {"model": ErrorBody, "description": "The server failed, or is about to stop."},
    "4XX": {"model": ErrorBody, "description": "Any other refusal: no key, another origin."},
}
"""What every endpoint may answer beside its success, for the OpenAPI document."""


class ApiError(Exception):
    """A refusal with its status; the client gets it in OpenAI's shape."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None, retry_s: int = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_s = retry_s

    def body(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        headers = {"Retry-After": str(self.retry_s)} if self.retry_s else None
        return JSONResponse(self.body(), status_code=self.status, headers=headers)


def as_api_error(error: BaseException) -> ApiError:
    """An error as the client is told it; of one that is ours, the log gets the rest."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestError):
        return ApiError(str(error), code=error.code, param=error.param)
    if isinstance(error, OutOfCache):
        return ApiError(str(error), status=429, code="server_busy", retry_s=RETRY_S)
    if isinstance(error, ValueError):  # by the project's rule, what a user can cause
        return ApiError(str(error), code="invalid_value")
    LOGGER.error("a request failed", exc_info=error)
    return ApiError("the server failed while it answered; try again", status=500, code="internal_error")


def unsupported(param: str, remedy: str) -> ApiError:
    """What is known and not served."""
    return ApiError(f"{param} is not served here; {remedy}", code="unsupported_value", param=param)


def named(make: Callable[[], R], *, param: str) -> R:
    """What `make` makes; where it cannot, the error names the field."""
    try:
        return make()
    except ValueError as error:
        raise ApiError(f"{param}: {error}", code="invalid_value", param=param) from error


def add_error_handlers(app: FastAPI) -> None:
    """Put every error of an application into the one shape."""

    async def refused(request: Request, error: Exception) -> Response:
        return as_api_error(error).response()

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [{**one, "loc": one["loc"][1:] if one["loc"][0] in _SOURCES else one["loc"]} for one in error.errors()]
        return of_validation(found, error.body).response()

    async def by_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        made = _of_framework(request, error)
        response = made.response()
        response.headers.update(error.headers or {})
        return response

    app.add_exception_handler(ApiError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, by_framework)
    app.add_exception_handler(Exception, refused)


def _of_framework(request: Request, error: HTTPException) -> ApiError:
    path = request.url.path[:200]
    if error.status_code == 404:
        return ApiError(f"there is nothing at {path}; /openapi.json lists what is", status=404, code="not_found")
    if error.status_code == 405:
        return ApiError(
            f"{request.method} is not allowed at {path}; /openapi.json lists what is",
            status=405,
            code="method_not_allowed",
        )
    return ApiError(str(error.detail), status=error.status_code, code="invalid_request")


def of_validation(errors: Sequence[Any], body: Any) -> ApiError:
    """What pydantic found that does not fit, in one sentence; places are those in the body."""
    # In a union every member says why it does not fit; the deepest knows best which was meant.
    first = max(errors, key=lambda found: len(found["loc"]))
    param = _path(first["loc"], body)
    if not param:
        remedy = "send a JSON object, with the header 'Content-Type: application/json'"
        return ApiError(f"the body does not fit: {first['msg']}; {remedy}", code="invalid_body")
    if first["type"] == "extra_forbidden":
        message = f"{param} is not served here; leave it out (docs/api.md lists what is)"
        return ApiError(message, code="unsupported_field", param=param)
    return ApiError(f"{param}: {first['msg']}{_given(first.get('input'))}", code="invalid_value", param=param)


def _path(steps: Sequence[str | int], body: Any) -> str:
    """The field's path in the request; pydantic's also names the members of unions, which no client has written."""
    path: list[str] = []
    for place, step in enumerate(steps):
        is_last = place == len(steps) - 1
        if isinstance(body, Mapping) and (step in body or is_last):
            body = body.get(step)
        elif isinstance(body, list) and isinstance(step, int) and step < len(body):
            body = body[step]
        elif not (is_last and not path):
            continue
        path.append(str(step))
    return ".".join(path)


def _given(value: Any) -> str:
    """The value, where it is short enough to help; half characters, which no answer may hold, are shown as escapes."""
    if value is None or isinstance(value, dict | list | bytes) or not isinstance(value, str | int | float):
        return ""
    shown = repr(value)[:80].encode("ascii", "backslashreplace").decode()
    return f", got {shown}"
