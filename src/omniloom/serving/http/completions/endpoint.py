"""The endpoint: prompts in; for each its completions, whole or as a stream, with what is repeated before them.

Tools that score given texts and those that were written before there were chats speak nothing else. Each choice is a
job of its own, as in chat; of many only a wave runs at a time, so that one request does not fill the server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from omniloom.generation import Event, Omni
from omniloom.serving.http.asking import seeds_of
from omniloom.serving.http.bodies import body_route
from omniloom.serving.http.completions import wire
from omniloom.serving.http.completions.reading import Echo, EchoJob, Given, asked_of, check, prompts_of
from omniloom.serving.http.completions.telling import ToldChoice, joined
from omniloom.serving.http.errors import ERRORS
from omniloom.serving.http.models import require_model
from omniloom.serving.http.wire import CompletionUsage, completion_usage, new_id, now_s, streamed
from omniloom.serving.http.work import ModelWork, ReplyJob, begun, collected, events_of, together, while_connected
from omniloom.serving.realtime.limits import Limits

WAVE = wire.MAX_CHOICES
"""Choices that are made beside each other."""

RESPONSES = {
    200: {
        "model": wire.TextCompletion,
        "content": streamed("TextCompletion"),
        "description": "The whole answer, or with `stream` its pieces as server-sent events, `[DONE]` the last.",
    },
    **ERRORS,
}


@dataclass(frozen=True, kw_only=True)
class Completions:
    """Answers completion requests."""

    omni: Omni
    model_name: str
    limits: Limits
    work: ModelWork

    async def answer(self, body: wire.CompletionRequest, request: Request) -> Response:
        require_model(body.model, self.model_name)
        check(body)
        prompts = await asyncio.to_thread(prompts_of, body, self.omni.codecs.text, self.limits)
        echoes = await while_connected(request, self._echoes(body, prompts))
        replies = self._replies(body, prompts)
        choices = [
            ToldChoice(place, body.logprobs is not None, body.logprobs or 0)
            for place in range(len(prompts) * (body.n or 1))
        ]
        if body.stream:
            events = await while_connected(request, begun(_in_waves(replies)))
            chunks = self._chunks(body, prompts, echoes, choices, events)
            return StreamingResponse(events_of(chunks), media_type="text/event-stream")
        pieces: list[list[wire.TextChoice]] = [self._opening(body, prompts, echoes, choice) for choice in choices]
        for place, event in await while_connected(request, collected(_in_waves(replies))):
            pieces[place] += choices[place].add(event)
        told = [joined(own, with_logprobs=body.logprobs is not None) for own in pieces]
        answer = self._completion(
            told, usage=_usage(choices, echoes, body.n or 1), name=new_id("cmpl-"), created=now_s()
        )
        return JSONResponse(answer.model_dump(mode="json"))

    async def _echoes(self, body: wire.CompletionRequest, prompts: Sequence[Given]) -> dict[int, Echo]:
        """By the prompts' places; none unless they are to be repeated with their log-probabilities."""
        if not body.echo or body.logprobs is None:
            return {}
        job = EchoJob(self.omni, prompts, num_top=body.logprobs, reply_at=body.reply_at)
        return dict(await collected(self.work.stream(job)))

    def _replies(self, body: wire.CompletionRequest, prompts: Sequence[Given]) -> list[AsyncGenerator[Event, None]]:
        if body.max_tokens == 0:
            return []
        return [self._reply(body, given, seed) for given in prompts for seed in seeds_of(body.seed, body.n or 1)]

    def _reply(self, body: wire.CompletionRequest, given: Given, seed: int) -> AsyncGenerator[Event, None]:
        job = ReplyJob(self.omni, lambda: replace(asked_of(body, given, self.omni, self.limits), seed=seed))
        return self.work.stream(job)

    def _opening(
        self, body: wire.CompletionRequest, prompts: Sequence[Given], echoes: dict[int, Echo], choice: ToldChoice
    ) -> list[wire.TextChoice]:
        """What comes before anything is written; all that there is where nothing shall be."""
        prompt = choice.index // (body.n or 1)
        found = [choice.repeat(prompts[prompt].text, echoes.get(prompt))] if body.echo else []
        return [*found, choice.ended("length")] if body.max_tokens == 0 else found

    async def _chunks(
        self,
        body: wire.CompletionRequest,
        prompts: Sequence[Given],
        echoes: dict[int, Echo],
        choices: Sequence[ToldChoice],
        events: AsyncGenerator[tuple[int, Event], None],
    ) -> AsyncIterator[tuple[None, str]]:
        name, created = new_id("cmpl-"), now_s()

        def told(*pieces: wire.TextChoice, usage: CompletionUsage | None = None) -> tuple[None, str]:
            made = self._completion(pieces, usage=usage, name=name, created=created)
            return None, json.dumps(made.model_dump(mode="json"), ensure_ascii=False)

        async with aclosing(events):
            for choice in choices:
                for piece in self._opening(body, prompts, echoes, choice):
                    yield told(piece)
            async for place, event in events:
                for piece in choices[place].add(event):
                    yield told(piece)
        if body.stream_options is not None and body.stream_options.include_usage:
            yield told(usage=_usage(choices, echoes, body.n or 1))

    def _completion(
        self, choices: Sequence[wire.TextChoice], *, usage: CompletionUsage | None, name: str, created: int
    ) -> wire.TextCompletion:
        return wire.TextCompletion(id=name, created=created, model=self.model_name, choices=list(choices), usage=usage)


async def _in_waves(streams: Sequence[AsyncGenerator[Event, None]]) -> AsyncGenerator[tuple[int, Event], None]:
    """What they give, as it comes, each with its stream's number; so many at a time."""
    for start in range(0, len(streams), WAVE):
        async with aclosing(together(streams[start : start + WAVE])) as wave:
            async for place, event in wave:
                yield start + place, event


def _usage(choices: Sequence[ToldChoice], echoes: dict[int, Echo], num_choices: int) -> CompletionUsage:
    """What the answer took: every prompt once, as it was read for its reply, or where there is none, scored."""
    by_prompt = [
        completion_usage([choice.usage for choice in choices[start : start + num_choices] if choice.usage is not None])
        for start in range(0, len(choices), num_choices)
    ]
    scored = [len(echo.said) + len(echo.scored) for echo in echoes.values()] if not choices[0].usage else []
    prompt = sum(own.prompt_tokens for own in by_prompt) + sum(scored)
    reply = sum(own.completion_tokens for own in by_prompt)
    return CompletionUsage(
        prompt_tokens=prompt,
        completion_tokens=reply,
        total_tokens=prompt + reply,
        prompt_tokens_details=by_prompt[0].prompt_tokens_details.model_copy(
            update={
                "cached_tokens": sum(own.prompt_tokens_details.cached_tokens for own in by_prompt),
                "text_tokens": prompt,
            }
        ),
        completion_tokens_details=by_prompt[0].completion_tokens_details.model_copy(update={"text_tokens": reply}),
    )


def completion_routes(omni: Omni, *, model_name: str, limits: Limits, work: ModelWork) -> APIRouter:
    """`POST /completions`."""
    router = APIRouter(route_class=body_route(max_values=limits.json_values))
    completions = Completions(omni=omni, model_name=model_name, limits=limits, work=work)

    @router.post("/completions", responses=RESPONSES, operation_id="createCompletion")
    async def create_completion(body: wire.CompletionRequest, request: Request) -> Response:
        """Answer texts with text, and tell how likely given texts are."""
        return await completions.answer(body, request)

    return router
