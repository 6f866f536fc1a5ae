"""Packed equals separate: every example once an epoch, its tokens unchanged, alone in its document."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom.data.packing import PackedLoader, filled, pack
from omniloom.data.token_dataset import EncodedExample
from omniloom.stream.vocabulary import PAD


class Numbered:
    """A data set whose example i is made of tokens that say so."""

    num_more = 2

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = np.array(lengths)
        self.task_of = np.arange(len(lengths)).astype(np.uint8) % 7

    def __getitem__(self, example: int) -> EncodedExample:
        random = np.random.default_rng(example)
        size = self.lengths[example]
        ids, more = random.integers(1, 1000, size), random.integers(0, 1000, (size, self.num_more))
        slots, classes, turns = (random.integers(0, limit, size).astype(np.uint8) for limit in (128, 7, 3))
        words = random.integers(0, 1000, size).astype(np.uint16)
        return EncodedExample(ids.astype(np.uint16), more.astype(np.uint16), slots, classes, turns, words)


lengths_of = st.lists(st.integers(2, 40), min_size=1, max_size=200)


@settings(deadline=None, max_examples=50)
@given(lengths=lengths_of, seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_every_example_stands_in_exactly_one_row(lengths: list[int], seed: int, epoch: int) -> None:
    packed = pack(lengths, row_length=40, seed=seed, epoch=epoch)
    assert sorted(packed.examples.tolist()) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in packed[row]) <= 40 for row in range(len(packed)))
    again = pack(lengths, row_length=40, seed=seed, epoch=epoch)
    assert (again.examples == packed.examples).all() and (again.starts == packed.starts).all()


@settings(deadline=None, max_examples=30)
@given(lengths=lengths_of)
def test_packed_rows_hold_exactly_the_examples_tokens(lengths: list[int]) -> None:
    dataset = Numbered(lengths)
    loader = PackedLoader(dataset, row_length=40, batch_rows=1, seed=0)  # type: ignore[arg-type]
    for number in range(loader.rows_in_epoch(0)):
        batch, examples = loader.batch(number), loader.row(number)
        for document, example in enumerate(examples, start=1):
            own = batch.documents[0] == document
            found = dataset[int(example)]
            for name in ("ids", "more", "slots", "turns", "words"):
                assert getattr(batch, name)[0][own].tolist() == getattr(found, name).tolist()
            assert batch.targets[0][own].tolist() == [*found.ids[1:].tolist(), PAD]
            assert batch.more_targets[0][own].tolist() == [*found.more[1:].tolist(), [PAD, PAD]]
            assert batch.classes[0][own].tolist() == [*found.classes[1:].tolist(), 0]
            assert set(batch.tasks[0][own].tolist()) == {int(dataset.task_of[example])}
        rest = batch.documents[0] == 0
        assert not batch.ids[0][rest].any() and not batch.classes[0][rest].any()
        assert batch.num_tokens == sum(lengths[i] for i in examples)


def test_rows_are_nearly_full() -> None:
    lengths = np.random.default_rng(0).gamma(2.5, 44, 8000).astype(int).clip(10, 500)
    packed = pack(lengths, row_length=512, seed=0)
    assert filled(packed, lengths, row_length=512) >= 0.97


def test_epochs_differ_and_steps_run_across_them() -> None:
    dataset = Numbered([10] * 10)
    loader = PackedLoader(dataset, row_length=40, batch_rows=2, seed=0)  # type: ignore[arg-type]
    per_epoch = loader.rows_in_epoch(0)
    assert (
        pack(dataset.lengths, row_length=40, seed=0).examples.tolist()
        != pack(dataset.lengths, row_length=40, seed=0, epoch=1).examples.tolist()
    )
    rows = [loader.row(number).tolist() for number in range(3 * per_epoch)]
    for epoch in range(3):
        seen = [example for row in rows[epoch * per_epoch : (epoch + 1) * per_epoch] for example in row]
        assert sorted(seen) == list(range(10))


def test_a_later_step_asked_for_first_is_the_same() -> None:
    dataset = Numbered(list(range(3, 33)))
    through = PackedLoader(dataset, row_length=40, batch_rows=3, seed=4)  # type: ignore[arg-type]
    wanted = [through.batch(step) for step in range(20)][-1]
    at_once = PackedLoader(dataset, row_length=40, batch_rows=3, seed=4).batch(19)  # type: ignore[arg-type]
    for name in ("ids", "more", "targets", "more_targets", "classes", "slots", "turns", "words", "documents", "tasks"):
        assert (getattr(wanted, name) == getattr(at_once, name)).all()


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_ranks_share_out_the_rows_of_one(world_size: int) -> None:
    dataset = Numbered(list(range(3, 33)))
    alone, *shares = [
        PackedLoader(dataset, row_length=40, batch_rows=4, seed=0, rank=rank, world_size=size).batch(2)  # type: ignore[arg-type]
        for rank, size in [(0, 1), *((rank, world_size) for rank in range(world_size))]
    ]
    assert alone.ids.tolist() == [row for share in shares for row in share.ids.tolist()]


def test_more_ranks_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="a step has 4 rows for 5 processes"):
        PackedLoader(Numbered([3]), row_length=40, batch_rows=4, seed=0, rank=0, world_size=5)  # type: ignore[arg-type]


def test_an_example_longer_than_a_row_is_refused_by_number() -> None:
    with pytest.raises(ValueError, match=r"example 1 has 50 tokens, more than row_length 40"):
        pack([10, 50], row_length=40, seed=0)
