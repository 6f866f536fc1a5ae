"""What the server sends: the events of the GA protocol that a WebSocket needs, and two of our own for pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from omniloom.serving.realtime.wire.base import Wire, new_id
from omniloom.serving.realtime.wire.items import Item
from omniloom.serving.realtime.wire.responses import Response
from omniloom.serving.realtime.wire.settings import AnySession

EXTENSIONS = ("response.output_image.delta", "response.output_image.done")
"""Server events that are ours and not OpenAI's."""


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
    session: AnySession


class SessionUpdated(ServerEvent):
    type: Literal["session.updated"] = "session.updated"
    session: AnySession


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


class InputAudioBufferTimeoutTriggered(ServerEvent):
    """Nobody spoke for `idle_timeout_ms`: the silence became an item, and a response to it follows."""

    type: Literal["input_audio_buffer.timeout_triggered"] = "input_audio_buffer.timeout_triggered"
    audio_start_ms: int
    audio_end_ms: int
    item_id: str


class OutputAudioBufferCleared(ServerEvent):
    """The answer's sound was stopped, as asked by `output_audio_buffer.clear`."""

    type: Literal["output_audio_buffer.cleared"] = "output_audio_buffer.cleared"
    response_id: str


class ConversationItemAdded(ServerEvent):
    type: Literal["conversation.item.added"] = "conversation.item.added"
    previous_item_id: str | None
    item: Item


class ConversationItemDone(ServerEvent):
    type: Literal["conversation.item.done"] = "conversation.item.done"
    previous_item_id: str | None
    item: Item


class ConversationItemRetrieved(ServerEvent):
    """The item with its sound."""

    type: Literal["conversation.item.retrieved"] = "conversation.item.retrieved"
    item: Item


class ConversationItemTruncated(ServerEvent):
    """`audio_end_ms` is as asked; the model remembers the whole frames of sound before it and the words they say."""

    type: Literal["conversation.item.truncated"] = "conversation.item.truncated"
    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDeleted(ServerEvent):
    """The item is gone: as asked, or as the oldest where a conversation has too many."""

    type: Literal["conversation.item.deleted"] = "conversation.item.deleted"
    item_id: str


class TranscribedDuration(Wire):
    """What a transcript took: seconds of sound."""

    type: Literal["duration"] = "duration"
    seconds: float


class TranscribedTokenDetails(Wire):
    text_tokens: int
    audio_tokens: int


class TranscribedTokens(Wire):
    """What a transcript took, in the model's tokens."""

    type: Literal["tokens"] = "tokens"
    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: TranscribedTokenDetails


class TranscriptionDelta(ServerEvent):
    """More of what the user said."""

    type: Literal["conversation.item.input_audio_transcription.delta"] = (
        "conversation.item.input_audio_transcription.delta"
    )
    item_id: str
    content_index: int
    delta: str


class TranscriptionCompleted(ServerEvent):
    """All that the user said."""

    type: Literal["conversation.item.input_audio_transcription.completed"] = (
        "conversation.item.input_audio_transcription.completed"
    )
    item_id: str
    content_index: int
    transcript: str
    usage: Annotated[TranscribedTokens | TranscribedDuration, Field(discriminator="type")]


class TranscriptionError(Wire):
    type: str
    code: str
    message: str
    param: str | None = None


class TranscriptionFailed(ServerEvent):
    """There is no transcript of this item; the model heard it all the same."""

    type: Literal["conversation.item.input_audio_transcription.failed"] = (
        "conversation.item.input_audio_transcription.failed"
    )
    item_id: str
    content_index: int
    error: TranscriptionError


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
    item: Item


class OutputItemDone(ServerEvent):
    type: Literal["response.output_item.done"] = "response.output_item.done"
    response_id: str
    output_index: int
    item: Item


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
    """Some milliseconds of speech, base64 in the session's output format."""

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


class FunctionCallArgumentsDelta(ServerEvent):
    """More of a call's arguments, as JSON text."""

    type: Literal["response.function_call_arguments.delta"] = "response.function_call_arguments.delta"
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    delta: str


class FunctionCallArgumentsDone(ServerEvent):
    """A call's arguments, whole; JSON that follows the tool's schema unless the response was cut off."""

    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    name: str
    arguments: str


class RateLimit(Wire):
    name: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_seconds: float


class RateLimitsUpdated(ServerEvent):
    """What may still be asked for, after each response."""

    type: Literal["rate_limits.updated"] = "rate_limits.updated"
    rate_limits: list[RateLimit]


SERVER_EVENTS: tuple[type[ServerEvent], ...] = (
    SessionCreated,
    SessionUpdated,
    Error,
    SpeechStarted,
    SpeechStopped,
    InputAudioBufferTimeoutTriggered,
    InputAudioBufferCommitted,
    InputAudioBufferCleared,
    OutputAudioBufferCleared,
    ConversationItemAdded,
    ConversationItemDone,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    ConversationItemDeleted,
    TranscriptionDelta,
    TranscriptionCompleted,
    TranscriptionFailed,
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
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    ContentPartDone,
    OutputItemDone,
    ResponseDone,
    RateLimitsUpdated,
)
