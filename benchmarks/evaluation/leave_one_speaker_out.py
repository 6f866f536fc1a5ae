"""Human digits by a speaker never heard: one model a speaker, trained on the others.

    python benchmarks/evaluation/leave_one_speaker_out.py runs/tiny/checkpoint --steps 600 --out docs/figures

Each model is new and learns the digits problem alone, with the checkpoint's codecs; those were trained on all speakers'
sounds, without words, which the result's file says too. It is scored on every held-out take of the speaker left out,
beside the same takes of the speakers it knows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import fmean

import torch

from omniloom.codecs.bundle import CodecSet
from omniloom.core.randomness import seeded
from omniloom.data.packing import PackedLoader
from omniloom.data.problems import DigitsProblem, WorldMix
from omniloom.data.speech import fsdd
from omniloom.data.speech.listener import Listener
from omniloom.data.token_dataset import prepare
from omniloom.evaluation.intervals import wilson
from omniloom.evaluation.speakers import score_speakers
from omniloom.generation import Omni
from omniloom.models import OmniConfig, OmniModel
from omniloom.training import Trainer, TrainingConfig


def train_without(speaker: str, codecs: CodecSet, *, steps: int, examples: int, depth: int) -> Omni:
    """A model that never heard the speaker say a digit."""
    others = tuple(name for name in fsdd.SPEAKERS if name != speaker)
    mix = WorldMix(scenes=None, speech=None, sums=None, digits=DigitsProblem.Config(speakers=others))
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(Path(folder) / "data", mix=mix, codecs=codecs, num_examples=examples, processes=1)
        config = TrainingConfig(num_steps=steps, tensorboard=False, checkpoint_every_s=1e9)
        loader = PackedLoader(data, row_length=config.row_length, batch_rows=config.num_rows, seed=0)
        with seeded("leave one out", speaker):
            model = OmniModel(OmniConfig.from_depth(depth), data.vocabulary)
        Trainer(model, loader, config, Path(folder) / "run").run()
    return Omni(model, codecs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="where the codecs come from: a name or a folder")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--examples", type=int, default=8_192)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--speakers", nargs="*", default=list(fsdd.SPEAKERS))
    parser.add_argument("--listener", type=Path, default=None, help="default: the shipped one")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    codecs = Omni.load(options.checkpoint).codecs
    listener = Listener.load(options.listener)
    rows = []
    for speaker in options.speakers:
        omni = train_without(speaker, codecs, steps=options.steps, examples=options.examples, depth=options.depth)
        scores = {item.speaker: item for item in score_speakers(omni, listener=listener)}
        own, others = scores.pop(speaker), scores.values()
        interval = wilson(own.written, own.n)
        rows.append(
            {
                "left_out": speaker, "n": own.n, "written": own.written, "low": interval.low, "high": interval.high,
                "spoken": own.spoken, "known_speakers": fmean(item.written for item in others),
                "codecs_heard_the_speaker": True, "steps": options.steps,
            }
        )  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "leave_one_speaker_out.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
