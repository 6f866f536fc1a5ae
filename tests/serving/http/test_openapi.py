"""The OpenAPI document is true: requests made from it, right and wrong, get answers that it names, and never a 500.

The short run is a sample; `-m slow` makes as many requests as the project asks for of its server.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from omniloom.generation import Omni
from omniloom.serving.app import create_app
from omniloom.serving.http.document import STREAMED
from omniloom.serving.realtime.limits import Limits

SHAPE = {"message", "type", "param", "code"}
SHORT, LONG = 12, 9_000
"""Requests an operation and mode. A long run makes more than 100,000."""

OPERATIONS = [
    ("/v1/models/{name}", "get"),
    ("/v1/chat/completions", "post"),
    ("/v1/responses", "post"),
    ("/v1/responses/{name}", "get"),
    ("/v1/responses/{name}", "delete"),
    ("/v1/audio/speech", "post"),
    ("/v1/audio/transcriptions", "post"),
    ("/v1/images/generations", "post"),
    ("/v1/images/edits", "post"),
    ("/v1/embeddings", "post"),
]
BODIES = [(path, method) for path, method in OPERATIONS if method == "post"]


@pytest.fixture(scope="module")
def server(tiny: Omni) -> Iterator[TestClient]:
    """Replies are short here: the tests ask about requests."""
    app = create_app(tiny, model_name="tiny", limits=Limits(response_tokens=4))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def document(server: TestClient) -> dict[str, Any]:
    """As it is served, but that `model` is the one served, or nearly all requests would end there."""
    found: dict[str, Any] = server.get("/openapi.json").json()
    for schema in found["components"]["schemas"].values():
        if "model" in schema.get("properties", {}):
            schema["properties"]["model"] = {"enum": ["tiny"]}
    return found


def fuzz(
    server: TestClient, document: dict[str, Any], path: str, method: str, mode: GenerationMode, count: int
) -> Counter[int]:
    """The statuses of so many requests made from the document."""
    operation = schemathesis.openapi.from_dict(document)[path][method.upper()]
    statuses: Counter[int] = Counter()

    @hypothesis_seed(0)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url="http://localhost")
        known = ("method", "url", "headers", "params", "json", "data", "files", "content")
        sent = {name: value for name, value in sent.items() if name in known}
        if isinstance(sent.get("data"), str | bytes):
            sent["content"] = sent.pop("data")
        response = server.request(**sent)
        statuses[response.status_code] += 1
        assert response.status_code < 500, (sent, response.text)
        if response.status_code >= 400:
            assert set(response.json()["error"]) == SHAPE

    ask()
    return statuses


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_requests_of_the_document_are_answered(
    server: TestClient, document: dict[str, Any], path: str, method: str
) -> None:
    statuses = fuzz(server, document, path, method, GenerationMode.POSITIVE, SHORT)
    assert sum(statuses.values()) >= SHORT


@pytest.mark.parametrize(("path", "method"), BODIES)
def test_requests_against_the_document_are_refused(
    server: TestClient, document: dict[str, Any], path: str, method: str
) -> None:
    statuses = fuzz(server, document, path, method, GenerationMode.NEGATIVE, SHORT)
    assert set(statuses) <= {400, 404, 405, 413, 415}, statuses


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), BODIES)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_a_hundred_thousand_requests_meet_no_500(
    server: TestClient, document: dict[str, Any], path: str, method: str, mode: GenerationMode
) -> None:
    fuzz(server, document, path, method, mode, LONG)


def test_the_document_names_every_endpoint_and_what_streams(server: TestClient) -> None:
    document = server.get("/openapi.json").json()
    for path, method in OPERATIONS:
        operation = document["paths"][path][method]
        assert operation["operationId"] and operation["tags"]
        assert {"200", "400", "404", "413", "429", "4XX", "5XX"} <= set(operation["responses"])
        assert "422" not in operation["responses"]
    assert {model.__name__ for model in STREAMED} <= set(document["components"]["schemas"])
    for path in ("/v1/audio/transcriptions", "/v1/images/edits"):
        assert list(document["paths"][path]["post"]["requestBody"]["content"]) == ["multipart/form-data"]
    referred = set(_references(document))
    assert referred <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert json.dumps(document)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _references(value)
