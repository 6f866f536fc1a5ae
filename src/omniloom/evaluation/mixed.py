"""What a model scores without one of its inputs, and what can be guessed without any.

An input is taken away by giving another example's in its place: the question stays well formed, only its sense is gone.
The other example is of the same task and language where there is one, and is not chosen for a different answer: either
would push the control below chance. What the last turn does not give stands in the turns before it, whose words tell
what was shown: those turns are exchanged whole. A row of two inputs needs both if taking away either leaves no more
than guessing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from omniloom.core.randomness import generator
from omniloom.data.problems import Example
from omniloom.data.problems.base import HISTORY
from omniloom.data.problems.score import answer_text
from omniloom.evaluation.languages import language_of
from omniloom.evaluation.rows import KINDS
from omniloom.stream.message import Message
from omniloom.stream.parts import Part

MIN_KIND = 10
"""Examples that a kind of question must have for a constant answer of its own; of fewer it would be found by chance."""


def swapped(examples: Sequence[Example], inputs: Sequence[str], seed: int = 0) -> list[Example]:
    """The same questions and answers, these inputs of each taken from another example."""
    random = generator("shuffled", seed)
    found = []
    for example, groups in zip(examples, _groups(examples), strict=True):
        candidates = ([other for other in group if other is not example] for group in groups)
        donors = next(filter(None, candidates), None)
        if donors is None:
            raise ValueError("one example has nothing to be shuffled with; give more of them")
        found.append(_with_inputs_of(example, donors[int(random.integers(len(donors)))], inputs))
    return found


def majority_by_kind(examples: Sequence[Example]) -> float:
    """What the best constant reply to each kind of question scores; kinds of few examples are taken together."""
    kinds = [_kind(example) for example in examples]
    sizes = Counter(kinds)
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for example, kind in zip(examples, kinds, strict=True):
        groups[kind if sizes[kind] >= MIN_KIND else ()].append(answer_text(example))
    return sum(Counter(answers).most_common(1)[0][1] for answers in groups.values()) / len(examples)


def _groups(examples: Sequence[Example]) -> list[tuple[Sequence[Example], ...]]:
    """For each example those whose inputs it may take, the likest first: of its task and language, of its task, all."""
    by_task: defaultdict[str, list[Example]] = defaultdict(list)
    by_both: defaultdict[tuple[str, str | None], list[Example]] = defaultdict(list)
    keys = [(example.task, language_of(example)) for example in examples]
    for key, example in zip(keys, examples, strict=True):
        by_task[key[0]].append(example)
        by_both[key].append(example)
    return [(by_both[key], by_task[key[0]], examples) for key in keys]


def _with_inputs_of(example: Example, donor: Example, inputs: Sequence[str]) -> Example:
    *earlier, last = example.prompt
    *donor_earlier, donor_last = donor.prompt
    for name in inputs:
        if name != HISTORY and any(isinstance(part, KINDS[name]) for part in last.parts):
            last = _with_parts_of(last, donor_last, KINDS[name])
        else:
            earlier = donor_earlier
    return replace(example, messages=(*earlier, last, example.reply))


def _with_parts_of(message: Message, donor: Message, kind: type[Part]) -> Message:
    given = [part for part in donor.parts if isinstance(part, kind)]
    parts = [given.pop(0) if isinstance(part, kind) and given else part for part in message.parts]
    return Message(message.role, tuple(parts))


def _kind(example: Example) -> tuple[str, ...]:
    return (example.task, *(fact for fact in example.facts if fact.partition(":")[0] in ("kind", "language")))
