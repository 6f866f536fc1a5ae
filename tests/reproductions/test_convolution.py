"""Convolution's reproductions: what is compared with what, and what a row says."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniloom.core.timing import Ratio, Timings
from omniloom.reproductions import reproductions
from omniloom.reproductions.convolution import Layer, Measured, geometric_mean, indirect, measure, peers, winograd
from omniloom.reproductions.convolution.layers import LAYERS, POINTWISE, POINTWISES

SMALL = Layer(name="small", channels=4, channels_out=8, size=(6, 5))


def ratio(value: float) -> Ratio:
    return Ratio(value=value, low=value, high=value)


def found(layer: Layer, **seconds: float) -> Measured:
    times = {name.replace("_", " "): (second,) for name, second in seconds.items()}
    return Measured(layer=layer, timings=Timings(seconds=times))


def test_a_layer_counts_its_operations_and_bytes() -> None:
    strided = Layer(name="", channels=6, channels_out=4, size=(9, 9), stride=2, groups=2, batch=3)
    assert strided.size_out == (5, 5)
    assert strided.flops == 2 * 3 * 25 * 4 * 3 * 9
    assert strided.pointer_bytes == 8 * 3 * 25 * 9
    assert strided.patch_bytes == 4 * 3 * 25 * 9 * 6


def test_the_mean_is_geometric_and_its_bar_decides() -> None:
    assert geometric_mean([ratio(0.5), ratio(2.0)]) == pytest.approx(1.0)
    assert indirect.ratio_row("", "", 1.0, [ratio(0.5), ratio(2.0)]).holds is True
    assert indirect.ratio_row("", "", 1.1, [ratio(0.5), ratio(2.0)]).holds is False
    assert indirect.ratio_row("", "", 1.1, []).holds == "not tested"


def test_a_peer_is_taken_in_its_faster_layout() -> None:
    item = found(SMALL, torch=3.0, torch_rows=2.0, indirect_rows=1.0)
    (over,) = indirect.against([item], ("torch", "torch rows"))
    assert over.value == 2.0


def test_im2col_counts_only_where_it_is_needed() -> None:
    plain = found(POINTWISE, im2col_rows=1.0, indirect_rows=1.0)
    rows = indirect.paper_rows([plain, found(SMALL, im2col_rows=3.0, indirect_rows=2.0)], [plain])
    assert [row.here for row in rows[::2]] == ["1.50 (1.50 (1.50–1.50))", "1.00 (1.00 (1.00–1.00))"]
    assert rows[3].here == f"{8 * 28 * 28:,}, {4 * 512 * 28 * 28:,}" and rows[3].holds is True


def test_missing_peers_are_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "missing", lambda: {"ncnn": "no ncnn", "executorch": "no torchao"})
    item = found(SMALL, torch=1.0, onednn_rows=1.0, indirect_rows=1.0, auto=1.0)
    by_name = {row.name: row.holds for row in indirect.peer_rows([item], [ratio(2.0)])}
    assert by_name["over XNNPACK: no torchao"] == "not tested"
    assert winograd.ncnn_row([item]).holds == "not tested"


def test_every_way_is_measured_and_agrees() -> None:
    item = measure(
        SMALL,
        ("torch", "torch rows", "onednn", "indirect", "indirect rows", "im2col rows", "winograd4"),
        num_rounds=1,
        round_s=0,
    )
    assert len(item.timings.seconds) == 7
    batch = measure(SMALL.with_batch(2), ("torch", "onednn rows", "auto rows"), num_rounds=1, round_s=0)
    assert len(batch.timings.seconds) == 3
    assert winograd.largest_error(SMALL, 2) < 1e-6


@pytest.mark.parametrize("name", ["indirect-convolution", "winograd"])
def test_a_reproduction_writes_its_figure(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = indirect if name == "indirect-convolution" else winograd
    monkeypatch.setattr(indirect, "LAYERS", (SMALL,))
    monkeypatch.setattr(indirect, "POINTWISES", (SMALL,))
    monkeypatch.setattr(indirect, "STREAMS", ((8, 3, 1),))
    monkeypatch.setattr(winograd, "TABLE", (SMALL,))
    monkeypatch.setattr(winograd, "OTHERS_3X3", (SMALL,))
    monkeypatch.setattr(peers, "missing", lambda: {"ncnn": "", "executorch": ""})
    result = reproductions.get(name).run(effort="quick", out=tmp_path, checkpoint="")
    assert result.system == module.SYSTEM == name
    assert (tmp_path / f"{name}.png").stat().st_size > 5_000
    assert result.command == f"omniloom reproduce {name} --quick"


def test_the_table_has_one_name_a_layer() -> None:
    for layers in (LAYERS, POINTWISES):
        assert len({layer.name for layer in layers}) == len(layers)
