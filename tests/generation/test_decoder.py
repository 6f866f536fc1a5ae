"""Cached equals uncached, whether tokens come one by one through native code or many at once through torch."""

import copy
from collections.abc import Sequence

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniloom.generation import decoder
from omniloom.generation.decoder import PreparedModel, RowDecoder
from omniloom.generation.engine import Engine
from omniloom.generation.steps import NativeStep
from omniloom.kernels import has_rounding_step
from omniloom.stream import vocabulary as v
from omniloom.stream.folding import fold
from omniloom.stream.layout import Piece, prompt_ids
from tests.generation.untrained import picture, sound, uncached_scores, untrained_codecs, untrained_model

PREPARED = PreparedModel(untrained_model(context=100))


def feed(row: RowDecoder, ids: Sequence[int] = ()) -> torch.Tensor:
    return Engine(PREPARED).feed(row, ids=ids)


def last_scores(row: RowDecoder) -> torch.Tensor:
    """All scores after the last of what waits."""
    return feed(row, range(PREPARED.vocabulary.num_scores))[-1]


@pytest.fixture(params=["native", "torch", "native folded", "torch folded"], autouse=True)
def prepared(request, monkeypatch):
    """Both ways: native code as it is chosen here, and torch as where nothing was built; and both kinds of codecs."""
    if request.param.startswith("torch"):
        monkeypatch.setenv("OMNILOOM_ISA", "reference")
    if request.param != "native":
        model = untrained_model(context=100, is_folded=request.param.endswith("folded"))
        monkeypatch.setitem(globals(), "PREPARED", PreparedModel(model))


def random_ids(count: int, *, first: int = 1) -> list[int]:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(first, PREPARED.vocabulary.size, (count,), generator=generator).tolist()


def some_ids(count: int) -> list[int]:
    """A stream of so many positions: any ids, or where codecs fold sounds and pictures, in a prompt and a reply."""
    if PREPARED.vocabulary.max_group == 1:
        return random_ids(count)
    codecs = untrained_codecs(is_folded=True)
    sounds = [Piece("audio", codecs.audio.encode(sound(0.12, seed=seed))) for seed in (1, 2)]
    shown = Piece("image", codecs.image.encode(picture()))
    prompt = [sounds[0], shown, sounds[1]] if count >= 60 else sounds[:1]
    ids = [v.BOS, v.USER, *prompt_ids(prompt, PREPARED.vocabulary), v.ASSISTANT]
    while (num_missing := count - len(fold(ids, PREPARED.vocabulary))) > 0:
        drawn = [v.IMAGE, *prompt_ids([shown], PREPARED.vocabulary)[1:]] if num_missing > 20 else []
        ids += [40, *(drawn or prompt_ids(sounds[:1], PREPARED.vocabulary)[1:] if num_missing > 4 else [])]
    return ids


def uncached(ids: list[int]) -> torch.Tensor:
    return uncached_scores(PREPARED.model, ids)[-1]


def assert_equal(logits: torch.Tensor, expected: torch.Tensor) -> None:
    # Logits reach 15 here; the allowed 1e-5 is relative to their scale.
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("sizes", [[1] * 200, [200], [20, 1, 9, 2, 200], [9, 200], [3, 200]])
def test_cached_equals_uncached(sizes):
    ids, row = some_ids(60), RowDecoder(PREPARED)
    for size in sizes[:-1]:
        row.append(ids[len(row.ids) : min(len(row.ids) + size, len(ids) - 1)])
        feed(row)
    row.append(ids[len(row.ids) :])
    assert_equal(last_scores(row), uncached(ids))
    assert row.num_positions == row.num_fed == 60


def test_long_prompts_are_cut(monkeypatch):
    monkeypatch.setattr(NativeStep, "max_positions", 16)
    row = RowDecoder(PREPARED)
    row.append(some_ids(60))
    assert_equal(last_scores(row), uncached(some_ids(60)))


@pytest.mark.parametrize("num_cut", [31, 20, 1])
def test_forgotten_tokens_leave_no_trace(num_cut):
    """Replies are cut, not what the user gave, and wherever a position ends."""
    ids, row = some_ids(60), RowDecoder(PREPARED)
    row.append(ids)
    feed(row)
    num_left = sum(len(position.ids) for position in fold(ids, PREPARED.vocabulary)[: 60 - num_cut])
    row.truncate(num_left)
    assert row.num_positions == row.num_fed == 60 - num_cut
    rest = ids[num_left:][:5] if PREPARED.vocabulary.reply_places else ids[-5:]
    row.append(rest)
    assert_equal(last_scores(row), uncached([*ids[:num_left], *rest]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(edits=st.lists(st.tuples(st.booleans(), st.integers(1, 30)), min_size=1, max_size=12), marks=st.integers(1, 4))
def test_whatever_is_added_and_cut_folds_as_if_it_were_new(monkeypatch, edits, marks):
    monkeypatch.setattr(decoder, "MAX_MARKS", marks)
    row, ids = RowDecoder(PREPARED), some_ids(80)
    for is_cut, count in edits:
        if is_cut:
            length = max(len(row.ids) - count, 0)
            would_be = row.num_positions_with(ids[length : length + 9], after=length)
            assert would_be == len(fold(ids[: length + 9], PREPARED.vocabulary))
            row.truncate(length)
        else:
            row.append(ids[len(row.ids) : len(row.ids) + count])
        whole = fold(row.ids, PREPARED.vocabulary)
        assert row.ids == ids[: len(row.ids)] and row.num_positions == len(whole)
        assert row.waiting(row.num_waiting) == whole[row.num_fed :]


def test_half_a_position_is_forgotten_too():
    """A reply that is cut off within a frame leaves what is whole; the rest never was a position."""
    if not PREPARED.vocabulary.reply_places:
        return
    ids, row = some_ids(8), RowDecoder(PREPARED)
    codes = [item.start for item in PREPARED.vocabulary.planes_of("audio")]
    row.append([*ids, *codes, codes[0]])
    assert row.num_positions == 9 and row.last.ids == tuple(codes)
    last_scores(row)
    row.truncate(len(ids) + 2)
    row.append([v.END])
    assert_equal(last_scores(row), uncached([*ids, *codes, v.END]))


@pytest.mark.parametrize("piece", [4, 128])
def test_scores_after_every_position(piece, monkeypatch):
    monkeypatch.setattr(NativeStep, "max_positions", piece)
    ids, row, alone = some_ids(12), RowDecoder(PREPARED), RowDecoder(PREPARED)
    row.append(ids)
    scores = feed(row, [v.TURN_END, 40])
    found = []
    for token in ids:
        alone.append([token])
        if alone.num_positions > alone.num_fed:
            found.append(last_scores(alone)[[v.TURN_END, 40]])
    assert_equal(scores, torch.stack(found))
    assert feed(row, [v.TURN_END]).shape == (0, 1)


def test_bfloat16_scores_are_near(monkeypatch):
    """Next to the exact ones, and not the same."""
    if PREPARED.is_native and not has_rounding_step():
        pytest.skip("this processor does not multiply bfloat16")
    model = copy.deepcopy(PREPARED.model)
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    found, ids = [], some_ids(40)
    for precision in ("float32", "bfloat16"):
        monkeypatch.setitem(globals(), "PREPARED", PreparedModel(model, precision=precision))
        row = RowDecoder(PREPARED)
        row.append(ids)
        found.append(last_scores(row))
    exact, rounded = found
    scale = float(exact.abs().max())
    assert 1e-4 * scale < float((rounded - exact).abs().max()) < 0.05 * scale


def test_a_full_context_is_refused_and_changes_nothing():
    row = RowDecoder(PREPARED)
    row.append(some_ids(90))
    before = row.ids.copy()
    with pytest.raises(ValueError, match="90 tokens and 11 more do not fit the model's context of 100"):
        row.append([40] * 11)
    assert row.ids == before
    row.append([40] * 10)
    assert row.num_positions == 100
