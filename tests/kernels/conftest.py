"""What the tests of all operators share: every instruction set of this machine in turn, and numbers from one seed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from omniloom.kernels import native


@pytest.fixture(params=[*native.instruction_sets()])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with native.forced(request.param):
        yield request.param


@pytest.fixture
def seeded() -> None:
    torch.manual_seed(0)
