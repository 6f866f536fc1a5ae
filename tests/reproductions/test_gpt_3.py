"""GPT-3's reproduction: its controls hold, what was not trained is not tested, and means are those of mappings."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniloom.data.problems.in_context import FAMILIES
from omniloom.reproductions import reproductions
from omniloom.reproductions.gpt_3.figure import draw
from omniloom.reproductions.gpt_3.meta import SHOTS, Scores
from omniloom.reproductions.gpt_3.reproduction import _counts, _forms, _learned, _shared


def scores(size: str, *, few: float) -> Scores:
    """Of two mappings of each family, one a tenth better than the other."""
    settings = {str(shots): few * place / (len(SHOTS) - 1) for place, shots in enumerate(SHOTS)}
    own = {shots: {"a": value, "b": value + 0.1} for shots, value in settings.items()}
    families = {name: own for name in FAMILIES}
    return Scores(
        size=size, by_mapping=families | {f"{name}-shuffled": {"few": {"a": 0.1, "b": 0.1}} for name in FAMILIES}
    )


def test_forms_and_counts_hold() -> None:
    assert _forms().holds is True and _counts().holds is True


def test_an_items_prompt_is_computed_once_for_its_options() -> None:
    assert _shared().holds is True


def test_without_trained_models_nothing_is_claimed_of_them() -> None:
    assert [row.holds for row in _learned([])] == ["not tested"] * 4


@pytest.mark.parametrize("few, holds", [(0.5, True), (0.15, False)])
def test_the_claim_asks_for_twenty_points_and_for_more_of_the_larger(few: float, holds: bool) -> None:
    small, large, _, gain = _learned([scores("small", few=0.05), scores("large", few=few)])
    assert small.holds is True and large.holds is holds and gain.holds is True
    assert _learned([scores("small", few=few), scores("large", few=0.05)])[3].holds is False


def test_mappings_count_alike_and_the_figure_is_drawn(tmp_path: Path) -> None:
    own = scores("large", few=0.5)
    assert own.mean("few").value == pytest.approx(0.55) and own.mean("few", control=True).value == pytest.approx(0.1)
    assert own.gains() == pytest.approx([0.5] * 2) and own.family("order", "0") == pytest.approx(0.05)
    draw([scores("small", few=0.2), own], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_it_stands_in_the_catalogue() -> None:
    assert "gpt-3" in reproductions
