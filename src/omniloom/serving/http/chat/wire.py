"""The wire types of `chat.completions`, as the official clients have them, with our extensions marked.

What is not here is refused by name; what is here and can only be taken in one way says which.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from omniloom.generation.rules.text_rules import MAX_STOP_CHARS, MAX_STOPS
from omniloom.generation.rules.tools import MAX_TOOLS
from omniloom.serving.http.wire import (
    Answer,
    CompletionUsage,
    JsonSchema,
    Metadata,
    ModelName,
    Request,
    Seed,
    Temperature,
    TopP,
    Voice,
    Word,
)

MAX_MESSAGES, MAX_PARTS, MAX_CHOICES, MAX_TOP_LOGPROBS = 1_024, 256, 8, 20
FinishReason = Literal["stop", "length", "tool_calls"]
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


class FunctionDefinition(Request):
    """A function that the model may call; its arguments always fit the schema."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Request):
    type: Literal["function"]
    function: FunctionDefinition


class ChosenFunction(Request):
    name: Word


class ChosenTool(Request):
    type: Literal["function"]
    function: ChosenFunction


class TextFormat(Request):
    type: Literal["text"]


class JsonObjectFormat(Request):
    type: Literal["json_object"]


class JsonSchemaFormat(Request):
    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]
Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]


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
    image_temperature: (
        Annotated[float, Field(ge=0, le=10, description="Extension: of the picture alone; else it has `temperature`.")]
        | None
    ) = None
    top_p: TopP | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    parallel_tool_calls: Annotated[bool, Field(description="A reply calls one tool at most.")] | None = None
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


class CalledFunction(Answer):
    name: str
    arguments: str


class ReplyToolCall(Answer):
    """A call of one of the request's tools, with its arguments as JSON."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class TopLogprob(Answer):
    token: str
    bytes: list[int] | None = Field(description="None for the mark that ends a reply.")
    logprob: float


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(Answer):
    content: list[TokenLogprob]
    refusal: None = None


class ReplyMessage(Answer):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    annotations: list[Any] = Field(default_factory=list, max_length=0)
    audio: ReplyAudio | None = None
    tool_calls: list[ReplyToolCall] | None = None
    images: list[ReplyImage] | None = Field(default=None, description="Extension: the picture that was drawn.")


class Choice(Answer):
    index: int
    message: ReplyMessage
    finish_reason: FinishReason
    logprobs: ChoiceLogprobs | None = None


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


class FunctionDelta(Answer):
    name: str | None = None
    arguments: str


class ToolCallDelta(Answer):
    """More of a call; the first has its id and name."""

    index: Literal[0] = 0
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionDelta


class Delta(Answer):
    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: None = None
    audio: AudioDelta | None = None
    tool_calls: list[ToolCallDelta] | None = None
    images: list[ReplyImage] | None = None


class ChunkChoice(Answer):
    index: int
    delta: Delta
    finish_reason: FinishReason | None = None
    logprobs: ChoiceLogprobs | None = None


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
