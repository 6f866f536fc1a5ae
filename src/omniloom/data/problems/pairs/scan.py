"""SCAN (Lake & Baroni 2018): navigation commands and the actions they stand for, split to test composition.

*Simple* tests on a random fifth, *length* on actions longer than any in training, *jump* on a command known only by
itself. A fiftieth of the training commands of four words and more is kept for development, so that no primitive is lost
and what is reported is never what was chosen by; a command comes as often as in the published files, which repeat
"jump".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from omniloom.data.problems.base import Split, problems
from omniloom.data.problems.holdout import fraction
from omniloom.data.problems.pairs.base import PairProblem, PairSplit, TextPair
from omniloom.data.public import PublicFiles, read_files

COMMIT = "c4b756cbc010d75c912f16c42c8f15dc6b7e6c8f"
SOURCE = PublicFiles(
    name="scan",
    url=f"https://raw.githubusercontent.com/brendenlake/SCAN/{COMMIT}",
    version=COMMIT[:12],
    max_bytes=2**23,
    remedy="or choose another problem; omniloom problems lists them",
)
LINE = re.compile(r"IN: (?P<command>.+?) OUT: (?P<actions>.+)")

DEV_SHARE, DEV_WORDS = 0.02, 4


class _Scan(PairProblem):
    """A split of SCAN; `files` are its training and its test file with their sha256."""

    licence = "BSD"
    origin = f"https://github.com/brendenlake/SCAN/tree/{COMMIT[:12]}"
    metric = "exact_match"
    num_subwords = None
    asks = "Actions for: {}"
    asks_back = "Command for: {}"
    files: ClassVar[dict[str, tuple[str, str]]]

    def generate(self, split: PairSplit) -> Iterable[TextPair]:
        path, digest = self.files["test" if split == "test" else "train"]
        pairs = commands(read_files(SOURCE, {path: digest})[path], place=path)
        if split == "test":
            return pairs
        return [pair for pair in pairs if _is_dev(pair) == (split == "dev")]


def commands(data: bytes, *, place: str) -> list[TextPair]:
    """The commands of a file, a line each.

    Raises:
        ValueError: If a line is none, naming it.
    """
    found = []
    for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), start=1):
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"{place}:{number} is not 'IN: command OUT: actions' but {line[:60]!r}; replace the file")
        found.append(TextPair(match["command"], match["actions"]))
    return found


def _is_dev(pair: TextPair) -> bool:
    return len(pair.source.split()) >= DEV_WORDS and fraction("scan", pair.source) < DEV_SHARE


@problems.register("scan_simple")
class ScanSimple(_Scan):
    """The simple split."""

    name = "scan_simple"
    summary = "commands to actions, tested on a random fifth"
    sizes = "16,373 train, 355 dev, 4,182 test"
    files: ClassVar[dict[str, tuple[str, str]]] = {
        "train": (
            "simple_split/tasks_train_simple.txt",
            "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
        ),
        "test": (
            "simple_split/tasks_test_simple.txt",
            "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
        ),
    }


@problems.register("scan_length")
class ScanLength(_Scan):
    """The length split."""

    name = "scan_length"
    summary = "commands to actions, tested on longer actions than any in training"
    sizes = "16,628 train, 362 dev, 3,920 test"
    held_out: ClassVar[Split] = "composed"
    files: ClassVar[dict[str, tuple[str, str]]] = {
        "train": (
            "length_split/tasks_train_length.txt",
            "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2",
        ),
        "test": (
            "length_split/tasks_test_length.txt",
            "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3",
        ),
    }


@problems.register("scan_jump")
class ScanJump(_Scan):
    """The jump split."""

    name = "scan_jump"
    summary = "commands to actions, tested on a primitive known only by itself"
    sizes = "14,378 train, 292 dev, 7,706 test"
    held_out: ClassVar[Split] = "composed"
    files: ClassVar[dict[str, tuple[str, str]]] = {
        "train": (
            "add_prim_split/tasks_train_addprim_jump.txt",
            "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23",
        ),
        "test": (
            "add_prim_split/tasks_test_addprim_jump.txt",
            "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5",
        ),
    }
