"""The openai package of npm at every HTTP endpoint of a real server: it gets what the model gives in this process."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from omniloom.generation import Omni

SCRIPT = Path(__file__).with_name("every_endpoint.cjs")
CLIENTS = Path(os.environ.get("OMNILOOM_CLIENTS", Path(__file__).parents[3] / "build" / "clients"))
QUESTION = "I see a green circle. What colour is the circle?"
PHRASE = "seven apple"
PROMPT = "draw a big red circle"

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(
        shutil.which("node") is None or not (CLIENTS / "node_modules" / "openai").exists(),
        reason="node or its package openai is missing; run make clients",
    ),
]


@pytest.fixture(scope="module")
def found(tiny_address: str) -> dict[str, Any]:
    """What each step of the script gave."""
    asked = {"url": f"http://{tiny_address}/v1", "question": QUESTION, "phrase": PHRASE, "prompt": PROMPT}
    done = subprocess.run(
        ["node", str(SCRIPT)],
        input=json.dumps(asked),
        env={**os.environ, "NODE_PATH": str(CLIENTS / "node_modules")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_model_is_listed(found: dict[str, Any], tiny_omni: Omni) -> None:
    assert found["models"] == {"ids": ["tiny"], "context": tiny_omni.context}


def test_chats_are_the_models_whole_and_streamed(found: dict[str, Any], tiny_omni: Omni) -> None:
    expected = tiny_omni.reply(QUESTION)
    chat = found["chat"]
    assert chat["whole"] == chat["streamed"] == expected.text
    assert chat["usages"][0] == chat["usages"][1]
    assert chat["usages"][0]["total_tokens"] == expected.usage.prompt_tokens + expected.usage.reply_tokens


def test_speech_in_a_chat_is_the_models_whole_and_streamed(found: dict[str, Any], tiny_omni: Omni) -> None:
    sound = tiny_omni.reply(f'say "{PHRASE}"', "audio").audio
    assert sound is not None
    for told in found["chatSpeaks"].values():
        assert told["transcript"] == PHRASE
        assert told["bytes"] / 2 / 24_000 == pytest.approx(sound.duration_s, abs=0.001)


def test_a_tool_is_called_as_its_schema_says(found: dict[str, Any]) -> None:
    call = found["chatCalls"]
    assert (call["reason"], call["name"]) == ("tool_calls", "paint") and call["given"]["colour"] in ("red", "green")


def test_responses_are_kept_and_forgotten(found: dict[str, Any], tiny_omni: Omni) -> None:
    told = found["responses"]
    assert set(told["texts"]) == {tiny_omni.reply(QUESTION).text}
    assert told["tokens"][1] > told["tokens"][0]
    assert (told["gone"]["kind"], told["gone"]["code"]) == ("NotFoundError", "response_not_found")


def test_what_is_said_is_heard_in_every_format(found: dict[str, Any]) -> None:
    heard = dict(found["speech"])
    assert heard.pop("srt").splitlines()[2] == PHRASE
    assert heard == dict.fromkeys(("stream", "opus", "flac", "verbose"), PHRASE)


def test_pictures_are_the_models(found: dict[str, Any], tiny_omni: Omni) -> None:
    expected = tiny_omni.reply(PROMPT, "image").image
    assert expected is not None
    picture = PillowImage.open(io.BytesIO(base64.b64decode(found["images"]["png"])))
    resized = expected.to_pillow().resize((128, 128), PillowImage.Resampling.LANCZOS)
    np.testing.assert_array_equal(np.array(picture), np.array(resized))
    assert found["images"]["events"] == [*["image_generation.partial_image"] * 2, "image_generation.completed"]
    assert "blue" in found["images"]["changed"]


def test_vectors_are_the_models(found: dict[str, Any], tiny_omni: Omni) -> None:
    expected = tiny_omni.embed([QUESTION, PHRASE]).float().numpy()
    # Two texts at once and the server's own grouping add in another order.
    np.testing.assert_allclose(np.array(found["embeddings"]), expected, rtol=0, atol=1e-5)


def test_refusals_are_the_packages_own_errors(found: dict[str, Any]) -> None:
    assert found["refusals"] == {
        "model": {"kind": "NotFoundError", "status": 404, "code": "model_not_found", "param": "model"},
        "field": {"kind": "BadRequestError", "status": 400, "code": "invalid_value", "param": "temperature"},
        "picture": {"kind": "BadRequestError", "status": 400, "code": "invalid_image", "param": "image"},
    }


def test_a_stream_that_is_left_leaves_the_server_well(found: dict[str, Any]) -> None:
    assert found["leaving"] == {"chunks": 2, "after": 1}
