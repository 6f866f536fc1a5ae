"""The OpenAPI document is true: requests made from it, right and wrong, get answers that it names, and never a 500.

The short run is a sample; `-m slow` makes as many requests as the project asks for of its server.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from schemathesis import GenerationMode
from starlette.testclient import TestClient
from tests.serving.http.right_requests import RIGHT
from tests.serving.http.spoiling import Answered, Asked, Direct, Spoiler, asked_by

from omniloom.generation import Omni
from omniloom.serving.app import create_app
from omniloom.serving.http.document import STREAMED
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.voices import VOICES

# Of a form that ends in the midst of a file Starlette leaves the file to the collector, which closes it at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning")

SHAPE = {"message", "type", "param", "code"}
SHORT, LONG, COPIES = 12, 900, 9
"""Requests an operation and mode, and spoilt ones for each in a long run: 14,400 and 129,600.

Two in three are copies of the one made, the others of a right request for the same endpoint.
"""

AT_ONCE = 8
HEALTHY = Asked(
    "POST", "/v1/chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": "What is 2 plus 3?"}]}
)
"""Asked beside the others, and always answered alike."""

OPERATIONS = [
    ("/v1/models/{name}", "get"),
    ("/v1/chat/completions", "post"),
    ("/v1/completions", "post"),
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
def server(tiny: Omni) -> Iterator[Direct]:
    """Replies are short here: the tests ask about requests."""
    direct = Direct(create_app(tiny, model_name="tiny", limits=Limits(response_tokens=4)))
    yield direct
    direct.close()


@pytest.fixture(scope="module")
def document(server: Direct) -> dict[str, Any]:
    """As it is served, but that `model` and `voice` are ones that there are, or nearly all requests would end there."""
    found: dict[str, Any] = json.loads(server.ask(Asked("GET", "/openapi.json"))[0].body)
    for schema in found["components"]["schemas"].values():
        for name, value in (("model", "tiny"), ("voice", "loom")):
            if name in schema.get("properties", {}):
                schema["properties"][name] = {"enum": [value]}
    return found


def check(asked: Asked, answered: Answered) -> int:
    """The answer's status, which is no failure of ours, and whose body is what it says."""
    assert answered.status < 500, (asked, answered)
    if answered.status >= 400:
        assert set(json.loads(answered.body)["error"]) == SHAPE, (asked, answered)
    elif answered.content_type == "application/json":
        json.loads(answered.body)
    return answered.status


def fuzz(
    server: Direct, document: dict[str, Any], path: str, method: str, mode: GenerationMode, count: int
) -> tuple[Counter[int], list[Asked]]:
    """So many requests made from the document, and the statuses of their answers."""
    operation = schemathesis.openapi.from_dict(document)[path][method.upper()]
    statuses: Counter[int] = Counter()
    made: list[Asked] = []

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
        made.append(asked_by(case))
        (answered,) = server.ask(made[-1])
        statuses[check(made[-1], answered)] += 1

    ask()
    return statuses, made


def fuzz_spoilt(server: Direct, made: list[Asked], path: str, mode: GenerationMode, copies: int) -> Counter[int]:
    """The statuses of spoilt requests, asked several at a time beside one that nothing is wrong with."""
    spoiler, right = Spoiler(f"{path} {mode}", made), cycle(RIGHT[path])
    spoilt = [spoiler.spoil(next(right) if number % 3 == 2 else asked) for asked in made for number in range(copies)]
    (healthy,) = server.ask(HEALTHY)
    said = json.loads(healthy.body)["choices"]
    statuses: Counter[int] = Counter()
    for start in range(0, len(spoilt), AT_ONCE):
        asked = spoilt[start : start + AT_ONCE]
        *answers, beside = server.ask(*asked, HEALTHY)
        for one, answered in zip(asked, answers, strict=True):
            statuses[check(one, answered)] += 1
        assert json.loads(beside.body)["choices"] == said, asked
    return statuses


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_requests_of_the_document_are_answered(
    server: Direct, document: dict[str, Any], path: str, method: str
) -> None:
    statuses, _ = fuzz(server, document, path, method, GenerationMode.POSITIVE, SHORT)
    assert sum(statuses.values()) >= SHORT


@pytest.mark.parametrize(("path", "method"), BODIES)
def test_requests_against_the_document_are_refused(
    server: Direct, document: dict[str, Any], path: str, method: str
) -> None:
    statuses, _ = fuzz(server, document, path, method, GenerationMode.NEGATIVE, SHORT)
    assert set(statuses) <= {400, 404, 405, 413, 415}, statuses


@pytest.mark.parametrize("path", RIGHT)
def test_right_requests_are_right(server: Direct, path: str) -> None:
    """Or spoiling them would try nothing new."""
    for asked in RIGHT[path]:
        (answered,) = server.ask(asked)
        assert answered.status == 200, answered


@pytest.mark.parametrize(("path", "method"), BODIES)
def test_spoilt_requests_meet_no_500_and_harm_nobody(
    server: Direct, document: dict[str, Any], path: str, method: str
) -> None:
    _, made = fuzz(server, document, path, method, GenerationMode.POSITIVE, SHORT)
    statuses = fuzz_spoilt(server, made, path, GenerationMode.POSITIVE, 6)
    assert statuses.total() == 6 * len(made) and set(statuses) - {200}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), BODIES)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_a_hundred_thousand_requests_meet_no_500(
    server: Direct, document: dict[str, Any], path: str, method: str, mode: GenerationMode
) -> None:
    statuses, made = fuzz(server, document, path, method, mode, LONG)
    spoilt = fuzz_spoilt(server, made, path, mode, COPIES)
    print(f"\n{path} {mode.value}: {len(made):,} made, {dict(statuses)}; {spoilt.total():,} spoilt, {dict(spoilt)}")
    assert statuses.total() >= LONG and spoilt.total() >= LONG * COPIES


def test_the_document_names_every_endpoint_and_what_streams(api: TestClient) -> None:
    document = api.get("/openapi.json").json()
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


def test_the_document_is_no_wider_than_the_server(api: TestClient) -> None:
    """Voices are named, and an integer may be written as JSON lets it: every body here fits the document."""
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    for name in ("SpeechRequest", "ChatAudio"):
        names, by_id = schemas[name]["properties"]["voice"]["anyOf"]
        assert names["enum"] == list(VOICES) and by_id["$ref"].endswith("VoiceById")
    assert schemas["VoiceById"]["properties"]["id"]["enum"] == list(VOICES)
    talk = [{"role": "user", "content": "What is 2 plus 3?"}]
    for path, body in (
        ("chat/completions", {"messages": talk, "max_tokens": 4, "n": 1, "seed": 7}),
        ("completions", {"prompt": "What is 2 plus 3?", "max_tokens": 4, "n": 1, "seed": 7}),
        ("completions", {"prompt": [3, 4], "max_tokens": 4, "seed": 2**53}),
    ):
        whole, written = (
            api.post(f"/v1/{path}", json={"model": "tiny", **kind(body)}) for kind in (lambda own: own, _with_point)
        )
        assert whole.status_code == written.status_code == 200, written.text
        assert whole.json()["choices"] == written.json()["choices"]
    refused = api.post("/v1/completions", json={"model": "tiny", "prompt": "a", "n": 1.5})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "n"


def _with_point(value: Any) -> Any:
    """The same with 2.0 for 2."""
    if isinstance(value, dict):
        return {name: _with_point(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_point(item) for item in value]
    return float(value) if isinstance(value, int) else value


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _references(value)
