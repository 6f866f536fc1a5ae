"""The named sizes: what they hold, what they take, and that they are tiny's stages."""

from __future__ import annotations

from dataclasses import replace

from omniloom.recipes import recipes
from omniloom.recipes.sizes import base, plan, small
from omniloom.recipes.tiny import TinyRecipe


def test_small_takes_what_is_worked_out_by_hand() -> None:
    """19 layers of 640: 4,608,000 weights a layer, 640 x (5088 + 161 + 128) in vectors, 640 x 640 in each of 4 matrices
    of places, 7 heads and that of heard words, 19 x 1280 in norms."""
    assert plan(small(), num_processes=1, tokens_per_second=100_000).splitlines() == [
        "# parameters 95,932,800, of them 87,552,000 in the blocks",
        "# tokens     1,835,008,000 in steps of 65,536: 19.1 a parameter",
        "# data       4,194,304 examples, each seen about 6.3 times",
        "# compute    0.62 GFLOP a token, 1.1e+18 FLOP in all",
        "# memory     26.9 GB: weights 384 MB, gradients 384 MB, optimizer 417 MB, gathered 175 MB, "
        "activations 25.5 GB",
        "# time       5 h 05 min at 100,000 tokens/s (as given)",
    ]


def test_base_is_divided_among_eight() -> None:
    lines = plan(base(), num_processes=recipes.get("base").num_processes, tokens_per_second=1_000_000).splitlines()
    assert lines[0] == "# parameters 1,098,376,704, of them 1,061,683,200 in the blocks"
    assert lines[4].startswith("# memory     65.3 GB: weights 549 MB, ")
    assert lines[4].endswith("; of each of 8 processes, fsdp2")


def test_a_rate_that_is_not_given_is_measured_here() -> None:
    last = plan(TinyRecipe(), num_processes=2).splitlines()[-1]
    assert "tokens/s (measured now on " in last
    assert last.endswith(": one block, not compiled, times the processes)")


def test_the_world_and_the_codecs_are_tinys() -> None:
    tiny = TinyRecipe()
    for recipe in (small(), base()):
        same = {name: getattr(tiny, name) for name in ("text", "audio", "image", "mix", "seed")}
        assert replace(recipe, **same) == recipe
