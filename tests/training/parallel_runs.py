"""Small runs shared by several processes, which a fork server starts; what a process says of itself goes to a file."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from omniloom.core.metrics import read_metrics
from omniloom.data.packing import Batch
from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.layout import LossClass
from omniloom.stream.vocabulary import PAD
from omniloom.training import AdamW, Muon, Processes, Trainer, TrainingConfig, WarmupStableDecay, joined
from tests.stream.vocabularies import folding_vocabulary
from tests.training.batches import plain_batch

VOCABULARY = folding_vocabulary()
NUM_ROWS = 5
OPTIMIZERS = {"AdamW": AdamW(), "Muon": Muon()}


class SharedRows:
    """Rows that depend on the batch number alone, each process taking its share, as `PackedLoader` gives them."""

    def __init__(self, processes: Processes) -> None:
        ranks = (processes.rank, processes.rank + 1)
        self.own = slice(*(NUM_ROWS * rank // processes.world_size for rank in ranks))

    def batch(self, step: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(0, VOCABULARY.size, (NUM_ROWS, 17), generator=generator)[self.own]
        classes = torch.randint(0, 7, (NUM_ROWS, 16), generator=generator)[self.own]
        turns = torch.randint(0, 3, (NUM_ROWS, 16), generator=generator)[self.own]
        return plain_batch(ids, classes, turns=turns, words=some_words(step)[self.own], more=more_beside(classes))


def some_words(seed: int) -> torch.Tensor:
    """Heard words of all rows, half of the positions without one."""
    shape = (NUM_ROWS, 16)
    text, generator = VOCABULARY.planes_of("text")[0], torch.Generator().manual_seed(seed)
    words = torch.randint(text.start, text.stop, shape, generator=generator)
    return torch.where(torch.rand(shape, generator=generator) < 0.5, words, PAD)


def more_beside(classes: torch.Tensor) -> torch.Tensor:
    """A second code beside targets of sound, and three silhouettes beside those of pictures."""
    more = torch.zeros(len(classes), 17, 3, dtype=torch.long)
    books, silhouettes = (VOCABULARY.planes_of(modality)[1] for modality in ("audio", "image"))
    places = torch.arange(16)
    more[:, 1:, 0] = torch.where(classes == LossClass.REPLY_AUDIO, books.start + places % books.plane.size, 0)
    drawn = silhouettes.start + (places[:, None] + torch.arange(3)) % silhouettes.plane.size
    more[:, 1:] = torch.where((classes == LossClass.REPLY_IMAGE)[..., None], drawn, more[:, 1:])
    return more


def trainer(out: Path, processes: Processes, *, optimizer: str = "AdamW", **changes: Any) -> Trainer:
    """A run of a one-block model in float32, where sums in another order differ by 1e-7."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "num_steps": 6,
        "row_length": 16,
        "num_rows": NUM_ROWS,
        "accumulate": 2,
        "log_every": 1,
        "autocast": False,
        "compile": False,
        "tensorboard": False,
        "optimizer": OPTIMIZERS[optimizer],
        "schedule": WarmupStableDecay(warmup_steps=3),
    }
    model = OmniModel(OmniConfig.from_depth(1), VOCABULARY)
    return Trainer(model, SharedRows(processes), TrainingConfig(**settings | changes), out, processes=processes)


def curve(folder: Path) -> list[dict[str, float]]:
    lines = read_metrics(folder / "metrics.jsonl")
    return [{key: value for key, value in line.items() if key.startswith(("loss", "step"))} for line in lines]


def start(work: Any, out: Path, *arguments: Any, num_processes: int = 2) -> list[BaseProcess]:
    """Processes that each call `work(out, processes, *arguments)`, as torchrun would have them do."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["omniloom.training"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started: list[BaseProcess] = []
    for rank in range(num_processes):
        process = context.Process(target=_enter, args=(work, out, rank, num_processes, port, arguments))
        process.start()
        started.append(process)
    return started


def end(processes: list[BaseProcess], out: Path, *, patience_s: float = 120) -> list[str]:
    """What each process said, after its end."""
    for process in processes:
        process.join(patience_s)
        assert process.exitcode is not None, "a process hangs"
    said = [out / f"said-{rank}.json" for rank in range(len(processes))]
    return [json.loads(path.read_text()) if path.exists() else "" for path in said]


def _enter(work: Any, out: Path, rank: int, world_size: int, port: int, arguments: tuple[Any, ...]) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world_size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with joined() as processes:
            said = work(out, processes, *arguments) or "done"
    except (Exception, KeyboardInterrupt) as error:
        said = f"{type(error).__name__}: {error}"
    (out / f"said-{rank}.json").write_text(json.dumps(said))


def train(out: Path, processes: Processes, cases: list[dict[str, Any]]) -> None:
    """Whole runs, one after the other, each in the folder that its case names."""
    for case in cases:
        changes = dict(case)
        run = trainer(out / changes.pop("folder"), processes, **{k: v for k, v in changes.items() if k != "until"})
        run.resume()
        run.run(until=changes.get("until"))
