"""Each network has its rows; what was not run is not tested; the peers compute the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from omniloom.core.timing import Timings
from omniloom.reproductions import fast_sparse_convnets, reproductions
from omniloom.reproductions.convolution import peers
from omniloom.reproductions.sparse_products import Pointwise, dense, fbgemm, sparse, xnnpack

SMALL = Pointwise(num_inputs=32, num_outputs=20, side=5)


def test_all_peers_compute_the_same_product() -> None:
    input, weight = SMALL.input(), SMALL.pruned(0.9)
    wanted = torch.einsum("nk,bkyx->bnyx", weight, input)
    calls = [sparse(input, weight), fbgemm(input, weight), *dense(input, weight).values()]
    for call in calls:
        if call is not None:
            torch.testing.assert_close(call().view(wanted.shape), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.compile  # torch.export, which XNNPACK's program is made by, and the tests' shape checks do not go together
@pytest.mark.filterwarnings("ignore")
def test_xnnpack_computes_the_same_product() -> None:
    input, weight = SMALL.input(), SMALL.pruned(0.9)
    call = xnnpack(input, weight)
    if call is None:
        pytest.skip("executorch is not installed")
    torch.testing.assert_close(call()[0], torch.einsum("nk,bkyx->bnyx", weight, input), rtol=1e-5, atol=1e-5)


def test_without_executorch_there_is_no_xnnpack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "missing", lambda: {"executorch": "no torchao"})
    assert xnnpack(SMALL.input(), SMALL.pruned(0.9)) is None


@pytest.mark.parametrize("block", [1, 2, 4])
def test_zeros_are_as_many_as_asked_for_and_whole_blocks(block: int) -> None:
    weight = SMALL.pruned(0.75, block=block)
    assert (weight == 0).float().mean().item() == pytest.approx(0.75, abs=1e-3)
    counts = (weight.view(-1, block, 32) != 0).sum(1)
    assert set(counts.flatten().tolist()) == {0, block}


def test_rows_hold_at_their_bars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    times = {"dense": 3.0, "0.7": 1.0, "0.8": 0.9, "0.9": 1.0, "0.95": 2.0, "blocks of 2": 0.9, "blocks of 4": 1.1}
    found = Timings(seconds={name: (value,) * 3 for name, value in times.items()})
    monkeypatch.setattr(fast_sparse_convnets, "measure", lambda layer, *, num_rounds: found)
    result = reproductions.get("fast-sparse-convnets").run(effort="quick", out=tmp_path, checkpoint="tiny")
    verdicts = {row.name: row.holds for row in result.rows}
    assert len(result.rows) == 3 * 8 + 1
    assert verdicts["MobileNet v1, 90% zeros, against dense"] is True
    assert verdicts["MobileNet v2, 95% zeros, against dense"] is False
    assert verdicts["MobileNet v2, blocks of 4, against unstructured"] is False
    assert verdicts["EfficientNet-B0, 90% zeros, against FBGEMM"] == "not tested"
    assert verdicts["EfficientNet-B0, 90% zeros, against XNNPACK"] == "not tested"
    assert verdicts["whole pruned networks"] == "not tested"
    assert (tmp_path / "fast-sparse-convnets.png").stat().st_size > 5_000
