"""`omniloom reproduce gpt-3`: Brown and others 2020, section 2 and figure 1.2, with two models of our own.

The paper's sizes are out of reach; what is held to are its forms, its controls, and the shape of its figure: accuracy
rises with the solved items in the prompt, and rises more for the larger model.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from omniloom.data.problems.in_context import FAMILIES
from omniloom.evaluation.few_shot import ARITHMETIC, Constant, Oracle, evaluate_few_shot, few_shot_tasks, make_prompt
from omniloom.evaluation.intervals import bootstrap_difference
from omniloom.reproductions.catalogue import Effort
from omniloom.reproductions.gpt_3.meta import HEADLINE, Scores, measure, trained
from omniloom.reproductions.result import Result, Row

PAPER = "Language Models are Few-Shot Learners (Brown and others 2020)"
MADE = ("cloze", "novel-words", "analogies")
"""Generated tasks beside the arithmetic, which need no data."""

QUESTION = re.compile(r"\n\nQ: What is [^\n]+\?\n\nA:")
LEAST_GAIN = 0.20


def reproduce(*, effort: Effort, out: Path | None, checkpoint: str) -> Result:
    """Forms and controls always; the two models are trained in `out`, minutes each, unless the effort is quick.

    With quick they are measured where `out` holds them already.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = out if out is not None else Path(temporary)
        names = [*(task.name for task in ARITHMETIC), *MADE]
        rows = [
            _forms(),
            _counts(),
            *_controls(names, limit=60 if effort == "quick" else 200),
            _agreement(),
            _shared(),
        ]
        scores: list[Scores] = []
        has_models = all((folder / size / "second" / "checkpoint").is_dir() for size in ("small", "large"))
        if effort != "quick" or has_models:
            limit = None if effort == "full" else 150
            scores = [
                measure(path, size, limit=limit, results=folder / size / f"answers-{effort}.jsonl")
                for size, path in trained(folder).items()
            ]
        rows += _learned(scores)
        if out is not None and scores:
            from omniloom.reproductions.gpt_3.figure import draw

            draw(scores, out / "gpt-3.png")
    return Result.of_run("gpt-3", paper=PAPER, rows=rows, effort=effort, options=" --out runs/gpt-3" if out else "")


def _forms() -> Row:
    wrong = []
    for task in ARITHMETIC:
        items, pool = task.items("test"), task.items("train")
        for item in items[:20]:
            prompt = make_prompt(task, item, pool, shots=1).text
            if len(QUESTION.findall(prompt)) != 2 or not prompt.endswith("\n\nA:"):
                wrong.append(task.name)
    return Row(
        name="form of the prompts",
        paper=r"\n\nQ: What is 98 plus 45?\n\nA: 143",
        bar="every arithmetic prompt, byte by byte",
        here=f"10 tasks, {len(wrong)} prompts of another form",
        is_reached=not wrong,
    )


def _counts() -> Row:
    counts = {task.name: len(task.items("test")) for task in ARITHMETIC}
    return Row(
        name="items of the arithmetic tasks",
        paper="2,000 each",
        bar="2,000 each, ten tasks",
        here=f"{len(counts)} tasks, {min(counts.values()):,} to {max(counts.values()):,} items",
        is_reached=len(counts) == 10 and set(counts.values()) == {2000},
    )


def _controls(names: list[str], *, limit: int) -> list[Row]:
    right, above = 0, []
    for name in names:
        task = few_shot_tasks.get(name)
        right += all(row.score == 1.0 for row in evaluate_few_shot(Oracle(task), [name], limit=limit).rows)
        commonest = Counter(item.answers[0] for item in task.items("test")).most_common(1)[0][0]
        rows = evaluate_few_shot(Constant(commonest), [name], shots=(0, "few"), limit=limit).rows
        above += [name] if any(row.low > row.chance for row in rows) else []
    return [
        Row(
            name="an oracle's score",
            paper="–",
            bar="1 on each generated task, with 0, 1 and few shots",
            here=f"{right} of {len(names)} tasks",
            is_reached=right == len(names),
        ),
        Row(
            name="a constant's score",
            paper="–",
            bar="no more than chance on each",
            here=f"above it on {', '.join(above) or 'none'} of {len(names)} tasks",
            is_reached=not above,
        ),
    ]


def _agreement() -> Row:
    """With lm-evaluation-harness, where it is installed."""
    here, is_reached = None, False
    if find_spec("lm_eval") is not None:
        from omniloom.evaluation.few_shot import OmniLanguageModel
        from omniloom.generation import Omni
        from omniloom.reproductions.gpt_3.agreement import agree

        found = agree(OmniLanguageModel(Omni.load("tiny")), "analogies", "1DC", limit=20)
        here = f"{found.num_same} of {found.num_items} items; likelihoods differ by {found.largest_gap:.1e} at most"
        is_reached = found.num_same == found.num_items and found.largest_gap < 1e-5
    return Row(
        name="agreement with lm-evaluation-harness",
        paper="–",
        bar="to the item: same likelihoods to 1e-5, same texts",
        here=here,
        is_reached=is_reached,
    )


def _shared() -> Row:
    """By counting tokens: an item's prompt goes through the model once for all of its options."""
    from omniloom.evaluation.few_shot import OmniLanguageModel
    from omniloom.generation import Omni
    from omniloom.reproductions.gpt_3.agreement import share

    found = share(OmniLanguageModel(Omni.load("tiny")), "analogies", limit=20, shots=5)
    return Row(
        name="tokens computed for five options of an item",
        paper="–",
        bar="at most a third of one option at a time, and the same picks",
        here=f"{found.together:,} of {found.one_by_one:,}; {found.num_same} of {found.num_items} picks the same",
        is_reached=3 * found.together <= found.one_by_one and found.num_same == found.num_items,
    )


def _ends(own: Scores, family: str) -> str:
    return f"{own.family(family, '0'):.2f} to {own.family(family, 'few'):.2f}"


def _learned(scores: list[Scores]) -> list[Row]:
    claim = "accuracy rises with shots, more for larger models (figure 1.2)"
    rows, others = [], []
    for size in ("small", "large"):
        own = next((found for found in scores if found.size == size), None)
        name = f"unseen mappings, {size} model: zero, one, few"
        bar = f"few ≥ one ≥ zero{', few − zero ≥ 20 points' if size == 'large' else ''}"
        if own is None:
            rows.append(Row(name=name, paper=claim, bar=bar, here=None))
            continue
        zero, one, few = (own.mean(shots) for shots in ("0", "1", "few"))
        is_reached = few.value >= one.value >= zero.value
        if size == "large":
            is_reached &= few.value - zero.value >= LEAST_GAIN
        control = own.mean("few", control=True)
        others += [f"{size}: " + ", ".join(f"{name} {_ends(own, name)}" for name in FAMILIES if name not in HEADLINE)]
        here = f"{zero}, {one}, {few}; few with shuffled answers {control}"
        rows.append(Row(name=name, paper=claim, bar=bar, here=here, is_reached=is_reached))
    rows.append(
        Row(
            name="the other families: zero to few",
            paper=claim,
            bar="reported",
            here="; ".join(others) or None,
            is_reached=True,
        )
    )
    gained, is_more = None, False
    if scores:
        small, large = (own.gains() for own in scores)
        gap = bootstrap_difference(large, small)
        gained = f"{gap.mean:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
        is_more = gap.low > 0
    rows.append(
        Row(
            name="gain of the larger model over the smaller's",
            paper="larger models use context better",
            bar="above 0, its interval too",
            here=gained,
            is_reached=is_more,
        )
    )
    return rows
