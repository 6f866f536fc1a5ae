"""Two sizes trained on in-context mixtures, asked for mappings that neither has seen, with none to many solved items.

Items of one mapping are asked with the same demonstrations' words, so what is drawn for an interval are mappings and
not items. Finished items and trained models stay in the folder: a run that is repeated computes neither again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omniloom.data.problems.in_context import FAMILIES
from omniloom.evaluation.few_shot import OmniLanguageModel, Shots, evaluate_few_shot, few_shot_tasks, load_records
from omniloom.evaluation.intervals import Interval, bootstrap
from omniloom.generation import Omni
from omniloom.recipes.meta import large, small, train_meta

SIZES = {"small": small, "large": large}
HEADLINE = ("letter",)
"""What is held to the bar; the other families need more than looking up, and minutes do not suffice for them."""

SHOTS: tuple[Shots, ...] = (0, 1, 2, 4, 8, "few")


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A share with its 95 % interval over mappings."""

    value: float
    interval: Interval

    @classmethod
    def of(cls, scores: Sequence[float]) -> Mean:
        return cls(value=sum(scores) / len(scores), interval=bootstrap(scores))

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.interval.low:.3f} to {self.interval.high:.3f})"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Of one size: the mean score of each mapping with each number of shots, by `FAMILY` or `FAMILY-shuffled`."""

    size: str
    by_mapping: Mapping[str, Mapping[str, Mapping[str, float]]]

    def mean(self, shots: str, *, families: Sequence[str] = HEADLINE, control: bool = False) -> Mean:
        """Over the mappings of these families, which count alike."""
        names = [f"{name}-shuffled" if control else name for name in families]
        return Mean.of([score for name in names for score in self.by_mapping[name][shots].values()])

    def family(self, name: str, shots: str) -> float:
        """Of one family."""
        own = list(self.by_mapping[name][shots].values())
        return sum(own) / len(own)

    def gains(self, families: Sequence[str] = HEADLINE) -> list[float]:
        """Few minus zero, of every mapping."""
        found = [self.by_mapping[name] for name in families]
        return [family["few"][own] - family["0"][own] for family in found for own in family["0"]]


def trained(folder: Path) -> dict[str, Path]:
    """Both sizes' checkpoints, trained here unless they are whole already."""
    return {size: train_meta(configure(), out=folder / size) for size, configure in SIZES.items()}


def measure(checkpoint: Path, size: str, *, limit: int | None, results: Path) -> Scores:
    """All families with every number of shots, and the controls with none and many."""
    model = OmniLanguageModel(Omni.load(checkpoint), name=size)
    asked = [f"meta-{name}" for name in FAMILIES]
    evaluate_few_shot(model, asked, shots=SHOTS, limit=limit, results=results)
    evaluate_few_shot(model, [f"{name}-shuffled" for name in asked], shots=("few",), limit=limit, results=results)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    items = {name: few_shot_tasks.get(name).items("test") for name in few_shot_tasks if name.startswith("meta-")}
    for record in load_records(results):
        mapping = items[record.task][record.number].mapping
        family = found.setdefault(record.task.removeprefix("meta-"), {}).setdefault(record.shots, {})
        family.setdefault(mapping, []).append(record.score)
    means = {
        name: {
            shots: {mapping: sum(own) / len(own) for mapping, own in mappings.items()}
            for shots, mappings in settings.items()
        }
        for name, settings in found.items()
    }
    return Scores(size=size, by_mapping=means)
