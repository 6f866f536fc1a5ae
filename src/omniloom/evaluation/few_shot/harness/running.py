"""Tasks of the harness on one of our models, offline, from files.

The harness's own tasks are not looked up unless one is asked for by name: reading their index takes ten seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omniloom.evaluation.few_shot.harness.adapter import HarnessModel
from omniloom.evaluation.few_shot.models.base import LanguageModel


@dataclass(frozen=True, kw_only=True)
class HarnessItem:
    """What the harness has of one item: its number, its score, its options' log-likelihoods or what was written."""

    task: str
    number: int
    metric: str
    score: float
    logprobs: tuple[float, ...] = ()
    given: str = ""


def evaluate_in_harness(
    model: LanguageModel, tasks: Sequence[str | Path], *, limit: int | None = None, shots: int | None = None
) -> list[HarnessItem]:
    """Every item of these tasks, by path of a YAML file or by the harness's own name.

    Raises:
        ValueError: If there is no such file or task.
    """
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    names = [str(task) for task in tasks]
    if missing := [name for name in names if name.endswith((".yaml", ".yml")) and not Path(name).is_file()]:
        raise ValueError(f"there is no {', '.join(missing)}; give a YAML file of the harness, or a task's name")
    is_named = any(not name.endswith((".yaml", ".yml")) for name in names)
    found = simple_evaluate(
        model=HarnessModel(model),
        tasks=names,
        task_manager=TaskManager(include_defaults=is_named),
        limit=limit,
        num_fewshot=shots,
        bootstrap_iters=0,
        log_samples=True,
    )
    return [_item(task, sample) for task, samples in found["samples"].items() for sample in samples]


def _item(task: str, sample: dict[str, Any]) -> HarnessItem:
    (metric, *_) = sample["metrics"]
    answers = sample["filtered_resps"]
    is_scored = isinstance(answers[0], tuple | list)
    return HarnessItem(
        task=task,
        number=int(sample["doc_id"]),
        metric=metric,
        score=float(sample[metric]),
        logprobs=tuple(float(own[0]) for own in answers) if is_scored else (),
        given="" if is_scored else str(answers[0]),
    )
