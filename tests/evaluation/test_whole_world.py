"""Every row of the real world can be asked and judged: whoever knows all the answers scores its ceiling everywhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from omniloom.data.problems import Example, Mixture
from omniloom.data.speech.listener import Listener
from omniloom.evaluation import scoring
from omniloom.evaluation.rows import ScoredRow, rows_of
from omniloom.evaluation.scoring import score_row

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("OMNILOOM_DATA" not in os.environ, reason="people's digits are needed: set OMNILOOM_DATA"),
]

N = 4
ROWS = rows_of(Mixture())
CODECS: Any = SimpleNamespace(
    audio=SimpleNamespace(encode=lambda part: part, decode=lambda part: part),
    image=SimpleNamespace(encode=lambda part: part, decode=lambda part: part),
)


class Oracle:
    """Answers with the reference, which it is handed in the prompt's place."""

    codecs = CODECS

    def reply_batch(self, prompts: Sequence[Any], *, want: Iterable[str], seed: int) -> list[Any]:
        return [SimpleNamespace(parts=example.reply.parts) for example in prompts]


@pytest.mark.parametrize("split", ["new", "composed"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_whoever_knows_all_scores_the_ceiling(row: ScoredRow, split: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def itself(example: Example) -> Any:
        return example

    monkeypatch.setattr(scoring, "_prompt", itself)
    found = score_row(Oracle(), Mixture(), row, split, limit=N, seed=0, listener=Listener.load())
    assert found.score == found.ceiling
    # The judge of speech has errors of its own, which its own evaluation shows.
    assert found.score >= 0.75 or "audio" in found.output
    assert found.refused == 0.0 or found.kind == "unknown"
    assert found.known == (0 if row.kind == "unknown" else N)
    assert set(found.without) == (set(row.inputs) if len(row.inputs) > 1 else set())
