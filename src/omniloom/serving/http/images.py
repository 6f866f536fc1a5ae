"""`/v1/images/generations` and `/v1/images/edits`: pictures drawn from words, and changed by them.

A model draws at one size, its own. Another size is made of that by resizing, on white where the sides differ: more
pixels, and not more in them. A GIF shows the drawing as it comes about, in as many frames as are asked for.
"""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image as PillowImage
from pydantic import ConfigDict, Field

from omniloom.generation import Done, Event, ImageDelta, Omni, Sampling, TokenCounts
from omniloom.generation.reply import shown_after
from omniloom.serving.http.asking import length_of, seeds_of, text_part
from omniloom.serving.http.bodies import body_route
from omniloom.serving.http.errors import ERRORS, ApiError, unsupported
from omniloom.serving.http.media import MediaReader, to_base64
from omniloom.serving.http.models import require_model
from omniloom.serving.http.wire import Answer, ModelName, Request, Seed, Word, now_s, streamed
from omniloom.serving.http.work import (
    Asked,
    ModelWork,
    Once,
    ReplyJob,
    begun,
    collected,
    events_of,
    together,
    while_connected,
)
from omniloom.serving.realtime.limits import Limits
from omniloom.stream.message import Message
from omniloom.stream.parts import Image, Part

MAX_IMAGES, MAX_SIDE, MAX_PARTIAL_IMAGES = 8, 2_048, 3
GIF_FRAMES, GIF_FRAME_MS = 9, 200
"""Where a request does not say."""

MAX_FRAME_MS = 655_350
"""The longest that a frame of a GIF may stand."""

MIN_WORD_TOKENS = 32
"""Left for what the model says before it draws: "big red circle top left" and the marks around it."""

OutputFormat = Literal["png", "webp", "jpeg", "gif"]
Kind = Literal["image_generation", "image_edit"]
Size = Annotated[
    str, Field(pattern=r"^(auto|[1-9][0-9]{0,3}x[1-9][0-9]{0,3})$", description="`auto` is the model's own size.")
]


class Drawing(Request):
    """How pictures are drawn and sent; what both requests share."""

    prompt: Annotated[str, Field(min_length=1)]
    background: Literal["auto", "opaque"] | None = None
    frame_count: Annotated[int | None, Field(ge=2, le=16, description="Of a GIF; 9 without it.")] = None
    frame_duration_ms: Annotated[int | None, Field(ge=20, le=MAX_FRAME_MS, description="Of a GIF; 200 without it.")] = (
        None
    )
    model: ModelName | None = None
    n: Annotated[int | None, Field(ge=1, le=MAX_IMAGES)] = None
    output_compression: Annotated[int | None, Field(ge=0, le=100, description="Of WebP and JPEG: the quality.")] = None
    output_format: OutputFormat | None = None
    partial_images: Annotated[int | None, Field(ge=0, le=MAX_PARTIAL_IMAGES)] = None
    quality: Literal["auto", "standard"] | None = None
    response_format: Literal["b64_json"] | None = None
    safety_identifier: Word | None = None
    seed: Annotated[Seed | None, Field(description="Extension: the same seed draws the same picture.")] = None
    size: Size | None = None
    stream: bool | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2, description="Extension; greedy without it.")] = None
    user: Word | None = None

    @property
    def format(self) -> OutputFormat:
        return self.output_format or "png"


class ImageRequest(Drawing):
    """What `images.generate` sends."""

    moderation: Literal["auto"] | None = None


class EditForm(Drawing):
    """What `images.edit` sends, as a form."""

    model_config = ConfigDict(extra="forbid", strict=False)

    image: Annotated[list[UploadFile] | None, File(description="One picture, or several under `image[]`.")] = None
    images: Annotated[list[UploadFile] | None, File(alias="image[]")] = None


class TokenDetails(Answer):
    image_tokens: int
    text_tokens: int


class ImageUsage(Answer):
    input_tokens: int
    input_tokens_details: TokenDetails
    output_tokens: int
    output_tokens_details: TokenDetails
    total_tokens: int


class ImageData(Answer):
    """A picture, and in `revised_prompt` what the model says that it shows."""

    b64_json: str
    revised_prompt: str


class Images(Answer):
    """All pictures."""

    created: int
    background: Literal["opaque"] = "opaque"
    data: list[ImageData]
    output_format: OutputFormat
    size: str
    usage: ImageUsage


class _ImageEvent(Answer):
    b64_json: str
    background: Literal["opaque"] = "opaque"
    created_at: int
    output_format: OutputFormat
    quality: Literal["auto"] = "auto"
    size: str


class PartialImage(_ImageEvent):
    """The picture so far."""

    type: Literal["image_generation.partial_image", "image_edit.partial_image"]
    partial_image_index: int


class CompletedImage(_ImageEvent):
    """The picture."""

    type: Literal["image_generation.completed", "image_edit.completed"]
    usage: ImageUsage


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Images,
        "description": "The pictures, or with `stream` one of them as it is drawn.",
        "content": streamed("CompletedImage"),
    },
    **ERRORS,
}


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Answers both requests."""

    omni: Omni
    model_name: str
    limits: Limits
    work: ModelWork

    async def answer(
        self, body: Drawing, parts: Callable[[], list[Part]], request: HttpRequest, *, kind: Kind
    ) -> Response:
        require_model(body.model, self.model_name)
        _check(body)
        read = Once(lambda: self._asked(body, parts()))
        jobs = [self._job(read, seed) for seed in seeds_of(body.seed, body.n or 1)]
        if body.stream:
            events = await while_connected(request, begun(jobs[0]))
            told = self._events(body, events, kind=kind)
            return StreamingResponse(events_of(told, ends_with=None), media_type="text/event-stream")
        pieces = await while_connected(request, collected(together(jobs)))
        done = {place: event for place, event in pieces if isinstance(event, Done)}
        answer = await asyncio.to_thread(self._whole, body, [done[place] for place in sorted(done)])
        return JSONResponse(answer.model_dump())

    def _asked(self, body: Drawing, parts: list[Part]) -> Asked:
        spec = self.omni.vocabulary.specs["image"]
        num_places = len(spec.groups) if spec.folds_replies else spec.elements_per_cycle
        return Asked(
            turns=[self.omni.turns.encode(Message("user", tuple(parts)))],
            want=frozenset({"image"}),
            sampling=Sampling(temperature=body.temperature or 0.0),
            # However short the server's replies are, a picture and what it shows fit.
            max_tokens=max(length_of(self.limits), 2 * spec.elements_per_cycle),
            min_tokens=num_places + MIN_WORD_TOKENS,
        )

    def _job(self, read: Once[Asked], seed: int) -> AsyncGenerator[Event, None]:
        return self.work.stream(ReplyJob(self.omni, lambda: replace(read(), seed=seed)))

    def _whole(self, body: Drawing, done: list[Done]) -> Images:
        return Images(
            created=now_s(),
            data=[ImageData(b64_json=to_base64(self._file(body, one)), revised_prompt=one.reply.text) for one in done],
            output_format=body.format,
            size=self._size(body),
            usage=_usage(done),
        )

    async def _events(
        self, body: Drawing, events: AsyncGenerator[Event, None], *, kind: Kind
    ) -> AsyncIterator[tuple[str, str]]:
        """Partial pictures as evenly over the drawing as can be, then the whole."""
        created = now_s()
        spec = self.omni.vocabulary.specs["image"]
        num_shown = len(shown_after(spec) - {spec.elements_per_cycle})
        num_partial = min(body.partial_images or 0, num_shown)
        wanted = {math.ceil(num_shown * place / (num_partial + 1)) for place in range(1, num_partial + 1)}
        num_seen = num_sent = 0
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ImageDelta):
                    num_seen += 1
                    if num_seen in wanted:
                        data = to_base64(encoded(self._sized(body, event.image), body))
                        made = PartialImage(
                            type=f"{kind}.partial_image",  # type: ignore[arg-type]
                            b64_json=data,
                            created_at=created,
                            output_format=body.format,
                            size=self._size(body),
                            partial_image_index=num_sent,
                        )
                        num_sent += 1
                        yield made.type, made.model_dump_json()
                elif isinstance(event, Done):
                    whole = CompletedImage(
                        type=f"{kind}.completed",  # type: ignore[arg-type]
                        b64_json=to_base64(self._file(body, event)),
                        created_at=created,
                        output_format=body.format,
                        size=self._size(body),
                        usage=_usage([event]),
                    )
                    yield whole.type, whole.model_dump_json()

    def _file(self, body: Drawing, done: Done) -> bytes:
        """The picture of a reply, or its drawing as a GIF."""
        if done.reply.image is None:
            message = "the model ended without a picture; say in other words, or in fewer, what to draw"
            raise ApiError(message, code="no_image", param="prompt")
        if body.format != "gif":
            return encoded(self._sized(body, done.reply.image), body)
        frames = [self._sized(body, image) for image in self._drawing(done, body.frame_count or GIF_FRAMES)]
        return as_gif(frames, frame_ms=body.frame_duration_ms or GIF_FRAME_MS)

    def _drawing(self, done: Done, count: int) -> list[Image]:
        """So many pictures from the empty paper to the whole; between two states that can be told apart, one fades."""
        vocabulary, image = self.omni.vocabulary, done.reply.image
        assert image is not None
        spec = vocabulary.specs["image"]
        ids = [token for token in done.reply.ids if vocabulary.modality_of(token) == "image"]
        codes = vocabulary.to_codes("image", ids)
        places = sorted({0, *shown_after(spec)} - {spec.elements_per_cycle})
        states = [*(self.omni.codecs.image.decode_partial(codes[:place]) for place in places), image]
        pixels = torch.stack([state.pixels for state in states]).float()
        is_new = [True, *((pixels[1:] != pixels[:-1]).flatten(1).any(1).tolist())]
        told_apart = pixels[torch.tensor(is_new)]
        found = []
        for frame in range(count):
            place = frame * (len(told_apart) - 1) / (count - 1)
            before, after = told_apart[int(place)], told_apart[math.ceil(place)]
            found.append(Image(torch.lerp(before, after, place % 1).round().to(torch.uint8)))
        return found

    def _size(self, body: Drawing) -> str:
        side = self.omni.codecs.image.side
        return f"{side}x{side}" if body.size in (None, "auto") else str(body.size)

    def _sized(self, body: Drawing, image: Image) -> PillowImage.Image:
        """The picture on white paper of the size asked for."""
        width, height = map(int, self._size(body).split("x"))
        picture = image.to_pillow()
        if picture.size == (width, height):
            return picture
        side = min(width, height)
        paper = PillowImage.new("RGB", (width, height), "white")
        fitted = picture.resize((side, side), PillowImage.Resampling.LANCZOS)
        paper.paste(fitted, ((width - side) // 2, (height - side) // 2))
        return paper


def encoded(picture: PillowImage.Image, body: Drawing) -> bytes:
    """The picture as a file; WebP and JPEG of full quality unless the request says otherwise."""
    buffer = io.BytesIO()
    options = (
        {} if body.format == "png" else {"quality": 100 if body.output_compression is None else body.output_compression}
    )
    picture.save(buffer, format=body.format.upper(), **options)
    return buffer.getvalue()


def as_gif(frames: list[PillowImage.Image], *, frame_ms: int) -> bytes:
    """Frames as a GIF that plays for ever.

    Frames that look alike are one that stands as long as all of them, as far as the format can say so: Pillow joins
    them too, and fails where it cannot.
    """
    shown: list[PillowImage.Image] = []
    durations_ms: list[int] = []
    before = None
    for frame in frames:
        picture = frame.convert("P", palette=PillowImage.Palette.ADAPTIVE)
        colours = picture.convert("RGB").tobytes()
        if colours == before:
            durations_ms[-1] = min(durations_ms[-1] + round(frame_ms, -1), MAX_FRAME_MS)
            continue
        before = colours
        shown.append(picture)
        durations_ms.append(round(frame_ms, -1))
    first, *rest = shown
    buffer = io.BytesIO()
    duration = durations_ms if rest else durations_ms[0]
    first.save(buffer, format="GIF", save_all=True, append_images=rest, duration=duration, loop=0)
    return buffer.getvalue()


def _check(body: Drawing) -> None:
    """Refuse what does not go together."""
    is_gif = body.format == "gif"
    if body.size not in (None, "auto") and max(map(int, str(body.size).split("x"))) > MAX_SIDE:
        raise ApiError(f"size may have at most {MAX_SIDE} pixels a side", code="invalid_value", param="size")
    for name in ("frame_count", "frame_duration_ms"):
        if getattr(body, name) is not None and not is_gif:
            raise unsupported(name, "it is of output_format gif alone")
    if body.output_compression is not None and body.format not in ("webp", "jpeg"):
        raise unsupported("output_compression", "it is of output_format webp and jpeg alone")
    if body.partial_images and not body.stream:
        raise unsupported("partial_images", "partial pictures come with stream alone")
    if body.stream and is_gif:
        raise unsupported("stream", "a GIF comes whole")
    if body.stream and (body.n or 1) > 1:
        raise unsupported("n", "a stream is of one picture")


def _usage(done: list[Done]) -> ImageUsage:
    read = done[0].usage.prompt if done else TokenCounts()
    num_drawn = sum(one.usage.image_tokens for one in done)
    num_written = sum(one.usage.text_tokens for one in done)
    return ImageUsage(
        input_tokens=read.total,
        input_tokens_details=TokenDetails(image_tokens=read.image, text_tokens=read.total - read.image),
        output_tokens=num_drawn + num_written,
        output_tokens_details=TokenDetails(image_tokens=num_drawn, text_tokens=num_written),
        total_tokens=read.total + num_drawn + num_written,
    )


def image_routes(omni: Omni, *, model_name: str, limits: Limits, work: ModelWork) -> APIRouter:
    """`POST /images/generations` and `POST /images/edits`."""
    router = APIRouter(route_class=body_route(max_values=limits.json_values))
    pictures = Pictures(omni=omni, model_name=model_name, limits=limits, work=work)

    @router.post("/images/generations", responses=RESPONSES, operation_id="createImage")
    async def create_image(body: ImageRequest, request: HttpRequest) -> Response:
        """Draw what a text says."""

        def parts() -> list[Part]:
            return [text_part(body.prompt, limits, param="prompt")]

        return await pictures.answer(body, parts, request, kind="image_generation")

    @router.post("/images/edits", responses=RESPONSES, operation_id="createImageEdit")
    async def create_image_edit(form: Annotated[EditForm, Form()], request: HttpRequest) -> Response:
        """Change a picture as a text says."""
        files = [await upload.read() for upload in (*(form.image or ()), *(form.images or ()))]
        if not files:
            raise ApiError("image is missing; send the picture to change", code="missing_field", param="image")

        def parts() -> list[Part]:
            media = MediaReader(limits)
            shown = [media.image_from_bytes(data, param="image") for data in files]
            return [*shown, text_part(form.prompt, limits, param="prompt")]

        return await pictures.answer(form, parts, request, kind="image_edit")

    return router
