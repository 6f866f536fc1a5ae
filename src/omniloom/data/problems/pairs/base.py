"""Problems of pairs: texts and what each becomes, as Tensor2Tensor's text-to-text problems are.

A pair problem is one class in one file: where its pairs come from, how they are split, what its texts are made of and
how answers are scored. It stands in the same registry as the problems of conversations and offers its pairs as
conversations too, so the encoder-decoder and the omni model learn from the same data. Pairs are read when they are
first asked for, never when problems are listed. Generated record files, which Tensor2Tensor writes before training,
were rejected: pairs of one set fit into memory, and what is read from checked sources is the same every time.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, cast

from omniloom.core.randomness import generator
from omniloom.data.problems.base import Example, Split, Task, problems
from omniloom.data.problems.pairs.encoders import Markup, PairEncoders, TokenEncoder, learn_subwords
from omniloom.stream.message import Message
from omniloom.stream.parts import Text

PairSplit = Literal["train", "dev", "test"]
PAIR_SPLITS: tuple[PairSplit, ...] = ("train", "dev", "test")

TASK = "pair"

MAX_LEARNED_PAIRS = 1_000_000
"""That subwords are learned from, evenly spaced; more cost memory and change few merges."""

Variant = Literal["", "_rev", "_copy", "_rev_copy"]
SUFFIXES = re.compile(r"(?P<base>.+?)(?P<variant>(?:_rev)?(?:_copy)?)")


class TextPair(NamedTuple):
    """A text and what it becomes."""

    source: str
    target: str


class PairProblem(ABC):
    """One set of pairs; a subclass says what it is and gives the pairs of each split.

    `metric` names how answers are scored (`pairs.metrics`). `num_subwords` is how many ids a vocabulary learned from
    the training split has; None makes each word an id. `markup` is what texts given to a trained model hold and its own
    pairs do not. `asks` is what an omni model is asked, `{}` being the source, and `asks_back` the other way round.
    `held_out` is under which of its splits an omni model meets the test: *composed* where it combines parts that were
    each seen.
    """

    name: str
    summary: ClassVar[str]
    licence: ClassVar[str]
    origin: ClassVar[str]
    metric: ClassVar[str] = "bleu"
    num_subwords: ClassVar[int | None] = 8192
    markup: ClassVar[Markup | None] = None
    asks: ClassVar[str] = "{}"
    asks_back: ClassVar[str] = "Turn back: {}"
    asks_copy: ClassVar[str] = "Repeat: {}"
    held_out: ClassVar[Split] = "new"
    sizes: ClassVar[str] = ""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Which way the pairs go (`_rev`, `_copy`); and as conversations, how often they come and how long they may be.

        `max_letters` is of both sides together.
        """

        variant: Variant = ""
        weight: float = 10.0
        max_letters: int | None = None

    def __init__(self, config: PairProblem.Config | None = None) -> None:
        self.config = config or self.Config()
        self.tasks = (Task(name=f"{self.full_name}.{TASK}", cell="text-to-text", weight=self.config.weight),)

    @abstractmethod
    def generate(self, split: PairSplit) -> Iterable[TextPair]:
        """The pairs of a split, in an order of their own; the same whenever it is called.

        Raises:
            ValueError: If the source is missing, damaged or cannot be downloaded.
        """

    @property
    def full_name(self) -> str:
        """The name with the suffixes of its variant."""
        return f"{self.name}{self.config.variant}"

    def question(self, source: str) -> str:
        """What an omni model is asked for a source; each variant asks in words of its own, for its answers differ."""
        if "_copy" in self.config.variant:
            return self.asks_copy.format(source)
        return (self.asks_back if "_rev" in self.config.variant else self.asks).format(source)

    def pairs(self, split: PairSplit) -> list[TextPair]:
        """The pairs of a split, turned round or copied as the variant says.

        Raises:
            ValueError: If the split is unknown or empty, or a pair has a side with nothing in it.
        """
        if split not in PAIR_SPLITS:
            raise ValueError(f"split must be one of {', '.join(PAIR_SPLITS)}, got {split!r}")
        if split not in self._read:
            self._read[split] = [self._turned(pair, split, number) for number, pair in enumerate(self.generate(split))]
        found = self._read[split]
        if not found:
            raise ValueError(f"{self.full_name} has no pairs in its {split} split; it must give at least one")
        return found

    def encoders(self) -> PairEncoders:
        """Texts to ids and back, learned from the training split alone: one vocabulary of both sides.

        A subclass may give its sides vocabularies of their own.
        """
        train = self.pairs("train")
        if self.num_subwords is None:
            encoder = TokenEncoder.of_texts(text for pair in train for text in pair)
            return PairEncoders(source=encoder, target=encoder, markup=self.markup)
        # Pairs of a problem and of its reverse give the same vocabulary.
        learned_from = train[:: -(-len(train) // MAX_LEARNED_PAIRS)]
        subwords = learn_subwords((text for pair in learned_from for text in sorted(pair)), num_ids=self.num_subwords)
        return PairEncoders(source=subwords, target=subwords, markup=self.markup)

    def example(self, split: Split, index: int, task: str | None = None) -> Example:
        """The pair at an index as a question and its answer; every pass over a split has an order of its own.

        Raises:
            ValueError: If there is no such split or task.
        """
        if task not in (None, self.tasks[0].name):
            raise ValueError(f"{self.full_name} has no task {task!r}; it has {self.tasks[0].name}")
        own: dict[Split, PairSplit] = {"train": "train", self.held_out: "test"}
        if split not in own:
            raise ValueError(f"{self.full_name} has no split {split!r} for conversations; it has {', '.join(own)}")
        pairs = self._short(own[split])
        epoch, number = divmod(index, len(pairs))
        pair = pairs[int(generator(self.full_name, split, epoch).permutation(len(pairs))[number])]
        messages = (
            Message("user", (Text(self.question(pair.source)),)),
            Message("assistant", (Text(pair.target),)),
        )
        facts = (f"source:{pair.source}",)
        return Example(messages=messages, cell="text-to-text", task=self.tasks[0].name, answer=pair.target, facts=facts)

    def _short(self, split: PairSplit) -> list[TextPair]:
        """The pairs that are short enough for a conversation."""
        limit = self.config.max_letters
        if limit is None:
            return self.pairs(split)
        if split not in self._kept:
            self._kept[split] = [pair for pair in self.pairs(split) if sum(map(len, pair)) <= limit]
        if not self._kept[split]:
            raise ValueError(f"no pair of {self.full_name}, {split}, has at most {limit} letters; raise max_letters")
        return self._kept[split]

    @cached_property
    def _kept(self) -> dict[PairSplit, list[TextPair]]:
        return {}

    @cached_property
    def _read(self) -> dict[PairSplit, list[TextPair]]:
        return {}

    def _turned(self, pair: TextPair, split: PairSplit, number: int) -> TextPair:
        if not (pair[0].strip() and pair[1].strip()):
            where = f"pair {number} of {self.full_name}, {split},"
            raise ValueError(f"{where} must have two texts with something in them, got {tuple(pair)}; leave it out")
        source, target = pair
        if "_rev" in self.config.variant:
            source, target = target, source
        return TextPair(source, source if "_copy" in self.config.variant else target)


def pair_problem(name: str, **settings: Any) -> PairProblem:
    """The pair problem of a name, whose suffixes `_rev` and `_copy` turn pairs round and make targets of sources.

    Raises:
        ValueError: If there is none of that name, or it is a problem of conversations.
    """
    base, variant = _parted(name)
    kind: Any = problems.get(base)
    if not is_pair_problem(base):
        known = ", ".join(pair_problem_names())
        raise ValueError(f"{name} is a problem of conversations, not of pairs; of pairs there are {known}")
    return cast(PairProblem, kind(kind.Config(variant=variant, **settings)))


def names_pairs(name: str) -> bool:
    """Whether a name, with its suffixes, is that of a registered pair problem."""
    return is_pair_problem(_parted(name)[0])


def pair_problem_names() -> list[str]:
    """The registered pair problems, without their variants."""
    return [name for name in problems if is_pair_problem(name)]


def is_pair_problem(name: str) -> bool:
    """Whether a registered name is one of pairs."""
    kind: Any = problems.get(name) if name in problems else None
    return isinstance(kind, type) and issubclass(kind, PairProblem)


def _parted(name: str) -> tuple[str, str]:
    """A name without its suffixes, and these; a registered name that ends like one is whole."""
    found = SUFFIXES.fullmatch(name)
    return (name, "") if name in problems or found is None else (found["base"], found["variant"])


def unshared(splits: Mapping[PairSplit, Sequence[TextPair]]) -> dict[PairSplit, list[TextPair]]:
    """The pairs of each split without those of which a side was seen before, in this split or one before it.

    Of texts that differ only in case and spaces all but the first go. Training comes first, so what is held out is new;
    in training a text may come with several others, and only equal pairs are one.
    """
    taken: set[str] = set()
    kept: dict[PairSplit, list[TextPair]] = {}
    for split in PAIR_SPLITS:
        own: set[tuple[str, str]] = set()
        here: set[str] = set()
        kept[split] = []
        for pair in splits.get(split, ()):
            source, target = (" ".join(text.casefold().split()) for text in pair)
            if (source, target) in own or source in taken or target in taken:
                continue
            if split != "train" and source in here:
                continue
            own.add((source, target))
            here |= {source, target}
            kept[split].append(pair)
        taken |= here
    return kept
