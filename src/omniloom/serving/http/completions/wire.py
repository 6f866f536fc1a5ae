"""The wire types of the older `completions`, as the official clients have them, with our extension marked.

What is not here is refused by name; what is here and can only be taken in one way says which.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from omniloom.generation.rules.text_rules import MAX_LOGPROBS, MAX_STOP_CHARS, MAX_STOPS
from omniloom.serving.http.wire import Answer, CompletionUsage, ModelName, Request, Seed, Temperature, TopP, Word

MAX_PROMPTS, MAX_CHOICES, MAX_TEXTS = 128, 8, 128
"""Prompts of a request, choices of each, and all of its choices together."""

DEFAULT_TOKENS = 16
"""As the interface has it where no `max_tokens` is given."""

Ids = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]


class StreamOptions(Request):
    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class CompletionRequest(Request):
    """What `completions.create` sends."""

    model: ModelName
    prompt: Annotated[
        str
        | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS)]
        | Ids
        | Annotated[list[Ids], Field(min_length=1, max_length=MAX_PROMPTS)],
        Field(description="A text, or ids of the model's text codec; or several of either."),
    ]
    max_tokens: (
        Annotated[int, Field(ge=0, description=f"{DEFAULT_TOKENS} unless given; 0 only with `echo`.")] | None
    ) = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    best_of: Annotated[int, Field(ge=1, le=1)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    reply_at: (
        Annotated[
            int,
            Field(
                ge=0,
                description="Extension, with `echo`, `logprobs` and `max_tokens` 0: up to this character (or id) the "
                "prompt is what the user says, and from there on it is the reply that is scored.",
            ),
        ]
        | None
    ) = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    seed: Seed | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, int], Field(max_length=0)] | None = None
    suffix: Annotated[str, Field(max_length=0)] | None = None
    user: Word | None = None

    @field_validator("prompt", mode="before")
    @classmethod
    def is_text_or_ids(cls, prompt: object) -> object:
        """Of a union pydantic tells only what its first member wants."""
        kinds = (
            {type(item) for item in prompt} if isinstance(prompt, list) else {str} if isinstance(prompt, str) else set()
        )
        if len(kinds) != 1 or not kinds <= {str, int, list}:
            raise ValueError("give a text, ids, or a list of several texts or several lists of ids")
        if isinstance(prompt, list) and kinds != {int} and len(prompt) > MAX_PROMPTS:
            raise ValueError(f"{len(prompt)} prompts, at most {MAX_PROMPTS} are taken; send fewer at a time")
        return prompt


class Logprobs(Answer):
    """Of each token: its text, its log-probability, the likeliest at its place, and where it begins in `text`.

    None where a token is what the user says, which the model never chooses.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(Answer):
    text: str
    index: int
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop", "length"] | None = None


class TextCompletion(Answer):
    """A whole answer, or a piece of a streamed one."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None
