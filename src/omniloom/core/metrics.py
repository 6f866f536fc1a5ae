"""Numbers of a run that outlive it: one JSON object a line, and TensorBoard beside it.

Each line is flushed when written, so a killed run loses at most the line being written, and a reader skips that torn
line. A resumed run drops what came after its checkpoint: a curve never runs twice over the same steps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

FILE_NAME = "metrics.jsonl"

Value = float | int | str


class Metrics:
    """Writes a run's numbers into `folder`."""

    def __init__(self, folder: str | Path, *, resume_step: int | None = None, has_tensorboard: bool = False) -> None:
        """Open the run's files; `resume_step` keeps lines up to that step, None starts afresh.

        Raises:
            ValueError: If TensorBoard is asked for and not installed.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._board: Any = _open_tensorboard(self.folder, resume_step) if has_tensorboard else None
        path = self.folder / FILE_NAME
        kept = [line for line in read_metrics(path) if resume_step is not None and line["step"] <= resume_step]
        path.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, Value]) -> None:
        """Write one line; NaN and infinities go as text, which JSON has no number for."""
        line: dict[str, Any] = {"step": step}
        for name, value in values.items():
            is_plain = not isinstance(value, float) or math.isfinite(value)
            line[name] = value if is_plain else str(value)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                if not isinstance(value, str):
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a metrics file in order; a torn last line is left out, and no file is no lines.

    Raises:
        ValueError: If a line other than the last is broken.
    """
    path = Path(path)
    if not path.exists():
        return []
    texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    lines = []
    for number, text in enumerate(texts, start=1):
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError as error:
            if number == len(texts):
                break
            raise ValueError(f"{path} is broken at line {number} ({error}); delete that line") from error
    return lines


def _open_tensorboard(folder: Path, resume_step: int | None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError("TensorBoard is not installed; run pip install 'omniloom[train]'") from error
    return SummaryWriter(str(folder / "tensorboard"), purge_step=None if resume_step is None else resume_step + 1)
