"""The quantizer's codes and values are one another's inverse, and its gradient passes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom.layers.quantizer import FiniteScalarQuantizer


@pytest.mark.parametrize("levels", [(8, 8, 8), (8, 5, 5, 5), (2,), (3, 2)])
def test_every_code_round_trips(levels: tuple[int, ...]) -> None:
    quantizer = FiniteScalarQuantizer(levels)
    codes = torch.arange(quantizer.num_codes)
    values = quantizer.codes_to_values(codes)
    assert values.abs().max() == 1
    assert values.unique(dim=0).shape[0] == quantizer.num_codes
    # atanh of a shrunken value lies inside the same cell.
    again = quantizer((values * 0.9).clamp(-0.99, 0.99).atanh())
    assert torch.equal(again.codes, codes)
    torch.testing.assert_close(again.values, values, rtol=0, atol=1e-6)


def test_first_level_is_the_least_significant_digit() -> None:
    quantizer = FiniteScalarQuantizer((8, 5, 5, 5))
    assert quantizer.codes_to_values(torch.tensor([0, 1, 8])).tolist()[0] == [-1, -1, -1, -1]
    torch.testing.assert_close(quantizer.codes_to_values(torch.tensor(1))[0], torch.tensor(-1 + 2 / 7))
    torch.testing.assert_close(quantizer.codes_to_values(torch.tensor(8)), torch.tensor([-1, -0.5, -1, -1]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3))
def test_any_vector_gets_the_code_of_its_values(numbers: list[float]) -> None:
    quantizer = FiniteScalarQuantizer((8, 8, 5))
    values, codes = quantizer(torch.tensor(numbers))
    torch.testing.assert_close(quantizer.codes_to_values(codes), values, rtol=0, atol=1e-6)


def test_gradient_is_that_of_the_bounded_value() -> None:
    z = torch.tensor([0.3, -0.2], requires_grad=True)
    FiniteScalarQuantizer((5, 5))(z).values.sum().backward()
    reach = 2.5 - 1e-3
    torch.testing.assert_close(z.grad, (1 - torch.tanh(z.detach()) ** 2) * reach / 2)


@pytest.mark.parametrize("codes", [[-1], [40]])
def test_foreign_codes_are_refused(codes: list[int]) -> None:
    with pytest.raises(ValueError, match=r"0\.\.39"):
        FiniteScalarQuantizer((8, 5)).codes_to_values(torch.tensor(codes))
