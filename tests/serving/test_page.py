"""The page in a real browser, with a recorded human voice as its microphone: it answers by text, by voice, by picture.

Set `OMNILOOM_SCREENSHOTS` to a folder to keep what the page looked like, in light, in dark and on a phone.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from PIL import Image as PillowImage

from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import describe
from omniloom.stream.parts import Image

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the package playwright is missing; pip install playwright"
)

pytestmark = [pytest.mark.service]

RATE_HZ = 48_000
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
Show = Callable[[Any, str], None]


def find_chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium was found; install it (Debian: apt-get install chromium) or run make browser")


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person saying "seven", a second of quiet before and three after, as a file for the browser's microphone."""
    data = os.environ.get("OMNILOOM_DATA")
    if data is None:
        pytest.skip("OMNILOOM_DATA is not set; it names the folder that holds fsdd/recordings")
    recording = Path(data, "fsdd", "recordings", "7_jackson_0.wav")
    if not recording.exists():
        pytest.skip(f"{recording} is missing; OMNILOOM_DATA should hold fsdd/recordings")
    with wave.open(str(recording)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        samples = soxr.resample(samples, file.getframerate(), RATE_HZ)
    room = np.random.default_rng(0).normal(0, 2e-4, RATE_HZ * 4 + len(samples))
    room[RATE_HZ : RATE_HZ + len(samples)] += 0.8 * samples / np.abs(samples).max()
    path = tmp_path_factory.mktemp("voice") / "seven.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((room * 32767).astype("<i2").tobytes())
    return path


@contextmanager
def opened_page(address: str, voice: Path) -> Iterator[Any]:
    """The page in a browser that hears the voice; it must end without an error in its console."""
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={voice}"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        page = browser.new_page(viewport={"width": 1100, "height": 800}, color_scheme="light")
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"http://{address}")
        page.get_by_text("Ready", exact=True).wait_for()
        yield page
        browser.close()
    assert problems == []


@pytest.fixture
def page(server: str, voice: Path) -> Iterator[Any]:
    with opened_page(server, voice) as page:
        yield page


@pytest.fixture
def tiny_page(tiny_server: str, voice: Path) -> Iterator[Any]:
    with opened_page(tiny_server, voice) as page:
        yield page


@pytest.fixture
def show() -> Show:
    """Keeps a screenshot where a folder for them was named."""
    folder = os.environ.get("OMNILOOM_SCREENSHOTS")

    def keep(page: Any, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.wait_for_timeout(400)  # animations end
            page.screenshot(path=str(Path(folder, f"{name}.png")))

    return keep


def last_answer(page: Any) -> Any:
    return page.locator(".turn.model").last


def test_it_answers_typed_words_by_text_speech_and_picture(page: Any, show: Show) -> None:
    show(page, "welcome-light")
    page.get_by_role("button", name="I see a green circle").click()
    last_answer(page).get_by_text("first word").wait_for()
    assert last_answer(page).locator(".words").inner_text() == "I see a green circle. What colour is the circle?"

    page.get_by_label("Speech").check()
    page.get_by_label("Message", exact=True).fill("say red star")
    page.keyboard.press("Enter")
    last_answer(page).get_by_text("first sound").wait_for()
    assert last_answer(page).locator(".words").inner_text() == "say red star"
    assert last_answer(page).get_by_role("button", name="Play again").is_visible()

    page.get_by_label("Picture", exact=True).check()
    page.get_by_label("Message", exact=True).fill("draw big red circle top left")
    page.get_by_role("button", name="Send").click()
    last_answer(page).get_by_text("drawn in").wait_for()
    drawn = last_answer(page).locator("img.drawn")
    pixels = PillowImage.open(io.BytesIO(drawn.screenshot())).convert("RGB")
    red, green, blue = pixels.getpixel((pixels.width // 4, pixels.height // 4))
    assert red > 200 and green < 90 and blue < 90
    show(page, "conversation-light")


def test_it_hears_a_human_voice_hands_free_and_answers_aloud(page: Any, show: Show) -> None:
    page.get_by_label("Hands-free").check()
    page.get_by_text("Hearing you", exact=True).wait_for(timeout=15_000)
    show(page, "hearing")
    answer = last_answer(page)
    answer.get_by_text("after your last word").wait_for(timeout=15_000)
    assert answer.locator(".words").inner_text().startswith("heard ")
    heard_ms = int(answer.locator(".words").inner_text().split()[1])
    assert 250 < heard_ms < 900
    show(page, "hands-free")
    page.get_by_label("Hands-free").uncheck()
    page.get_by_text("Ready", exact=True).wait_for()


def test_it_hears_a_human_voice_while_the_space_bar_is_held(page: Any, show: Show) -> None:
    page.get_by_label("Text", exact=True).check()
    page.locator("h1").click()
    page.keyboard.down("Space")
    page.get_by_text("Hearing you", exact=True).wait_for()
    page.wait_for_timeout(2500)
    show(page, "talking")
    page.keyboard.up("Space")
    last_answer(page).get_by_text("after you let go").wait_for()
    assert last_answer(page).locator(".words").inner_text().startswith("heard ")


def test_speaking_interrupts_a_spoken_answer(page: Any, omni: Any) -> None:
    omni.hold(after_words=2)
    page.get_by_label("Message", exact=True).fill("one two three four five six seven")
    page.keyboard.press("Enter")
    page.get_by_text("Speaking", exact=True).wait_for()
    page.get_by_label("Hands-free").check()
    page.get_by_text("Hearing you", exact=True).wait_for(timeout=15_000)
    omni.release()
    page.locator(".turn.model").first.get_by_text("interrupted").wait_for()
    page.locator(".turn.model").nth(1).get_by_text("after your last word").wait_for(timeout=15_000)


def test_a_picture_is_made_shown_and_asked_about_with_the_keyboard_alone(page: Any, show: Show) -> None:
    page.get_by_role("button", name="Make a picture").focus()
    page.keyboard.press("Enter")
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
    show(page, "palette")
    page.get_by_role("button", name="Use this picture").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the picture").wait_for()
    show(page, "attached")
    page.get_by_label("Text", exact=True).check()
    page.get_by_label("Message", exact=True).focus()
    page.keyboard.press("Enter")
    last_answer(page).get_by_text("saw 1 pictures").wait_for()


def test_a_new_conversation_starts_with_an_empty_page(page: Any) -> None:
    page.get_by_role("button", name="I see a green circle").click()
    last_answer(page).get_by_text("first word").wait_for()
    page.get_by_role("button", name="New conversation").click()
    page.get_by_text("Ready", exact=True).wait_for()
    assert page.locator(".turn").count() == 0 and page.get_by_role("heading", level=1).is_visible()
    page.get_by_role("button", name="I see a green circle").click()
    last_answer(page).get_by_text("first word").wait_for()


@pytest.mark.parametrize(
    ("name", "scheme", "width", "height"), [("dark", "dark", 1100, 800), ("phone", "light", 390, 780)]
)
def test_it_is_whole_in_the_dark_and_on_a_phone(
    page: Any, show: Show, name: str, scheme: str, width: int, height: int
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    show(page, f"welcome-{name}")
    page.get_by_role("button", name="make it blue").click()
    last_answer(page).get_by_text("drawn in").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    show(page, f"conversation-{name}")
    page.get_by_role("button", name="Make a picture").click()
    page.get_by_role("button", name="Surprise me").click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    show(page, f"palette-{name}")


def test_the_shipped_model_answers_by_text_voice_and_picture(tiny_page: Any, show: Show) -> None:
    page = tiny_page
    page.get_by_role("button", name="I see a green circle").click()
    last_answer(page).get_by_text("first word").wait_for()
    assert last_answer(page).locator(".words").inner_text() == "green"
    page.get_by_role("button", name="New conversation").click()
    page.get_by_role("button", name="draw a big red circle").click()
    last_answer(page).get_by_text("drawn in").wait_for()
    drawn = last_answer(page).locator("img.drawn").get_attribute("src")
    picture = Image.open(base64.b64decode(drawn.partition(",")[2]))
    scene = read_scene(picture)
    assert scene is not None and describe(scene) == "big red circle top left"
    show(page, "tiny-drawn")
    page.get_by_label("Speech", exact=True).check()
    page.get_by_label("Hands-free").check()
    last_answer(page).get_by_text("after your last word").wait_for(timeout=15_000)
    assert last_answer(page).locator(".words").inner_text() == "seven"
    show(page, "tiny-heard")
