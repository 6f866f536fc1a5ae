"""The endpoint: a request in; one answer or a stream of chunks out.

Each choice is a job of its own. They run beside each other, so that several take hardly longer than one where the
model's engine joins their steps.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from omniloom.generation import Done, Event, Omni
from omniloom.serving.http.asking import UNUSED_HEADER, seeds_of
from omniloom.serving.http.bodies import body_route
from omniloom.serving.http.chat import wire
from omniloom.serving.http.chat.reading import Spoken, asked_of, checked
from omniloom.serving.http.chat.telling import StreamedChoice, whole_choice
from omniloom.serving.http.errors import ERRORS
from omniloom.serving.http.models import require_model
from omniloom.serving.http.store import Store
from omniloom.serving.http.wire import CompletionUsage, completion_usage, new_id, now_s, streamed
from omniloom.serving.http.work import (
    Asked,
    ModelWork,
    Once,
    ReplyJob,
    begun,
    collected,
    events_of,
    together,
    while_connected,
)
from omniloom.serving.realtime.limits import Limits

SPOKEN_KEPT, SPOKEN_KEPT_S = 256, 3_600
"""Spoken replies that a later request may name, each half a minute at most (2 MB), and for how long."""

RESPONSES = {
    200: {
        "model": wire.ChatCompletion,
        "content": streamed("ChatChunk"),
        "description": "The whole answer, or with `stream` its chunks as server-sent events, `[DONE]` the last.",
        "headers": {UNUSED_HEADER: {"description": "Fields that the model cannot use.", "schema": {"type": "string"}}},
    },
    **ERRORS,
}


@dataclass(frozen=True, kw_only=True)
class ChatCompletions:
    """Answers chat requests."""

    omni: Omni
    model_name: str
    limits: Limits
    work: ModelWork
    spoken: Spoken

    async def answer(self, body: wire.ChatRequest, request: Request) -> Response:
        require_model(body.model, self.model_name)
        unused = await asyncio.to_thread(checked, body)
        headers = {UNUSED_HEADER: ", ".join(unused)} if unused else None
        read = Once(lambda: asked_of(body, limits=self.limits, spoken=self.spoken, encode=self.omni.turns.encode))
        replies = [self._reply(read, seed) for seed in seeds_of(body.seed, body.n or 1)]
        if body.stream:
            events = await while_connected(request, begun(together(replies)))
            chunks = self._chunks(body, events)
            return StreamingResponse(events_of(chunks), media_type="text/event-stream", headers=headers)
        pieces = await while_connected(request, collected(together(replies)))
        done = {place: event for place, event in pieces if isinstance(event, Done)}
        made = await asyncio.to_thread(self._whole, body, [done[place] for place in sorted(done)])
        return JSONResponse(made.model_dump(mode="json", exclude_none=False), headers=headers)

    def _reply(self, read: Once[Asked], seed: int) -> AsyncGenerator[Event, None]:
        return self.work.stream(ReplyJob(self.omni, lambda: replace(read(), seed=seed)))

    def _whole(self, body: wire.ChatRequest, done: list[Done]) -> wire.ChatCompletion:
        choices = [
            whole_choice(index, one, audio=body.audio, spoken=self.spoken, with_logprobs=bool(body.logprobs))
            for index, one in enumerate(done)
        ]
        return wire.ChatCompletion(
            id=new_id("chatcmpl-"),
            created=now_s(),
            model=self.model_name,
            choices=choices,
            usage=completion_usage([one.usage for one in done]),
            metadata=body.metadata,
        )

    async def _chunks(
        self, body: wire.ChatRequest, events: AsyncGenerator[tuple[int, Event], None]
    ) -> AsyncIterator[tuple[None, str]]:
        name, created = new_id("chatcmpl-"), now_s()
        choices = [StreamedChoice(index, body.audio, self.spoken, bool(body.logprobs)) for index in range(body.n or 1)]

        def told(*pieces: wire.ChunkChoice, usage: CompletionUsage | None = None) -> tuple[None, str]:
            chunk = wire.ChatChunk(
                id=name, created=created, model=self.model_name, choices=list(pieces), usage=usage
            ).model_dump(mode="json", exclude_none=True)
            for choice, piece in zip(chunk["choices"], pieces, strict=True):
                choice.setdefault("finish_reason", None)
                if piece.logprobs is not None:
                    choice["logprobs"] = piece.logprobs.model_dump()
            return None, json.dumps(chunk, ensure_ascii=False)

        async with aclosing(events):
            for choice in choices:
                yield told(choice.begin())
            async for index, event in events:
                for piece in choices[index].add(event):
                    yield told(piece)
        if body.stream_options is not None and body.stream_options.include_usage:
            yield told(usage=completion_usage([choice.usage for choice in choices if choice.usage is not None]))


def chat_routes(omni: Omni, *, model_name: str, limits: Limits, work: ModelWork) -> APIRouter:
    """`POST /chat/completions`."""
    router = APIRouter(route_class=body_route(max_values=limits.json_values))
    spoken: Spoken = Store(limit=SPOKEN_KEPT, seconds=SPOKEN_KEPT_S)
    chat = ChatCompletions(omni=omni, model_name=model_name, limits=limits, work=work, spoken=spoken)

    @router.post("/chat/completions", responses=RESPONSES, operation_id="createChatCompletion")
    async def create_chat_completion(body: wire.ChatRequest, request: Request) -> Response:
        """Answer a conversation in text, speech or a picture."""
        return await chat.answer(body, request)

    return router
