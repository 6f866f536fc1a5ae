"""Any served OpenAI-compatible endpoint in place of a checkpoint, through the official client (extra `eval`).

Two interfaces are spoken. "chat" sends the prompt as the user's message and takes what is answered: every server has
it, but it scores no given text. "completions" goes on with the prompt as it is, and scores options by having the server
repeat prefix and option with the log-probability of each token (`echo`), as vLLM does. Our own server is asked for the
option as a reply to the prefix (`reply_at`), all options of an item at once, which gives what the checkpoint gives.

An endpoint that dies half-way costs nothing that was finished. A server shares prefixes by itself, where it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from omniloom.evaluation.endpoints import Client
from omniloom.evaluation.few_shot.models.base import Likelihood, ScoreRequest, WriteRequest, cut_at_stop

Interface = Literal["chat", "completions"]

MAX_STOPS = 4
"""As many as the interface takes; the text is cut at all of them here as well."""

BYTES_A_TOKEN = 2
"""A prompt is counted in bytes, for an endpoint tells nothing of its tokens; few tokenizers need more than this."""


class EndpointLanguageModel:
    """`model` at `base_url`; `context` is what its prompts must fit, `num_parallel` how many are asked at a time."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        interface: Interface = "chat",
        context: int = 2048,
        api_key: str = "none",
        num_parallel: int = 8,
        timeout_s: float = 120.0,
        max_retries: int | None = None,
    ) -> None:
        self._asked = Client(
            base_url, model, api_key=api_key, num_parallel=num_parallel, timeout_s=timeout_s, max_retries=max_retries
        )
        self._client: Any = self._asked.openai
        self._base_url, self._model, self._interface = base_url, model, interface
        self.context = context
        self.name = f"{model} at {base_url} ({interface})"

    @property
    def takes_turns(self) -> bool:
        """By chat alone: the other interface goes on with one text."""
        return self._interface == "chat"

    def num_tokens(self, text: str) -> int:
        """An estimate that is seldom too low."""
        return -(-len(text.encode()) // BYTES_A_TOKEN)

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        if self._interface == "chat" and requests:
            raise ValueError(
                f"{self._base_url} is asked by chat, which scores no given text; choose the completions interface "
                "where the server has it, or tasks that are answered by writing"
            )
        if not requests:
            return iter(())
        is_ours = "reply_at" in self._asked.facts().get("extensions", ())
        return self._asked.each(self._scored_as_replies if is_ours else self._scored, requests)

    def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
        if size := max((request.search.size for request in requests if request.search.size > 1), default=0):
            raise ValueError(
                f"{self._base_url} cannot be asked for a beam of {size}: the interface has none; leave --beam out"
            )
        if requests:
            self._asked.facts()  # so that a wrong key or name is told at once
        return self._asked.each(self._written, requests)

    def _written(self, request: WriteRequest) -> str:
        settings = {"model": self._model, "temperature": 0.0, "stop": list(request.stops[:MAX_STOPS]) or None}
        if self._interface == "chat":
            messages = [
                {"role": role, "content": content}
                for own in request.shown
                for role, content in (("user", own.asked), ("assistant", own.answered))
            ]
            messages.append({"role": "user", "content": request.prefix})
            found = self._client.chat.completions.create(
                messages=messages, max_completion_tokens=request.max_tokens, **settings
            )
            text = found.choices[0].message.content or ""
        else:
            found = self._client.completions.create(prompt=request.prefix, max_tokens=request.max_tokens, **settings)
            text = found.choices[0].text
        return cut_at_stop(text, request.stops)

    def _scored_as_replies(self, request: ScoreRequest) -> tuple[Likelihood, ...]:
        found = self._client.completions.create(
            model=self._model,
            prompt=[request.prefix + own for own in request.continuations],
            max_tokens=0,
            temperature=0.0,
            logprobs=0,
            echo=True,
            extra_body={"reply_at": len(request.prefix)},
        )
        told = sorted(found.choices, key=lambda choice: choice.index)
        scored = [[value for value in one.logprobs.token_logprobs if value is not None] for one in told]
        return tuple(Likelihood(sum(values), len(values)) for values in scored)

    def _scored(self, request: ScoreRequest) -> tuple[Likelihood, ...]:
        return tuple(self._likelihood(request.prefix, own) for own in request.continuations)

    def _likelihood(self, prefix: str, continuation: str) -> Likelihood:
        """Of the tokens that end behind the prefix: one that reaches over its end belongs to the continuation."""
        found = self._client.completions.create(
            model=self._model, prompt=prefix + continuation, max_tokens=1, temperature=0.0, logprobs=1, echo=True
        )
        told = found.choices[0].logprobs
        if told is None or not told.text_offset or not told.token_logprobs:
            raise ValueError(
                f"{self._base_url} repeats no prompt with its log-probabilities (echo); ask tasks answered by writing"
            )
        stop = len(prefix) + len(continuation)
        ends = [*told.text_offset[1:], stop + 1]
        own = [
            logprob
            for logprob, start, end in zip(told.token_logprobs, told.text_offset, ends, strict=True)
            if end > len(prefix) and start < stop
        ]
        return Likelihood(float(sum(logprob or 0.0 for logprob in own)), len(own))
