"""Responses: what one may ask, how it ended and what it took."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from omniloom.serving.realtime.wire.base import Changes, OutputModality, Wire
from omniloom.serving.realtime.wire.items import Item, ItemOrReference
from omniloom.serving.realtime.wire.settings import (
    AudioFormat,
    Instructions,
    MaxOutputTokens,
    Metadata,
    Modalities,
    ResponseAudio,
    Temperature,
    ToolChoice,
    Tools,
)


class ResponseSettings(Changes):
    """What one `response.create` may ask differently from the session."""

    conversation: Literal["auto", "none"] = Field(
        default="auto",
        description='"none": out of band; it adds nothing to the conversation and may run beside others.',
    )
    input: Annotated[list[ItemOrReference], Field(max_length=128)] | None = Field(
        default=None, description="Answer these items, or those they refer to, instead of the conversation."
    )
    output_modalities: Modalities | None = None
    audio: ResponseAudio | None = None
    instructions: Instructions | None = Field(
        default=None,
        description="Where nothing is new to answer they are answered, as if the user had said them; what they repeat "
        "of the session's in front is left out. Otherwise as the session's.",
    )
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: MaxOutputTokens | None = None
    temperature: Temperature | None = Field(default=None, description="Extension: see the session.")
    metadata: Metadata | None = None
    prompt: None = None
    reasoning: None = None


class TokenDetails(Wire):
    """Tokens by kind."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class InputTokenDetails(TokenDetails):
    """`cached_tokens` of the input were known to the model before the response was asked for."""

    cached_tokens: int = 0
    cached_tokens_details: TokenDetails = TokenDetails()


class Usage(Wire):
    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails = InputTokenDetails()
    output_token_details: TokenDetails = TokenDetails()


class ResponseError(Wire):
    type: str
    code: str
    message: str = Field(default="", description="What went wrong and what to do about it.")


EndStatus = Literal["completed", "cancelled", "incomplete", "failed"]
ResponseStatus = Literal["in_progress"] | EndStatus
StatusReason = Literal["turn_detected", "client_cancelled", "max_output_tokens"]


class StatusDetails(Wire):
    type: EndStatus
    reason: StatusReason | None = None
    error: ResponseError | None = None


class SpokenOutput(Wire):
    format: AudioFormat
    voice: str


class SpokenAudio(Wire):
    output: SpokenOutput


class Response(Wire):
    """A response as it stands; `conversation_id` is null for one out of band."""

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    conversation_id: str | None
    status: ResponseStatus
    status_details: StatusDetails | None = None
    output: list[Item] = Field(default=[])
    output_modalities: list[OutputModality]
    audio: SpokenAudio | None = None
    max_output_tokens: MaxOutputTokens = "inf"
    temperature: float = 0.0
    usage: Usage | None = None
    metadata: dict[str, str] | None = None
