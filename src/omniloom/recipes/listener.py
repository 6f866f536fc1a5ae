"""Remake the listener that judges spoken replies: `omniloom train listener`.

How it learns is in `data.speech.listener_training`, below the floor of the training loop; here signals meet it.
"""

from __future__ import annotations

from pathlib import Path

from omniloom.data.speech.listener_training import ListenerTraining, train_listener
from omniloom.training.interruption import interruptible


def train(config: ListenerTraining, *, out: Path, is_resuming: bool = False) -> Path:
    """Both courses, from nothing or from where the run in `out` stands; the folder that `Listener.load` takes.

    Raises:
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
    """
    with interruptible() as is_interrupted:
        listener = train_listener(config, run_folder=out, is_interrupted=is_interrupted)
    return listener.save(out / "listener")
