"""Who writes the programs: a checkpoint or any served endpoint, asked for samples at a temperature.

A request is one sample with a seed of its own, so that samples can be kept and asked again one by one, and so that
those of a checkpoint are the same alone and in any batch. Answers go out as they are found, each with its request's
place.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from omniloom.evaluation.endpoints import Client
from omniloom.evaluation.few_shot.models.base import cut_at_stop
from omniloom.evaluation.few_shot.models.endpoint import MAX_STOPS, Interface
from omniloom.evaluation.workers.identity import identity
from omniloom.generation import Omni, Reply, Sampling, TextRules
from omniloom.generation.rules.text_rules import MAX_STOPS as MAX_RULED_STOPS

BATCH_REQUESTS = 512
"""Samples of a checkpoint that are asked together, so that finished ones are kept now and then."""

INSTRUCTION = "Write the Python code that goes on from here. Answer with the code alone, in one block.\n\n"
"""Before the prompt, where a model is asked by chat."""

TOP_P = 0.95
"""Chen et al. 2021, section 3.3."""


class SampleRequest(NamedTuple):
    """What comes after `prompt`, up to the first of `stops` or `max_tokens`, drawn by `seed`; at 0 it is greedy."""

    prompt: str
    stops: tuple[str, ...]
    temperature: float
    seed: int
    max_tokens: int


@dataclass(frozen=True)
class Sample:
    """A completion, and the log-probability of its tokens in nats at temperature 1, None where it is not told."""

    text: str
    logprob: float | None
    num_tokens: int

    @property
    def mean_logprob(self) -> float | None:
        """A token's."""
        return None if self.logprob is None or not self.num_tokens else self.logprob / self.num_tokens


class CodeModel(Protocol):
    """`name` tells this model from every other, for samples are kept under it."""

    @property
    def name(self) -> str: ...

    def sample(self, requests: Sequence[SampleRequest]) -> Iterator[tuple[int, Sample]]:
        """For each request its place and a sample."""
        ...


OPENING = 8
"""Positions of a conversation beside the prompt's, and one for a first token of the reply."""


class OmniCodeModel:
    """A checkpoint: the prompt is the user's turn and the completion its written reply, as it was trained.

    A prompt that does not fit the model's context has the empty sample: what cannot be read is not solved.
    """

    def __init__(self, omni: Omni, *, name: str = "omni", batch_rows: int = 64, top_p: float = TOP_P) -> None:
        self._omni, self._batch_rows, self._top_p = omni, batch_rows, top_p
        self.name = f"{name} {identity(omni)}"

    def sample(self, requests: Sequence[SampleRequest]) -> Iterator[tuple[int, Sample]]:
        is_fitting = {prompt: self.fits(prompt) for prompt in {own.prompt for own in requests}}
        kinds: dict[tuple[tuple[str, ...], float, int], list[int]] = {}
        for place, own in enumerate(requests):
            if is_fitting[own.prompt]:
                kinds.setdefault((own.stops, own.temperature, own.max_tokens), []).append(place)
            else:
                yield place, Sample("", None, 0)
        for places in kinds.values():
            for start in range(0, len(places), BATCH_REQUESTS):
                batch = places[start : start + BATCH_REQUESTS]
                yield from zip(batch, self._written([requests[place] for place in batch]), strict=True)

    def fits(self, prompt: str) -> bool:
        """Whether the context holds a prompt, and anything after it."""
        return len(self._omni.codecs.text.encode_text(prompt)) + OPENING <= self._omni.context

    def _written(self, batch: Sequence[SampleRequest]) -> list[Sample]:
        first = batch[0]
        replies = self._omni.reply_batch(
            [own.prompt for own in batch],
            sampling=Sampling(temperature=first.temperature, top_p=self._top_p),
            seed=[own.seed for own in batch],
            max_tokens=first.max_tokens,
            batch_rows=self._batch_rows,
            rules=TextRules(stop=first.stops[:MAX_RULED_STOPS], num_logprobs=0),
        )
        return [_sample_of(reply, first.stops) for reply in replies]


def _sample_of(reply: Reply, stops: Sequence[str]) -> Sample:
    """The reply up to all the stops, of which only some end it while it is written; and the tokens that it holds."""
    text = cut_at_stop(reply.text, stops)
    logprobs, length = [], 0
    for token in reply.logprobs:
        if length >= len(text):
            break
        logprobs.append(token.logprob)
        length += len(token.text)
    return Sample(text, sum(logprobs), len(logprobs))


class EndpointCodeModel:
    """`model` at `base_url`, by the completions interface, which goes on with the prompt, or by chat."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        interface: Interface = "chat",
        instruction: str = INSTRUCTION,
        api_key: str = "none",
        top_p: float = TOP_P,
        num_parallel: int = 8,
        timeout_s: float = 120.0,
        max_retries: int | None = None,
    ) -> None:
        self._asked = Client(
            base_url, model, api_key=api_key, num_parallel=num_parallel, timeout_s=timeout_s, max_retries=max_retries
        )
        self._client: Any = self._asked.openai
        self._model, self._interface = model, interface
        self._instruction, self._top_p = instruction, top_p
        self.name = (
            f"{model} at {base_url} ({interface}{'' if interface == 'completions' or instruction else ', bare'})"
        )

    def sample(self, requests: Sequence[SampleRequest]) -> Iterator[tuple[int, Sample]]:
        ask = self._completed if self._interface == "completions" else self._chatted
        if requests:
            self._asked.facts()  # so that a wrong key or name is told at once
        return self._asked.each(ask, requests)

    def _completed(self, request: SampleRequest) -> Sample:
        found = self._client.completions.create(
            prompt=request.prompt,
            max_tokens=request.max_tokens,
            stop=list(request.stops[:MAX_STOPS]) or None,
            logprobs=1,
            **self._settings(request),
        )
        choice = found.choices[0]
        told = (
            [] if choice.logprobs is None else [own for own in choice.logprobs.token_logprobs or [] if own is not None]
        )
        return Sample(cut_at_stop(choice.text, request.stops), sum(told) if told else None, len(told))

    def _chatted(self, request: SampleRequest) -> Sample:
        bare = not self._instruction
        found = self._client.chat.completions.create(
            messages=[{"role": "user", "content": self._instruction + request.prompt}],
            max_completion_tokens=request.max_tokens,
            # A whole answer in words may hold what ends a bare completion.
            stop=list(request.stops[:MAX_STOPS]) if bare else None,
            logprobs=True,
            **self._settings(request),
        )
        choice = found.choices[0]
        told = [own.logprob for own in (choice.logprobs.content or [])] if choice.logprobs is not None else []
        text = choice.message.content or ""
        text = cut_at_stop(text, request.stops) if bare else code_of(text)
        return Sample(text, sum(told) if told else None, len(told))

    def _settings(self, request: SampleRequest) -> dict[str, Any]:
        return {
            "model": self._model,
            "temperature": request.temperature,
            "top_p": self._top_p,
            "seed": request.seed % 2**31,
        }


def code_of(answer: str) -> str:
    """The code in an answer: its first fenced block, or all of it; a body without its indentation gets it back."""
    if "```" in answer:
        answer = answer.split("```")[1]
        first, _, rest = answer.partition("\n")
        answer = rest if " " not in first.strip() else answer
    starts = ("def ", "class ", "import ", "from ", "@", "async ", "#", " ", "\t", "\n", '"""')
    if answer and not answer.startswith(starts):
        head, _, rest = answer.partition("\n")
        # Whoever strips an answer takes the first line's indentation and leaves that of the others.
        is_stripped = bool(rest) and all(line.startswith(" ") or not line.strip() for line in rest.split("\n"))
        answer = f"    {head}\n{rest}" if is_stripped else textwrap.indent(answer, "    ")
    return answer if answer.endswith("\n") else answer + "\n"
