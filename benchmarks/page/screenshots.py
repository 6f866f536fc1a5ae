"""Pictures of the page for the docs, taken by a headless Chromium of the shipped model: `make screenshots`.

    python benchmarks/page/screenshots.py --out docs/figures

The microphone is a voice made here that says one thing again and again; all that is seen was answered by the model
at that moment, and what stands under the answers was measured there. Palettes of 256 colours were rejected: a small red
heart among so many greys of letters comes out grey.
"""

from __future__ import annotations

import argparse
import io
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from playwright.sync_api import sync_playwright

from omniloom.core.randomness import generator
from omniloom.data.speech.synthesis import VOICES, synthesize
from omniloom.generation import Omni
from omniloom.serving.talk import listen, make_server
from omniloom.stream.parts import Audio

ASKED = "say red star seven"
QUIET_BEFORE_S, QUIET_AFTER_S = 1.0, 3.5
EXAMPLES_SEED = 0
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream"]
MICROPHONE = "--use-fake-device-for-media-stream"
WIDE, PHONE = {"width": 1100, "height": 780}, {"width": 390, "height": 800}
PATIENCE_MS = 90_000
UNWRITTEN = ".turn.user .spoken:not(:has(.said, button))"
"""Spoken turns without their transcript; sounds from files have a button and none."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, default=Path("docs/figures"))
    arguments.add_argument("--chromium", help="path of the browser; Playwright's own where it is left out")
    arguments.add_argument("--only", nargs="*", choices=sorted(SHOTS), default=sorted(SHOTS))
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, served() as address, sync_playwright() as playwright:
        flags = [*FLAGS, MICROPHONE, f"--use-file-for-fake-audio-capture={spoken(Path(folder) / 'asked.wav')}"]
        browser = playwright.chromium.launch(executable_path=options.chromium, args=flags)
        for name in options.only:
            viewport, scheme, shoot = SHOTS[name]
            context = browser.new_context(viewport=viewport, color_scheme=scheme, device_scale_factor=2)
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            page.route("**/tasks.json*", always_the_same)
            page.goto(address)
            page.get_by_text("Ready", exact=True).wait_for()
            page.locator(".example").first.wait_for()
            shoot(page)
            keep(page, options.out / f"{name}.png")
            context.close()
        browser.close()


@contextmanager
def served() -> Iterator[str]:
    listener = listen("127.0.0.1", 0)
    server = make_server(Omni.load("tiny"), model_name="tiny", turns_remembered=0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


def spoken(path: Path) -> Path:
    """The question by a voice that the model was not trained on, with quiet around it."""
    voice = synthesize(ASKED, VOICES["en"]["new"][0]).audio.resampled(48_000)
    num_before, num_after = (int(seconds * voice.rate_hz) for seconds in (QUIET_BEFORE_S, QUIET_AFTER_S))
    loud = 0.7 * voice.samples / voice.samples.abs().max()
    padded = np.pad(loud.numpy(), (num_before, num_after))
    room = generator("screenshots", "room").normal(0, 2e-4, padded.size)
    Audio(torch.from_numpy((padded + room).astype(np.float32)), voice.rate_hz).save(path)
    return path


def always_the_same(route: Any) -> None:
    """The examples of one seed, whichever the page draws."""
    route.continue_(url=re.sub(r"seed=\d+", f"seed={EXAMPLES_SEED}", route.request.url))


def keep(page: Any, path: Path) -> None:
    page.mouse.move(0, 0)
    picture = PillowImage.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    picture.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1000} kB")


# What is shown


def welcome(page: Any) -> None:
    page.mouse.move(0, 0)


def try_examples(page: Any, *groups: str) -> None:
    """Ask the first example of each group, one after another."""
    for group in groups:
        if page.locator("#welcome").is_hidden():
            page.keyboard.press("Alt+KeyE")
        count = page.locator(".turn.model").count()
        page.locator(f".group:has(h3:text-is('{group}')) .example").first.click()
        page.locator(".turn.model").nth(count).locator(".timing").wait_for()
        page.get_by_text("Ready", exact=True).wait_for()


def listen_to(page: Any, *, num_answers: int) -> None:
    """Hands-free until so many answers were heard."""
    page.keyboard.press("Alt+Digit2")
    before = page.locator(".turn.audio .timing").count()
    page.locator(".switch").click()
    page.locator(".turn.audio .timing").nth(before + num_answers - 1).wait_for()
    page.locator(".switch").click()
    page.get_by_text("Ready", exact=True).wait_for()
    page.locator(UNWRITTEN).first.wait_for(state="detached")


def conversation(page: Any) -> None:
    try_examples(page, "Questions about a picture", "Emoji")
    listen_to(page, num_answers=1)


def on_a_phone(page: Any) -> None:
    try_examples(page, "Digits", "Scenes")


def drawn(page: Any) -> None:
    try_examples(page, "Scenes")
    page.get_by_role("button", name="Use this picture").click()
    page.get_by_label("Message", exact=True).fill("Make it blue.")
    page.keyboard.press("Enter")
    page.locator(".turn.model").nth(1).get_by_text("drawn in").wait_for()
    page.get_by_text("Ready", exact=True).wait_for()


def latency(page: Any) -> None:
    try_examples(page, "Sums", "Questions about a picture", "Digits")
    listen_to(page, num_answers=5)
    page.get_by_role("button", name="Latency", exact=True).click()


SHOTS: dict[str, tuple[dict[str, int], str, Callable[[Any], None]]] = {
    "page-light": (WIDE, "light", welcome),
    "page-dark": (WIDE, "dark", conversation),
    "page-phone": (PHONE, "light", on_a_phone),
    "page-drawn": (WIDE, "light", drawn),
    "page-latency": (WIDE, "light", latency),
}

if __name__ == "__main__":
    main()
