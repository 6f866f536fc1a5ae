"""The wire types of `chat.completions`, as the official clients have them, with our extensions marked.

What is not here is refused by name; what is here and can only be taken in one way says which.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from omniloom.serving.http.wire import (
    Answer,
    CompletionUsage,
    Metadata,
    ModelName,
    Request,
    Seed,
    Temperature,
    TopP,
    Voice,
    Word,
)

MAX_MESSAGES, MAX_PARTS, MAX_CHOICES, MAX_STOPS, MAX_TOP_LOGPROBS = 1_024, 256, 8, 4, 20
AudioFormat = Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]


class TextPart(Request):
    type: Literal["text"]
    text: str


class RefusalPart(Request):
    type: Literal["refusal"]
    refusal: str


class ImageUrl(Request):
    url: Annotated[str, Field(description="A data URI; nothing is fetched from other addresses.")]
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Request):
    type: Literal["image_url"]
    image_url: ImageUrl


class InputAudio(Request):
    data: Annotated[str, Field(description="The file in base64.")]
    format: Literal["wav", "mp3"]


class AudioPart(Request):
    type: Literal["input_audio"]
    input_audio: InputAudio


class InputFile(Request):
    file_data: Annotated[str, Field(description="A data URI, or base64, of a picture, a sound or a film.")]
    filename: Word | None = None


class FilePart(Request):
    type: Literal["file"]
    file: InputFile


class VideoUrl(Request):
    url: Annotated[str, Field(description="A data URI of MP4, WebM or GIF.")]


class VideoPart(Request):
    """An extension that other servers have too."""

    type: Literal["video_url"]
    video_url: VideoUrl


UserPart = Annotated[TextPart | ImagePart | AudioPart | FilePart | VideoPart, Field(discriminator="type")]
AssistantPart = Annotated[TextPart | RefusalPart, Field(discriminator="type")]
Texts = Annotated[list[TextPart], Field(min_length=1, max_length=MAX_PARTS)]


class GivenAudio(Request):
    """A spoken reply from before, by its id; what a client got with it may be sent back too."""

    id: Word
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None


class FunctionCall(Request):
    name: Word
    arguments: str


class ToolCall(Request):
    id: Word
    type: Literal["function"] = "function"
    function: FunctionCall


class ReplyImage(Request):
    """A picture that was drawn, as a data URI; an extension that other servers have too."""

    type: Literal["image_url"] = "image_url"
    image_url: ImageUrl


class SystemMessage(Request):
    role: Literal["system", "developer"]
    content: str | Texts
    name: Word | None = None


class UserMessage(Request):
    role: Literal["user"]
    content: str | Annotated[list[UserPart], Field(min_length=1, max_length=MAX_PARTS)]
    name: Word | None = None


class AssistantMessage(Request):
    """An earlier reply; all that a client got as `message` may be sent back."""

    role: Literal["assistant"]
    content: str | Annotated[list[AssistantPart], Field(max_length=MAX_PARTS)] | None = None
    refusal: str | None = None
    audio: GivenAudio | None = None
    images: Annotated[list[ReplyImage], Field(max_length=1, description="Extension.")] | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=128)] | None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None
    function_call: None = None
    name: Word | None = None


class ToolMessage(Request):
    role: Literal["tool"]
    content: str | Texts
    tool_call_id: Word


ChatMessage = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class ChatAudio(Request):
    """How speech is sent."""

    voice: Voice = "loom"
    format: AudioFormat


class StreamOptions(Request):
    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class ChatRequest(Request):
    """What `chat.completions.create` sends."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    model: ModelName
    modalities: (
        Annotated[
            list[Literal["text", "audio", "image"]],
            Field(min_length=1, max_length=3, description="`image` is an extension: the reply holds a picture."),
        ]
        | None
    ) = None
    audio: ChatAudio | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    seed: Seed | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: Metadata | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, int], Field(max_length=0)] | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: Literal[False] | None = None
    verbosity: Literal["medium"] | None = None
    reasoning_effort: Literal["none"] | None = None
    prompt_cache_key: Word | None = None
    safety_identifier: Word | None = None
    user: Word | None = None


class ReplyAudio(Answer):
    """Speech, and what it says; `id` stands for it in a later request until `expires_at`."""

    id: str
    data: str
    expires_at: int
    transcript: str


class ReplyMessage(Answer):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    annotations: list[Any] = Field(default_factory=list, max_length=0)
    audio: ReplyAudio | None = None
    images: list[ReplyImage] | None = Field(default=None, description="Extension: the picture that was drawn.")


class Choice(Answer):
    index: int
    message: ReplyMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class ChatCompletion(Answer):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    service_tier: Literal["default"] = "default"
    system_fingerprint: str | None = None
    metadata: dict[str, str] | None = None


class AudioDelta(Answer):
    id: str
    transcript: str | None = None
    data: str | None = None
    expires_at: int | None = None


class Delta(Answer):
    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: None = None
    audio: AudioDelta | None = None
    images: list[ReplyImage] | None = None


class ChunkChoice(Answer):
    index: int
    delta: Delta
    finish_reason: Literal["stop", "length"] | None = None
    logprobs: None = None


class ChatChunk(Answer):
    """A piece of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
    service_tier: Literal["default"] = "default"
    system_fingerprint: str | None = None
