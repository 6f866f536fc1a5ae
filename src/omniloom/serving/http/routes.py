"""All HTTP endpoints as one router under `/v1`, and the threads that they share."""

from __future__ import annotations

from fastapi import APIRouter

from omniloom.generation import Omni
from omniloom.serving.http.audio.speech import speech_routes
from omniloom.serving.http.audio.transcriptions import transcription_routes
from omniloom.serving.http.chat.endpoint import chat_routes
from omniloom.serving.http.completions.endpoint import completion_routes
from omniloom.serving.http.embeddings import embedding_routes
from omniloom.serving.http.images import image_routes
from omniloom.serving.http.models import model_routes
from omniloom.serving.http.responses.endpoint import response_routes
from omniloom.serving.http.work import ModelWork
from omniloom.serving.realtime.limits import Limits

PREFIX = "/v1"


ENDPOINTS = (
    (chat_routes, "chat"),
    (completion_routes, "completions"),
    (response_routes, "responses"),
    (speech_routes, "audio"),
    (transcription_routes, "audio"),
    (image_routes, "images"),
    (embedding_routes, "embeddings"),
)


def http_routes(omni: Omni, *, model_name: str, limits: Limits = Limits()) -> APIRouter:
    """The endpoints; they make no thread before the first request."""
    work = ModelWork(num_threads=limits.requests_at_once, num_waiting=limits.waiting_requests)
    router = APIRouter(prefix=PREFIX)
    router.include_router(model_routes(omni, model_name=model_name), tags=["models"])
    for make, tag in ENDPOINTS:
        router.include_router(make(omni, model_name=model_name, limits=limits, work=work), tags=[tag])
    return router
