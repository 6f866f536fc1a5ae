"""What a run was set to, and every change of it on the way.

`config.txt` says how a run began and is written once; overwriting it on resume was rejected, as the file then claimed
that the whole run had settings which only its end had. A run that goes on with others says so in `config_changes.txt`,
dated by the step from which they hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omniloom.core.checkpoint import latest
from omniloom.core.config import changed_lines, to_text

CONFIG, CHANGES = "config.txt", "config_changes.txt"

MAX_TOLD = 4
"""Changed lines that an error tells."""


def record_config(out: Path, config: Any, *, model_folder: str = "model", is_trained: bool = False) -> list[str]:
    """Write the run's configuration beside it, or what changed in it since; returns the changed lines.

    The step is that of the newest checkpoint in `model_folder`, 0 before the first. `is_trained` says that nothing is
    left to be trained by other settings.

    Raises:
        ValueError: If the run is trained, and by other settings: what it gives would pass for theirs.
    """
    after = to_text(config)
    if not (out / CONFIG).exists():
        out.mkdir(parents=True, exist_ok=True)
        (out / CONFIG).write_text(after)
        return []
    changes = out / CHANGES
    lines = changed_lines(_in_force((out / CONFIG).read_text(), changes), after)
    if lines and is_trained:
        told = "; ".join(lines[:MAX_TOLD]) + ("; …" if len(lines) > MAX_TOLD else "")
        raise ValueError(f"{out} was trained by other settings ({told}); give another --out, or delete it")
    if lines:
        with changes.open("a") as file:
            file.write("\n".join([f"step {_step(out / model_folder)}", *lines]) + "\n")
    return lines


def _in_force(text: str, changes: Path) -> str:
    """The settings with all recorded changes applied."""
    lines = text.splitlines()
    for change in changes.read_text().splitlines() if changes.exists() else ():
        if change.startswith("- "):
            lines = [line for line in lines if line != change[2:]]
        elif change.startswith("+ "):
            lines.append(change[2:])
    return "\n".join(lines)


def _step(model_folder: Path) -> int:
    newest = latest(model_folder / "checkpoints")
    return 0 if newest is None else int(newest.name.removeprefix("step-"))
