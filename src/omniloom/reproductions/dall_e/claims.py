"""DALL·E in miniature: pictures from words that were never drawn together, and the best of many.

Ramesh et al. 2021 claim that one transformer over a caption's tokens and its picture's codes draws what was never in
its data, and that a contrastive model which chooses among candidates makes what is shown better. People were their
judges; here a classifier is, which neither drew nor chose. The world is small, emoji in colours, so that a pair of an
object and a colour can be held out by enumeration.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omniloom.data.emoji.coloured import OBJECTS
from omniloom.evaluation.pictures import Comparison, PictureRun, held_out, measured
from omniloom.evaluation.pictures.rows import best_by_judge, best_by_reranker, best_right, caption_gain, shown_p
from omniloom.evaluation.suites.items import Items
from omniloom.evaluation.suites.report import SuiteRow
from omniloom.recipes.pictures import DallERecipe, train_dall_e
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.result import Result, Row

SYSTEM = "dall-e"
PAPER = "Zero-Shot Text-to-Image Generation (Ramesh et al. 2021)"
NUM_CANDIDATES = 32
QUICK_OBJECTS = 16


def reproduce(*, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "tiny") -> Result:
    """Every claim on a run that is trained in `out`, or on the one given as the checkpoint.

    What of a run is trained is not trained again. "quick" trains a small one of 16 objects, in some six minutes of a
    core, and does not test what the classifier says of the best, for which so short a run draws too badly.

    Raises:
        ValueError: If the checkpoint is not the default, and no whole run.
    """
    if checkpoint != "tiny":
        return _reproduced(Path(checkpoint), effort, out, options=f" --checkpoint {checkpoint}")
    recipe = quick_recipe() if effort == "quick" else DallERecipe()
    if out is not None:
        return _reproduced(train_dall_e(recipe, out=out / "run"), effort, out)
    with tempfile.TemporaryDirectory() as folder:
        return _reproduced(train_dall_e(recipe, out=Path(folder) / "run"), effort, None)


def quick_recipe() -> DallERecipe:
    """Fewer objects, and fewer steps of each stage."""
    whole = DallERecipe()
    return replace(
        whole,
        objects=OBJECTS[:: len(OBJECTS) // QUICK_OBJECTS][:QUICK_OBJECTS],
        num_renderings=8,
        codec_training=replace(whole.codec_training, num_steps=400),
        stream_training=replace(whole.stream_training, num_steps=250),
        reranker_training=replace(whole.reranker_training, num_steps=200, num_rows=32),
        classifier_training=replace(whole.classifier_training, num_steps=200),
    )


def claim_rows(found: Sequence[Mapping[str, Any]], run: PictureRun, *, is_quick: bool) -> list[Row]:
    """The rows of what was found of the held-out pairs."""
    right = best_right(found)
    chosen = SuiteRow.of_scores("best", [float(item["best_right"]) for item in found])
    ceiling = sum(float(item["ceiling"]) for item in found) / len(found)
    composites = (
        f"best of {NUM_CANDIDATES} by the classifier {chosen.score:.3f} ({chosen.low:.3f}–{chosen.high:.3f}, "
        f"n {chosen.n}); chance {run.judge.chance:.4f}, ceiling {ceiling:.3f}"
    )
    return [
        _paired("right caption over another", caption_gain(found), "nats a code of unseen pairs' pictures"),
        _paired("best over one, by reranker", best_by_reranker(found), f"cosine, of {NUM_CANDIDATES}"),
        _paired(
            "best over one, by classifier",
            best_by_judge(found),
            f"probability of what was asked for, of {NUM_CANDIDATES}; it neither drew nor chose",
            more=f"; right or wrong {right.difference.mean:+.3f} ({right.difference.low:.3f} to "
            f"{right.difference.high:.3f}), p {shown_p(right.p)}",
            is_tested=not is_quick,
        ),
        Row(
            name="unseen pairs drawn right",
            paper="zero-shot, judged by people",
            bar="interval above chance",
            here=composites,
            is_reached=bool(chosen.low > run.judge.chance),
        ),
        _codecs(found, run),
    ]


def _paired(name: str, comparison: Comparison, unit: str, *, more: str = "", is_tested: bool = True) -> Row:
    own = comparison.difference
    shown = f"+{own.mean:.3f}" if own.mean >= 0 else f"{own.mean:.3f}"
    here = f"{shown} {unit} ({own.low:.3f} to {own.high:.3f}), p {shown_p(comparison.p)}, n {comparison.n}{more}"
    return Row(
        name=name,
        paper="better",
        bar="more than 0, p < 0.01 (paired)",
        here=here if is_tested else None,
        is_reached=comparison.is_clear,
    )


def _codecs(found: Sequence[Mapping[str, Any]], run: PictureRun) -> Row:
    """Both codecs side by side; what must hold is that they spend the same."""
    shown = []
    for name in ("dvae", "fsq"):
        psnr_db, ssim = (sum(float(item[f"{name}_{of}"]) for item in found) / len(found) for of in ("psnr_db", "ssim"))
        used = len({code for item in found for code in item[f"{name}_codes"]})
        shown.append(f"{name} {psnr_db:.2f} dB, SSIM {ssim:.3f}, {used} codes used")
    spent = {(codec.num_codes, codec.bottleneck.num_codes) for codec in (run.dvae, run.fsq)}
    gap = Comparison.of(found, "dvae_psnr_db", "fsq_psnr_db").difference
    return Row(
        name="dVAE and FSQ compared",
        paper="–",
        bar="same networks, steps and codes",
        here=f"{'; '.join(shown)}; dvae less fsq {gap.mean:.2f} dB ({gap.low:.2f} to {gap.high:.2f})",
        is_reached=len(spent) == 1,
    )


def _reproduced(folder: Path, effort: Effort, out: Path | None, *, options: str = "") -> Result:
    run = PictureRun.load(folder)
    chosen = held_out(run)
    place = None if out is None else out / "items.jsonl"
    items = Items(place, suite="pictures", subject=run.fingerprint, settings={"seed": 0, "candidates": NUM_CANDIDATES})
    found = items.complete(
        [item.phrase for item in chosen],
        lambda places: zip(
            places,
            measured(run, [chosen[own] for own in places], num_candidates=NUM_CANDIDATES),
            strict=True,
        ),
        title="pictures",
        unit="caption",
    )
    if out is not None:
        from omniloom.reproductions.dall_e.figure import figure_of

        out.mkdir(parents=True, exist_ok=True)
        figure_of(run, chosen, found).save(out / "dall-e.png")
    rows = claim_rows(found, run, is_quick=effort == "quick")
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort, options=options)
