"""`omniloom decode`: texts through a trained model of pairs, from a file to a file or line by line at a terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.cli.parsing import Parser, positive_int

if TYPE_CHECKING:
    from omniloom.generation.beam import BeamSearch
    from omniloom.generation.pairs import PairCheckpoint

SUMMARY = "Give a trained model of pairs texts, a line each, and get what they become: translations, actions."
EXAMPLES = (
    "omniloom decode --checkpoint runs/enfr/checkpoint                  # type lines, read answers",
    "omniloom decode --checkpoint runs/enfr/checkpoint --file in.txt --out out.txt",
    "omniloom decode --checkpoint runs/enfr/checkpoint --file in.txt --references fr.txt   # and score them",
    "omniloom decode --checkpoint runs/enfr/checkpoint --beam 1         # greedy",
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="FOLDER", help="that omniloom train --problem made"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="texts, a line each (default: the terminal)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write answers here, a line each (default: show them)")
    parser.add_argument("--references", type=Path, metavar="FILE", help="right answers, a line each: print the score")
    parser.add_argument("--beam", type=positive_int, default=4, help="hypotheses kept; 1 is greedy (default: 4)")
    parser.add_argument("--alpha", type=float, default=0.6, help="how much longer ones are favoured (default: 0.6)")
    parser.add_argument(
        "--extra-length", type=positive_int, default=100, metavar="N", help="ids beyond the text's own (default: 100)"
    )
    parser.add_argument(
        "--import", dest="import_file", type=Path, metavar="FILE.py", help="yours, where the model or problem is"
    )


def run(options: argparse.Namespace) -> int:
    from omniloom.generation.beam import BeamSearch
    from omniloom.generation.pairs import answers_of, load_pairs

    if options.file is None and (options.out or options.references):
        raise ValueError("--out and --references need --file; the terminal shows its answers at once")
    search = BeamSearch(size=options.beam, alpha=options.alpha, extra_length=options.extra_length)
    texts = None if options.file is None else _lines(options.file)
    references = None if options.references is None else _lines(options.references)
    if texts is not None and references is not None and len(texts) != len(references):
        raise ValueError(
            f"{options.file} has {len(texts)} lines and {options.references} has {len(references)}; give as many"
        )
    checkpoint = load_pairs(options.checkpoint, user_file=options.import_file)
    if texts is None:
        return _answer_lines(checkpoint, search)
    # A line without words has none in the answer either, as at the terminal.
    places = [place for place, line in enumerate(texts) if line.strip()]
    answers = [""] * len(texts)
    found = answers_of(checkpoint.model, checkpoint.encoders, [texts[place].strip() for place in places], search=search)
    for place, answer in zip(places, found, strict=True):
        answers[place] = answer
    # An answer is one line whatever the model says.
    text = "".join(" ".join(answer.split()) + "\n" for answer in answers)
    if options.out is None:
        print(text, end="")
    else:
        options.out.write_text(text, encoding="utf-8")
    if references is not None:
        print(_score(checkpoint, answers, references), file=sys.stderr if options.out is None else sys.stdout)
    return 0


def _answer_lines(checkpoint: PairCheckpoint, search: BeamSearch) -> int:
    """Read lines until the end of the input, and answer each."""
    from omniloom.generation.pairs import answers_of

    is_terminal = sys.stdin.isatty()
    if is_terminal:
        print(f"{checkpoint.model_name} on {checkpoint.problem}; an empty line or Ctrl-D ends", file=sys.stderr)
    while True:
        if is_terminal:
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line or (is_terminal and not line.strip()):
            return 0
        if not line.strip():
            print(flush=True)
            continue
        try:
            (answer,) = answers_of(checkpoint.model, checkpoint.encoders, [line.strip()], search=search, is_shown=False)
        except ValueError as error:
            if not is_terminal:
                raise
            print(f"omniloom: error: {error}", file=sys.stderr)
            continue
        print(answer, flush=True)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); convert it") from error
    # Not splitlines: to it a form feed and some spaces of Unicode end a line, and answers would no longer stand beside
    # their texts.
    return text.removesuffix("\n").split("\n") if text else []


def _score(checkpoint: PairCheckpoint, answers: list[str], references: list[str]) -> str:
    from omniloom.data.problems.pairs import pair_metrics

    return str(pair_metrics.get(checkpoint.metric)(answers, references))
