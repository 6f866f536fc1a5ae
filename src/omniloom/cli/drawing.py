"""`omniloom ask` where a picture is chosen among several: from a `dall-e` run, or by the omni model.

It is no command of its own: to ask for a picture is to ask, and what else `ask` takes holds here too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.cli.parsing import Parser, positive_int

if TYPE_CHECKING:
    from omniloom.generation import Sampling
    from omniloom.generation.rerank import Ranked, Reranker
    from omniloom.stream.parts import Image

SHOWN = 8
"""Candidates of a grid, the best ones."""
RUN_RERANKER = "reranker/model"


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--best-of",
        type=positive_int,
        metavar="N",
        help="draw N pictures and keep the one that a reranker finds nearest to the words",
    )
    parser.add_argument(
        "--reranker", metavar="FOLDER", help="whose choice --best-of takes (default: that of the run in --checkpoint)"
    )
    parser.add_argument(
        "--grid", metavar="FILE", help=f"write the best {SHOWN} candidates side by side here, the best first"
    )


def is_asked(options: argparse.Namespace) -> bool:
    """Whether a picture is to be chosen, or the checkpoint does nothing but draw.

    Raises:
        ValueError: If --reranker or --grid was given without --best-of, or a grid is no picture file.
    """
    from omniloom.generation.pictures import find_picture_model

    draws = find_picture_model(options.checkpoint) is not None
    if options.best_of is None and not draws:
        for name in ("reranker", "grid"):
            if getattr(options, name) is not None:
                raise ValueError(f"--{name} belongs to --best-of N; give how many pictures to choose from")
    if options.grid is not None and not Path(options.grid).resolve().parent.is_dir():
        raise ValueError(f"--grid {options.grid}: there is no folder {Path(options.grid).parent}; make it first")
    if options.grid is not None and Path(options.grid).suffix.lower() != ".png":
        raise ValueError(f"--grid {options.grid}: end the name with .png")
    return draws or options.best_of is not None


def run(options: argparse.Namespace, sampling: Sampling) -> int:
    """Draw, choose, write what was asked for, and say what was chosen.

    Raises:
        ValueError: If something else than words was given, or there is nothing to choose by.
    """
    from omniloom.generation.pictures import find_picture_model
    from omniloom.generation.rerank import grid_of

    if options.text is None or options.media:
        raise ValueError("a picture is chosen by words alone; give the caption, and no --image, --audio or --video")
    if options.max_tokens is not None:
        raise ValueError(f"a picture has as many tokens as it has codes; leave --max-tokens {options.max_tokens} out")
    model = find_picture_model(options.checkpoint)
    if model is not None:
        found = _drawn(options, model, sampling)
    else:
        found = _replied(options, sampling)
    for path in options.save:
        found[0].candidate.save(path)
    if options.grid is not None:
        grid_of([(options.text, [item.candidate for item in found[:SHOWN]])]).save(options.grid)
    best = found[0]
    chosen = f"picture {best.number + 1} of {len(found)}"
    print(chosen if len(found) == 1 else f"{chosen}, {best.score:.3f} (they lie between {_range(found)})")
    if not options.save and options.grid is None:
        print("(a picture, not saved (give --save FILE))", file=sys.stderr)
    return 0


def _drawn(options: argparse.Namespace, folder: Path, sampling: Sampling) -> list[Ranked[Image]]:
    """By a picture model, at temperature 1 unless another is given."""
    from omniloom.generation import TokenChoice
    from omniloom.generation.pictures import PictureModel
    from omniloom.generation.rerank import Ranked, best_of

    model = PictureModel.load(folder)
    choice = TokenChoice(
        temperature=1.0 if options.temperature is None else options.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        min_p=sampling.min_p,
    )
    number = options.best_of or 1
    if number == 1:
        [image] = model.draw(options.text, choice=choice, seed=options.seed)
        return [Ranked(image, 0, 0.0)]
    reranker = _reranker(options)
    return best_of(model, reranker, options.text, num_pictures=number, choice=choice, seed=options.seed)


def _replied(options: argparse.Namespace, sampling: Sampling) -> list[Ranked[Image]]:
    """By the omni model."""
    from omniloom.generation import Omni, Sampling
    from omniloom.generation.rerank import Ranked, best_reply

    if options.temperature is None:
        sampling = Sampling(temperature=1.0)
    reranker = _reranker(options)
    omni = Omni.load(options.checkpoint)
    found = best_reply(omni, reranker, options.text, num_replies=options.best_of, sampling=sampling, seed=options.seed)
    return [Ranked(item.candidate.image, item.number, item.score) for item in found if item.candidate.image is not None]


def _reranker(options: argparse.Namespace) -> Reranker:
    from omniloom.generation.rerank import Reranker

    own = Path(options.checkpoint) / RUN_RERANKER
    if options.reranker is None and not own.is_dir():
        raise ValueError(
            f"{options.checkpoint} has no reranker to choose by; give --reranker FOLDER (omniloom train reranker makes "
            "one for the world's pictures)"
        )
    return Reranker.load(options.reranker or own)


def _range(found: Sequence[Ranked[Image]]) -> str:
    return f"{found[-1].score:.3f} and {found[0].score:.3f}"
