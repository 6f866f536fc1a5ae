"""What the turns of `bench_latency.py` come to: percentiles, faults, parts, bars and the plot.

Times are of the turns rightly taken: a cut-in has no delay, and a miss is counted as one. Both stand beside the times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

from latency_turns import Setting
from spoken_turns import PAUSED

MOST_CUT_INS, MOST_MISSED = 0.03, 0.02
LEAST_RIGHT = 0.9
"""Of what the model answers rightly without a server."""

Row = dict[str, Any]
GROUPS: tuple[tuple[str, Callable[[Row], bool]], ...] = (
    ("all", lambda row: True),
    ("people's digits", lambda row: row["is_real"]),
    ("synthetic, fluent", lambda row: not row["is_real"] and row["kind"] not in PAUSED),
    ("synthetic, with a pause", lambda row: row["kind"] in PAUSED),
)


def summary(rows: Sequence[Row], setting: Setting, *, decoder_ms: float) -> dict[str, Any]:
    """One setting's numbers: by group, the parts of the delay, and each bar with whether it is reached."""
    counted = [row for row in rows if row["pause_ms"] < setting.max_pause_ms]
    groups = {name: _group([row for row in rows if is_in(row)]) for name, is_in in GROUPS}
    if len(counted) < len(rows):
        groups = {f"pauses under {setting.max_pause_ms:.0f} ms": _group(counted)} | groups
    groups = {name: found for name, found in groups.items() if found["n"]}
    scored = _group(counted)
    return {
        "setting": setting.name,
        "turn_detection": setting.turn_detection,
        "scored": scored,
        "groups": groups,
        "parts_ms": _parts(counted, decoder_ms),
        "bars": _bars(scored, setting),
    }


def markdown(summaries: Sequence[dict[str, Any]]) -> str:
    """The tables for the docs."""
    lines = [
        "| Setting | Turns | n | true end → first audio: p50 | p95 | best | commit → first audio: p50 | p95 | best "
        "| cut-ins | missed | right | digits right |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for found in summaries:
        for name, group in found["groups"].items():
            lines.append(_line(found["setting"], name, group))
    lines += ["", "| Setting | " + " | ".join(PARTS.values()) + " |", "|---" * (1 + len(PARTS)) + "|"]
    lines += [
        f"| {found['setting']} | " + " | ".join(_number(found["parts_ms"][part]) for part in PARTS) + " |"
        for found in summaries
    ]
    return "\n".join(lines)


PARTS = {
    "wait": "waiting for the end, ms",
    "model": "reading on and first words, first sound tokens, ms",
    "decoder": "sound decoder, ms",
    "transport": "transport, one way, ms",
}


def draw(rows: Sequence[Row], summaries: Sequence[dict[str, Any]], path: Path) -> None:
    """How soon answers come, for every setting, and what the time goes to; needs the extra `train`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for found in summaries:
        times = sorted(_of([r for r in rows if r["setting"] == found["setting"]], "end_to_audio_ms"))
        if times:
            left.step(times, [(place + 1) / len(times) for place in range(len(times))], label=found["setting"])
    left.set_xlabel("true end of speech to first audio at the client, ms")
    left.set_ylabel("share of the turns answered")
    left.set_xlim(0, 600)
    left.grid(alpha=0.3)
    left.legend(loc="lower right")
    names = [found["setting"] for found in summaries]
    base = [0.0] * len(names)
    for part, label in PARTS.items():
        widths = [found["parts_ms"][part] or 0.0 for found in summaries]
        right.barh(names, widths, left=base, label=label)
        base = [a + b for a, b in zip(base, widths, strict=True)]
    right.set_xlabel("ms, medians")
    right.invert_yaxis()
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    figure.legend(*right.get_legend_handles_labels(), loc="upper right", ncols=4, fontsize=8)
    figure.savefig(path, dpi=110)


def _group(rows: Sequence[Row]) -> dict[str, Any]:
    n = len(rows)
    digits = [row for row in rows if row["is_real"]]
    return {
        "n": n,
        "end_to_audio_ms": _spread(_of(rows, "end_to_audio_ms")),
        "commit_to_audio_ms": _spread(_of(rows, "commit_to_audio_ms")),
        "cut_ins": fmean(row["is_cut_in"] for row in rows) if n else None,
        "missed": fmean(row["is_missed"] for row in rows) if n else None,
        "right": _right(rows),
        "digits_right": _right(digits),
    }


def _of(rows: Sequence[Row], name: str) -> list[float]:
    taken = [row for row in rows if not row["is_cut_in"] and not row["is_missed"]]
    return [row[name] for row in taken if row[name] is not None]


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    p95 = quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
    return {"p50": median(values), "p95": min(p95, max(values)), "best": min(values)}


def _right(rows: Sequence[Row]) -> dict[str, float] | None:
    known = [row for row in rows if row["is_right_alone"] is not None]
    if not known:
        return None
    return {"served": fmean(r["is_right"] for r in known), "alone": fmean(r["is_right_alone"] for r in known)}


def _parts(rows: Sequence[Row], decoder_ms: float) -> dict[str, float | None]:
    wait, answer = _of(rows, "end_to_commit_ms"), _of(rows, "commit_to_audio_ms")
    transport = median(row["ping_ms"] for row in rows) / 2 if rows else None
    return {
        "wait": median(wait) if wait else None,
        "model": max(0.0, median(answer) - decoder_ms - (transport or 0.0)) if answer else None,
        "decoder": decoder_ms,
        "transport": transport,
    }


def _bars(scored: dict[str, Any], setting: Setting) -> list[dict[str, Any]]:
    if setting.max_p50_ms is None:
        return []
    spread = scored["end_to_audio_ms" if setting.counts_from == "end" else "commit_to_audio_ms"]
    what = "true end" if setting.counts_from == "end" else "commit"
    bars = [_bar(f"{what} → first audio, p50, ms", setting.max_p50_ms, spread and spread["p50"])]
    if setting.max_best_ms is not None:
        bars.append(_bar(f"{what} → first audio, best, ms", setting.max_best_ms, spread and spread["best"]))
    bars += [_bar("cut-ins", MOST_CUT_INS, scored["cut_ins"]), _bar("missed", MOST_MISSED, scored["missed"])]
    if scored["digits_right"]:
        share = scored["digits_right"]["served"] / max(scored["digits_right"]["alone"], 1e-9)
        bars.append(
            {"bar": "digits right, of alone", "at_least": LEAST_RIGHT, "here": share, "holds": share >= LEAST_RIGHT}
        )
    return bars


def _bar(name: str, at_most: float, here: float | None) -> dict[str, Any]:
    return {"bar": name, "at_most": at_most, "here": here, "holds": here is not None and here <= at_most}


def _line(setting: str, name: str, group: dict[str, Any]) -> str:
    cells = [setting, name, str(group["n"])]
    for spread in (group["end_to_audio_ms"], group["commit_to_audio_ms"]):
        cells += [_number(spread and spread[key]) for key in ("p50", "p95", "best")]
    cells += [f"{100 * group[key]:.1f} %" for key in ("cut_ins", "missed")]
    for right in (group["right"], group["digits_right"]):
        cells.append(f"{right['served']:.2f} (alone {right['alone']:.2f})" if right else "–")
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.1f}"
