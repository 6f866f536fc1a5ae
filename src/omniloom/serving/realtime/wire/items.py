"""Conversation items: messages of the user, the system and the assistant, function calls and what came of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from omniloom.serving.realtime.wire.base import Wire

ItemStatus = Literal["completed", "incomplete", "in_progress"]


class InputText(Wire):
    type: Literal["input_text"] = "input_text"
    text: str


class InputAudio(Wire):
    """Spoken input; `audio` is in the session's input format and sent back by `conversation.item.retrieved` alone."""

    type: Literal["input_audio"] = "input_audio"
    audio: str | None = None
    transcript: str | None = None


class InputImage(Wire):
    """A picture as a data URI of PNG, JPEG, WebP or GIF; the server fetches nothing from elsewhere."""

    type: Literal["input_image"] = "input_image"
    image_url: str | None = None
    detail: Literal["auto", "low", "high"] | None = "auto"


class OutputText(Wire):
    type: Literal["output_text"] = "output_text"
    text: str = ""


class OutputAudio(Wire):
    """Speech; `audio` is in the session's output format and sent by `conversation.item.retrieved` alone."""

    type: Literal["output_audio"] = "output_audio"
    audio: str | None = None
    transcript: str | None = ""


class OutputImage(Wire):
    """Extension: a picture in a reply. Its pixels travel in `response.output_image.done` alone."""

    type: Literal["output_image"] = "output_image"


InputContent = Annotated[InputText | InputAudio | InputImage, Field(discriminator="type")]
OutputContent = Annotated[OutputText | OutputAudio | OutputImage, Field(discriminator="type")]


class ItemBase(Wire):
    """What every item has; a client may choose the `id`."""

    id: str | None = Field(default=None, min_length=1, max_length=64)
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus | None = "completed"


class UserMessage(ItemBase):
    type: Literal["message"] = "message"
    role: Literal["user"] = "user"
    content: list[InputContent] = Field(min_length=1, max_length=64)


class SystemMessage(ItemBase):
    """Kept and echoed; it reaches the model only if that was trained with a system turn."""

    type: Literal["message"] = "message"
    role: Literal["system"] = "system"
    content: list[InputText] = Field(min_length=1, max_length=64)


class AssistantMessage(ItemBase):
    """A reply; one that the client adds holds text, or a transcript without sound."""

    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    content: list[OutputContent] = Field(default=[], max_length=64)


class FunctionCall(ItemBase):
    """The model asks the client to call a function; `arguments` is JSON that follows the tool's schema."""

    type: Literal["function_call"] = "function_call"
    call_id: str | None = Field(default=None, min_length=1, max_length=64)
    name: str = Field(max_length=64)
    arguments: str


class FunctionCallOutput(ItemBase):
    """What the client's function returned; the model reads it as text."""

    type: Literal["function_call_output"] = "function_call_output"
    call_id: str = Field(min_length=1, max_length=64)
    output: str


class ItemReference(Wire):
    """An item of the conversation, named in the `input` of a response."""

    type: Literal["item_reference"] = "item_reference"
    id: str


def _kind_of(item: Any) -> str:
    """A message's role, or another item's type."""

    def field(name: str) -> Any:
        return item.get(name) if isinstance(item, dict) else getattr(item, name, None)

    kind = field("role") if field("type") == "message" else field("type")
    return kind if isinstance(kind, str) else "a type or a role is missing"


Message = UserMessage | SystemMessage | AssistantMessage
Item = Annotated[
    Annotated[UserMessage, Tag("user")]
    | Annotated[SystemMessage, Tag("system")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionCallOutput, Tag("function_call_output")],
    Discriminator(_kind_of),
]
ItemOrReference = Annotated[
    Annotated[UserMessage, Tag("user")]
    | Annotated[SystemMessage, Tag("system")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionCallOutput, Tag("function_call_output")]
    | Annotated[ItemReference, Tag("item_reference")],
    Discriminator(_kind_of),
]
