"""The page before the shipped model: a person is heard and answered aloud, a picture is read, and one is drawn."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import describe, parse_description, render
from omniloom.data.speech.listener import Listener
from omniloom.stream.parts import Image

pytestmark = [pytest.mark.service]


def test_what_comes_out_of_the_loudspeaker_is_what_the_person_said(tiny: Any) -> None:
    page = tiny.page
    page.locator(".switch").click()
    heard = page.locator(".turn.model").filter(has_text="after your last word").first
    heard.wait_for()
    page.locator(".switch").click()
    page.get_by_text("Ready", exact=True).wait_for()
    assert heard.locator(".words").inner_text() == "seven"
    assert Listener.load().transcribe(tiny.played()).split()[0] == "seven"


def test_a_picture_is_read_and_another_drawn(tiny: Any, ask: Any, last_answer: Any) -> None:
    page = tiny.page
    scene = parse_description("big blue star top left")
    assert scene is not None
    picture = {"name": "star.png", "mimeType": "image/png", "buffer": render(scene).to_bytes("PNG")}
    page.locator("#file").set_input_files([picture])
    page.get_by_role("button", name="Remove the picture").wait_for()
    ask(page, "What is this?", form="text")
    last_answer(page).get_by_text("first word").wait_for()
    assert last_answer(page).locator(".words").inner_text() == "big blue star top left"

    ask(page, "draw a big red circle at the top left", form="image")
    last_answer(page).get_by_text("drawn in").wait_for()
    drawn = last_answer(page).locator("img.drawn").get_attribute("src")
    found = read_scene(Image.open(base64.b64decode(drawn.partition(",")[2])))
    assert found is not None and describe(found) == "big red circle top left"


def test_examples_are_true_for_the_model(tiny: Any, last_answer: Any) -> None:
    page = tiny.page
    page.route("**/tasks.json*", lambda route: route.continue_(url=route.request.url.partition("?")[0] + "?seed=0"))
    page.reload()
    page.get_by_text("Ready", exact=True).wait_for()
    for number, group in enumerate(("Sums", "Scenes", "Questions about a picture")):
        if number:
            page.get_by_role("button", name="Examples").click()
        page.locator(f".group:has(h3:text-is('{group}')) .example").first.click()
        page.locator(".turn.model").nth(number).get_by_text("as expected").wait_for()
