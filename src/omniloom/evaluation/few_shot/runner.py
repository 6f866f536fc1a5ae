"""Run tasks on a model: zero, one and few shots, item by item, resumable, with what chance would score beside it.

All prompts are made before the first is asked, so that one that cannot fit is known at once and not in the middle of
the night. A setting's items are given to the model together, for it to batch, and kept as each is answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from omniloom.core.progress import Progress
from omniloom.core.randomness import generator
from omniloom.evaluation.few_shot.answering import answers
from omniloom.evaluation.few_shot.metrics import ACCURACY
from omniloom.evaluation.few_shot.models.base import GREEDY, LanguageModel, takes_turns
from omniloom.evaluation.few_shot.models.media import MediaLanguageModel
from omniloom.evaluation.few_shot.prompts import Form, Prompt, Room, Shots, make_prompt
from omniloom.evaluation.few_shot.records import Key, Record, Records, digest
from omniloom.evaluation.few_shot.report import FewShotReport, TaskScore
from omniloom.evaluation.few_shot.task import FreeForm, Item, Task, few_shot_tasks
from omniloom.generation.beam import BeamSearch

SETTINGS: tuple[Shots, ...] = (0, 1, "few")
"""Zero-shot, one-shot and few-shot."""


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """One task with so many shots, and what is asked."""

    task: Task
    shots: Shots
    seed: int
    prompts: dict[int, Prompt]
    search: BeamSearch
    form: Form

    def key(self, number: int) -> Key:
        is_searched = isinstance(self.task.answering, FreeForm) and self.search.size > 1
        found = told(self.search) if is_searched else ""
        return Key(self.task.name, str(self.shots), number, found, self.form)


def evaluate_few_shot(
    model: LanguageModel,
    names: Sequence[str],
    *,
    shots: Sequence[Shots] = SETTINGS,
    seed: int = 0,
    limit: int | None = None,
    results: str | Path | None = None,
    search: BeamSearch = GREEDY,
    form: Form = "text",
) -> FewShotReport:
    """Scores of these tasks with each number of shots, on `limit` items each, drawn by seed, or on all.

    Written answers are found by `search`. By the form "turns" each demonstration is a question and an answer of the
    conversation, which a model that has learned conversations may take better than one text with all of them. Finished
    items go to `results`, a JSON-lines file, and are not asked again.

    Raises:
        ValueError: If a task is unknown or broken, a prompt does not fit, or `results` belongs to something else.
    """
    if not names or not shots:
        raise ValueError("name at least one task and one number of shots")
    if form == "turns" and not takes_turns(model):
        raise ValueError(
            f"{model.name} goes on with one text and takes no turns; ask an omni checkpoint or an endpoint by "
            "chat, or leave demonstrations in the text"
        )
    chosen = [few_shot_tasks.get(name) for name in names]
    records = Records(Path(results) if results is not None else None, model=model.name, seed=seed)
    settings = [
        made
        for task in chosen
        for made in _settings(task, model, shots=shots, seed=seed, limit=limit, search=search, form=form)
    ]
    total = sum(len(setting.prompts) for setting in settings)
    with ExitStack() as stack:
        progress = stack.enter_context(Progress("few-shot", total=total, unit="item"))
        for setting in settings:
            _run(model, setting, records, progress)
    return FewShotReport(
        model=model.name,
        rows=tuple(_score(setting, records) for setting in settings),
        settings={
            "seed": seed,
            "limit": limit,
            "shots": [str(own) for own in shots],
            "search": told(search),
            "form": form,
        },
        num_kept=records.num_kept,
        num_asked=records.num_asked,
    )


def told(search: BeamSearch) -> str:
    """How written answers are found, in words."""
    return f"beam {search.size}, alpha {search.alpha:g}" if search.size > 1 else "greedy"


def _settings(
    task: Task,
    model: LanguageModel,
    *,
    shots: Sequence[Shots],
    seed: int,
    limit: int | None,
    search: BeamSearch,
    form: Form,
) -> list[_Setting]:
    items, pool = task.items("test"), task.items("train") if any(shots) else []
    room = _room(model, task, has_media=any(item.media for item in items))
    order = generator("few-shot items", task.name, seed).permutation(len(items))[:limit]
    return [
        _Setting(
            task=task,
            shots=own,
            seed=seed,
            search=search,
            form=form,
            prompts={
                int(place): make_prompt(task, items[place], pool, shots=own, seed=seed, room=room, form=form)
                for place in order
            },
        )
        for own in shots
    ]


def _room(model: LanguageModel, task: Task, *, has_media: bool) -> Room:
    """
    Raises:
        ValueError: If there are media and the model takes none.
    """
    if isinstance(model, MediaLanguageModel):
        return Room(context=model.context, num_tokens=model.num_tokens, num_media_tokens=model.num_media_tokens)
    if has_media:
        raise ValueError(
            f"task {task.name} shows sounds or pictures and {model.name} is asked by text alone; ask an omni "
            "checkpoint, or leave the task out"
        )
    return Room(context=model.context, num_tokens=model.num_tokens)


def _run(model: LanguageModel, setting: _Setting, records: Records, progress: Progress) -> None:
    prompts = setting.prompts
    open_items = [number for number in prompts if records.get(setting.key(number), prompts[number].told) is None]
    progress.advance(len(prompts) - len(open_items))
    for place, answer in answers(
        model, setting.task, [prompts[number] for number in open_items], search=setting.search
    ):
        number = open_items[place]
        records.add(
            Record(
                **setting.key(number)._asdict(),
                prompt=digest(prompts[number].told),
                num_shots=prompts[number].num_shots,
                fits=prompts[number].fits,
                given=answer.given,
                score=answer.score,
                option_scores=answer.option_scores,
            )
        )
        progress.advance(1, {"task": setting.task.name, "shots": str(setting.shots)})


def _score(setting: _Setting, records: Records) -> TaskScore:
    task, prompts = setting.task, setting.prompts
    found = [records.get(setting.key(number), prompts[number].told) for number in sorted(prompts)]
    done = [record for record in found if record is not None]
    assert len(done) == len(prompts)
    items = [prompts[number].item for number in sorted(prompts)]
    scores = [record.score for record in done]
    metric = task.answering.metric if isinstance(task.answering, FreeForm) else ACCURACY
    read = task.answering.read if isinstance(task.answering, FreeForm) else str
    right = [[read(answer) for answer in item.answers] for item in items]
    measured = metric.total(scores, [read(record.given) for record in done], right, seed=setting.seed)
    groups: dict[str, list[float]] = {}
    for item, score in zip(items, scores, strict=True):
        groups.setdefault(item.group, []).append(score)
    return TaskScore(
        task=task.name,
        shots=str(setting.shots),
        num_shots=sum(record.num_shots for record in done) / len(done),
        n=len(done),
        metric=metric.name,
        score=measured.score,
        low=measured.interval.low,
        high=measured.interval.high,
        method=measured.method,
        chance=chance(task, items),
        num_too_long=sum(not record.fits for record in done),
        groups={name: sum(own) / len(own) for name, own in groups.items() if name},
        signature=measured.signature,
    )


def chance(task: Task, items: Sequence[Item]) -> float:
    """What knowing nothing of the question scores: a drawn option's share, or always the commonest answer's."""
    if not isinstance(task.answering, FreeForm):
        return sum(len(item.answers) / len(item.options) for item in items) / len(items)
    read, metric = task.answering.read, task.answering.metric
    right = [[read(answer) for answer in item.answers] for item in items]
    commonest = Counter(own for each in right for own in each).most_common(1)[0][0]
    scores = [metric.score(commonest, own) for own in right]
    return metric.total(scores, [commonest] * len(items), right, seed=0).score
