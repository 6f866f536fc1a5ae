"""The card says what the files say, and the folder stays a whole checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.evaluation.model_card import model_card, num_parameters, save_with_scores
from omniloom.evaluation.report import Ceiling, CellScore, SpeakerScore, TaskScore, WorldReport

REPORT = WorldReport(
    cells=[
        CellScore(
            name="audio-to-image",
            input="audio",
            output="image",
            split="new",
            n=300,
            score=0.7125,
            ceiling=0.95,
            majority=0.01,
            shuffled=0.02,
            tasks={"draw": TaskScore(n=300, score=0.7125, ceiling=0.95, parts={"shape": 0.9})},
        )
    ],
    speakers=[SpeakerScore(speaker="george", n=80, written=0.9375, spoken=0.9)],
    codecs=[Ceiling(codec="image", what="drawn scenes", n=300, direct=1.0, after=0.97)],
    settings={"limit": 300, "seed": 0},
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    def write(path: Path) -> None:
        save_file({"weight": torch.zeros(30, 40), "bias": torch.zeros(34)}, str(path / "model.safetensors"))

    return write_folder(tmp_path / "tiny", write)


def test_the_card_is_made_of_what_was_measured(checkpoint: Path) -> None:
    save_with_scores(checkpoint, REPORT, facts={"training_minutes": 61.5, "model": {"tokens": 12_000_000}})
    card = (checkpoint / "README.md").read_text()
    assert card.startswith("# omniloom tiny\n")
    for expected in (
        "audio-to-image",
        "0.713",
        "| 0.970 |",
        "0.950",
        "0.750",
        "| george | 80 | 0.938",
        "1,234",
        "61.5",
        "12,000,000",
    ):
        assert expected in card
    read_manifest(checkpoint)
    assert WorldReport.load(checkpoint / "scores.json").to_json() == REPORT.to_json()


def test_facts_stay_when_only_scores_are_new(checkpoint: Path) -> None:
    save_with_scores(checkpoint, REPORT, facts={"training_minutes": 61.5})
    first = (checkpoint / "README.md").read_text()
    save_with_scores(checkpoint, REPORT)
    assert (checkpoint / "README.md").read_text() == first


def test_parameters_are_counted_from_the_header(checkpoint: Path) -> None:
    assert num_parameters(checkpoint / "model.safetensors") == 30 * 40 + 34


def test_a_checkpoint_without_scores_has_no_card(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"has no scores; evaluate it"):
        model_card(checkpoint)


def test_a_foreign_file_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"cells": [{}]}')
    with pytest.raises(ValueError, match="is not a world report"):
        WorldReport.load(tmp_path / "scores.json")
