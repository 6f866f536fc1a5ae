"""The page and what it asks for: the words of the world, and sample pictures.

The world's words come from `data.scenes` rather than from the page's own list, so that a new colour shows up by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, JSONResponse

from omniloom.core.randomness import generator
from omniloom.data.scenes import MAX_OBJECTS, POSITIONS, RGB, SHAPES, SIZES, parse_description, render

STATIC = Path(__file__).parent / "static"


def page_routes() -> APIRouter:
    """The routes of the page."""
    router = APIRouter(include_in_schema=False)

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
        }

    @router.get("/scene.png")
    def scene(of: str, seed: int | None = None) -> Response:
        found = parse_description(of)
        if found is None:
            message = f"{of[:120]!r} describes no scene; write for example 'big red circle top left'"
            return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, status_code=400)
        jitter = None if seed is None else generator("scene.png", seed)
        return Response(render(found, jitter=jitter).to_bytes("PNG"), media_type="image/png")

    return router
