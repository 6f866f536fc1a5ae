"""Nested state comes back with the same nesting, types and bits; anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniloom.core.state import equal_states, load_state, save_state

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.floats(width=32), max_size=3).map(torch.tensor)
    | st.integers(-5, 5).map(torch.tensor)
)
states = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(states)
def test_round_trip(tmp_path: Path, state: object) -> None:
    save_state(tmp_path / "state.safetensors", state)
    assert equal_states(load_state(tmp_path / "state.safetensors"), state)


def test_an_optimizer_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    def train(parameter: torch.nn.Parameter, optimizer: torch.optim.Optimizer, num_steps: int) -> None:
        for _ in range(num_steps):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()

    whole = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    train(whole, torch.optim.AdamW([whole], lr=0.1), 6)

    half = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    optimizer = torch.optim.AdamW([half], lr=0.1)
    train(half, optimizer, 3)
    save_state(tmp_path / "half", {"weights": half.data, "optimizer": optimizer.state_dict()})
    saved = load_state(tmp_path / "half")
    resumed = torch.nn.Parameter(saved["weights"])
    optimizer = torch.optim.AdamW([resumed], lr=0.1)
    optimizer.load_state_dict(saved["optimizer"])
    train(resumed, optimizer, 3)
    assert torch.equal(resumed, whole)


def test_random_states_and_shared_memory(tmp_path: Path) -> None:
    tensor = torch.arange(6).view(2, 3)
    state = {
        "torch": torch.get_rng_state(),
        "numpy": np.random.default_rng(1).bit_generator.state,
        "views": [tensor, tensor.T, tensor[0]],
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    save_state(tmp_path / "state", state)
    assert equal_states(load_state(tmp_path / "state"), state)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": [object()]}, r"state\['a'\]\[0\] is a object"),
        ({"a": np.float64(1)}, r"state\['a'\] is a float64"),
        ({(1, 2): 3}, "keys must be strings or integers"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path: Path, state: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        save_state(tmp_path / "state", state)


def test_missing_torn_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_state(tmp_path / "nowhere")
    save_state(tmp_path / "state", {"a": torch.ones(100)})
    (tmp_path / "state").write_bytes((tmp_path / "state").read_bytes()[:-10])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_state(tmp_path / "state")
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, str(tmp_path / "weights"))
    with pytest.raises(ValueError, match="no saved state"):
        load_state(tmp_path / "weights")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.tensor([0.0]), torch.tensor([-0.0])),
        ([1], (1,)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (1, 1.0),
        (torch.ones(1), 1.0),
    ],
)
def test_equal_means_the_same_bits(left: object, right: object) -> None:
    assert not equal_states(left, right)
