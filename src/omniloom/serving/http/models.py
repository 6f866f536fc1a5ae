"""`/v1/models`: the one model that is served, and what it can do.

OpenAI's type has four fields; clients keep the others as they come. They say what no field of the interface can: what
this model was never taught, so that nobody finds out by bad answers.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from omniloom.generation import Omni
from omniloom.serving.http.errors import ERRORS, ApiError
from omniloom.serving.http.wire import Answer, now_s
from omniloom.serving.realtime.media import MODEL_RATE_HZ
from omniloom.serving.voices import PITCH


class Model(Answer):
    """A model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "omniloom"
    input_modalities: list[str] = Field(description="Extension: what it takes.")
    output_modalities: list[str] = Field(description="Extension: what it gives.")
    context_tokens: int = Field(description="Extension: what a conversation may hold, replies included.")
    voices: list[str] = Field(description="Extension: the voices it speaks in.")
    extensions: list[str] = Field(
        description="Extension: fields beyond the interface that programs may look for. `reply_at`: of `/completions`; "
        "`chat_images`: chat takes `image` among its `modalities` and answers with `images`; `image_temperature`: and "
        "that field of chat."
    )
    input_audio_rate_hz: int = Field(description="Extension: sounds at this rate are not resampled.")
    instructions: Literal["unused"] = Field(
        description="Extension: what becomes of system and developer messages and of `instructions`. `unused`: the "
        "model has no turn for them; they are left out, and the answer's header `omniloom-unused` names them."
    )


class Models(Answer):
    """A list of models."""

    object: Literal["list"] = "list"
    data: list[Model]


def require_model(name: str | None, served: str) -> None:
    """Refuse a model that is not served here; no name means the one that is."""
    if name is not None and name != served:
        raise ApiError(
            f"there is no model {name[:80]!r}; {served!r} is served here",
            status=404,
            code="model_not_found",
            param="model",
        )


def model_routes(omni: Omni, *, model_name: str) -> APIRouter:
    """The list, and its one model by name."""
    router = APIRouter()
    model = Model(
        id=model_name,
        created=now_s(),
        input_modalities=["text", "audio", "image", "video"],
        output_modalities=["text", "audio", "image"],
        context_tokens=omni.context,
        voices=list(PITCH),
        extensions=["reply_at", "chat_images", "image_temperature"],
        input_audio_rate_hz=MODEL_RATE_HZ,
        instructions="unused",
    )

    @router.get("/models", responses=ERRORS, operation_id="listModels")
    async def list_models() -> Models:
        """The models that are served."""
        return Models(data=[model])

    @router.get("/models/{name}", responses=ERRORS, operation_id="retrieveModel")
    async def retrieve_model(name: str) -> Model:
        """One model."""
        require_model(name, model_name)
        return model

    return router
