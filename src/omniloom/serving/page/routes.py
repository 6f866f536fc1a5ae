"""The page and what it asks for: the words of the world, the voices, sample pictures, and what to try.

The world's words come from `data.scenes` rather than from the page's own list, so that a new colour shows up by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, JSONResponse

from omniloom.core.randomness import generator
from omniloom.data.scenes import MAX_OBJECTS, POSITIONS, RGB, SHAPES, SIZES, parse_description, render
from omniloom.serving.page.tasks import Given, given, task_groups
from omniloom.serving.voices import PITCH

STATIC = Path(__file__).parents[1] / "static"
VOICE_WORDS = {"loom": "The model's own", "loom-low": "The same, deeper", "loom-high": "The same, higher"}
NUM_LISTS = 1000
"""Lists of examples that there are; a page asks for one at random."""


def page_routes(*, scores: Mapping[str, Any], reads_turn_end: bool) -> APIRouter:
    """The routes of the page; `scores` are the model's own."""
    router = APIRouter(include_in_schema=False)

    @lru_cache(maxsize=32)
    def groups(seed: int) -> list[dict[str, Any]]:
        return task_groups(scores, seed=seed)

    @router.get("/")
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @router.get("/world.json")
    async def world() -> dict[str, Any]:
        return {
            "colours": {name: f"rgb({red} {green} {blue})" for name, (red, green, blue) in RGB.items()},
            "shapes": SHAPES,
            "sizes": SIZES,
            "positions": POSITIONS,
            "max_objects": MAX_OBJECTS,
            "voices": [{"name": name, "words": VOICE_WORDS[name]} for name in PITCH],
            "turn_detection": ["semantic_vad", "server_vad"] if reads_turn_end else ["server_vad"],
        }

    # Not `async`: these make sounds and pictures, and belong in a thread.
    @router.get("/tasks.json")
    def tasks(seed: int = 0) -> dict[str, Any]:
        return {"groups": groups(seed % NUM_LISTS)}

    @router.get("/tasks/{source}/{index}.png")
    def task_picture(source: str, index: int) -> Response:
        return _file(source, index, lambda e: None if e.picture is None else e.picture.to_bytes("PNG"), "image/png")

    @router.get("/tasks/{source}/{index}.wav")
    def task_sound(source: str, index: int) -> Response:
        return _file(source, index, lambda e: None if e.sound is None else e.sound.to_bytes("WAV"), "audio/wav")

    @router.get("/scene.png")
    def scene(of: str, seed: int | None = None) -> Response:
        found = parse_description(of)
        if found is None:
            return _refused(f"{of[:120]!r} describes no scene; write for example 'big red circle top left'", 400)
        jitter = None if seed is None else generator("scene.png", seed)
        return Response(render(found, jitter=jitter).to_bytes("PNG"), media_type="image/png")

    return router


def _file(source: str, index: int, written: Callable[[Given], bytes | None], media_type: str) -> Response:
    try:
        data = written(given(source, index))
    except ValueError as error:
        return _refused(str(error), 404)
    if data is None:
        return _refused(f"example {index} of {source!r} has no {media_type}", 404)
    return Response(data, media_type=media_type)


def _refused(message: str, status: int) -> Response:
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, status_code=status)
