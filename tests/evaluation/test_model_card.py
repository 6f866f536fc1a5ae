"""The card says what the files say, and the folder stays a whole checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from omniloom.core.checkpoint import read_manifest, write_folder
from omniloom.evaluation.model_card import model_card, num_parameters, save_with_scores
from omniloom.evaluation.report import Ceiling, CellScore, LanguageScore, SpeakerScore, TaskScore, WorldReport

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
            known=300,
            refused=0.0033,
            languages={
                "en": LanguageScore(n=200, score=0.8, ceiling=1.0),
                "fr": LanguageScore(n=100, score=0.7, ceiling=1.0),
            },
        ),
        CellScore(
            name="edit_spoken",
            kind="mixed",
            input="image+audio",
            output="image",
            split="composed",
            n=300,
            score=0.75,
            ceiling=1.0,
            majority=0.01,
            majority_by_kind=0.0421,
            shuffled=0.0,
            without={"image": 0.0123, "audio": 0.0},
            tasks={},
        ),
    ],
    speakers=[SpeakerScore(speaker="george", n=80, written=0.9375, spoken=0.9)],
    skipped={"video-to-text": "not of this model"},
    turns={
        "setting": {"threshold": 0.97, "num_frames": 2},
        "settings": {"limit": 150, "seed": 2},
        "scores": [
            {
                "detector": "omniloom",
                "language": "fr",
                "n": 150,
                "cut_ins": 0.0213,
                "missed": 0.01,
                "within_160_ms": 0.9,
                "median_delay_ms": 121.4,
            }
        ],
    },
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
        "| yes | 0.003 |",
        "| edit_spoken | image+audio | composed |",
        "| 0.042 | 0.000 | image 0.012, audio 0.000 | yes |",
        "| 200 | 0.800 | 100 | 0.700 |",
        "silero on the same sounds. It is 2 frames of at least 0.97 (limit 150, seed 2).",
        "| omniloom | fr | 150 | 0.021 | 0.010 | 0.900 | 121 ms |",
        "| video-to-text | not of this model |",
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


def test_a_card_of_before_reads_as_it_did() -> None:
    """Scores written before mixed tasks, languages and turns were measured."""
    old = {"name", "input", "output", "split", "n", "score", "ceiling", "majority", "shuffled", "tasks"}
    cells = [{name: value for name, value in REPORT.cells[0].to_json().items() if name in old}]
    report = WorldReport.from_json({"cells": cells, "speakers": [], "codecs": [], "settings": {}})
    assert report.of_kind("cell") == list(report.cells) and not report.turns and not report.skipped
    assert report.cells[0].score == REPORT.cells[0].score and report.cells[0].known == 0
