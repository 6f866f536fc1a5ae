"""`omniloom problems`: what there is to learn, and what an example of it looks and sounds like."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omniloom.cli.parsing import Parser

if TYPE_CHECKING:
    from omniloom.data.problems import Example, PairProblem, Problem
    from omniloom.stream.parts import Part

SUMMARY = "List the problems and their tasks, or look at one example; --save writes its pictures and sounds."
EXAMPLES = (
    "omniloom problems",
    "omniloom problems translate_enfr_python_docs --split test --index 5",
    "omniloom problems scan_simple_rev                  # the same pairs turned round",
    "omniloom problems --import my_problem.py           # with yours",
    "omniloom problems scenes --index 3",
    "omniloom problems speech --task echo --split new --save examples",
    "omniloom problems chat_files --folder my_chats     # how your own conversations are read",
)
SPLITS = ("train", "dev", "test", "new", "composed")
PAIR_SPLITS = SPLITS[:3]


def add_arguments(parser: Parser) -> None:
    parser.add_argument("problem", nargs="?", metavar="PROBLEM", help="show an example of this one")
    parser.add_argument("--split", choices=SPLITS, default="train", help="where the example is from (default: train)")
    parser.add_argument(
        "--import", dest="import_file", type=Path, metavar="FILE.py", help="yours, which registers a problem"
    )
    parser.add_argument("--index", type=int, default=0, help="which example (default: 0)")
    parser.add_argument("--task", help="of this task (default: as drawn for the index)")
    parser.add_argument("--folder", type=Path, help="chat_files: where your .jsonl files or .tar shards are")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write the example's pictures and sounds here")


def run(options: argparse.Namespace) -> int:
    from omniloom.data.problems.pairs import names_pairs, pair_problem
    from omniloom.data.problems.pairs.user_file import run_user_file

    if options.import_file is not None:
        run_user_file(options.import_file)
    if options.problem is None:
        print(_listing(), end="")
        return 0
    if options.index < 0:
        raise ValueError(f"--index must be 0 or more, got {options.index}")
    if names_pairs(options.problem) and options.split in PAIR_SPLITS:
        show_pair(pair_problem(options.problem), options)
        return 0
    if options.split in ("dev", "test"):
        raise ValueError(f"--split {options.split} is of problems of pairs; {options.problem} has train, new, composed")
    problem = make(options.problem, options.folder)
    show(problem.example(options.split, options.index, options.task), options.save)
    return 0


def _listing() -> str:
    """Every problem in a line or two: the tasks of conversations, what pairs are with their sizes and licence."""
    from omniloom.data.problems import problems
    from omniloom.data.problems.pairs import is_pair_problem

    lines = []
    for name in problems:
        kind: Any = problems.get(name)
        if is_pair_problem(name):
            about = "; ".join(text for text in (kind.summary, kind.sizes, kind.licence) if text)
        elif _takes_folder(kind):
            about = "your own conversations, by --folder"
        elif name == "pairs":
            about = "any problem of pairs as conversations, for mixes"
        else:
            about = _tasks(kind())
        lines.append(f"{name:<10} {about}\n")
    return "".join(lines)


def show_pair(problem: PairProblem, options: argparse.Namespace) -> None:
    """Print what a problem of pairs is, how many each split has, and one pair.

    Raises:
        ValueError: If an option is of other problems, or there is no such pair.
    """
    from omniloom.data.problems.pairs import PAIR_SPLITS

    if options.folder is not None or options.task is not None or options.save is not None:
        raise ValueError(f"{problem.full_name} is a problem of pairs; leave --folder, --task and --save out")
    pairs = problem.pairs(options.split)
    if options.index >= len(pairs):
        raise ValueError(f"--index must be below {len(pairs)}, the pairs of {options.split}, got {options.index}")
    sizes = ", ".join(f"{len(problem.pairs(split)):,} {split}" for split in PAIR_SPLITS)
    print(f"{problem.summary}\nfrom    {problem.origin} ({problem.licence})\npairs   {sizes}\nmetric  {problem.metric}")
    source, target = pairs[options.index]
    print(f"\nsource  {source}\ntarget  {target}")


def make(name: str, folder: Path | None) -> Problem:
    """The problem of that name with its default settings, over a user's folder where it takes one.

    Raises:
        ValueError: If there is no such problem, or a folder is missing or not taken.
    """
    from omniloom.data.problems import problems
    from omniloom.data.problems.pairs import names_pairs, pair_problem

    if names_pairs(name):
        return pair_problem(name)
    kind: Any = problems.get(name)
    if not _takes_folder(kind):
        if folder is not None:
            raise ValueError(f"{name} makes its own examples; leave --folder {folder} out")
        return kind()
    if folder is None:
        raise ValueError(f"{name} reads your own files; give their --folder")
    return kind(kind.Config(folder=folder))


def show(example: Example, folder: Path | None) -> None:
    """Print an example's turns, and write its media into `folder` if one is given."""
    from omniloom.data.problems.score import answer_text

    answer = example.answer if isinstance(example.answer, str) else answer_text(example)
    print(f"task    {example.task}\ncell    {example.cell or 'mixed'}\nanswer  {answer}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for turn, message in enumerate(example.messages):
        print(f"\n{message.role}:")
        for place, part in enumerate(message.parts):
            print(f"  {_describe(part)}{_kept(part, folder, f'{turn}-{place}')}")


def _takes_folder(kind: Any) -> bool:
    """Whether a problem reads a user's files; those that make their own examples need no settings."""
    return hasattr(kind, "Config") and "folder" in {field.name for field in dataclasses.fields(kind.Config)}


def _tasks(problem: Problem) -> str:
    return ", ".join(task.name for task in problem.tasks)


def _describe(part: Part) -> str:
    from omniloom.stream.parts import Audio, Text, Video

    if isinstance(part, Text):
        return repr(part.text)
    if isinstance(part, Audio):
        return f"<sound, {part.duration_s:.2f} s at {part.rate_hz} Hz>"
    if isinstance(part, Video):
        height, width = part.frames.shape[2:]
        sound = ", with sound" if part.sound else ""
        return f"<video, {len(part.frames)} frames of {width} x {height} in {part.duration_s:.2f} s{sound}>"
    height, width = part.pixels.shape[1:]
    return f"<picture, {width} x {height}>"


def _kept(part: Part, folder: Path | None, name: str) -> str:
    from omniloom.stream.parts import Audio, Text, Video

    if folder is None or isinstance(part, Text):
        return ""
    if isinstance(part, Video):
        sound = _kept(part.sound, folder, name) if part.sound else ""
        part.save(folder / f"{name}.gif")
        return f" -> {folder / f'{name}.gif'}{sound}"
    path = folder / (f"{name}.wav" if isinstance(part, Audio) else f"{name}.png")
    part.save(path)
    return f" -> {path}"
