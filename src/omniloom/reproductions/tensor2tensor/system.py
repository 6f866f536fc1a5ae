"""Vaswani et al. 2018, "Tensor2Tensor for Neural Machine Translation", with its reference Transformer (2017).

The published results are of eight GPUs and 36 million pairs. What can be held here to the number is held to it: rates,
sets, beam search, BLEU. What was learned is compared with what needs no learning, on real sentences: a model of under a
million parameters, one core, at most 40 CPU-minutes, by the published settings (`runs` says what differs).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.result import Result, Row
from omniloom.reproductions.tensor2tensor.exact import exact_rows
from omniloom.reproductions.tensor2tensor.runs import (
    ENGLISH_FRENCH,
    SCAN,
    english_french,
    marked_scores,
    scan,
    scores_of,
    short_scan,
)

SYSTEM = "tensor2tensor"
PAPER = "Vaswani et al. 2018, Tensor2Tensor for Neural Machine Translation (arXiv:1803.07416)"

OVER_COPY, MAX_CPU_MINUTES, SCAN_SIMPLE = 2.0, 40, 95.0


def reproduce(*, effort: Effort = "usual", out: Path | None = None, checkpoint: str = "") -> Result:
    """Check and train; "quick" trains for a minute or two and leaves the runs of bars out.

    Args:
        out: Where runs are kept; what is trained there already is not trained again. Default: `runs/tensor2tensor`.
        checkpoint: Not used; every reproduction takes one.
    """
    home = out or Path("runs") / SYSTEM
    rows = exact_rows()
    if effort == "quick":
        rows += [
            short_row(scores_of(short_scan(), home / "scan_short")),
            *translation_rows(None),
            marked_row(None),
            *scan_rows({}),
        ]
    else:
        translated = scores_of(english_french(), home / ENGLISH_FRENCH)
        marked = marked_scores(english_french(), home / ENGLISH_FRENCH)
        actions = {problem: scores_of(scan(problem), home / problem) for problem in SCAN}
        rows += [*translation_rows(translated), marked_row(marked), *scan_rows(actions)]
        if out is not None:
            from omniloom.reproductions.tensor2tensor.figure import draw

            draw(home, translated, actions, out / f"{SYSTEM}.png")
    return Result.of_run(SYSTEM, paper=PAPER, rows=rows, effort=effort)


def translation_rows(scores: dict[str, Any] | None) -> list[Row]:
    """English to French beside the source copied and the dictionary, and what it took; not tested without scores."""
    rows = [
        ("EN–FR BLEU over a copied source", "EN–DE about 28 (base, WMT 2014)", f">= {OVER_COPY:g} x"),
        ("EN–FR BLEU over word for word", "–", "above a dictionary of the same pairs"),
        ("EN–FR CPU-minutes", "days of 8 GPUs", f"<= {MAX_CPU_MINUTES}"),
    ]
    if scores is None:
        return [Row(name=name, paper=paper, bar=bar, here=None) for name, paper, bar in rows]
    bleu = scores["test"]["value"]
    copied, dictionary = (scores["baselines"][name]["value"] for name in ("source copied", "word for word"))
    minutes = scores["cpu_minutes"]
    shown = f"{scores['test']['num_answers']} sentences, {scores['test']['signature']}"
    found = [
        (f"{bleu:.1f} against {copied:.1f}; {shown}", bleu >= OVER_COPY * copied),
        (f"{bleu:.1f} against {dictionary:.1f}", bleu > dictionary),
        (f"{minutes:.1f}", minutes <= MAX_CPU_MINUTES),
    ]
    return [
        Row(name=name, paper=paper, bar=bar, here=here, is_reached=is_reached)
        for (name, paper, bar), (here, is_reached) in zip(rows, found, strict=True)
    ]


def marked_row(scores: dict[str, float] | None) -> Row:
    """The same sentences with their markup, which most of what a copied source has right is."""
    here = None
    if scores is not None:
        others = ", ".join(f"{name} {value:.1f}" for name, value in scores.items() if name != "translated")
        here = f"{scores['translated']:.1f} against {others}"
    return Row(
        name="EN–FR BLEU, markup put back",
        paper="–",
        bar="above both",
        here=here,
        is_reached=scores is not None and scores["translated"] == max(scores.values()),
    )


def scan_rows(scores: dict[str, dict[str, Any]]) -> list[Row]:
    """Exact matches by beam search; *length* and *jump* have no bar and are told."""
    rows = []
    for problem in SCAN:
        own = scores.get(problem)
        value = None if own is None else own["test"]["value"]
        here = None if own is None else f"{value:.1f} % of {own['test']['num_answers']:,}"
        bar = f">= {SCAN_SIMPLE:g} %" if problem == "scan_simple" else "reported"
        is_reached = value is not None and (problem != "scan_simple" or value >= SCAN_SIMPLE)
        rows.append(Row(name=f"{problem}, exact", paper="–", bar=bar, here=here, is_reached=is_reached))
    return rows


def short_row(scores: dict[str, Any]) -> Row:
    """What a run of 1,000 steps has learned; its bar is no claim of quality."""
    value, copied = scores["test"]["value"], scores["baselines"]["source copied"]["value"]
    return Row(
        name="scan_simple after 1,000 steps, exact",
        paper="–",
        bar="above a copied source",
        here=f"{value:.1f} % against {copied:.1f} %, {scores['cpu_minutes']:.1f} CPU-minutes",
        is_reached=value > copied,
    )
