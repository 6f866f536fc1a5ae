"""A few-shot task of ours as files of the harness: its items in JSON lines, and the YAML that says how they are asked.

The prompts are written out whole, demonstrations and all, so that the harness asks byte for byte what our own runner
does; its own few-shot sampling would draw others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omniloom.core.randomness import generator
from omniloom.evaluation.few_shot.prompts import make_prompt
from omniloom.evaluation.few_shot.task import Options, few_shot_tasks


def write_harness_task(
    name: str, folder: str | Path, *, shots: int = 0, seed: int = 0, limit: int | None = None
) -> Path:
    """The YAML file of a task; the items are those that `evaluate_few_shot` asks with the same settings.

    Raises:
        ValueError: If the task is unknown or broken, has not so many demonstrations, or shows sounds or pictures.
    """
    task = few_shot_tasks.get(name)
    items, pool = task.items("test"), task.items("train") if shots else []
    if any(item.media for item in items):
        raise ValueError(f"task {name} shows sounds or pictures, which files of text cannot hold; choose one of text")
    order = sorted(int(place) for place in generator("few-shot items", name, seed).permutation(len(items))[:limit])
    rows = []
    for place in order:
        item = items[place]
        row: dict[str, Any] = {
            "prompt": make_prompt(task, item, pool, shots=shots, seed=seed).text,
            "answer": item.answers[0],
        }
        if item.options:
            row |= {"options": list(item.options), "right": item.options.index(item.answers[0])}
        rows.append(row)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.resolve())}},
        "test_split": "test",
        "num_fewshot": 0,
        "doc_to_text": "{{prompt}}",
        "target_delimiter": "",
    }
    answering = task.answering
    if isinstance(answering, Options):
        settings |= {
            "output_type": "multiple_choice",
            "doc_to_choice": "options",
            "doc_to_target": "right",
            "metric_list": [{"metric": "acc"}],
        }
    else:
        settings |= {
            "output_type": "generate_until",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {"until": list(answering.stops), "max_gen_toks": answering.max_tokens},
            "metric_list": [{"metric": "exact_match", "ignore_case": False}],
        }
    path = folder / f"{name}.yaml"
    # JSON is YAML, and quotes newlines and colons without being asked.
    path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    return path
