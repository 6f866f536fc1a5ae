"""Two models whose scores are known beforehand, for testing a task: one that knows every answer, one that knows none.

On a task that is written right the oracle scores 1 and the constant no more than chance; where it does not, the task
can be solved without being understood, or cannot be solved at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omniloom.evaluation.few_shot.models.base import Likelihood, Medium, ScoreRequest, WriteRequest
from omniloom.evaluation.few_shot.models.media import MEDIUM, told
from omniloom.evaluation.few_shot.task import Item, Task

UNLIMITED = 2**31


class Oracle:
    """Knows the answers of these tasks by the ends of their prompts."""

    name = "oracle"
    context = UNLIMITED

    def __init__(self, *known: Task) -> None:
        self._answers: dict[str, list[Item]] = {}
        lengths: set[int] = set()
        for task in known:
            for item in task.items("test"):
                for context in {item.context, item.alone or item.context}:
                    self._answers.setdefault(told(context, item.media), []).append(item)
                    lengths.add(len(context))
        self._lengths = sorted(lengths, reverse=True)

    def num_tokens(self, text: str) -> int:
        return len(text)

    def num_media_tokens(self, medium: Medium) -> int:
        return 1

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        """The answer is certain, and after any other context all are alike."""
        for place, request in enumerate(requests):
            items = [item for item in self._items(request) if item.options == request.continuations]
            answers = items[0].answers if items else request.continuations
            yield place, tuple(Likelihood(0.0 if own in answers else -9.0, 1) for own in request.continuations)

    def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
        for place, request in enumerate(requests):
            yield place, next((item.answers[0] for item in self._items(request)), "")

    def _items(self, request: ScoreRequest | WriteRequest) -> list[Item]:
        """Those with the longest context at the end of the prompt; a question may be asked with other options."""
        for length in self._lengths:
            end = request.prefix[-length:]
            num_shown = end.count(MEDIUM) if request.media else 0
            if found := self._answers.get(told(end, request.media[len(request.media) - num_shown :])):
                return found
        return []


class Constant:
    """Always writes the same, and always takes the first option."""

    context = UNLIMITED

    def __init__(self, text: str = "0") -> None:
        self.name = f"constant {text!r}"
        self._text = text

    def num_tokens(self, text: str) -> int:
        return len(text)

    def num_media_tokens(self, medium: Medium) -> int:
        return 1

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        for place, request in enumerate(requests):
            yield place, tuple(Likelihood(-float(number), 1) for number in range(len(request.continuations)))

    def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
        for place in range(len(requests)):
            yield place, self._text
