"""A real browser before a real server, with recordings as its microphone, and what it played kept to listen to.

Set `OMNILOOM_SCREENSHOTS` to a folder to keep what the page looked like.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the package playwright is missing; pip install playwright"
)

RATE_HZ = 48_000
PATIENCE_MS = 90_000
"""How long anything is waited for: a machine that does much else is slow, and not wrong."""
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

BROWSER_SAYS = ("WebSocket connection to", "net::ERR_", "401 (Unauthorized)")
"""What a browser itself writes into the console where a handshake or a request fails; the page tells these in words."""

# `shown(selector)` gives every text that an element had from `watchTexts(selector)` on; `cutConnection()` ends the
# connection as a network does: the page is not asked.
INSTRUMENTS = """
  const sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  };
  window.cutConnection = () => sockets.at(-1).close();

  const texts = {};
  window.watchTexts = (selector) => {
    texts[selector] = [];
    const note = () => {
      const now = document.querySelector(selector)?.textContent ?? "";
      if (now !== (texts[selector].at(-1) ?? "")) texts[selector].push(now);
    };
    const everything = { subtree: true, childList: true, characterData: true };
    new MutationObserver(note).observe(document.querySelector("#log"), everything);
  };
  window.shown = (selector) => texts[selector];
"""

# `heard()` gives what went to the loudspeaker, without silence, as 32-bit samples in base64. It listens in the thread
# that plays, which loses nothing on a busy machine; the page's policy has to be set aside for that code.
LOUDSPEAKER = """
  const tapCode = `registerProcessor("tap", class extends AudioWorkletProcessor {
    constructor() {
      super();
      this.port.onmessage = () => this.port.postMessage(null);
    }
    process([[samples]]) {
      if (samples?.some((sample) => sample !== 0)) this.port.postMessage(samples.slice());
      return true;
    }
  });`;
  const tapAddress = URL.createObjectURL(new Blob([tapCode], { type: "text/javascript" }));
  const { addModule } = AudioWorklet.prototype;
  AudioWorklet.prototype.addModule = async function (address) {
    await addModule.call(this, tapAddress);
    return addModule.call(this, address);
  };
  const { connect } = AudioNode.prototype;
  const played = [];
  const taps = [];
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target === this.context.destination) {
      const tap = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0 });
      tap.port.onmessage = ({ data }) => (data ? played.push(...data) : tap.answered());
      taps.push(tap);
      connect.call(this, tap);
    }
    return connect.call(this, target, ...rest);
  };
  const emptied = (tap) =>
    new Promise((resolve) => {
      tap.answered = resolve;
      tap.port.postMessage(null);
    });
  window.heard = async () => {
    await Promise.all(taps.map(emptied));
    const sounding = Float32Array.from(played.filter((sample) => sample !== 0));
    let text = "";
    for (const byte of new Uint8Array(sounding.buffer)) text += String.fromCharCode(byte);
    return btoa(text);
  };
"""


def find_chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium was found; install it (Debian: apt-get install chromium) or run make browser")


def read_digit(name: str) -> np.ndarray:
    """A person saying a digit, at the microphone's rate and near full loudness."""
    data = os.environ.get("OMNILOOM_DATA")
    if data is None:
        pytest.skip("OMNILOOM_DATA is not set; it names the folder that holds fsdd/recordings")
    recording = Path(data, "fsdd", "recordings", f"{name}.wav")
    if not recording.exists():
        pytest.skip(f"{recording} is missing; OMNILOOM_DATA should hold fsdd/recordings")
    with wave.open(str(recording)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        samples = soxr.resample(samples, file.getframerate(), RATE_HZ)
    loud: np.ndarray = 0.8 * samples / np.abs(samples).max()
    return loud


def write_wav(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person saying "seven", a second of quiet before and ten after, as a file for the browser's microphone."""
    digit = read_digit("7_jackson_0")
    room = np.random.default_rng(0).normal(0, 2e-4, RATE_HZ * 11 + len(digit))
    room[RATE_HZ : RATE_HZ + len(digit)] += digit
    return write_wav(tmp_path_factory.mktemp("voice") / "seven.wav", room)


@pytest.fixture(scope="session")
def spoken_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same "seven" alone, as a file to drop on the page."""
    return write_wav(tmp_path_factory.mktemp("file") / "seven.wav", read_digit("7_jackson_0"))


class Watched:
    """A page, the events it sent and got, and what it played."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.sent: list[dict[str, Any]] = []
        self.got: list[dict[str, Any]] = []
        page.on("websocket", self._follow)

    def _follow(self, socket: Any) -> None:
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))
        socket.on("framereceived", lambda text: self.got.append(json.loads(text)))

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in (*self.sent, *self.got) if event["type"] == kind]

    def cut(self) -> None:
        """End the connection under the page."""
        self.page.evaluate("cutConnection()")

    def played(self) -> np.ndarray:
        """What went to the loudspeaker, without its silent samples."""
        return np.frombuffer(base64.b64decode(self.page.evaluate("heard()")), "<f4")

    def sound(self) -> np.ndarray:
        """What the server sent to be played."""
        pieces = [base64.b64decode(event["delta"]) for event in self.events("response.output_audio.delta")]
        return np.frombuffer(b"".join(pieces), "<i2").astype(np.float32) / 32768


@pytest.fixture(scope="module")
def browser(voice: Path) -> Iterator[Any]:
    """A browser that hears the voice again and again."""
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={voice}"]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Watched]]:
    """Opens the page of a server; it must end without an error in its console, or with none but of lost connections."""
    contexts: list[Any] = []
    problems: list[str] = []

    def opened(address: str, **options: Any) -> Watched:
        context = browser.new_context(
            **{"viewport": {"width": 1100, "height": 800}, "color_scheme": "light", **options}
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.add_init_script(INSTRUMENTS)
        if options.get("bypass_csp"):
            page.add_init_script(LOUDSPEAKER)
        watched = Watched(page)
        page.goto(f"http://{address}")
        return watched

    yield opened
    for context in contexts:
        context.close()
    assert [problem for problem in problems if not any(words in problem for words in BROWSER_SAYS)] == []


@pytest.fixture
def watched(server: str, open_page: Callable[..., Watched]) -> Watched:
    """The page before the stand-in for the model."""
    watched = open_page(server)
    watched.page.get_by_text("Ready", exact=True).wait_for()
    return watched


@pytest.fixture
def page(watched: Watched) -> Any:
    return watched.page


@pytest.fixture
def tiny(tiny_server: str, open_page: Callable[..., Watched]) -> Watched:
    """The page before the shipped model, and what it plays is kept."""
    watched = open_page(tiny_server, bypass_csp=True)
    watched.page.get_by_text("Ready", exact=True).wait_for()
    return watched


@pytest.fixture
def show() -> Callable[[Any, str], None]:
    """Keeps a screenshot where a folder for them was named."""
    folder = os.environ.get("OMNILOOM_SCREENSHOTS")

    def keep(page: Any, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder, f"{name}.png")), animations="disabled")

    return keep


@pytest.fixture
def last_answer() -> Callable[[Any], Any]:
    return lambda page: page.locator(".turn.model").last


@pytest.fixture
def ask() -> Callable[..., None]:
    """Types words into the message field and sends them."""

    def type_and_send(page: Any, words: str, *, form: str) -> None:
        page.locator(f"label:has(input[name=form][value={form}])").click()
        page.get_by_label("Message", exact=True).fill(words)
        page.keyboard.press("Enter")

    return type_and_send
