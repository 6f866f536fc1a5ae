"""What a client may send: the eleven events of the GA protocol."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from omniloom.serving.realtime.wire.base import Changes
from omniloom.serving.realtime.wire.items import Item
from omniloom.serving.realtime.wire.responses import ResponseSettings
from omniloom.serving.realtime.wire.settings import AnySettings


class ClientEvent(Changes):
    event_id: str | None = Field(
        default=None, max_length=512, description="Named in an `error` that this event causes."
    )


class SessionUpdate(ClientEvent):
    """Change the session; answered by `session.updated`."""

    type: Literal["session.update"]
    session: AnySettings


class InputAudioBufferAppend(ClientEvent):
    """Some milliseconds of sound, base64 in the session's input format. Not answered."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class InputAudioBufferCommit(ClientEvent):
    """Make the buffered sound a part of the conversation."""

    type: Literal["input_audio_buffer.commit"]


class InputAudioBufferClear(ClientEvent):
    """Drop the buffered sound."""

    type: Literal["input_audio_buffer.clear"]


class OutputAudioBufferClear(ClientEvent):
    """Stop the sound of the running answer; over a WebSocket it is the client that holds what is to be played."""

    type: Literal["output_audio_buffer.clear"]


class ConversationItemCreate(ClientEvent):
    """Add an item after `previous_item_id`: by default at the end, with "root" at the beginning."""

    type: Literal["conversation.item.create"]
    previous_item_id: str | None = None
    item: Item


class ConversationItemRetrieve(ClientEvent):
    """Ask for an item with its sound, as the model heard or said it."""

    type: Literal["conversation.item.retrieve"]
    item_id: str


class ConversationItemTruncate(ClientEvent):
    """Cut what the assistant said to what was played: sound, transcript, and the model's memory of it."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = Field(ge=0)
    audio_end_ms: int = Field(ge=0)


class ConversationItemDelete(ClientEvent):
    """Remove an item, also from the model's memory."""

    type: Literal["conversation.item.delete"]
    item_id: str


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
    OutputAudioBufferClear,
    ConversationItemCreate,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    ConversationItemDelete,
    ResponseCreate,
    ResponseCancel,
)
