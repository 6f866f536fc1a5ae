"""The page before the shipped model: a person is heard and answered aloud, a picture is read, and one is drawn."""

from __future__ import annotations

import base64
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
import torch

from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import describe, parse_description, render
from omniloom.data.speech.listener import Listener
from omniloom.serving.realtime.media import WIRE_RATE_HZ
from omniloom.stream.parts import Audio, Image

pytestmark = [pytest.mark.service]

TRANSCRIPTION = "conversation.item.input_audio_transcription"
SAID, ANSWERED = ".turn.user .said", ".turn.model .words"


def test_what_comes_out_of_the_loudspeaker_is_what_the_person_said(tiny: Any) -> None:
    page = tiny.page
    page.locator(".switch").click()
    heard = page.locator(".turn.model").filter(has_text="after your last word").first
    heard.wait_for()
    page.locator(".switch").click()
    page.get_by_text("Ready", exact=True).wait_for()
    assert heard.locator(".words").inner_text() == "seven"
    sent = tiny.sound()
    np.testing.assert_array_equal(tiny.played(), sent[sent != 0])
    said = Audio(torch.from_numpy(sent), WIRE_RATE_HZ)
    assert Listener.load().transcribe(said) == "seven"


def test_bubbles_say_what_the_server_wrote_of_both_voices(tiny: Any) -> None:
    page = tiny.page
    for selector in (SAID, ANSWERED):
        page.evaluate("(selector) => watchTexts(selector)", selector)
    page.locator(".switch").click()
    page.locator(SAID).wait_for()
    page.locator(".turn.model").get_by_text("after your last word").wait_for()
    page.locator(".switch").click()
    page.get_by_text("Ready", exact=True).wait_for()
    [heard] = tiny.events(f"{TRANSCRIPTION}.completed")
    [said] = tiny.events("response.output_audio_transcript.done")
    assert said["transcript"] == "seven" and heard["transcript"]
    for selector, kind, whole in (
        (SAID, f"{TRANSCRIPTION}.delta", heard),
        (ANSWERED, "response.output_audio_transcript.delta", said),
    ):
        pieces = [event["delta"] for event in tiny.events(kind)]
        # One after another, as they came, and at last the whole.
        assert page.evaluate("(selector) => shown(selector)", selector) == list(accumulate(pieces))
        assert page.locator(selector).inner_text() == whole["transcript"] == "".join(pieces)


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
