"""The command under torchrun: two processes make what one makes, stop when asked, and say when one has gone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from omniloom.cli import main
from omniloom.core.checkpoint import latest
from omniloom.core.metrics import read_metrics

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMALLEST = {
    "text.num_examples": 40,
    "text.english_characters": 20_000,
    "text.word_repeats": 50,
    "audio.num_sentences": 4,
    "audio.digit_copies": 0,
    "audio.num_steps": 2,
    "audio.num_rows": 2,
    "audio.num_frames": 8,
    "image.codec.encoder_width": 8,
    "image.codec.decoder_width": 8,
    "image.codec.colour_width": 8,
    "image.num_steps": 2,
    "image.rows_per_step": 2,
    "image.emoji_share": 0,
    "mix.digits": "none",
    "mix.emoji": "none",
    "num_examples": 32,
    "num_processes": 1,
    "model.depth": 1,
    "model.attention.width": 128,
    "model.attention.num_heads": 2,
    "model.attention.num_kv_heads": 1,
    "model.hidden_width": 352,
    "training.num_steps": 4,
    "training.num_rows": 3,
    "training.log_every": 1,
    "training.autocast": "false",
    "training.compile": "false",
    "training.tensorboard": "false",
}


def arguments(out: Path, **changes: object) -> list[str]:
    settings = {**SMALLEST, **{name.replace("__", "."): value for name, value in changes.items()}}
    return ["train", "tiny", "--out", str(out), *(word for pair in settings.items() for word in _set(*pair))]


def _set(path: str, value: object) -> list[str]:
    return ["--set", f"{path}={value}"]


def torchrun(words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "-m", "omniloom.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def losses(out: Path) -> list[dict[str, float]]:
    lines = read_metrics(out / "model" / "metrics.jsonl")
    return [{name: value for name, value in line.items() if name.startswith("loss")} for line in lines]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes from nothing to the folder for use."""
    out = tmp_path_factory.mktemp("shared") / "run"
    process = torchrun(arguments(out, training__parallel="fsdp2"))
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert printed == f"trained tiny: {out / 'checkpoint'}\n"
    return out


def begin_from(shared: Path, out: Path) -> Path:
    """A folder whose codecs and data are made."""
    for name in ("codecs", "data"):
        shutil.copytree(shared / name, out / name)
    return out


def test_two_processes_make_what_one_makes(shared: Path, tmp_path: Path) -> None:
    """Muon orthogonalizes in bf16, where a gradient's last digit can turn an element of the update by 2**-8."""
    assert main([*arguments(begin_from(shared, tmp_path)), "--resume"]) == 0
    alone, together = losses(tmp_path), losses(shared)
    assert len(alone) == len(together) == 4
    for one, two in zip(alone, together, strict=True):
        assert one == pytest.approx(two, abs=1e-4, rel=0)
    assert (shared / "checkpoint" / "model.safetensors").stat().st_size == (
        tmp_path / "checkpoint" / "model.safetensors"
    ).stat().st_size


def begun(out: Path) -> subprocess.Popen[str]:
    """A long run that has written its first checkpoint."""
    words = arguments(out, training__num_steps=100_000, training__checkpoint_every_s=0.0)
    process = torchrun([*words, "--resume"])
    for _ in range(1200):
        if latest(out / "model" / "checkpoints") is not None:
            return process
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    raise AssertionError("the run did not begin")


def test_ctrl_c_stops_all_and_keeps_a_checkpoint(shared: Path, tmp_path: Path) -> None:
    process = begun(begin_from(shared, tmp_path))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    newest = latest(tmp_path / "model" / "checkpoints")
    assert newest is not None
    step = int(newest.name.removeprefix("step-"))
    assert errors.count(f"omniloom: training stopped at step {step}; add --resume to go on") == 1


def test_when_one_is_killed_one_error_says_so_and_the_run_goes_on(shared: Path, tmp_path: Path) -> None:
    process = begun(begin_from(shared, tmp_path))
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    victim = next(int(pid) for pid in workers if b"\0RANK=1\0" in Path(f"/proc/{pid}/environ").read_bytes())
    os.kill(victim, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("omniloom: error: rank 0 stops, as another of the 2 processes has ended") == 1
    assert "start again with --resume" in errors
    newest = latest(tmp_path / "model" / "checkpoints")
    assert newest is not None
    step = int(newest.name.removeprefix("step-"))
    assert main([*arguments(tmp_path, training__num_steps=step + 2), "--resume"]) == 0
