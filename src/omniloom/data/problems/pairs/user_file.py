"""A user's own Python file, run so that what it registers is there: a problem, a model or a set in one file.

Files are named, never searched for: what runs is what was asked for. Folders of plugins and entry points were rejected;
the one runs whatever lies there, the other needs a package for twenty lines.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from omniloom.core.randomness import seed_of


def run_user_file(path: str | Path) -> None:
    """Run a file once in this process.

    Raises:
        ValueError: If there is no such file, or it fails; the message names its line.
    """
    path = Path(path).resolve()
    if not path.is_file() or path.suffix != ".py":
        raise ValueError(f"{path} is no Python file; give the .py file that registers your problem, model or set")
    name = f"omniloom_user_{path.stem}_{seed_of(str(path)):x}"
    if name in sys.modules:
        return
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{path}:{_line(error, path)} failed: {type(error).__name__}: {error}; mend it") from error


def _line(error: Exception, path: Path) -> int:
    """The last line of the file that the error went through, or the line that is no Python."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
