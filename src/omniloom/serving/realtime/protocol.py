"""Every message that crosses the wire, typed once: the page, the server, the tests and the protocol page rest on it.

The names are those of the OpenAI GA realtime protocol. `response.output_image.delta|done`, the modality "image" and the
content part `output_image` are ours: it has no pictures out, and official clients pass unknown events on.
Fields outside these classes are refused by name rather than ignored, so a client learns at once what is not served.
Hand-written dictionaries were rejected: nothing could be checked, and no documentation drawn from them.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

EXTENSIONS = ("response.output_image.delta", "response.output_image.done")
"""Server events that are ours and not OpenAI's."""

OutputModality = Literal["text", "audio", "image"]


def new_id(prefix: str) -> str:
    """A fresh identifier such as "item_9f2c…"."""
    return f"{prefix}_{secrets.token_hex(8)}"


class Wire(BaseModel):
    """A piece of a message; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# Session


class PcmFormat(Wire):
    """Signed 16-bit little-endian mono samples, 24,000 a second."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class ServerVad(Wire):
    """The server hears where speech starts and stops. Speech that starts may interrupt a reply."""

    type: Literal["server_vad"]
    threshold: float = Field(
        default=0.5, ge=0.05, le=0.95, description="Probability of speech from which a window counts."
    )
    prefix_padding_ms: int = Field(
        default=300, ge=0, le=2000, description="Sound kept from before the speech was noticed."
    )
    silence_duration_ms: int = Field(default=500, ge=64, le=5000, description="Silence after which the turn is over.")
    create_response: bool = Field(default=True, description="Answer at once when the turn is over.")
    interrupt_response: bool = Field(default=True, description="Cancel a running reply when speech starts.")


class AudioInput(Wire):
    format: PcmFormat = PcmFormat()
    turn_detection: ServerVad | None = Field(
        default=ServerVad(type="server_vad"), description="null: the client commits."
    )


class AudioOutput(Wire):
    format: PcmFormat = PcmFormat()


class AudioSettings(Wire):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class SessionSettings(Wire):
    """What `session.update` may change. Absent fields stay as they are."""

    type: Literal["realtime"] = "realtime"
    output_modalities: list[OutputModality] = Field(
        default=["audio"],
        min_length=1,
        max_length=3,
        description='["text"] or ["audio"] (always with a transcript); extension: "image" alone or beside them.',
    )
    audio: AudioSettings = AudioSettings()
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] = "inf"


class Session(SessionSettings):
    """The session as the server holds it."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str


# Conversation items


class InputText(Wire):
    type: Literal["input_text"]
    text: str


class InputAudio(Wire):
    """Spoken input; `audio` is base64 of `PcmFormat` and never echoed back."""

    type: Literal["input_audio"]
    audio: str | None = None
    transcript: None = None


class InputImage(Wire):
    """A picture as a data URI of PNG, JPEG, WebP or GIF; the server fetches nothing from elsewhere."""

    type: Literal["input_image"]
    image_url: str | None = None
    detail: Literal["auto", "low", "high"] = "auto"


class OutputText(Wire):
    type: Literal["output_text"] = "output_text"
    text: str = ""


class OutputAudio(Wire):
    type: Literal["output_audio"] = "output_audio"
    transcript: str = ""


class OutputImage(Wire):
    """Extension: a picture in a reply. Its pixels travel in `response.output_image.done` alone."""

    type: Literal["output_image"] = "output_image"


InputContent = Annotated[InputText | InputAudio | InputImage, Field(discriminator="type")]
OutputContent = Annotated[OutputText | OutputAudio | OutputImage, Field(discriminator="type")]
ItemStatus = Literal["completed", "incomplete", "in_progress"]


class UserItem(Wire):
    id: str | None = Field(default=None, max_length=64)
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message"]
    status: ItemStatus = "completed"
    role: Literal["user"]
    content: list[InputContent] = Field(min_length=1, max_length=64)


class AssistantItem(Wire):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message"] = "message"
    status: ItemStatus = "in_progress"
    role: Literal["assistant"] = "assistant"
    content: list[OutputContent] = []


Item = UserItem | AssistantItem


# Responses


class ResponseSettings(Wire):
    """What one `response.create` may ask differently from the session."""

    output_modalities: list[OutputModality] | None = Field(default=None, min_length=1, max_length=3)
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] | None = None
    conversation: Literal["auto"] = "auto"
    metadata: dict[str, str] | None = Field(default=None, max_length=16)


class TokenDetails(Wire):
    """Tokens by kind; null where they are not counted apart."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class InputTokenDetails(TokenDetails):
    cached_tokens: int = 0


class Usage(Wire):
    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails = InputTokenDetails()
    output_token_details: TokenDetails = TokenDetails()


class ResponseError(Wire):
    type: str
    code: str
    message: str = Field(default="", description="Extension: what went wrong and what to do about it.")


ResponseStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
StatusReason = Literal["turn_detected", "client_cancelled", "max_output_tokens"]


class StatusDetails(Wire):
    type: ResponseStatus
    reason: StatusReason | None = None
    error: ResponseError | None = None


class Response(Wire):
    object: Literal["realtime.response"] = "realtime.response"
    id: str
    conversation_id: str
    status: ResponseStatus
    status_details: StatusDetails | None = None
    output: list[AssistantItem] = []
    output_modalities: list[OutputModality]
    max_output_tokens: int | Literal["inf"] = "inf"
    usage: Usage | None = None
    metadata: dict[str, str] | None = None


# What a client may send


class ClientEvent(Wire):
    event_id: str | None = Field(
        default=None, max_length=512, description="Named in an `error` that this event causes."
    )


class SessionUpdate(ClientEvent):
    """Change the session; answered by `session.updated`."""

    type: Literal["session.update"]
    session: SessionSettings


class InputAudioBufferAppend(ClientEvent):
    """Some milliseconds of sound. Not answered."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class InputAudioBufferCommit(ClientEvent):
    """Make the buffered sound a part of the conversation."""

    type: Literal["input_audio_buffer.commit"]


class InputAudioBufferClear(ClientEvent):
    """Drop the buffered sound."""

    type: Literal["input_audio_buffer.clear"]


class ConversationItemCreate(ClientEvent):
    """Add what the user wrote, said or showed, in any mix; it is answered at the next `response.create`."""

    type: Literal["conversation.item.create"]
    previous_item_id: str | None = None
    item: UserItem


class ResponseCreate(ClientEvent):
    """Answer now."""

    type: Literal["response.create"]
    response: ResponseSettings = ResponseSettings()


class ResponseCancel(ClientEvent):
    """Stop the running answer at its next token."""

    type: Literal["response.cancel"]
    response_id: str | None = None


CLIENT_EVENTS: tuple[type[ClientEvent], ...] = (
    SessionUpdate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    InputAudioBufferClear,
    ConversationItemCreate,
    ResponseCreate,
    ResponseCancel,
)


# What the server sends


class ServerEvent(Wire):
    event_id: str = Field(default_factory=lambda: new_id("event"))
    type: str


class ErrorDetails(Wire):
    type: Literal["invalid_request_error", "server_error"]
    code: str
    message: str
    param: str | None = None
    event_id: str | None = None


class Error(ServerEvent):
    """Something went wrong; the session goes on unless the message says otherwise."""

    type: Literal["error"] = "error"
    error: ErrorDetails


class SessionCreated(ServerEvent):
    """Always the first event."""

    type: Literal["session.created"] = "session.created"
    session: Session


class SessionUpdated(ServerEvent):
    type: Literal["session.updated"] = "session.updated"
    session: Session


class SpeechStarted(ServerEvent):
    """The server heard speech start; a running reply is cancelled where the session says so."""

    type: Literal["input_audio_buffer.speech_started"] = "input_audio_buffer.speech_started"
    audio_start_ms: int
    item_id: str


class SpeechStopped(ServerEvent):
    """The turn is over; `audio_end_ms` includes the silence that ended it."""

    type: Literal["input_audio_buffer.speech_stopped"] = "input_audio_buffer.speech_stopped"
    audio_end_ms: int
    item_id: str


class InputAudioBufferCommitted(ServerEvent):
    type: Literal["input_audio_buffer.committed"] = "input_audio_buffer.committed"
    previous_item_id: str | None
    item_id: str


class InputAudioBufferCleared(ServerEvent):
    type: Literal["input_audio_buffer.cleared"] = "input_audio_buffer.cleared"


class ConversationItemAdded(ServerEvent):
    type: Literal["conversation.item.added"] = "conversation.item.added"
    previous_item_id: str | None
    item: Item


class ConversationItemDone(ServerEvent):
    type: Literal["conversation.item.done"] = "conversation.item.done"
    previous_item_id: str | None
    item: Item


class ResponseCreated(ServerEvent):
    type: Literal["response.created"] = "response.created"
    response: Response


class ResponseDone(ServerEvent):
    """The end of a response, however it ended: see `status` and `status_details`."""

    type: Literal["response.done"] = "response.done"
    response: Response


class OutputItemAdded(ServerEvent):
    type: Literal["response.output_item.added"] = "response.output_item.added"
    response_id: str
    output_index: int
    item: AssistantItem


class OutputItemDone(ServerEvent):
    type: Literal["response.output_item.done"] = "response.output_item.done"
    response_id: str
    output_index: int
    item: AssistantItem


class PartEvent(ServerEvent):
    """An event about one content part of the reply's item."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ContentPart(Wire):
    """A content part as part events carry it: `audio`, not `output_audio`, as in the GA protocol."""

    type: Literal["text", "audio", "output_image"]
    text: str | None = None
    transcript: str | None = None


class ContentPartAdded(PartEvent):
    type: Literal["response.content_part.added"] = "response.content_part.added"
    part: ContentPart


class ContentPartDone(PartEvent):
    type: Literal["response.content_part.done"] = "response.content_part.done"
    part: ContentPart


class OutputTextDelta(PartEvent):
    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    delta: str


class OutputTextDone(PartEvent):
    type: Literal["response.output_text.done"] = "response.output_text.done"
    text: str


class OutputAudioDelta(PartEvent):
    """Some milliseconds of speech, base64 of `PcmFormat`."""

    type: Literal["response.output_audio.delta"] = "response.output_audio.delta"
    delta: str


class OutputAudioDone(PartEvent):
    type: Literal["response.output_audio.done"] = "response.output_audio.done"


class OutputAudioTranscriptDelta(PartEvent):
    type: Literal["response.output_audio_transcript.delta"] = "response.output_audio_transcript.delta"
    delta: str


class OutputAudioTranscriptDone(PartEvent):
    type: Literal["response.output_audio_transcript.done"] = "response.output_audio_transcript.done"
    transcript: str


class OutputImageDelta(PartEvent):
    """Extension: the picture as far as it is drawn, a whole PNG in base64 that replaces the one before."""

    type: Literal["response.output_image.delta"] = "response.output_image.delta"
    format: Literal["png"] = "png"
    delta: str


class OutputImageDone(PartEvent):
    """Extension: the finished picture, a PNG in base64."""

    type: Literal["response.output_image.done"] = "response.output_image.done"
    format: Literal["png"] = "png"
    image: str


SERVER_EVENTS: tuple[type[ServerEvent], ...] = (
    SessionCreated,
    SessionUpdated,
    Error,
    SpeechStarted,
    SpeechStopped,
    InputAudioBufferCommitted,
    InputAudioBufferCleared,
    ConversationItemAdded,
    ConversationItemDone,
    ResponseCreated,
    OutputItemAdded,
    ContentPartAdded,
    OutputTextDelta,
    OutputTextDone,
    OutputAudioDelta,
    OutputAudioDone,
    OutputAudioTranscriptDelta,
    OutputAudioTranscriptDone,
    OutputImageDelta,
    OutputImageDone,
    ContentPartDone,
    OutputItemDone,
    ResponseDone,
)


def event_type(event: type[ClientEvent] | type[ServerEvent]) -> str:
    """The `type` by which an event class is known on the wire."""
    literal: Any = event.model_fields["type"].annotation
    return str(literal.__args__[0])
