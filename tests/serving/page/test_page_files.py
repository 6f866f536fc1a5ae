"""What is given to the page besides words: dropped pictures and sounds, camera frames, pictures of shapes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from omniloom.data.scenes import parse_description, render

pytestmark = [pytest.mark.service]

DROP = """({ name, type, data }) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def drop(page: Any, name: str, kind: str, data: bytes) -> None:
    page.evaluate(DROP, {"name": name, "type": kind, "data": base64.b64encode(data).decode()})


def scene_png(words: str) -> bytes:
    scene = parse_description(words)
    assert scene is not None
    return render(scene).to_bytes("PNG")


def test_a_dropped_picture_is_attached_shown_and_asked_about(page: Any, last_answer: Any) -> None:
    drop(page, "star.png", "image/png", scene_png("big blue star top left"))
    page.get_by_role("button", name="Remove the picture").wait_for()
    assert page.locator("#dropping").is_hidden()
    page.locator("label:has(input[value=text])").click()
    page.get_by_role("button", name="Send", exact=True).click()
    last_answer(page).get_by_text("saw 1 pictures").wait_for()
    assert page.locator(".turn.user img").count() == 1 and page.locator("#attachments li").count() == 0


def test_a_dropped_sound_is_decoded_and_heard(watched: Any, spoken_file: Path, last_answer: Any) -> None:
    page = watched.page
    drop(page, "seven.wav", "audio/wav", spoken_file.read_bytes())
    page.get_by_role("button", name="Remove seven.wav").wait_for()
    page.locator("label:has(input[value=text])").click()
    page.get_by_role("button", name="Send", exact=True).click()
    last_answer(page).get_by_text("heard ").wait_for()
    [item] = [event["item"] for event in watched.events("conversation.item.create")]
    [sound] = item["content"]
    seconds = len(base64.b64decode(sound["audio"])) / 48_000
    recorded = spoken_file.stat().st_size / 96_000
    assert sound["type"] == "input_audio" and abs(seconds - recorded) < 0.02
    assert page.get_by_role("button", name="Play seven.wav").is_visible()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("clip.mp4", "video/mp4", "clip.mp4 is a film"),
        ("notes.txt", "text/plain", "notes.txt cannot be attached"),
        ("broken.png", "image/png", "broken.png is not a picture"),
        ("broken.wav", "audio/wav", "broken.wav is not a sound"),
    ],
)
def test_what_cannot_be_taken_is_told_by_name(page: Any, name: str, kind: str, words: str) -> None:
    drop(page, name, kind, b"neither a picture nor a sound")
    page.get_by_role("alert").get_by_text(words).wait_for()
    assert page.locator("#attachments").is_hidden()


def test_the_camera_gives_one_frame_by_keyboard_alone(page: Any, last_answer: Any) -> None:
    page.keyboard.press("Alt+KeyC")
    page.get_by_text("The square in the middle").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("This is the picture.").wait_for()
    page.get_by_role("button", name="Again").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Take the picture").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Use this picture").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the picture").wait_for()
    size = page.locator("#attachments img").evaluate("(img) => [img.naturalWidth, img.naturalHeight]")
    assert size[0] == size[1] > 0
    assert page.evaluate("() => document.querySelector('#finder').srcObject.active") is False
    assert page.evaluate("() => document.activeElement.id") == "message"
    page.keyboard.press("Alt+Digit1")
    page.keyboard.press("Enter")
    last_answer(page).get_by_text("saw 1 pictures").wait_for()


def test_a_picture_is_made_shown_and_asked_about_with_the_keyboard_alone(page: Any, last_answer: Any) -> None:
    page.keyboard.press("Alt+KeyP")
    page.get_by_role("heading", name="Make a picture").wait_for()
    page.get_by_role("button", name="Put it top left").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Big red star top left.").wait_for()
    page.get_by_label("circle", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("blue", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Put it bottom right").focus()
    page.keyboard.press("Enter")
    page.get_by_text("and big blue circle bottom right.").wait_for()
    page.get_by_role("button", name="Use this picture").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the picture").wait_for()
    page.keyboard.press("Alt+Digit1")
    page.keyboard.press("Enter")
    last_answer(page).get_by_text("saw 1 pictures").wait_for()
