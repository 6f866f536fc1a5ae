"""Looking codes up equals the reference; a code that there is not is named."""

from __future__ import annotations

import pytest
import torch

from omniloom.kernels import look_up_codes
from omniloom.kernels.code_lookup import reference

pytestmark = pytest.mark.usefixtures("seeded")


def tables(num_books: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(20, 3), (torch.randn(num_books, 20, dtype=torch.float64) * 2**20).round() / 2**20


@pytest.mark.parametrize(("streams", "num_frames", "num_books"), [(1, 1, 1), (3, 7, 4), (0, 2, 2), (2, 0, 2)])
def test_equals_the_reference(streams: int, num_frames: int, num_books: int) -> None:
    codes = torch.randint(0, 20, (streams, num_frames, 2 * num_books))[..., ::2]
    values, octaves = tables(num_books)
    found = look_up_codes(codes, values, octaves, 240, 752)
    expected = reference.look_up_codes(codes, values, octaves, 240, 752)
    assert all(map(torch.equal, found, expected))


def test_halves_round_to_even_and_pitches_stay_in_the_table() -> None:
    shares = torch.tensor([[0.5, 1.5, 2.5, -9.0, 99.0]], dtype=torch.float64)
    codes = torch.arange(5)[None, :, None]
    for look_up in (look_up_codes, reference.look_up_codes):
        assert look_up(codes, torch.randn(5, 2), shares, 1, 10)[1].tolist() == [[0, 2, 2, 0, 9]]


@pytest.mark.parametrize("wrong", [-1, 20])
def test_a_code_that_there_is_not_is_named(wrong: int) -> None:
    for look_up in (look_up_codes, reference.look_up_codes):
        with pytest.raises(RuntimeError, match=rf"codes must lie in 0\.\.19, got .*{wrong}"):
            look_up(torch.tensor([[[wrong]]]), *tables(1), 240, 752)


def test_opcheck() -> None:
    arguments = (torch.randint(0, 20, (2, 3, 4)), *tables(4), 240, 752)
    torch.library.opcheck(torch.ops.omniloom.look_up_codes.default, arguments)
