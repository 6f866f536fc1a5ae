"""Pictures: the model's own, in every format and size, drawn in the open, and changed."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import openai
import pytest
from PIL import Image as PillowImage
from starlette.testclient import TestClient

from omniloom.generation import ImageDelta, Omni, Sampling
from omniloom.serving.http.images import MAX_FRAME_MS, as_gif
from omniloom.stream.message import Message
from omniloom.stream.parts import Image, Text

PROMPT = "draw a big red circle"


def draw(api: TestClient, prompt: str = PROMPT, **fields: Any) -> Any:
    return api.post("/v1/images/generations", json={"prompt": prompt, **fields})


def opened(picture: dict[str, str]) -> PillowImage.Image:
    return PillowImage.open(io.BytesIO(base64.b64decode(picture["b64_json"])))


def test_pictures_are_the_models_by_their_seeds(api: TestClient, tiny: Omni) -> None:
    answer = draw(api, n=2, seed=3, temperature=1.0).json()
    for place, picture in enumerate(answer["data"]):
        expected = tiny.reply(PROMPT, "image", sampling=Sampling(temperature=1.0), seed=3 + place)
        assert expected.image is not None and picture["revised_prompt"] == expected.text
        np.testing.assert_array_equal(np.array(opened(picture)), np.array(expected.image.to_pillow()))
    assert answer["size"] == "64x64" and answer["usage"]["output_tokens_details"]["image_tokens"] > 0


@pytest.mark.parametrize("format", ["png", "webp", "jpeg", "gif"])
@pytest.mark.parametrize("size", ["auto", "256x256", "300x200"])
def test_formats_and_sizes(api: TestClient, tiny: Omni, format: str, size: str) -> None:
    answer = draw(api, output_format=format, size=size).json()
    picture = opened(answer["data"][0])
    assert picture.format == format.upper()
    assert picture.size == ((64, 64) if size == "auto" else tuple(map(int, size.split("x"))))
    assert answer["output_format"] == format and answer["size"] == "{}x{}".format(*picture.size)


@pytest.mark.parametrize("count", [2, 9, 16])
def test_a_gif_shows_the_drawing(api: TestClient, tiny: Omni, count: int) -> None:
    picture = opened(draw(api, output_format="gif", frame_count=count, frame_duration_ms=120).json()["data"][0])
    assert getattr(picture, "n_frames", 1) == count and picture.info["duration"] == 120
    picture.seek(count - 1)
    last = np.array(picture.convert("RGB"), np.int16)
    expected = tiny.reply(PROMPT, "image").image
    assert expected is not None
    # A GIF has 256 colours.
    assert np.abs(last - np.array(expected.to_pillow(), np.int16)).mean() < 4


@pytest.mark.parametrize("frame_ms, expected", [(100, [200, 100, 300]), (MAX_FRAME_MS, [MAX_FRAME_MS] * 3)])
def test_frames_that_look_alike_stand_as_long_as_all_of_them(frame_ms: int, expected: list[int]) -> None:
    red, blue = PillowImage.new("RGB", (8, 8), "red"), PillowImage.new("RGB", (8, 8), "blue")
    picture = PillowImage.open(io.BytesIO(as_gif([red, red, blue, red, red, red], frame_ms=frame_ms)))
    assert getattr(picture, "n_frames", 1) == 3
    durations = []
    for place in range(3):
        picture.seek(place)
        durations.append(picture.info["duration"])
    assert durations == expected
    alone = PillowImage.open(io.BytesIO(as_gif([red] * 16, frame_ms=MAX_FRAME_MS)))
    assert getattr(alone, "n_frames", 1) == 1 and alone.info["duration"] == MAX_FRAME_MS


@pytest.mark.parametrize("num_partial", [0, 1, 3])
def test_it_streams_while_it_is_drawn(api: TestClient, tiny: Omni, num_partial: int) -> None:
    response = draw(api, stream=True, partial_images=num_partial)
    events = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]
    shown = [event for event in tiny.stream(PROMPT, "image") if isinstance(event, ImageDelta)]
    assert [event["type"] for event in events] == [
        *["image_generation.partial_image"] * min(num_partial, len(shown)),
        "image_generation.completed",
    ]
    assert [event["partial_image_index"] for event in events[:-1]] == list(range(len(events) - 1))
    drawn = [np.array(delta.image.to_pillow()).tobytes() for delta in shown]
    assert all(np.array(opened(event)).tobytes() in drawn for event in events[:-1])
    assert events[-1]["b64_json"] == draw(api).json()["data"][0]["b64_json"]


def test_pictures_are_changed(api: TestClient, tiny: Omni) -> None:
    png = base64.b64decode(draw(api).json()["data"][0]["b64_json"])
    expected = tiny.reply([Image.open(png), "make it blue"], "image")
    assert expected.image is not None and "blue" in expected.text
    for name in ("image", "image[]"):
        response = api.post("/v1/images/edits", data={"prompt": "make it blue"}, files={name: ("circle.png", png)})
        picture = response.json()["data"][0]
        assert picture["revised_prompt"] == expected.text
        np.testing.assert_array_equal(np.array(opened(picture)), np.array(expected.image.to_pillow()))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": " "}, "prompt"),
        ({"model": "dall-e-3"}, "model"),
        ({"size": "big"}, "size"),
        ({"size": "4000x64"}, "size"),
        ({"n": 99}, "n"),
        ({"background": "transparent"}, "background"),
        ({"output_format": "svg"}, "output_format"),
        ({"response_format": "url"}, "response_format"),
        ({"frame_count": 4}, "frame_count"),
        ({"output_compression": 4}, "output_compression"),
        ({"partial_images": 2}, "partial_images"),
        ({"stream": True, "n": 2}, "n"),
        ({"stream": True, "output_format": "gif"}, "stream"),
        ({"quality": "high"}, "quality"),
        ({"style": "vivid"}, "style"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(api: TestClient, fields: dict[str, Any], param: str) -> None:
    response = draw(api, **fields)
    assert response.status_code in (400, 404) and response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ({"prompt": "make it blue"}, {}, "image"),
        ({"prompt": "make it blue"}, {"image": b"no picture"}, "image"),
        ({"prompt": "make it blue", "image": "text"}, {}, "image"),
        ({}, {"image": b"no picture"}, "prompt"),
        ({"prompt": "make it blue"}, {"image": b"no picture", "mask": b"mask"}, "mask"),
    ],
)
def test_wrong_edits_are_refused_by_name(
    api: TestClient, fields: dict[str, str], files: dict[str, bytes], param: str
) -> None:
    parts: list[Any] = [(name, (name, data)) for name, data in files.items()]
    response = api.post("/v1/images/edits", data=fields, files=parts or [("prompt", (None, "x"))])
    assert response.status_code == 400 and response.json()["error"]["param"] == param


def test_the_official_client_draws_and_changes(client: openai.OpenAI) -> None:
    drawn = client.images.generate(model="tiny", prompt=PROMPT)
    assert drawn.data is not None and drawn.data[0].b64_json is not None
    png = base64.b64decode(drawn.data[0].b64_json)
    changed = client.images.edit(model="tiny", image=[("circle.png", png)], prompt="make it blue")
    assert changed.data is not None and "blue" in (changed.data[0].revised_prompt or "")
    stream = client.images.edit(
        model="tiny", image=("circle.png", png), prompt="make it blue", stream=True, partial_images=1
    )
    assert [event.type for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


@pytest.mark.parametrize(
    ("count", "code"), [(640, "no_image"), (673, "context_length_exceeded"), (690, "invalid_value")]
)
def test_what_leaves_no_picture_is_refused(api: TestClient, tiny: Omni, count: int, code: str) -> None:
    """The model answers so much that it does not know in words; then there is too little room, and then none."""
    prompt = "word " * count
    num_left = (
        tiny.conversation([Message("user", (Text(prompt),))], is_asked_at_once=True).num_tokens_left
        if count < 690
        else 0
    )
    assert (code == "context_length_exceeded") == (0 < num_left < 49)
    response = draw(api, prompt)
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)
