"""The messages of the beta realtime protocol, where they differ from those of the GA one.

Clients written before the GA protocol ask for it by the header `OpenAI-Beta: realtime=v1`. Its session is flat, its
parts and deltas have shorter names, and one event announces an item where the GA protocol has two. What is not listed
here is the same in both and has its class in `realtime.protocol`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from omniloom.serving.realtime import protocol as p

AudioFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]
ToolName = Annotated[str, Field(min_length=1, max_length=64)]

# Session


class SessionSettings(p.Changes):
    """What `session.update` may change. Absent fields stay as they are."""

    model: str | None = Field(default=None, max_length=256, description="That of the session, or left out.")
    modalities: list[p.OutputModality] = Field(
        default=["text", "audio"],
        min_length=1,
        max_length=3,
        description='["text"] or ["text", "audio"]; extension: "image" beside them.',
    )
    instructions: p.Instructions = Field(
        default="", description="Reach the model only if it was trained with a system turn."
    )
    voice: str = Field(default="loom", min_length=1, max_length=64, description="Fixed once sound has been sent.")
    input_audio_format: AudioFormat = "pcm16"
    output_audio_format: AudioFormat = "pcm16"
    input_audio_transcription: p.Transcription | None = Field(
        default=None, description="null: no transcripts of the input."
    )
    input_audio_noise_reduction: None = None
    turn_detection: p.TurnDetection | None = Field(default=p.ServerVad(), description="null: the client commits.")
    tools: p.Tools = Field(default=[])
    tool_choice: ToolName | p.ToolChoiceFunction = Field(
        default="auto", description='"none", "auto", "required", or the name of a function.'
    )
    temperature: p.Temperature = Field(
        default=0.0, description="How text and speech are drawn; 0 takes the likeliest token each time."
    )
    max_response_output_tokens: p.MaxOutputTokens = "inf"
    speed: float = Field(default=1.0, ge=0.25, le=1.5, description="Changed only between responses.")
    tracing: None = None
    client_secret: None = None


class Session(SessionSettings):
    """The session as the server holds it."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str


class TranscriptionSettings(p.Changes):
    """What `transcription_session.update` may change."""

    input_audio_format: AudioFormat = "pcm16"
    input_audio_transcription: p.Transcription | None = p.Transcription()
    input_audio_noise_reduction: None = None
    turn_detection: p.TurnDetection | None = Field(default=p.ServerVad(), description="null: the client commits.")
    modalities: list[Literal["text", "audio"]] = Field(default=["text"], max_length=2, description="Kept for clients.")
    include: p.Include | None = None
    client_secret: None = None


class ClientSecret(p.Wire):
    """Empty: this server hands out no keys for a single session, but official clients require the field."""

    expires_at: int = 0
    value: str = ""


class TranscriptionSession(p.Wire):
    """A transcription session as the server holds it."""

    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str
    input_audio_format: AudioFormat
    input_audio_transcription: p.Transcription | None
    turn_detection: p.TurnDetection | None
    modalities: list[Literal["text", "audio"]] = Field(default=["text"])
    client_secret: ClientSecret = ClientSecret()


# Conversation items


class Text(p.Wire):
    type: Literal["text"] = "text"
    text: str = ""


class Audio(p.Wire):
    """Speech; `audio` is in the session's output format and sent by `conversation.item.retrieved` alone."""

    type: Literal["audio"] = "audio"
    audio: str | None = None
    transcript: str | None = ""


OutputContent = Annotated[Text | Audio | p.OutputImage, Field(discriminator="type")]


class AssistantMessage(p.ItemBase):
    """A reply; one that the client adds holds text, or a transcript without sound."""

    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    content: list[OutputContent] = Field(default=[], max_length=64)


def _kind_of(item: Any) -> str:
    """A message's role, or another item's type."""

    def field(name: str) -> Any:
        return item.get(name) if isinstance(item, dict) else getattr(item, name, None)

    kind = field("role") if field("type") == "message" else field("type")
    return kind if isinstance(kind, str) else "a type or a role is missing"


Item = Annotated[
    Annotated[p.UserMessage, Tag("user")]
    | Annotated[p.SystemMessage, Tag("system")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[p.FunctionCall, Tag("function_call")]
    | Annotated[p.FunctionCallOutput, Tag("function_call_output")],
    Discriminator(_kind_of),
]
ItemOrReference = Annotated[
    Annotated[p.UserMessage, Tag("user")]
    | Annotated[p.SystemMessage, Tag("system")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[p.FunctionCall, Tag("function_call")]
    | Annotated[p.FunctionCallOutput, Tag("function_call_output")]
    | Annotated[p.ItemReference, Tag("item_reference")],
    Discriminator(_kind_of),
]


# Responses


class ResponseSettings(p.Changes):
    """What one `response.create` may ask differently from the session."""

    conversation: Literal["auto", "none"] = "auto"
    input: Annotated[list[ItemOrReference], Field(max_length=128)] | None = None
    modalities: p.Modalities | None = None
    instructions: p.Instructions | None = None
    voice: str | None = Field(default=None, min_length=1, max_length=64)
    output_audio_format: AudioFormat | None = None
    tools: p.Tools | None = None
    tool_choice: ToolName | p.ToolChoiceFunction | None = None
    temperature: p.Temperature | None = None
    max_response_output_tokens: p.MaxOutputTokens | None = None
    metadata: p.Metadata | None = None


class InputTokenDetails(p.TokenDetails):
    cached_tokens: int = 0


class Usage(p.Wire):
    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails = InputTokenDetails()
    output_token_details: p.TokenDetails = p.TokenDetails()


class Response(p.Wire):
    """A response as it stands; `conversation_id` is null for one out of band."""

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    conversation_id: str | None
    status: p.ResponseStatus
    status_details: p.StatusDetails | None = None
    output: list[Item] = Field(default=[])
    modalities: list[p.OutputModality]
    voice: str | None = None
    output_audio_format: AudioFormat | None = None
    temperature: float | None = None
    max_output_tokens: p.MaxOutputTokens = "inf"
    usage: Usage | None = None
    metadata: dict[str, str] | None = None


# What a client may send


class SessionUpdate(p.ClientEvent):
    """Change the session; answered by `session.updated`."""

    type: Literal["session.update"]
    session: SessionSettings


class TranscriptionSessionUpdate(p.ClientEvent):
    """Make the session one that only writes down what it hears; answered by `transcription_session.updated`."""

    type: Literal["transcription_session.update"]
    session: TranscriptionSettings


class ConversationItemCreate(p.ClientEvent):
    """Add an item after `previous_item_id`: by default at the end, with "root" at the beginning."""

    type: Literal["conversation.item.create"]
    previous_item_id: str | None = None
    item: Item


class ResponseCreate(p.ClientEvent):
    """Answer now."""

    type: Literal["response.create"]
    response: ResponseSettings = ResponseSettings()


CLIENT_EVENTS: tuple[type[p.ClientEvent], ...] = (
    SessionUpdate,
    TranscriptionSessionUpdate,
    p.InputAudioBufferAppend,
    p.InputAudioBufferCommit,
    p.InputAudioBufferClear,
    p.OutputAudioBufferClear,
    ConversationItemCreate,
    p.ConversationItemRetrieve,
    p.ConversationItemTruncate,
    p.ConversationItemDelete,
    ResponseCreate,
    p.ResponseCancel,
)


# What the server sends


class SessionCreated(p.ServerEvent):
    """Always the first event."""

    type: Literal["session.created"] = "session.created"
    session: Session


class SessionUpdated(p.ServerEvent):
    type: Literal["session.updated"] = "session.updated"
    session: Session


class TranscriptionSessionUpdated(p.ServerEvent):
    type: Literal["transcription_session.updated"] = "transcription_session.updated"
    session: TranscriptionSession


class ConversationItemCreated(p.ServerEvent):
    """An item begins; how a reply's ends is told by `response.output_item.done`."""

    type: Literal["conversation.item.created"] = "conversation.item.created"
    previous_item_id: str | None
    item: Item


class ConversationItemRetrieved(p.ServerEvent):
    """The item with its sound."""

    type: Literal["conversation.item.retrieved"] = "conversation.item.retrieved"
    item: Item


class ResponseCreated(p.ServerEvent):
    type: Literal["response.created"] = "response.created"
    response: Response


class ResponseDone(p.ServerEvent):
    """The end of a response, however it ended: see `status` and `status_details`."""

    type: Literal["response.done"] = "response.done"
    response: Response


class OutputItemAdded(p.ServerEvent):
    type: Literal["response.output_item.added"] = "response.output_item.added"
    response_id: str
    output_index: int
    item: Item


class OutputItemDone(p.ServerEvent):
    type: Literal["response.output_item.done"] = "response.output_item.done"
    response_id: str
    output_index: int
    item: Item


class TextDelta(p.PartEvent):
    type: Literal["response.text.delta"] = "response.text.delta"
    delta: str


class TextDone(p.PartEvent):
    type: Literal["response.text.done"] = "response.text.done"
    text: str


class AudioDelta(p.PartEvent):
    """Some milliseconds of speech, base64 in the session's output format."""

    type: Literal["response.audio.delta"] = "response.audio.delta"
    delta: str


class AudioDone(p.PartEvent):
    type: Literal["response.audio.done"] = "response.audio.done"


class AudioTranscriptDelta(p.PartEvent):
    type: Literal["response.audio_transcript.delta"] = "response.audio_transcript.delta"
    delta: str


class AudioTranscriptDone(p.PartEvent):
    type: Literal["response.audio_transcript.done"] = "response.audio_transcript.done"
    transcript: str


RENAMED: dict[type[p.ServerEvent], type[p.ServerEvent]] = {
    p.OutputTextDelta: TextDelta,
    p.OutputTextDone: TextDone,
    p.OutputAudioDelta: AudioDelta,
    p.OutputAudioDone: AudioDone,
    p.OutputAudioTranscriptDelta: AudioTranscriptDelta,
    p.OutputAudioTranscriptDone: AudioTranscriptDone,
}
"""Events that differ in their name alone."""
CHANGED: dict[type[p.ServerEvent], tuple[type[p.ServerEvent], ...]] = {
    p.SessionCreated: (SessionCreated,),
    p.SessionUpdated: (SessionUpdated, TranscriptionSessionUpdated),
    p.ConversationItemAdded: (ConversationItemCreated,),
    p.ConversationItemDone: (),
    p.ConversationItemRetrieved: (ConversationItemRetrieved,),
    p.ResponseCreated: (ResponseCreated,),
    p.ResponseDone: (ResponseDone,),
    p.OutputItemAdded: (OutputItemAdded,),
    p.OutputItemDone: (OutputItemDone,),
}
"""Events of the GA protocol, and what the beta one has in their place."""


def _server_events() -> tuple[type[p.ServerEvent], ...]:
    found: list[type[p.ServerEvent]] = []
    for event in p.SERVER_EVENTS:
        found += [RENAMED[event]] if event in RENAMED else CHANGED.get(event, (event,))
    return tuple(found)


SERVER_EVENTS = _server_events()
