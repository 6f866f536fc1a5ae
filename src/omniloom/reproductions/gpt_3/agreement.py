"""Two checks of how prompts are computed.

One task of options and one that is written, by our runner and by lm-evaluation-harness: how far they are apart. And the
tokens that are computed where the options of an item are scored together, beside those of one option at a time.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from omniloom.evaluation.few_shot import (
    LanguageModel,
    OmniLanguageModel,
    ScoreRequest,
    evaluate_few_shot,
    few_shot_tasks,
    load_records,
    make_prompt,
)
from omniloom.evaluation.few_shot.harness import evaluate_in_harness, write_harness_task


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Items that both answered alike, of so many, and the largest difference of a token's mean log-likelihood."""

    num_items: int
    num_same: int
    largest_gap: float


def agree(model: LanguageModel, options: str, written: str, *, limit: int, shots: int = 2) -> Agreement:
    """Both tasks with the same prompts; options are compared by log-likelihood a token, as our runner keeps it."""
    num_items = num_same = 0
    largest = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        for name in (options, written):
            folder = Path(temporary) / name
            theirs = evaluate_in_harness(model, [write_harness_task(name, folder, shots=shots, limit=limit)])
            evaluate_few_shot(model, [name], shots=[shots], limit=limit, results=folder / "items.jsonl")
            records = load_records(folder / "items.jsonl")
            items = few_shot_tasks.get(name).items("test")
            for own, other in zip(sorted(records, key=lambda own: own.number), theirs, strict=True):
                num_items += 1
                if not other.logprobs:
                    num_same += own.given == other.given
                    continue
                texts = [text.lstrip() for text in items[own.number].options]
                per_token = [p / model.num_tokens(text) for p, text in zip(other.logprobs, texts, strict=True)]
                gaps = [abs(a - b) for a, b in zip(per_token, own.option_scores, strict=True)]
                largest = max(largest, *gaps)
                picked = items[own.number].options[per_token.index(max(per_token))]
                num_same += picked == own.given
    return Agreement(num_items=num_items, num_same=num_same, largest_gap=largest)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Tokens computed for all options of each item together, and for one at a time; picks that are the same."""

    num_items: int
    num_same: int
    together: int
    one_by_one: int


def share(model: OmniLanguageModel, name: str, *, limit: int, shots: int) -> Shared:
    """The options of so many items, with so many demonstrations each."""
    task = few_shot_tasks.get(name)
    pool = task.items("train")
    asked = [
        ScoreRequest(make_prompt(task, item, pool, shots=shots).text, item.options)
        for item in task.items("test")[:limit]
    ]
    alone = [[ScoreRequest(own.prefix, (option,)) for option in own.continuations] for own in asked]
    before = model.count.computed
    together = [[one.per_token for one in found] for _, found in sorted(model.score(asked))]
    between = model.count.computed
    one_by_one = [[next(model.score([option]))[1][0].per_token for option in own] for own in alone]
    return Shared(
        num_items=len(asked),
        num_same=sum(a.index(max(a)) == b.index(max(b)) for a, b in zip(together, one_by_one, strict=True)),
        together=between - before,
        one_by_one=model.count.computed - between,
    )
