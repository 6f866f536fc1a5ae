"""The best of the omni model's own drawings: what is scored, and what a stopped evaluation keeps of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omniloom.cli import main
from omniloom.core.randomness import seeded
from omniloom.evaluation.pictures import replies
from omniloom.generation import Omni
from omniloom.generation.rerank import Reranker
from omniloom.models.pictures import Contrastive

CONFIG = {"text_length": 32, "side": 64, "patch": 16, "width": 16, "num_heads": 2, "space": 8}


@pytest.fixture(scope="module")
def omni() -> Omni:
    return Omni.load("tiny")


@pytest.fixture(scope="module")
def reranker(omni: Omni) -> Reranker:
    """Untrained: that it chooses is all that is asked of it."""
    text = omni.codecs.text
    with seeded("untrained reranker"):
        return Reranker(Contrastive(Contrastive.Config(text_vocabulary=len(text.token_bytes), **CONFIG)), text)  # type: ignore[arg-type]


def test_a_reply_without_a_picture_is_wrong(omni: Omni, reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of four replies are there, of which one is right: a quarter of what was asked for, and not a half."""
    (request,) = replies.drawing_requests("emoji", 1)
    drawn = replies.drawn_replies(omni, "draw a cat", num_replies=2, seed=0)
    judged = iter((1.0, 0.0))
    monkeypatch.setattr(replies, "drawn_replies", lambda *args, **kwargs: drawn)
    monkeypatch.setattr(replies, "score", lambda *args: next(judged))
    found = replies.measured_reply(omni, reranker, request, candidates=4, temperature=1.0)
    assert found == {"best": 1.0, "mean": 0.25, "any": 1.0}
    monkeypatch.setattr(replies, "drawn_replies", lambda *args, **kwargs: [])
    none = replies.measured_reply(omni, reranker, request, candidates=4, temperature=1.0)
    assert none == {"best": 0.0, "mean": 0.0, "any": 0.0}


def test_finished_requests_are_kept(
    reranker: Reranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reranker.save(tmp_path / "reranker")
    asked: list[Any] = []
    measured = replies.measured_reply
    monkeypatch.setattr(
        replies, "measured_reply", lambda *args, **own: asked.append(args[2].number) or measured(*args, **own)
    )
    command = ["evaluate", "pictures", "--checkpoint", "tiny", "--reranker", str(tmp_path / "reranker")]
    command += ["--candidates", "2", "--results", str(tmp_path / "items.jsonl"), "--json", str(tmp_path / "r.json")]
    assert main([*command, "--limit", "1"]) == 0
    assert main([*command, "--limit", "2"]) == 0
    assert asked == [0, 0, 1, 1], "the first request of each kind is not asked again"
    (report,) = json.loads((tmp_path / "r.json").read_text())["reports"]
    assert {row["n"] for row in report["rows"]} == {2} and (report["num_kept"], report["num_asked"]) == (2, 2)
    assert main([*command, "--limit", "2", "--drawn-at", "2"]) == 2
    assert "temperature was 1.0 and is 2.0; give another --results" in capsys.readouterr().err


def test_a_temperature_without_a_reranker_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "pictures", "--drawn-at", "2"]) == 2
    assert "--drawn-at is of an omni checkpoint's own drawings; give --reranker too" in capsys.readouterr().err
