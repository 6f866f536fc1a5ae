"""`/v1/embeddings`: vectors of texts, from the model's own states.

`dimensions` is refused unless it is the model's own: the first numbers of a vector that was not trained to be cut say
no more of it than any others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from omniloom.generation import Omni
from omniloom.serving.http.asking import text_part
from omniloom.serving.http.bodies import body_route
from omniloom.serving.http.errors import ERRORS, ApiError
from omniloom.serving.http.media import to_base64
from omniloom.serving.http.models import require_model
from omniloom.serving.http.wire import Answer, ModelName, Request, Word
from omniloom.serving.http.work import ModelWork, collected, while_connected
from omniloom.serving.realtime.limits import Limits

MAX_INPUTS = 256
BATCH = 8
"""Texts that are embedded between two looks at whether the client is still there."""


class EmbeddingRequest(Request):
    """What `embeddings.create` sends; tokens in place of texts are not taken, for they would be another model's."""

    input: str | Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
    model: ModelName
    dimensions: Annotated[int, Field(ge=1, description="The model's own number, or nothing.")] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: Word | None = None


class Embedding(Answer):
    """A vector of length 1; in base64 its 32-bit floats, little-endian."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Answer):
    prompt_tokens: int
    total_tokens: int


class Embeddings(Answer):
    """A vector for each input."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class EmbeddingJob:
    """Texts to vectors, a few at a time."""

    def __init__(self, omni: Omni, texts: list[str], limits: Limits) -> None:
        self._omni = omni
        self._texts = texts
        self._limits = limits
        self._is_cancelled = False

    def run(self) -> Iterator[np.ndarray]:
        parts = [text_part(text, self._limits, param=f"input.{place}") for place, text in enumerate(self._texts)]
        for start in range(0, len(parts), BATCH):
            if self._is_cancelled:
                return
            yield from self._omni.embed(parts[start : start + BATCH]).float().numpy()

    def cancel(self) -> None:
        self._is_cancelled = True


def embedding_routes(omni: Omni, *, model_name: str, limits: Limits, work: ModelWork) -> APIRouter:
    """`POST /embeddings`."""
    router = APIRouter(route_class=body_route(max_values=limits.json_values))

    @router.post("/embeddings", responses=ERRORS, response_model=Embeddings, operation_id="createEmbedding")
    async def create_embedding(body: EmbeddingRequest, request: HttpRequest) -> Response:
        """Vectors whose products say how near texts are."""
        require_model(body.model, model_name)
        width = omni.model.config.width
        if body.dimensions not in (None, width):
            raise ApiError(f"dimensions must be {width}, the model's own", code="invalid_value", param="dimensions")
        texts = [body.input] if isinstance(body.input, str) else body.input
        vectors = await while_connected(request, collected(work.stream(EmbeddingJob(omni, texts, limits))))
        num_tokens = sum(len(omni.codecs.text.encode_text(text)) for text in texts)
        answer = Embeddings(
            data=[
                Embedding(index=place, embedding=_told(vector, body.encoding_format))
                for place, vector in enumerate(vectors)
            ],
            model=model_name,
            usage=EmbeddingUsage(prompt_tokens=num_tokens, total_tokens=num_tokens),
        )
        return JSONResponse(answer.model_dump())

    return router


def _told(vector: np.ndarray, format: Literal["float", "base64"]) -> list[float] | str:
    if format == "base64":
        return to_base64(vector.astype("<f4").tobytes())
    numbers: list[float] = vector.tolist()
    return numbers
