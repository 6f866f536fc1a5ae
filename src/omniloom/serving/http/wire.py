"""What the endpoints share of their wire types, and the two rules that all of them keep.

A field that is not known is refused by name. A value of another type than JSON's own is refused too: "1" is no number.
"""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from omniloom.generation import TokenCounts, Usage
from omniloom.serving.voices import VOICES


class Request(BaseModel):
    """What clients send."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """What they get."""

    model_config = ConfigDict(extra="forbid")


Temperature = Annotated[
    float,
    Field(ge=0, le=2, description="0 is greedy, as is a request that names neither `temperature` nor `top_p`."),
]
TopP = Annotated[float, Field(gt=0, le=1, description="Below 1 and without `temperature`, the temperature is 1.")]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16, description="Sent back as it came."),
]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63, description="The same seed gives the same reply.")]
Word = Annotated[str, Field(max_length=512)]

ModelName = Annotated[str, Field(max_length=256, description="The name that `/v1/models` tells.")]


class JsonSchema(Request):
    """A schema that the text of a reply is held to."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


VoiceName = Annotated[
    # Another name is refused with the names there are, which pydantic's own message would leave out.
    str, Field(max_length=512, json_schema_extra={"enum": list(VOICES)})
]


class VoiceById(Request):
    id: VoiceName


Voice = VoiceName | VoiceById


def voice_name(voice: Voice) -> str:
    return voice if isinstance(voice, str) else voice.id


class PromptTokens(Answer):
    """Of a prompt, by what they are."""

    cached_tokens: Annotated[int, Field(description="Those that the model had read before the request.")] = 0
    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class CompletionTokens(Answer):
    """Of a reply, by what they are."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = Field(default=0, description="Extension: tokens of pictures drawn.")
    reasoning_tokens: Literal[0] = 0


class CompletionUsage(Answer):
    """What an answer took, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens = PromptTokens()
    completion_tokens_details: CompletionTokens = CompletionTokens()


def completion_usage(usages: list[Usage]) -> CompletionUsage:
    """What several answers to one prompt took together; the prompt counts once."""
    counts = usages[0].prompt if usages else TokenCounts()
    prompt = counts.total
    reply = sum(usage.reply_tokens for usage in usages)
    return CompletionUsage(
        prompt_tokens=prompt,
        completion_tokens=reply,
        total_tokens=prompt + reply,
        prompt_tokens_details=PromptTokens(
            # The prompt is read once at least, however many choices found it read.
            cached_tokens=min((usage.cached_tokens for usage in usages), default=0),
            text_tokens=counts.text,
            audio_tokens=counts.audio,
            image_tokens=counts.image,
        ),
        completion_tokens_details=CompletionTokens(
            text_tokens=sum(usage.text_tokens for usage in usages),
            audio_tokens=sum(usage.audio_tokens for usage in usages),
            image_tokens=sum(usage.image_tokens for usage in usages),
        ),
    )


def new_id(prefix: str) -> str:
    """A name that nobody can guess, so that what is kept under it is its maker's."""
    return f"{prefix}{secrets.token_hex(16)}"


def now_s() -> int:
    return int(time.time())


def streamed(event: str) -> dict[str, Any]:
    """What an answer holds that streams events of a type, for the OpenAPI document."""
    told = f"Server-sent events; the data of each is JSON of `#/components/schemas/{event}`, or the word `[DONE]`."
    return {"text/event-stream": {"schema": {"type": "string", "description": told}}}
