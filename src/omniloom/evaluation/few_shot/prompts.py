"""Prompts: the instruction, as many demonstrations as are asked for or fit, and the item itself.

Demonstrations are drawn anew for each item, by seed, item and nothing else, from items that are never scored and never
the item itself; fewer shots are the first of more, so that settings differ only in what was added (Brown and others
2020, section 2.4, draw K at random for each item).

A prompt is one text, as the paper's are; or, for models that have learned conversations, each demonstration is a turn
of the user and one of the assistant, without the white space that parts items in a text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from omniloom.core.randomness import generator
from omniloom.evaluation.few_shot.models.base import Medium, Shown
from omniloom.evaluation.few_shot.models.media import told
from omniloom.evaluation.few_shot.task import FreeForm, Item, Task

Shots = int | Literal["few", "max"]
"""Demonstrations: so many, as many as the task's own setting says, or as many as fit the context."""

Form = Literal["text", "turns"]
"""All in one text, or each demonstration in turns of its own."""

TURN_TOKENS = 4
"""What opens and closes a demonstration's two turns."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """An item as it is asked; `fits` is false where even without demonstrations the context cannot hold it."""

    item: Item
    text: str
    num_shots: int
    fits: bool = True
    media: tuple[Medium, ...] = ()
    shown: tuple[Shown, ...] = ()

    @property
    def told(self) -> str:
        """The text, and what tells its media from others; before it the turns, if there are any."""
        turns = [f"{told(own.asked, own.media)}\n\n{own.answered}\n\n" for own in self.shown]
        return "".join([*turns, told(self.text, self.media)])


@dataclass(frozen=True, kw_only=True)
class Room:
    """The context that a prompt must fit, and how the tokens of a text and of a medium are counted."""

    context: int
    num_tokens: Callable[[str], int]
    num_media_tokens: Callable[[Medium], int] = lambda medium: 0


def render(task: Task, item: Item, demonstrations: Sequence[Item]) -> str:
    """The prompt's text, byte by byte."""
    solved = [shown.context + shown.answers[0] for shown in demonstrations]
    asked = item.alone if item.alone is not None and not demonstrations else item.context
    return task.opening() + task.separator.join([*solved, asked])


def turns_of(task: Task, item: Item, demonstrations: Sequence[Item]) -> tuple[tuple[Shown, ...], str]:
    """The demonstrations, and the question after them; the instruction opens the first turn."""
    asked = item.alone if item.alone is not None and not demonstrations else item.context
    contexts = [*(shown.context for shown in demonstrations), asked]
    contexts[0] = task.opening() + contexts[0]
    *before, last = (own.strip() for own in contexts)
    shown = [
        Shown(context, own.answers[0].strip(), own.media) for context, own in zip(before, demonstrations, strict=True)
    ]
    return tuple(shown), last


def media_of(item: Item, demonstrations: Sequence[Item]) -> tuple[Medium, ...]:
    """The sounds and pictures of the prompt, in the order of their marks."""
    return tuple(medium for shown in (*demonstrations, item) for medium in shown.media)


def draw(task: Task, item: Item, pool: Sequence[Item], count: int, *, seed: int) -> list[Item]:
    """`count` demonstrations for an item, of its own mapping where it has one.

    Raises:
        ValueError: If the pool holds fewer that are not the item itself.
    """
    pool = _of_mapping(item, pool)
    order = generator("few-shot", task.name, seed, item.told).permutation(len(pool))
    found = [pool[place] for place in order[: count + 1] if pool[place].told != item.told][:count]
    if len(found) < count:
        usable = [pool[place] for place in order if pool[place].told != item.told]
        if len(usable) < count:
            raise ValueError(f"task {task.name} has {len(usable)} demonstrations, got shots {count}; ask for fewer")
        found = usable[:count]
    return found


def _of_mapping(item: Item, pool: Sequence[Item]) -> Sequence[Item]:
    """What may be shown before an item: of its own mapping where it has one."""
    return [shown for shown in pool if shown.mapping == item.mapping] if item.mapping else pool


def make_prompt(
    task: Task,
    item: Item,
    pool: Sequence[Item],
    *,
    shots: Shots,
    seed: int = 0,
    room: Room | None = None,
    form: Form = "text",
) -> Prompt:
    """The prompt of one item; without a `room`, whatever its length.

    Raises:
        ValueError: If so many demonstrations are not there, or do not fit the room together with an answer.
    """
    if shots == "max":
        return _largest(task, item, pool, seed=seed, room=room, form=form)
    count = task.shots if shots == "few" else shots
    shown = draw(task, item, pool, count, seed=seed)
    fits = room is None or _num_tokens(task, item, shown, room, form) <= room.context
    if not fits and count:
        assert room is not None
        num_tokens = _num_tokens(task, item, shown, room, form)
        raise ValueError(
            f"task {task.name} with {count} shots takes {num_tokens} tokens with its answer, the model's context is "
            f"{room.context}; ask for fewer shots, or for max: as many as fit"
        )
    return _prompt(task, item, shown, form, fits=fits)


def _prompt(task: Task, item: Item, shown: Sequence[Item], form: Form, *, fits: bool = True) -> Prompt:
    if form == "turns":
        turns, asked = turns_of(task, item, shown)
        return Prompt(item=item, text=asked, num_shots=len(shown), fits=fits, media=item.media, shown=turns)
    text, media = render(task, item, shown), media_of(item, shown)
    return Prompt(item=item, text=text, num_shots=len(shown), fits=fits, media=media)


def _largest(task: Task, item: Item, pool: Sequence[Item], *, seed: int, room: Room | None, form: Form) -> Prompt:
    """As many demonstrations as fit, found by doubling and halving: a whole pool would be long to count."""
    usable = sum(own.told != item.told for own in _of_mapping(item, pool))
    if room is None:
        raise ValueError("shots max needs a model's context to fit; give a number of shots")
    demonstrations: list[Item] = []

    def fits(count: int) -> bool:
        nonlocal demonstrations
        if count > len(demonstrations):
            demonstrations = draw(task, item, pool, count, seed=seed)
        assert room is not None
        return _num_tokens(task, item, demonstrations[:count], room, form) <= room.context

    if not fits(0):
        return _prompt(task, item, [], form, fits=False)
    low, high = 0, 1
    while high <= usable and fits(high):
        low, high = high, 2 * high
    high = min(high, usable + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return _prompt(task, item, demonstrations[:low], form)


def _num_tokens(task: Task, item: Item, shown: Sequence[Item], room: Room, form: Form) -> int:
    """What a prompt takes with the longest answer that it may have."""
    num_before = sum(map(room.num_media_tokens, media_of(item, shown)))
    if form == "turns":
        turns, text = turns_of(task, item, shown)
        num_before += sum(room.num_tokens(own.asked) + room.num_tokens(own.answered) + TURN_TOKENS for own in turns)
    else:
        text = render(task, item, shown)
    if isinstance(task.answering, FreeForm):
        return num_before + room.num_tokens(text) + task.answering.max_tokens
    return num_before + max(room.num_tokens(text + option) for option in item.options)
