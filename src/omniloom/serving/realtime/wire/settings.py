"""Settings: formats of sound, turn detection, tools, and what a session and a single response may ask for.

What official clients send unasked is accepted and echoed. What cannot be honoured (noise reduction, tracing, stored
prompts, reasoning, log probabilities of transcripts) takes null alone, so that asking for it is an error naming it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from omniloom.serving.realtime.wire.base import Changes, OutputModality, Wire

# Sound


class PcmFormat(Changes):
    """Signed 16-bit little-endian mono samples."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[16000, 24000] = Field(default=24000, description="Samples a second; extension: 16000.")


class PcmuFormat(Wire):
    """G.711 µ-law, a byte a sample, 8,000 a second."""

    type: Literal["audio/pcmu"] = "audio/pcmu"


class PcmaFormat(Wire):
    """G.711 A-law, a byte a sample, 8,000 a second."""

    type: Literal["audio/pcma"] = "audio/pcma"


AudioFormat = Annotated[PcmFormat | PcmuFormat | PcmaFormat, Field(discriminator="type")]


class ServerVad(Changes):
    """The server hears where speech starts and stops. Speech that starts may interrupt a reply."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(
        default=0.5, ge=0.05, le=0.95, description="Probability of speech from which a window counts."
    )
    prefix_padding_ms: int = Field(
        default=300, ge=0, le=2000, description="Sound kept from before the speech was noticed."
    )
    silence_duration_ms: int = Field(default=500, ge=64, le=5000, description="Silence after which the turn is over.")
    idle_timeout_ms: int | None = Field(
        default=None,
        ge=100,
        le=600_000,
        description="Silence after the end of a reply's playback after which the model speaks unasked.",
    )
    create_response: bool = Field(default=True, description="Answer at once when the turn is over.")
    interrupt_response: bool = Field(default=True, description="Cancel a running reply when speech starts.")


class SemanticVad(Changes):
    """The model itself says when all was said; the server's own ear only finds where speech starts."""

    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = Field(
        default="auto", description="Longest wait where the model expects more: 8, 4 or 2 s; auto is medium."
    )
    create_response: bool = Field(default=True, description="Answer at once when the turn is over.")
    interrupt_response: bool = Field(default=True, description="Cancel a running reply when speech starts.")

    @property
    def max_wait_ms(self) -> int:
        return {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}[self.eagerness]


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class Transcription(Changes):
    """Also write down what the user says. The model that answers does it, whatever `model` names."""

    model: str | None = Field(default=None, max_length=64)
    language: str | None = Field(default=None, max_length=16)
    prompt: str | None = Field(default=None, max_length=4096)


class AudioInput(Changes):
    format: AudioFormat = PcmFormat()
    noise_reduction: None = None
    transcription: Transcription | None = Field(default=None, description="null: no transcripts of the input.")
    turn_detection: TurnDetection | None = Field(default=ServerVad(), description="null: the client commits.")


class AudioOutput(Changes):
    format: AudioFormat = PcmFormat()
    voice: str = Field(default="loom", min_length=1, max_length=64, description="Fixed once sound has been sent.")
    speed: float = Field(default=1.0, ge=0.25, le=1.5, description="Changed only between responses.")


class AudioSettings(Changes):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class TranscriptionAudio(Changes):
    input: AudioInput = AudioInput(transcription=Transcription())


class ResponseAudioOutput(Changes):
    format: AudioFormat | None = None
    voice: str | None = Field(default=None, min_length=1, max_length=64)


class ResponseAudio(Changes):
    """The sound of one response, where it differs from the session's."""

    output: ResponseAudioOutput = ResponseAudioOutput()


# Tools


class FunctionTool(Wire):
    """A function that the model may ask the client to call."""

    type: Literal["function"] = "function"
    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")
    description: str | None = Field(default=None, max_length=16_384)
    parameters: dict[str, Any] | None = Field(default=None, description="JSON schema that the arguments are held to.")


class ToolChoiceFunction(Wire):
    """Call this function."""

    type: Literal["function"] = "function"
    name: str = Field(min_length=1, max_length=64)


ToolChoice = Literal["none", "auto", "required"] | ToolChoiceFunction
Tools = Annotated[list[FunctionTool], Field(max_length=128)]
MaxOutputTokens = Annotated[int, Field(ge=1, le=4096)] | Literal["inf"]
Modalities = Annotated[list[OutputModality], Field(min_length=1, max_length=3)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
Instructions = Annotated[str, Field(max_length=32_768)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Include = Annotated[list[Literal["item.input_audio_transcription.logprobs"]], Field(max_length=0)]


# A conversation that outgrows the model's context


class TokenLimits(Wire):
    post_instructions: int | None = Field(default=None, ge=1, description="Tokens that the conversation may take.")


class RetentionRatio(Wire):
    """Drop the oldest turns until so much of the room is taken."""

    type: Literal["retention_ratio"]
    retention_ratio: float = Field(gt=0, le=1)
    token_limits: TokenLimits | None = None


Truncation = Literal["auto", "disabled"] | RetentionRatio


# Sessions


class SessionSettings(Changes):
    """What `session.update` may change. Absent fields stay as they are."""

    type: Literal["realtime"] = "realtime"
    model: str | None = Field(default=None, max_length=256, description="That of the session, or left out.")
    output_modalities: Modalities = Field(
        default=["audio"],
        description='["text"] or ["audio"] (always with a transcript); extension: "image" alone or beside them.',
    )
    audio: AudioSettings = AudioSettings()
    instructions: Instructions = Field(
        default="", description="Reach the model only if it was trained with a system turn."
    )
    tools: Tools = Field(default=[])
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | None = Field(default=None, description="A response holds at most one call either way.")
    max_output_tokens: MaxOutputTokens = "inf"
    temperature: Temperature = Field(
        default=0.0, description="Extension: how text and speech are drawn; 0 takes the likeliest token each time."
    )
    truncation: Truncation = Field(
        default="auto", description="What gives way when the context is full: the oldest turns, or the request."
    )
    include: Include | None = None
    tracing: None = None
    prompt: None = None
    reasoning: None = None


class TranscriptionSettings(Changes):
    """The same of a session that only writes down what it hears."""

    type: Literal["transcription"] = "transcription"
    audio: TranscriptionAudio = TranscriptionAudio()
    include: Include | None = None


def _type_of(settings: Any) -> str:
    name = settings.get("type") if isinstance(settings, dict) else getattr(settings, "type", None)
    return name if isinstance(name, str) else "realtime"


AnySettings = Annotated[
    Annotated[SessionSettings, Tag("realtime")] | Annotated[TranscriptionSettings, Tag("transcription")],
    Discriminator(_type_of),
]


class Session(SessionSettings):
    """The session as the server holds it."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str


class TranscriptionSession(TranscriptionSettings):
    """A transcription session as the server holds it."""

    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str


AnySession = Annotated[
    Annotated[Session, Tag("realtime")] | Annotated[TranscriptionSession, Tag("transcription")],
    Discriminator(_type_of),
]
