"""Tokens are drawn as torch would, and the same ones wherever a row stands and whatever runs it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from omniloom.kernels import sample, sample_settings, sample_with
from omniloom.kernels.sampling import reference

INFINITY = math.inf
SETTINGS = [
    {},
    {"temperature": 0.0},
    {"temperature": 1e-7},
    {"temperature": 0.7, "top_k": 50},
    {"top_p": 0.9},
    {"top_p": 0.5, "min_p": 0.01},
    {"min_p": 0.001},
    {"temperature": 2.0, "top_p": 0.99},
    {"top_k": 2000, "top_p": 0.8},
    {"top_k": 3000},
    {"top_p": 0.0},
    {"min_p": 1.0},
]


def logits_of(count: int, *, scale: float) -> Tensor:
    """Eight rows; one is masked in half, one has many equal numbers, one is all but masked."""
    rows = torch.randn(8, count, generator=torch.Generator().manual_seed(count)) * scale
    rows[2, : count // 2] = -INFINITY
    rows[3, ::3] = 1.0
    rows[4, 1:] = -INFINITY
    return rows


def columns(num_rows: int, settings: dict[str, float]) -> list[Tensor]:
    standard = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0} | settings
    types = (torch.float64, torch.int64, torch.float64, torch.float64)
    return [torch.full((num_rows,), value, dtype=dtype) for value, dtype in zip(standard.values(), types, strict=True)]


def test_philox_is_that_of_its_authors() -> None:
    """The first known answer published with Random123: counter and key 0 give 6627e8d5 e169c58d bc57ac4c 9b00dbd8."""
    zero = torch.zeros(1, dtype=torch.int64)
    assert reference.philox_uniform(zero, zero).item() == (0xE169C58D6627E8D5 >> 11) * 2.0**-53
    flat = torch.zeros(1, 1 << 20)
    for seed, counter in ((0, 0), (1, 0), (0, 1), (-1, -1), (2**62 + 5, 2**40)):
        u = reference.philox_uniform(torch.tensor([seed]), torch.tensor([counter])).item()
        assert sample(flat, seed=torch.tensor([seed]), counter=torch.tensor([counter])).item() == int(u * (1 << 20))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("count", [1, 2, 63, 128, 129, 5000, 20001])
def test_tokens_are_those_of_the_reference(isa: str, settings: dict[str, float], count: int) -> None:
    seed, counter = torch.arange(8) * 77 + count, torch.arange(8)
    for scale in (0.1, 1.0, 6.0):
        rows = logits_of(count, scale=scale)
        want = reference.sample(rows, *columns(8, settings), seed, counter)
        assert torch.equal(sample(rows, seed=seed, counter=counter, **settings), want)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_row_is_the_same_alone_in_a_batch_and_on_two_threads(settings: dict[str, float]) -> None:
    rows = logits_of(40_000, scale=2.0)
    whole = sample(rows, seed=7, counter=torch.arange(8), **settings)
    alone = [sample(rows[i : i + 1], seed=7, counter=i, **settings) for i in range(8)]
    assert torch.equal(torch.cat(alone), whole)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(sample(rows, seed=7, counter=torch.arange(8), **settings), whole)
    finally:
        torch.set_num_threads(before)


def test_every_row_has_its_own_settings() -> None:
    rows = logits_of(3000, scale=2.0)
    settings = {
        "temperature": torch.tensor([0.0, 0.5, 1.0, 2.0] * 2, dtype=torch.float64),
        "top_k": torch.tensor([0, 5, 0, 2000] * 2),
        "top_p": torch.tensor([1.0, 0.9, 0.3, 0.95] * 2),
        "min_p": torch.tensor([0.0] * 4 + [0.01] * 4),
    }
    whole = sample(rows, seed=3, counter=torch.arange(8), **settings)
    for i in range(8):
        own = {name: value[i].item() for name, value in settings.items()}
        assert sample(rows[i : i + 1], seed=3, counter=i, **own).item() == whole[i]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_settings_made_before_draw_the_same(isa: str, settings: dict[str, float]) -> None:
    rows, counter = logits_of(700, scale=2.0), torch.arange(8)
    made = sample_settings(8, seed=torch.arange(8), counter=counter, **settings)
    for _ in range(3):
        want = sample(rows, seed=torch.arange(8), counter=counter.clone(), **settings)
        assert torch.equal(sample_with(rows, made), want)
        counter += 5  # made without a copy, so this is the next draw
    with pytest.raises(RuntimeError, match="must be a contiguous row of 7 numbers"):
        sample_with(rows[:7], made)
    with pytest.raises(ValueError, match="seed must be a number or one for each of 3 rows"):
        sample_settings(3, seed=torch.arange(8), **settings)


PEAKED = torch.randn(40, generator=torch.Generator().manual_seed(1)) * 2
FLAT = torch.randn(600, generator=torch.Generator().manual_seed(2)) * 0.2


@pytest.mark.parametrize("settings", [*SETTINGS[3:8], {}, {"top_k": 10, "top_p": 0.7, "min_p": 0.2}], ids=str)
@pytest.mark.parametrize("row", [PEAKED, FLAT], ids=["peaked", "flat"])
def test_draws_are_distributed_as_by_torch(settings: dict[str, float], row: Tensor) -> None:
    """Pearson's chi-square over 60,000 draws; 5 deviations above its mean come once in a million."""
    num_draws = 60_000
    tokens = sample(row.expand(num_draws, -1), seed=11, counter=torch.arange(num_draws), **settings)
    expected = warped(row, **settings) * num_draws
    seen = torch.bincount(tokens, minlength=len(row)).double()
    assert seen[expected == 0].sum() == 0
    rare = (expected > 0) & (expected < 5)
    seen = torch.cat([seen[expected >= 5], seen[rare].sum()[None]])
    expected = torch.cat([expected[expected >= 5], expected[rare].sum()[None].clamp(min=1e-9)])
    chi_square = ((seen - expected) ** 2 / expected).sum()
    freedom = len(seen) - 1
    assert chi_square <= freedom + 5 * math.sqrt(2 * freedom) + 5


def warped(row: Tensor, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0) -> Tensor:
    """Probabilities after the warpers of transformers, in their order and arithmetic, in float64."""
    scores = row.double()[None] / temperature
    if top_k:
        least = scores.topk(min(top_k, scores.shape[-1])).values[:, -1:]
        scores = scores.masked_fill(scores < least, -INFINITY)
    if top_p < 1:
        values, places = scores.sort(descending=False)
        is_cut = values.softmax(-1).cumsum(-1) <= 1 - top_p
        is_cut[:, -1:] = False
        scores = scores.masked_fill(is_cut.scatter(1, places, is_cut), -INFINITY)
    if min_p > 0:
        probabilities = scores.softmax(-1)
        scores = scores.masked_fill(probabilities < min_p * probabilities.amax(-1, keepdim=True), -INFINITY)
    return scores.softmax(-1)[0]


@pytest.mark.parametrize("settings", SETTINGS[3:8], ids=str)
def test_what_is_kept_is_what_transformers_keeps(settings: dict[str, float]) -> None:
    transformers = pytest.importorskip("transformers")
    warpers = {
        "temperature": transformers.TemperatureLogitsWarper,
        "top_k": transformers.TopKLogitsWarper,
        "top_p": transformers.TopPLogitsWarper,
        "min_p": transformers.MinPLogitsWarper,
    }
    scores = FLAT.double()[None]
    for name, warper in warpers.items():
        if name in settings:
            scores = warper(settings[name])(None, scores)
    ours = reference.kept_probabilities(FLAT[None], *columns(1, settings))
    torch.testing.assert_close(ours, scores.softmax(-1), rtol=1e-9, atol=0)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_row_without_a_token_is_refused(settings: dict[str, float]) -> None:
    for bad in (torch.full((9,), -INFINITY), torch.tensor([1.0, math.nan]), torch.tensor([1.0, INFINITY, -INFINITY])):
        rows = torch.stack([torch.zeros_like(bad), bad])
        with pytest.raises(RuntimeError, match="row 1 offers no token"):
            sample(rows, seed=0, **settings)


def test_strided_and_empty_logits() -> None:
    rows = logits_of(500, scale=1.0)
    assert torch.equal(sample(rows.T.contiguous().T, seed=5, top_p=0.5), sample(rows, seed=5, top_p=0.5))
    assert sample(torch.zeros(0, 5), seed=0).shape == (0,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, "temperature must be from 0.0 to 1000000.0, got -1.0"),
        ({"top_k": -1}, "top_k must be from 0 to"),
        ({"top_p": 1.1}, "top_p must be from 0.0 to 1.0, got 1.1"),
        ({"min_p": -0.1}, "min_p must be from 0.0 to 1.0, got -0.1"),
        ({"min_p": math.nan}, "min_p must be from 0.0 to 1.0, got nan"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample(torch.zeros(2, 5), seed=0, **settings)
    ((name, value),) = settings.items()
    tensors = {name: torch.tensor([1 if name == "top_k" else 1.0, value])}
    with pytest.raises(RuntimeError, match=rf"{name} of row 1 must be"):
        sample(torch.zeros(2, 5), seed=0, **tensors)


def test_a_wrong_shape_or_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"logits must be float32, got torch\.float64"):
        sample(torch.zeros(2, 5, dtype=torch.float64), seed=0)
    with pytest.raises(RuntimeError, match="top_k must be a contiguous row of 2 numbers, Long"):
        torch.ops.omniloom.sample(torch.zeros(2, 5), *columns(2, {})[:1], *[torch.zeros(3, dtype=torch.int64)] * 5)
    with pytest.raises(RuntimeError, match="the vocabulary is empty"):
        sample(torch.zeros(2, 0), seed=0)


def test_the_operator_is_sound() -> None:
    seed = torch.arange(8)
    torch.library.opcheck(
        torch.ops.omniloom.sample.default, (logits_of(30, scale=1.0), *columns(8, {"top_p": 0.9}), seed, seed)
    )


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_and_exported() -> None:
    class Sampler(torch.nn.Module):
        def forward(self, rows: Tensor, seed: Tensor) -> Tensor:
            return sample(rows * 2, seed=seed, counter=1, top_p=0.9, top_k=7)

    rows, seed = logits_of(33, scale=1.0), torch.arange(8)
    exported = torch.export.export(Sampler(), (rows, seed)).module()
    for found in (torch.compile(Sampler(), fullgraph=True)(rows, seed), exported(rows, seed)):
        assert torch.equal(found, Sampler()(rows, seed))
