"""Every message that crosses the wire, typed once: the page, the server, the tests and the protocol page rest on it.

The names are those of the OpenAI GA realtime protocol. `response.output_image.delta|done`, the modality "image" and the
content part `output_image` are ours: it has no pictures out, and official clients pass unknown events on.
Fields outside these classes are refused by name rather than ignored, so a client learns at once what is not served.
Hand-written dictionaries were rejected: nothing could be checked, and no documentation drawn from them. The classes
stand in `wire`, by concern; this module is how everybody else names them.
"""

from __future__ import annotations

from typing import Any

from omniloom.serving.realtime.wire.base import Changes as Changes
from omniloom.serving.realtime.wire.base import OutputModality as OutputModality
from omniloom.serving.realtime.wire.base import Wire as Wire
from omniloom.serving.realtime.wire.base import new_id as new_id
from omniloom.serving.realtime.wire.client import CLIENT_EVENTS as CLIENT_EVENTS
from omniloom.serving.realtime.wire.client import ClientEvent as ClientEvent
from omniloom.serving.realtime.wire.client import ConversationItemCreate as ConversationItemCreate
from omniloom.serving.realtime.wire.client import ConversationItemDelete as ConversationItemDelete
from omniloom.serving.realtime.wire.client import ConversationItemRetrieve as ConversationItemRetrieve
from omniloom.serving.realtime.wire.client import ConversationItemTruncate as ConversationItemTruncate
from omniloom.serving.realtime.wire.client import InputAudioBufferAppend as InputAudioBufferAppend
from omniloom.serving.realtime.wire.client import InputAudioBufferClear as InputAudioBufferClear
from omniloom.serving.realtime.wire.client import InputAudioBufferCommit as InputAudioBufferCommit
from omniloom.serving.realtime.wire.client import OutputAudioBufferClear as OutputAudioBufferClear
from omniloom.serving.realtime.wire.client import ResponseCancel as ResponseCancel
from omniloom.serving.realtime.wire.client import ResponseCreate as ResponseCreate
from omniloom.serving.realtime.wire.client import SessionUpdate as SessionUpdate
from omniloom.serving.realtime.wire.items import AssistantMessage as AssistantMessage
from omniloom.serving.realtime.wire.items import FunctionCall as FunctionCall
from omniloom.serving.realtime.wire.items import FunctionCallOutput as FunctionCallOutput
from omniloom.serving.realtime.wire.items import InputAudio as InputAudio
from omniloom.serving.realtime.wire.items import InputContent as InputContent
from omniloom.serving.realtime.wire.items import InputImage as InputImage
from omniloom.serving.realtime.wire.items import InputText as InputText
from omniloom.serving.realtime.wire.items import Item as Item
from omniloom.serving.realtime.wire.items import ItemBase as ItemBase
from omniloom.serving.realtime.wire.items import ItemOrReference as ItemOrReference
from omniloom.serving.realtime.wire.items import ItemReference as ItemReference
from omniloom.serving.realtime.wire.items import ItemStatus as ItemStatus
from omniloom.serving.realtime.wire.items import Message as Message
from omniloom.serving.realtime.wire.items import OutputAudio as OutputAudio
from omniloom.serving.realtime.wire.items import OutputContent as OutputContent
from omniloom.serving.realtime.wire.items import OutputImage as OutputImage
from omniloom.serving.realtime.wire.items import OutputText as OutputText
from omniloom.serving.realtime.wire.items import SystemMessage as SystemMessage
from omniloom.serving.realtime.wire.items import UserMessage as UserMessage
from omniloom.serving.realtime.wire.responses import EndStatus as EndStatus
from omniloom.serving.realtime.wire.responses import InputTokenDetails as InputTokenDetails
from omniloom.serving.realtime.wire.responses import Response as Response
from omniloom.serving.realtime.wire.responses import ResponseError as ResponseError
from omniloom.serving.realtime.wire.responses import ResponseSettings as ResponseSettings
from omniloom.serving.realtime.wire.responses import ResponseStatus as ResponseStatus
from omniloom.serving.realtime.wire.responses import SpokenAudio as SpokenAudio
from omniloom.serving.realtime.wire.responses import SpokenOutput as SpokenOutput
from omniloom.serving.realtime.wire.responses import StatusDetails as StatusDetails
from omniloom.serving.realtime.wire.responses import StatusReason as StatusReason
from omniloom.serving.realtime.wire.responses import TokenDetails as TokenDetails
from omniloom.serving.realtime.wire.responses import Usage as Usage
from omniloom.serving.realtime.wire.server import EXTENSIONS as EXTENSIONS
from omniloom.serving.realtime.wire.server import SERVER_EVENTS as SERVER_EVENTS
from omniloom.serving.realtime.wire.server import ContentPart as ContentPart
from omniloom.serving.realtime.wire.server import ContentPartAdded as ContentPartAdded
from omniloom.serving.realtime.wire.server import ContentPartDone as ContentPartDone
from omniloom.serving.realtime.wire.server import ConversationItemAdded as ConversationItemAdded
from omniloom.serving.realtime.wire.server import ConversationItemDeleted as ConversationItemDeleted
from omniloom.serving.realtime.wire.server import ConversationItemDone as ConversationItemDone
from omniloom.serving.realtime.wire.server import ConversationItemRetrieved as ConversationItemRetrieved
from omniloom.serving.realtime.wire.server import ConversationItemTruncated as ConversationItemTruncated
from omniloom.serving.realtime.wire.server import Error as Error
from omniloom.serving.realtime.wire.server import ErrorDetails as ErrorDetails
from omniloom.serving.realtime.wire.server import FunctionCallArgumentsDelta as FunctionCallArgumentsDelta
from omniloom.serving.realtime.wire.server import FunctionCallArgumentsDone as FunctionCallArgumentsDone
from omniloom.serving.realtime.wire.server import InputAudioBufferCleared as InputAudioBufferCleared
from omniloom.serving.realtime.wire.server import InputAudioBufferCommitted as InputAudioBufferCommitted
from omniloom.serving.realtime.wire.server import InputAudioBufferTimeoutTriggered as InputAudioBufferTimeoutTriggered
from omniloom.serving.realtime.wire.server import OutputAudioBufferCleared as OutputAudioBufferCleared
from omniloom.serving.realtime.wire.server import OutputAudioDelta as OutputAudioDelta
from omniloom.serving.realtime.wire.server import OutputAudioDone as OutputAudioDone
from omniloom.serving.realtime.wire.server import OutputAudioTranscriptDelta as OutputAudioTranscriptDelta
from omniloom.serving.realtime.wire.server import OutputAudioTranscriptDone as OutputAudioTranscriptDone
from omniloom.serving.realtime.wire.server import OutputImageDelta as OutputImageDelta
from omniloom.serving.realtime.wire.server import OutputImageDone as OutputImageDone
from omniloom.serving.realtime.wire.server import OutputItemAdded as OutputItemAdded
from omniloom.serving.realtime.wire.server import OutputItemDone as OutputItemDone
from omniloom.serving.realtime.wire.server import OutputTextDelta as OutputTextDelta
from omniloom.serving.realtime.wire.server import OutputTextDone as OutputTextDone
from omniloom.serving.realtime.wire.server import PartEvent as PartEvent
from omniloom.serving.realtime.wire.server import RateLimit as RateLimit
from omniloom.serving.realtime.wire.server import RateLimitsUpdated as RateLimitsUpdated
from omniloom.serving.realtime.wire.server import ResponseCreated as ResponseCreated
from omniloom.serving.realtime.wire.server import ResponseDone as ResponseDone
from omniloom.serving.realtime.wire.server import ServerEvent as ServerEvent
from omniloom.serving.realtime.wire.server import SessionCreated as SessionCreated
from omniloom.serving.realtime.wire.server import SessionUpdated as SessionUpdated
from omniloom.serving.realtime.wire.server import SpeechStarted as SpeechStarted
from omniloom.serving.realtime.wire.server import SpeechStopped as SpeechStopped
from omniloom.serving.realtime.wire.server import TranscribedDuration as TranscribedDuration
from omniloom.serving.realtime.wire.server import TranscribedTokenDetails as TranscribedTokenDetails
from omniloom.serving.realtime.wire.server import TranscribedTokens as TranscribedTokens
from omniloom.serving.realtime.wire.server import TranscriptionCompleted as TranscriptionCompleted
from omniloom.serving.realtime.wire.server import TranscriptionDelta as TranscriptionDelta
from omniloom.serving.realtime.wire.server import TranscriptionError as TranscriptionError
from omniloom.serving.realtime.wire.server import TranscriptionFailed as TranscriptionFailed
from omniloom.serving.realtime.wire.settings import AnySession as AnySession
from omniloom.serving.realtime.wire.settings import AnySettings as AnySettings
from omniloom.serving.realtime.wire.settings import AudioFormat as AudioFormat
from omniloom.serving.realtime.wire.settings import AudioInput as AudioInput
from omniloom.serving.realtime.wire.settings import AudioOutput as AudioOutput
from omniloom.serving.realtime.wire.settings import AudioSettings as AudioSettings
from omniloom.serving.realtime.wire.settings import FunctionTool as FunctionTool
from omniloom.serving.realtime.wire.settings import Include as Include
from omniloom.serving.realtime.wire.settings import Instructions as Instructions
from omniloom.serving.realtime.wire.settings import MaxOutputTokens as MaxOutputTokens
from omniloom.serving.realtime.wire.settings import Metadata as Metadata
from omniloom.serving.realtime.wire.settings import Modalities as Modalities
from omniloom.serving.realtime.wire.settings import PcmaFormat as PcmaFormat
from omniloom.serving.realtime.wire.settings import PcmFormat as PcmFormat
from omniloom.serving.realtime.wire.settings import PcmuFormat as PcmuFormat
from omniloom.serving.realtime.wire.settings import ResponseAudio as ResponseAudio
from omniloom.serving.realtime.wire.settings import ResponseAudioOutput as ResponseAudioOutput
from omniloom.serving.realtime.wire.settings import RetentionRatio as RetentionRatio
from omniloom.serving.realtime.wire.settings import SemanticVad as SemanticVad
from omniloom.serving.realtime.wire.settings import ServerVad as ServerVad
from omniloom.serving.realtime.wire.settings import Session as Session
from omniloom.serving.realtime.wire.settings import SessionSettings as SessionSettings
from omniloom.serving.realtime.wire.settings import Temperature as Temperature
from omniloom.serving.realtime.wire.settings import TokenLimits as TokenLimits
from omniloom.serving.realtime.wire.settings import ToolChoice as ToolChoice
from omniloom.serving.realtime.wire.settings import ToolChoiceFunction as ToolChoiceFunction
from omniloom.serving.realtime.wire.settings import Tools as Tools
from omniloom.serving.realtime.wire.settings import Transcription as Transcription
from omniloom.serving.realtime.wire.settings import TranscriptionAudio as TranscriptionAudio
from omniloom.serving.realtime.wire.settings import TranscriptionSession as TranscriptionSession
from omniloom.serving.realtime.wire.settings import TranscriptionSettings as TranscriptionSettings
from omniloom.serving.realtime.wire.settings import Truncation as Truncation
from omniloom.serving.realtime.wire.settings import TurnDetection as TurnDetection


def event_type(event: type[Wire]) -> str:
    """The `type` by which an event class is known on the wire."""
    literal: Any = event.model_fields["type"].annotation
    return str(literal.__args__[0])
