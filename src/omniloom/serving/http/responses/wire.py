"""The wire types of `responses`, as the official clients have them, for text and pictures in and text out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from omniloom.generation.rules.tools import MAX_TOOLS
from omniloom.serving.http.wire import Answer, JsonSchema, Metadata, ModelName, Request, Seed, Temperature, TopP, Word

MAX_ITEMS, MAX_PARTS, MAX_TOP_LOGPROBS = 1_024, 256, 20
# In the other protocols' order: of two unions that are equal typing keeps the first, and pages show its order.
Status = Literal["completed", "incomplete", "in_progress"]
LOGPROBS = "message.output_text.logprobs"


class InputText(Request):
    type: Literal["input_text"]
    text: str


class InputImage(Request):
    type: Literal["input_image"]
    image_url: Annotated[str, Field(description="A data URI; nothing is fetched from other addresses.")]
    detail: Literal["auto", "low", "high", "original"] | None = None
    file_id: None = None


class InputFile(Request):
    type: Literal["input_file"]
    file_data: Annotated[str, Field(description="A data URI, or base64, of a picture, a sound or a film.")]
    filename: Word | None = None
    file_id: None = None


class GivenText(Request):
    """Text of an earlier answer; what came with it is taken back."""

    type: Literal["output_text"]
    text: str
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None
    logprobs: list[Any] | None = None


class GivenRefusal(Request):
    type: Literal["refusal"]
    refusal: str


InputPart = Annotated[InputText | InputImage | InputFile | GivenText | GivenRefusal, Field(discriminator="type")]


class InputMessage(Request):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | Annotated[list[InputPart], Field(min_length=1, max_length=MAX_PARTS)]
    id: Word | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class GivenCall(Request):
    type: Literal["function_call"]
    call_id: Word
    name: Word
    arguments: str
    id: Word | None = None
    status: Status | None = None


class CallOutput(Request):
    type: Literal["function_call_output"]
    call_id: Word
    output: str
    id: Word | None = None
    status: Status | None = None


InputItem = InputMessage | GivenCall | CallOutput


class FunctionTool(Request):
    type: Literal["function"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChosenTool(Request):
    type: Literal["function"]
    name: Word


class TextFormat(Request):
    type: Literal["text"]


class JsonObjectFormat(Request):
    type: Literal["json_object"]


class JsonSchemaFormat(JsonSchema):
    type: Literal["json_schema"]


class TextSettings(Request):
    format: Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Literal["medium"] | None = None


class StreamOptions(Request):
    include_obfuscation: Literal[False] | None = None


class ResponseRequest(Request):
    """What `responses.create` sends."""

    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=MAX_ITEMS)]
    model: ModelName
    instructions: Annotated[str, Field(description="Taken and not used.")] | None = None
    previous_response_id: Word | None = None
    store: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: Annotated[Seed | None, Field(description="Extension: the same seed gives the same reply.")] = None
    text: TextSettings | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    parallel_tool_calls: Annotated[bool, Field(description="A reply calls one tool at most.")] | None = None
    include: list[Literal["message.output_text.logprobs"]] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: Metadata | None = None
    truncation: Literal["disabled"] | None = None
    background: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    prompt_cache_key: Word | None = None
    safety_identifier: Word | None = None
    user: Word | None = None


class Logprob(Answer):
    token: str
    bytes: list[int]
    logprob: float
    top_logprobs: list[TopLogprob]


class TopLogprob(Answer):
    token: str
    bytes: list[int]
    logprob: float


class OutputText(Answer):
    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Any] = Field(default_factory=list, max_length=0)
    logprobs: list[Logprob] = Field(default_factory=list)


class OutputMessage(Answer):
    type: Literal["message"] = "message"
    id: str
    role: Literal["assistant"] = "assistant"
    status: Status
    content: list[OutputText]


class OutputCall(Answer):
    type: Literal["function_call"] = "function_call"
    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


class InputDetails(Answer):
    cached_tokens: Annotated[int, Field(description="Those that the model had read before the request.")] = 0
    cache_write_tokens: Literal[0] = 0


class OutputDetails(Answer):
    reasoning_tokens: Literal[0] = 0


class ResponseUsage(Answer):
    input_tokens: int
    input_tokens_details: InputDetails = InputDetails()
    output_tokens: int
    output_tokens_details: OutputDetails = OutputDetails()
    total_tokens: int


class Incomplete(Answer):
    reason: Literal["max_output_tokens"] = "max_output_tokens"


class Response(Answer):
    """An answer; `id` stands for it and all before it in a later request, while it is kept."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status
    error: None = None
    incomplete_details: Incomplete | None = None
    model: str
    output: list[OutputMessage | OutputCall]
    usage: ResponseUsage | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    max_output_tokens: int | None = None
    temperature: float
    top_p: float
    text: dict[str, Any]
    tools: list[dict[str, Any]]
    tool_choice: Any
    parallel_tool_calls: bool
    top_logprobs: int
    truncation: Literal["disabled"] = "disabled"
    background: Literal[False] = False
    store: bool
    service_tier: Literal["default"] = "default"
    metadata: dict[str, str]
    safety_identifier: str | None = None
    user: str | None = None


class Deleted(Answer):
    id: str
    object: Literal["response.deleted"] = "response.deleted"
    deleted: Literal[True] = True
