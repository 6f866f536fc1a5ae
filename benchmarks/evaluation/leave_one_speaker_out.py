"""Human digits by a speaker never heard: one model a speaker, trained on the others.

    python benchmarks/evaluation/leave_one_speaker_out.py runs/tiny/checkpoint --steps 600 --out docs/figures
    python benchmarks/evaluation/leave_one_speaker_out.py runs/tiny/checkpoint --without gain,noise --out runs/loso
    python benchmarks/evaluation/leave_one_speaker_out.py runs/tiny/checkpoint --synthetic 0.5 --speakers george

Each model is new and learns the digits problem alone, with the checkpoint's codecs; those were trained on all speakers'
sounds, without words, which the result's file says too. It is scored on every held-out take of the speaker left out,
beside the same takes of the speakers it knows.

Three people are few to tell what a digit is from who says it, so a share of the single digits is said by synthetic
voices, half of them of a crowd in which nobody comes twice: `--synthetic`.

`--without` measures augmentations: for each one named, all speakers once more with it left out, and a table of what
that costs. It goes on where it was stopped, if the settings are the same, and takes what was measured with every
augmentation from `leave_one_speaker_out.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from omniloom.codecs.bundle import CodecSet
from omniloom.core.processes import num_cores, one_thread_each
from omniloom.core.randomness import seeded
from omniloom.data.packing import PackedLoader
from omniloom.data.problems import DigitsProblem, WorldMix
from omniloom.data.speech import fsdd
from omniloom.data.speech.listener import Listener
from omniloom.data.token_dataset import prepare
from omniloom.evaluation.intervals import wilson
from omniloom.evaluation.speakers import score_speakers
from omniloom.evaluation.table import markdown_table
from omniloom.generation import Omni
from omniloom.models import OmniConfig, OmniModel
from omniloom.training import Trainer, TrainingConfig

Row = dict[str, Any]
SETTINGS = ("steps", "examples", "depth", "synthetic", "telephone")
"""Options that decide what a model learns."""
WHOLE, ABLATED = "leave_one_speaker_out.json", "augmentations.json"


def train_without(
    speaker: str,
    codecs: CodecSet,
    *,
    steps: int,
    examples: int,
    depth: int,
    synthetic: float,
    telephone: float,
    changes: fsdd.Augmentation,
) -> Omni:
    """A model that never heard the speaker say a digit."""
    others = tuple(name for name in fsdd.SPEAKERS if name != speaker)
    digits = DigitsProblem.Config(speakers=others, augmentation=changes, synthetic=synthetic, telephone=telephone)
    mix = WorldMix.only(digits=digits)
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(Path(folder) / "data", mix=mix, codecs=codecs, num_examples=examples, processes=1)
        config = TrainingConfig(num_steps=steps, tensorboard=False, checkpoint_every_s=1e9)
        loader = PackedLoader(data, row_length=config.row_length, batch_rows=config.num_rows, seed=0)
        with seeded("leave one out", speaker):
            model = OmniModel(OmniConfig.from_depth(depth), data.vocabulary)
        Trainer(model, loader, config, Path(folder) / "run").run()
    return Omni(model, codecs)


def left_out(speaker: str, without: str, options: argparse.Namespace) -> Row:
    """What a model scores that never heard the speaker, one augmentation left out or, for "", none."""
    codecs, listener = Omni.load(options.checkpoint).codecs, Listener.load(options.listener)
    changes = replace(fsdd.Augmentation(), **({without: False} if without else {}))
    settings = {name: getattr(options, name) for name in SETTINGS}
    omni = train_without(speaker, codecs, **settings, changes=changes)
    scores = {item.speaker: item for item in score_speakers(omni, listener=listener)}
    own, others = scores.pop(speaker), scores.values()
    interval = wilson(own.written, own.n)
    return {
        "left_out": speaker, "without": without, "n": own.n, "written": own.written, "low": interval.low,
        "high": interval.high, "spoken": own.spoken, "known_speakers": fmean(item.written for item in others),
        "codecs_heard_the_speaker": True, **settings,
    }  # fmt: skip


def table(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """For each augmentation left out: the mean and the worst speaker, and what leaving it out costs these speakers."""
    means = {name: {row["left_out"]: row["written"] for row in rows if row["without"] == name} for name in _names(rows)}
    whole = means.get("", {})
    return [
        (
            name or "none",
            str(len(found)),
            f"{fmean(found.values()):.3f}",
            f"{min(found.values()):.3f}",
            f"{fmean(whole[speaker] - share for speaker, share in found.items()):+.3f}"
            if name and found.keys() <= whole.keys()
            else "–",
        )
        for name, found in means.items()
    ]


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["without"] for row in rows))


def _job(row: Row) -> tuple[str, str]:
    return row["without"], row["left_out"]


def _done(options: argparse.Namespace) -> list[Row]:
    """Rows of an earlier run with these settings; the first runs did not tell about telephones."""
    wanted = {name: getattr(options, name) for name in SETTINGS}
    for path in (options.out / name for name in (ABLATED, WHOLE)):
        rows: list[Row] = json.loads(path.read_text()) if path.is_file() else []
        rows = [row for row in ({"telephone": 0.0} | row for row in rows) if wanted.items() <= row.items()]
        if any("without" in row for row in rows):
            return [row for row in rows if "without" in row]
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="where the codecs come from: a name or a folder")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--examples", type=int, default=8_192)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--synthetic", type=float, default=0.15, help="share of single digits by synthetic voices")
    parser.add_argument("--telephone", type=float, default=0.0, help="share of those at the rate of the recordings")
    parser.add_argument("--speakers", nargs="*", default=list(fsdd.SPEAKERS))
    parser.add_argument("--without", default="", metavar="A,B", help="augmentations to leave out, each by itself")
    parser.add_argument("--listener", type=Path, default=None, help="default: the shipped one")
    parser.add_argument("--processes", type=int, default=num_cores(), help="models at once; default: one a core")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    names = [name for name in options.without.split(",") if name]
    known = [item.name for item in fields(fsdd.Augmentation)]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--without must be of {', '.join(known)}, got {', '.join(unknown)}")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / (ABLATED if names else WHOLE)
    wanted = [(without, speaker) for without in ("", *names) for speaker in options.speakers]
    order = {job: place for place, job in enumerate(wanted)}
    rows = _done(options) if names else []
    missing = [job for job in wanted if job not in [_job(row) for row in rows]]
    with one_thread_each(min(options.processes, len(missing) or 1)) as pool:
        for work in as_completed([pool.submit(left_out, speaker, without, options) for without, speaker in missing]):
            rows = sorted([*rows, work.result()], key=lambda row: order.get(_job(row), -1))
            print(json.dumps(work.result()), flush=True)
            path.write_text(json.dumps(rows, indent=1) + "\n")
    print(markdown_table(("left out", "speakers", "mean", "worst", "costs"), table(rows)))


if __name__ == "__main__":
    main()
