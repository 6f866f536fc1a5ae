"""`omniloom codec train|measure text|audio|image`: the three codecs by themselves."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from omniloom.cli.parsing import Parser, settings
from omniloom.cli.training import check_folder
from omniloom.core.config import override

SUMMARY = "Train the codec of one modality, or measure what is left of a part after it."
EXAMPLES = (
    "omniloom codec train image",
    "omniloom codec train image --set num_steps=500 --out runs/quick",
    "omniloom codec measure image                     # the shipped one",
    "omniloom codec measure image --codec runs/quick/codec --json image.json",
)
MODALITIES = ("text", "audio", "image")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=("train", "measure"), metavar="train|measure")
    parser.add_argument("modality", choices=MODALITIES, metavar="text|audio|image")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="train: change a setting")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="train: where the run goes (default: runs/…-codec)")
    parser.add_argument("--resume", action="store_true", help="train: go on from the newest whole checkpoint")
    parser.add_argument("--codec", type=Path, metavar="FOLDER", help="measure: this codec, in place of a model's")
    parser.add_argument("--checkpoint", default="tiny", help="measure: the model whose codec it is (default: tiny)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="measure: also write the numbers here")


def run(options: argparse.Namespace) -> int:
    from omniloom.recipes import codec_recipe

    recipe = codec_recipe(options.modality)
    if options.action == "train":
        config = override(recipe.configure(), settings(options.set))
        out = options.out or Path("runs") / f"{options.modality}-codec"
        check_folder(out, is_resuming=options.resume)
        print(f"trained the {options.modality} codec: {recipe.run(config, out=out, is_resuming=options.resume)}")
        return 0
    # Its recipe loads it, not the model: these measures are of our own codecs, and another kind is refused by name.
    folder = options.codec if options.codec is not None else _folder_of(options.checkpoint, options.modality)
    numbers = dataclasses.asdict(recipe.measure(recipe.load(folder)))
    for path, value in _rows(numbers):
        print(f"{path:<44} {value:.4g}" if isinstance(value, float) else f"{path:<44} {value}")
    if options.json is not None:
        options.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    return 0


def _folder_of(checkpoint: str, modality: str) -> Path:
    from omniloom.generation.loading import find

    return find(checkpoint) / "codecs" / modality


def _rows(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Each number with its path; those of a list go by their places."""
    if isinstance(value, dict):
        return [row for name, item in value.items() for row in _rows(item, f"{path}.{name}" if path else name)]
    if isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        return [row for place, item in enumerate(value) for row in _rows(item, f"{path}.{place}")]
    return [(path, value)]
