"""Replies of the model to responses: the whole object, and the events that lead to it, told from one state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from omniloom.generation import CallDelta, Done, Event, TextDelta
from omniloom.generation.rules import TokenLogprob
from omniloom.serving.http.responses import wire
from omniloom.serving.http.wire import new_id, now_s

Told = dict[str, Any]


class Telling:
    """One response from its beginning to its end."""

    def __init__(self, request: wire.ResponseRequest, *, model_name: str) -> None:
        self._request = request
        self._num_told = 0
        self._kind: str | None = None
        self._item_id = self._call_id = ""
        form = request.text.model_dump(exclude_none=True, by_alias=True) if request.text is not None else {}
        self.response = wire.Response(
            id=new_id("resp_"),
            created_at=now_s(),
            status="in_progress",
            model=model_name,
            output=[],
            instructions=request.instructions,
            previous_response_id=request.previous_response_id,
            max_output_tokens=request.max_output_tokens,
            temperature=request.temperature or 0.0,
            top_p=request.top_p or 1.0,
            text={"format": {"type": "text"}, **form},
            tools=[_told_tool(tool) for tool in request.tools or ()],
            tool_choice=_told_choice(request),
            parallel_tool_calls=bool(request.parallel_tool_calls),
            top_logprobs=request.top_logprobs or 0,
            store=request.store is not False,
            metadata=request.metadata or {},
            safety_identifier=request.safety_identifier,
            user=request.user,
        )

    def begin(self) -> Iterator[Told]:
        yield self._event("response.created", response=self.response.model_dump())
        yield self._event("response.in_progress", response=self.response.model_dump())

    def add(self, event: Event) -> Iterator[Told]:
        """The events that one event of the model brings about."""
        if isinstance(event, TextDelta):
            yield from self._open("message")
            logprobs = [_shown(one) for one in event.logprobs if one.data is not None]
            yield self._event("response.output_text.delta", **self._text_place(), delta=event.text, logprobs=logprobs)
        elif isinstance(event, CallDelta):
            yield from self._open("function_call", name=event.name)
            yield self._event(
                "response.function_call_arguments.delta", item_id=self._item_id, output_index=0, delta=event.arguments
            )
        elif isinstance(event, Done):
            yield from self._open("function_call" if event.reply.call is not None else "message")
            yield from self._end(event)

    def finish(self, done: Done) -> wire.Response:
        """The whole response."""
        status: wire.Status = "completed" if done.finish_reason == "stop" else "incomplete"
        usage = wire.ResponseUsage(
            input_tokens=done.usage.prompt_tokens,
            input_tokens_details=wire.InputDetails(cached_tokens=done.usage.cached_tokens),
            output_tokens=done.usage.reply_tokens,
            total_tokens=done.usage.prompt_tokens + done.usage.reply_tokens,
        )
        change = {
            "status": status,
            "completed_at": now_s(),
            "output": [self._item(done, status)],
            "usage": usage,
            "incomplete_details": None if status == "completed" else wire.Incomplete(),
        }
        self.response = self.response.model_copy(update=change)
        return self.response

    def _item(self, done: Done, status: wire.Status) -> wire.OutputMessage | wire.OutputCall:
        call = done.reply.call
        if call is not None:
            return wire.OutputCall(
                id=self._item_id or new_id("fc_"),
                call_id=self._call_id or new_id("call_"),
                name=call.name,
                arguments=call.arguments,
                status=status,
            )
        logprobs = as_logprobs(done.reply.logprobs) if self._request.include else []
        text = wire.OutputText(text=done.reply.text, logprobs=logprobs)
        return wire.OutputMessage(id=self._item_id or new_id("msg_"), status=status, content=[text])

    def _open(self, kind: str, *, name: str = "") -> Iterator[Told]:
        if self._kind is not None:
            return
        self._kind = kind
        if kind == "function_call":
            self._item_id, self._call_id = new_id("fc_"), new_id("call_")
            call = wire.OutputCall(
                id=self._item_id, call_id=self._call_id, name=name, arguments="", status="in_progress"
            )
            yield self._event("response.output_item.added", output_index=0, item=call.model_dump())
            return
        self._item_id = new_id("msg_")
        message = wire.OutputMessage(id=self._item_id, status="in_progress", content=[])
        yield self._event("response.output_item.added", output_index=0, item=message.model_dump())
        part = wire.OutputText(text="").model_dump()
        yield self._event("response.content_part.added", **self._text_place(), part=part)

    def _end(self, done: Done) -> Iterator[Told]:
        response = self.finish(done)
        item = response.output[0]
        if isinstance(item, wire.OutputCall):
            yield self._event(
                "response.function_call_arguments.done",
                item_id=item.id,
                output_index=0,
                name=item.name,
                arguments=item.arguments,
            )
        else:
            part = item.content[0].model_dump()
            yield self._event(
                "response.output_text.done", **self._text_place(), text=part["text"], logprobs=part["logprobs"]
            )
            yield self._event("response.content_part.done", **self._text_place(), part=part)
        yield self._event("response.output_item.done", output_index=0, item=item.model_dump())
        yield self._event(f"response.{response.status}", response=response.model_dump())

    def _text_place(self) -> Told:
        return {"item_id": self._item_id, "output_index": 0, "content_index": 0}

    def _event(self, kind: str, **fields: Any) -> Told:
        self._num_told += 1
        return {"type": kind, "sequence_number": self._num_told - 1, **fields}


def as_logprobs(logprobs: Sequence[TokenLogprob]) -> list[wire.Logprob]:
    """Log-probabilities as the clients read them; the mark that ends a reply is no text."""
    return [wire.Logprob(**_shown(one)) for one in logprobs if one.data is not None]


def _shown(one: TokenLogprob) -> Told:
    tops = [
        {"token": top.text, "bytes": list(top.data), "logprob": top.logprob} for top in one.top if top.data is not None
    ]
    return {"token": one.text, "bytes": list(one.data or b""), "logprob": one.logprob, "top_logprobs": tops}


def _told_tool(tool: wire.FunctionTool) -> Told:
    return {"parameters": None, "strict": None, **tool.model_dump(exclude_none=True)}


def _told_choice(request: wire.ResponseRequest) -> Any:
    choice = request.tool_choice or "auto"
    return choice if isinstance(choice, str) else choice.model_dump()
