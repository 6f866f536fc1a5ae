"""The endpoints: an answer made, whole or in events, and kept; fetched again, and forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from omniloom.generation import Done, Event, Omni
from omniloom.serving.http.asking import UNUSED_HEADER, seeds_of
from omniloom.serving.http.bodies import body_route
from omniloom.serving.http.errors import ERRORS, ApiError
from omniloom.serving.http.models import require_model
from omniloom.serving.http.responses import wire
from omniloom.serving.http.responses.reading import asked_of, checked
from omniloom.serving.http.responses.telling import Telling
from omniloom.serving.http.store import Store
from omniloom.serving.http.wire import streamed
from omniloom.serving.http.work import Asked, ModelWork, ReplyJob, begun, collected, events_of, while_connected
from omniloom.serving.realtime.limits import Limits
from omniloom.stream.message import Message

KEPT, KEPT_S = 256, 3_600
"""Responses that a later request may name, each no larger than the model's context, and for how long."""

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": wire.Response,
        "description": "The whole answer, or with `stream` the events that lead to it.",
        "content": streamed("Response"),
    },
    **ERRORS,
}


@dataclass(frozen=True)
class Kept:
    """A response, and the conversation up to its end."""

    response: wire.Response
    history: tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class Responses:
    """Answers requests, and remembers."""

    omni: Omni
    model_name: str
    limits: Limits
    work: ModelWork
    kept: Store[Kept]

    async def answer(self, body: wire.ResponseRequest, request: Request) -> Response:
        require_model(body.model, self.model_name)
        unused = await asyncio.to_thread(checked, body)
        headers = {UNUSED_HEADER: ", ".join(unused)} if unused else None
        history = self._found(body.previous_response_id).history if body.previous_response_id else ()
        (seed,) = seeds_of(body.seed, 1)

        def read() -> Asked:
            encode = self.omni.turns.encode
            return asked_of(body, seed=seed, limits=self.limits, history=history, encode=encode)

        job = ReplyJob(self.omni, read)
        stream = self.work.stream(job)
        if body.stream:
            events = await while_connected(request, begun(stream))
            told = self._events(body, events, job)
            return StreamingResponse(events_of(told, ends_with=None), media_type="text/event-stream", headers=headers)
        events_seen: Sequence[Event] = await while_connected(request, collected(stream))
        done = events_seen[-1]
        assert isinstance(done, Done)
        response = Telling(body, model_name=self.model_name).finish(done)
        self._keep(response, job)
        return JSONResponse(response.model_dump(), headers=headers)

    def retrieve(self, name: str) -> wire.Response:
        return self._found(name).response

    def delete(self, name: str) -> wire.Deleted:
        self._found(name)
        self.kept.pop(name)
        return wire.Deleted(id=name)

    async def _events(
        self, body: wire.ResponseRequest, events: AsyncGenerator[Event, None], job: ReplyJob
    ) -> AsyncIterator[tuple[str, str]]:
        telling = Telling(body, model_name=self.model_name)
        for told in telling.begin():
            yield told["type"], json.dumps(told, ensure_ascii=False)
        async with aclosing(events):
            async for event in events:
                pieces = list(telling.add(event))
                if isinstance(event, Done):
                    self._keep(telling.response, job)
                for told in pieces:
                    yield told["type"], json.dumps(told, ensure_ascii=False)

    def _keep(self, response: wire.Response, job: ReplyJob) -> None:
        if response.store:
            self.kept.put(response.id, Kept(response, job.history()))

    def _found(self, name: str) -> Kept:
        found = self.kept.get(name)
        if found is None:
            raise ApiError(
                f"there is no response {name[:80]!r}, or not any longer; send the conversation as input",
                status=404,
                code="response_not_found",
                param="previous_response_id",
            )
        return found


def response_routes(omni: Omni, *, model_name: str, limits: Limits, work: ModelWork) -> APIRouter:
    """`POST /responses`, and `GET` and `DELETE /responses/{id}`."""
    router = APIRouter(route_class=body_route(max_values=limits.json_values))
    responses = Responses(
        omni=omni, model_name=model_name, limits=limits, work=work, kept=Store(limit=KEPT, seconds=KEPT_S)
    )

    @router.post("/responses", responses=RESPONSES, operation_id="createResponse")
    async def create_response(body: wire.ResponseRequest, request: Request) -> Response:
        """Answer texts and pictures in text."""
        return await responses.answer(body, request)

    @router.get("/responses/{name}", responses=ERRORS, operation_id="retrieveResponse")
    async def retrieve_response(name: str) -> wire.Response:
        """An answer that is kept."""
        return responses.retrieve(name)

    @router.delete("/responses/{name}", responses=ERRORS, operation_id="deleteResponse")
    async def delete_response(name: str) -> wire.Deleted:
        """Forget an answer."""
        return responses.delete(name)

    return router
