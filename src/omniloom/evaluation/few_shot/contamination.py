"""Which items a model may have seen: runs of 13 words that stand in its training texts too (GPT-3, appendix C).

Words are compared in lower case and without punctuation. An item shorter than 13 words is looked for whole if it has at
least 8, the paper's least; what is shorter still would be found by chance and is counted apart. The items' runs are
held and the texts go by once, so texts may be as large as they like.

Sums, differences and products are shorter than any run. They are looked for in the two forms that the paper searched
its training data for (section 3.9.1): "98 + 45 =" and "98 plus 45".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omniloom.core.progress import track
from omniloom.evaluation.few_shot.task import Item, few_shot_tasks
from omniloom.evaluation.table import rich_table, share

NUM_WORDS = 13
MIN_WORDS = 8

WORD = re.compile(r"\w+(?:'\w+)*")

Calculation = tuple[str, str, str]
"""First number, operation in words, second number."""

OPERATIONS = {"+": "plus", "-": "minus", "−": "minus", "*": "times", "×": "times"}
IN_SIGNS = re.compile(r"(?<![\d.])(\d+) ?([-+*×−]) ?(\d+) ?=")
IN_WORDS = re.compile(r"(?<![\d.])(\d+) (plus|minus|times) (\d+)(?!\d)")


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """Numbers of the items that were found, of those that were looked for; `num_short` were too short to be."""

    found: tuple[int, ...]
    num_looked_for: int
    num_short: int

    @property
    def share(self) -> float:
        return len(self.found) / self.num_looked_for if self.num_looked_for else 0.0


@dataclass(frozen=True, kw_only=True)
class SeenReport:
    """What of each task stands in training texts."""

    tasks: Mapping[str, Contamination]

    def to_json(self) -> dict[str, Any]:
        return {name: asdict(found) | {"share": found.share} for name, found in self.tasks.items()}

    def save(self, path: str | Path) -> None:
        """Write the JSON file."""
        Path(path).write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    def table(self) -> Any:
        """The report as a rich renderable."""
        rows = [
            (name, str(found.num_looked_for), str(len(found.found)), share(found.share), str(found.num_short))
            for name, found in self.tasks.items()
        ]
        return rich_table("Items in training texts", ("task", "n", "found", "share", "too short"), rows)


def look_for(names: Sequence[str], paths: Sequence[str | Path]) -> SeenReport:
    """Which items of these tasks stand in training texts.

    Raises:
        ValueError: If a task is unknown or broken, or the texts cannot be read.
    """
    tasks = {name: few_shot_tasks.get(name).items("test") for name in names}
    everything = [item for items in tasks.values() for item in items]
    calculated: set[Calculation] = set()
    found = contamination(everything, _noting(read_texts(paths), calculated))
    seen, start = {}, 0
    for name, items in tasks.items():
        asked = [calculation_of(item) for item in items]
        own = {number - start for number in found.found if start <= number < start + len(items)}
        own |= {number for number, calculation in enumerate(asked) if calculation in calculated}
        num_short = sum(calculation is None and _is_short(item) for item, calculation in zip(items, asked, strict=True))
        seen[name] = Contamination(found=tuple(sorted(own)), num_looked_for=len(items) - num_short, num_short=num_short)
        start += len(items)
    return SeenReport(tasks=seen)


def calculation_of(item: Item) -> Calculation | None:
    """What an item asks to be calculated, where that is one operation on two numbers."""
    found = re.search(r"What is (\d+) (plus|minus|times) (\d+)\?", item.context)
    return None if found is None else (found[1], found[2], found[3])


def calculations_in(text: str) -> set[Calculation]:
    """Those that a text holds, as "98 + 45 =" or as "98 plus 45"."""
    signs = {(first, OPERATIONS[sign], second) for first, sign, second in IN_SIGNS.findall(text)}
    return signs | set(IN_WORDS.findall(text))


def _noting(texts: Iterable[str], calculated: set[Calculation]) -> Iterator[str]:
    """The texts as they go by, with their calculations noted."""
    for text in texts:
        calculated |= calculations_in(text)
        yield text


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return WORD.findall(text.lower())


def contamination(
    items: Sequence[Item], texts: Iterable[str], *, num_words: int = NUM_WORDS, min_words: int = MIN_WORDS
) -> Contamination:
    """Which items share a run of `num_words` words with a text; an item is its question and its first answer.

    Raises:
        ValueError: If a run could be shorter than one word, or longer than the longest.
    """
    if not 1 <= min_words <= num_words:
        raise ValueError(f"min_words must be from 1 to num_words {num_words}, got {min_words}")
    owners: dict[tuple[str, ...], set[int]] = {}
    num_short = 0
    for number, item in enumerate(items):
        words = _words_of_item(item)
        if len(words) < min_words:
            num_short += 1
            continue
        for run in _runs(words, min(num_words, len(words))):
            owners.setdefault(run, set()).add(number)
    lengths = sorted({len(run) for run in owners})
    found: set[int] = set()
    for text in texts:
        words = words_of(text)
        for length in lengths:
            for run in _runs(words, length):
                found |= owners.get(run, set())
    return Contamination(found=tuple(sorted(found)), num_looked_for=len(items) - num_short, num_short=num_short)


def read_texts(paths: Sequence[str | Path]) -> Iterator[str]:
    """The texts of files, each whole; of a folder, of all the files in it that end in .txt or .jsonl.

    Raises:
        ValueError: If a path does not exist, or nothing is there to be read.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f"there is no {path}; give text files, or folders of them")
        files += sorted(p for p in path.rglob("*") if p.suffix in (".txt", ".jsonl")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"no .txt or .jsonl file in {', '.join(map(str, paths))}; give text files")
    for file in track(files, "training texts", unit="file"):
        yield file.read_text(encoding="utf-8", errors="replace")


def _words_of_item(item: Item) -> list[str]:
    return words_of(item.context + " " + item.answers[0])


def _is_short(item: Item) -> bool:
    return len(_words_of_item(item)) < MIN_WORDS


def _runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(length)), strict=False)
