"""Cached equals uncached, whether tokens come one by one through native code or many at once through torch."""

import pytest
import torch

from omniloom.generation.decoder import PreparedModel, RowDecoder
from omniloom.stream.layout import slots_of
from tests.generation.untrained import untrained_model

PREPARED = PreparedModel(untrained_model(context=100))
EVERYTHING = [(0, PREPARED.vocabulary.size)]


@pytest.fixture(params=["native", "torch"], autouse=True)
def prepared(request, monkeypatch):
    """Both ways: native code as it is chosen here, and torch as where nothing was built."""
    if request.param == "torch":
        monkeypatch.setenv("OMNILOOM_ISA", "reference")
        monkeypatch.setitem(globals(), "PREPARED", PreparedModel(untrained_model(context=100)))


def some_ids(count: int) -> list[int]:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(1, PREPARED.vocabulary.size, (count,), generator=generator).tolist()


def uncached(ids: list[int]) -> torch.Tensor:
    model = PREPARED.model
    return model.logits(model(torch.tensor([ids]), torch.tensor([slots_of(ids, PREPARED.vocabulary)])))[0, -1]


def assert_equal(logits: torch.Tensor, expected: torch.Tensor) -> None:
    # Logits reach 15 here; the allowed 1e-5 is relative to their scale.
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("pieces", [[1] * 60, [60], [20, 1, 9, 2, 28], [9, 51], [3, 57]])
def test_cached_equals_uncached(pieces):
    ids, row = some_ids(60), RowDecoder(PREPARED)
    for count in pieces:
        row.append(ids[len(row.ids) : len(row.ids) + count])
        logits = row.feed(EVERYTHING)
    assert_equal(logits, uncached(ids))


def test_long_prompts_are_cut(monkeypatch):
    monkeypatch.setattr("omniloom.generation.decoder.PIECE_TOKENS", 16)
    row = RowDecoder(PREPARED)
    row.append(some_ids(60))
    assert_equal(row.feed(EVERYTHING), uncached(some_ids(60)))


@pytest.mark.parametrize("length", [10, 40, 49])
def test_forgotten_tokens_leave_no_trace(length):
    ids, row = some_ids(60), RowDecoder(PREPARED)
    row.append(ids[:50])
    row.feed()
    row.truncate(length)
    row.append(ids[55:])
    assert_equal(row.feed(EVERYTHING), uncached([*ids[:length], *ids[55:]]))


def test_only_asked_logits_are_given():
    for count in (4, 30):
        row = RowDecoder(PREPARED)
        row.append(some_ids(count))
        logits = row.feed([(5, 7), (40, 50)])
        asked = [5, 6, *range(40, 50)]
        assert_equal(logits[asked], uncached(some_ids(count))[asked])
        assert int(torch.isfinite(logits).sum()) == 12


def test_a_full_context_is_refused_and_changes_nothing():
    row = RowDecoder(PREPARED)
    row.append(some_ids(90))
    with pytest.raises(ValueError, match="90 tokens and 11 more do not fit the model's context of 100"):
        row.append(some_ids(11))
    assert len(row.ids) == 90
