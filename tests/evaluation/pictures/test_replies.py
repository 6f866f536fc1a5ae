"""Drawings of an omni model through the wire: asked as each server can be, judged, chosen among, and never lost."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.dying_endpoint import Endpoint, running_endpoint
from tests.support.emoji import made_up_emoji
from tests.support.small_pictures import small_reranker

from omniloom.cli import main
from omniloom.core.randomness import seeded
from omniloom.evaluation.endpoints import Client
from omniloom.evaluation.endpoints.talker import ServedOmni
from omniloom.evaluation.pictures.painters import DrawingRequest, LoadedPainter
from omniloom.evaluation.pictures.replies import chosen, drawing_examples
from omniloom.evaluation.suites import load_reports
from omniloom.generation import Omni
from omniloom.generation.rerank import Reranker
from omniloom.models.pictures import Contrastive
from omniloom.stream.parts import Image, Text

pytest.importorskip("openai")

NUM = 3
CONFIG: dict[str, Any] = {"text_length": 64, "side": 64, "patch": 16, "width": 16, "num_heads": 2, "space": 8}


@pytest.fixture(autouse=True)
def emoji() -> Iterator[None]:
    with made_up_emoji():
        yield


@pytest.fixture(autouse=True)
def never_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniloom.evaluation.endpoints.client.MAX_RETRIES", 0)


def truths() -> dict[str, Image]:
    """What is to be drawn, by the words that ask for it."""
    found = {}
    for name in ("scenes", "emoji"):
        for example in drawing_examples(name, NUM):
            (words,) = [part.text for part in example.prompt[-1].parts if isinstance(part, Text)]
            (found[words],) = [part for part in example.reply.parts if isinstance(part, Image)]
    return found


class Draughtsman:
    """Draws what is asked for; every second time it is asked for the same, black paper."""

    def __init__(self) -> None:
        self.truths, self.num_asked = truths(), dict.fromkeys(truths(), 0)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        is_chat = "messages" in body
        words = body["messages"][0]["content"] if is_chat else body["prompt"]
        self.num_asked[words] += 1
        number = body["seed"] if is_chat else self.num_asked[words] - 1
        image = self.truths[words] if number % 2 == 0 else Image(torch.zeros(3, 64, 64, dtype=torch.uint8))
        data = base64.b64encode(image.to_bytes("PNG")).decode()
        if not is_chat:
            return {"created": 0, "data": [{"b64_json": data}]}
        images = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}]
        message = {"role": "assistant", "content": "so", "images": images}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return {"id": "1", "created": 0, "model": "m", "object": "chat.completion", "choices": [choice]}


def command(endpoint: Endpoint, *more: str) -> list[str]:
    served = ["--endpoint", endpoint.url, "--model", "m", "--limit", str(NUM), "--candidates", "4"]
    return ["evaluate", "pictures", *served, *more]


@pytest.mark.parametrize(
    ("extensions", "drawn_at", "temperatures", "note"),
    [
        (("chat_images", "image_temperature"), "2.5", {(0.0, 2.5)}, ""),
        (("chat_images",), "0.7", {(0.7, None)}, "; words too are drawn at the temperature"),
        (None, None, {(None, None)}, "; drawn as the server likes"),
    ],
)
def test_a_server_is_asked_in_the_way_that_it_can_be(
    extensions: tuple[str, ...] | None, drawn_at: str | None, temperatures: set[Any], note: str, tmp_path: Path
) -> None:
    drawn = [] if drawn_at is None else ["--drawn-at", drawn_at]
    with running_endpoint(Draughtsman().answer, extensions=extensions) as endpoint:
        assert main(command(endpoint, *drawn, "--json", str(tmp_path / "report.json"))) == 0
        asked = [(body.get("temperature"), body.get("image_temperature")) for body in endpoint.bodies]
        seeds = [body.get("seed") for body in endpoint.bodies]
    assert set(asked) == temperatures and len(asked) == 2 * NUM * 4
    assert sorted(seeds) == sorted([*range(NUM * 4)] * 2) if extensions is not None else set(seeds) == {None}
    (report,) = load_reports(tmp_path / "report.json")
    assert report.settings == {"candidates": 4, "temperature": None if drawn_at is None else float(drawn_at)}
    assert [(row.name, row.n, row.score, row.ceiling) for row in report.rows] == [
        ("scenes right, one reply", NUM, 0.5, 1.0),
        ("emoji right, one reply", NUM, 0.5, 1.0),
    ]
    assert {row.note for row in report.rows} == {f"losses of captions cannot be asked through the wire{note}"}


def test_one_that_dies_half_way_loses_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_reranker().save(tmp_path / "reranker")
    results, report = tmp_path / "items.jsonl", tmp_path / "report.json"
    artist = Draughtsman()
    with running_endpoint(artist.answer, extensions=("chat_images", "image_temperature")) as endpoint:
        asked = command(endpoint, "--results", str(results), "--json", str(report))
        endpoint.num_left = 13
        assert main(asked) == 2
        assert "finished items are kept" in capsys.readouterr().err and not report.exists()
        assert len(results.read_text().splitlines()) == 1 + endpoint.num_answers == 1 + 13
        endpoint.num_left = 10**9
        assert main(asked) == 0
        assert endpoint.num_answers == 24 and set(artist.num_asked.values()) == {4}, "none was drawn twice"
        (found,) = load_reports(report)
        assert (found.num_kept, found.num_asked, [row.score for row in found.rows]) == (13, 11, [0.5, 0.5])
        assert main([*asked, "--drawn-at", "2"]) == 2
        assert "temperature was 1.0 and is 2.0" in capsys.readouterr().err
        assert main([*asked, "--reranker", str(tmp_path / "reranker")]) == 2
        assert "reranker was None and is" in capsys.readouterr().err


def test_a_checkpoint_draws_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Omni.load("tiny").codecs.text
    with seeded("untrained reranker"):
        network = Contrastive(Contrastive.Config(text_vocabulary=len(text.token_bytes), **CONFIG))
    Reranker(network, text).save(tmp_path / "reranker")  # type: ignore[arg-type]
    asked: list[int] = []

    def draw(self: LoadedPainter, requests: Sequence[DrawingRequest]) -> Iterator[tuple[int, Image | None]]:
        asked.extend(own.seed for own in requests)
        return whole(self, requests)

    whole = LoadedPainter.draw
    monkeypatch.setattr(LoadedPainter, "draw", draw)
    command = ["evaluate", "pictures", "--checkpoint", "tiny", "--reranker", str(tmp_path / "reranker")]
    command += ["--candidates", "2", "--results", str(tmp_path / "items.jsonl"), "--json", str(tmp_path / "r.json")]
    assert main([*command, "--limit", "1"]) == 0
    assert main([*command, "--limit", "2"]) == 0
    assert asked == [0, 1, 0, 1, 2, 3, 2, 3], "the first request of each kind is not asked again"
    (report,) = load_reports(tmp_path / "r.json")
    assert {row.n for row in report.rows} == {2} and (report.num_kept, report.num_asked) == (4, 4)
    assert main([*command, "--limit", "2", "--drawn-at", "2"]) == 2
    assert "temperature was 1.0 and is 2.0; give another --results" in capsys.readouterr().err


def test_what_cannot_be_asked_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with running_endpoint(Draughtsman().answer) as endpoint:
        assert main(command(endpoint, "--drawn-at", "0.5")) == 2
        assert "image endpoint, which takes no temperature; leave --drawn-at out" in capsys.readouterr().err
        assert main(command(endpoint, "--drawn-at", "0")) == 2
        assert "all 4 candidates are the same; give more than 0, or --candidates 1" in capsys.readouterr().err
        served = ServedOmni(Client(endpoint.url, "m"))
        with pytest.raises(ValueError, match="takes no temperature; give none"):
            next(served.replies([[Text("draw a cat")]], [("image",)], seed=0, image_temperature=1.0))
        assert not endpoint.bodies
    assert main(["evaluate", "pictures", "--checkpoint", "tiny", "--drawn-at", "1"]) == 2
    assert "--drawn-at is of an omni model's own drawings; give --reranker or --endpoint" in capsys.readouterr().err


def test_the_best_is_that_which_fits_best_and_no_picture_is_wrong() -> None:
    candidates = [{"right": 0.0, "fit": 0.1}, {"right": 1.0, "fit": 0.4}, {"right": 0.0, "fit": 0.4}]
    undrawn = {"right": 0.0, "fit": None}
    assert chosen([*candidates, undrawn]) == {"mean": 0.25, "any": 1.0, "best": 1.0}
    assert chosen([undrawn, undrawn]) == {"mean": 0.0, "any": 0.0, "best": 0.0}


def test_more_requests_begin_with_the_same_and_another_seed_has_others() -> None:
    few, many, others = (drawing_examples("scenes", count, seed=seed) for count, seed in ((2, 1), (4, 1), (2, 2)))
    assert [own.facts for own in many[:2]] == [own.facts for own in few] != [own.facts for own in others]
