"""Embeddings: the model's own vectors, in both encodings, for the official client."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

from omniloom.generation import Omni

TEXTS = ["a big red circle", "a small red circle", "seven plus two"]


def embed(api: TestClient, **fields: Any) -> Any:
    return api.post("/v1/embeddings", json={"model": "tiny", "input": TEXTS, **fields})


def test_vectors_are_the_models_in_both_encodings(api: TestClient, tiny: Omni) -> None:
    expected = tiny.embed(TEXTS).numpy()
    answer = embed(api).json()
    assert [one["index"] for one in answer["data"]] == [0, 1, 2]
    found = np.array([one["embedding"] for one in answer["data"]], np.float32)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    packed = embed(api, encoding_format="base64", dimensions=found.shape[1]).json()
    unpacked = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in packed["data"]]
    np.testing.assert_array_equal(unpacked, expected)
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0


def test_one_text_is_a_list_of_one(api: TestClient, tiny: Omni) -> None:
    answer = embed(api, input=TEXTS[0]).json()
    # Rows that are embedded together differ in the last bits of their products.
    np.testing.assert_allclose(answer["data"][0]["embedding"], tiny.embed(TEXTS).numpy()[0], atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "text-embedding-3-small"}, 404, "model"),
        ({"input": []}, 400, "input"),
        ({"input": [1, 2]}, 400, "input.0"),
        ({"input": ["a", " "]}, 400, "input.1"),
        ({"input": "a" * 4_001}, 400, "input.0"),
        ({"dimensions": 3}, 400, "dimensions"),
        ({"encoding_format": "int8"}, 400, "encoding_format"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_name(
    api: TestClient, fields: dict[str, Any], status: int, param: str
) -> None:
    response = embed(api, **fields)
    assert response.status_code == status and response.json()["error"]["param"] == param


def test_the_official_client_embeds(client: openai.OpenAI, tiny: Omni) -> None:
    found = client.embeddings.create(model="tiny", input=TEXTS)  # asks for base64 and unpacks it
    np.testing.assert_array_equal(
        np.array([one.embedding for one in found.data], np.float32), tiny.embed(TEXTS).numpy()
    )
