"""`omniloom decode`: texts through a trained model of pairs, from a file to a file or line by line at a terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.cli.parsing import Parser, positive_int

if TYPE_CHECKING:
    from omniloom.generation.beam import BeamSearch
    from omniloom.generation.pairs import PairCheckpoint

LINES_TOGETHER = 128
"""Lines of a file that are decoded and written together."""

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
    from omniloom.generation.pairs import load_pairs

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
    answers = _answer_file(checkpoint, search, texts, options.out)
    if references is not None:
        print(_score(checkpoint, answers, references), file=sys.stderr if options.out is None else sys.stdout)
    return 0


def _answer_file(checkpoint: PairCheckpoint, search: BeamSearch, texts: Sequence[str], out: Path | None) -> list[str]:
    """The answer to each line, shown or written as they come, so that what is finished outlives a Ctrl-C."""
    from omniloom.core.progress import Progress
    from omniloom.generation.pairs import answers_of, source_rows

    texts = [text.strip() for text in texts]
    source_rows(checkpoint.encoders, texts)  # so that what cannot be read is told before anything is written
    answers: list[str] = []
    with ExitStack() as stack:
        file = sys.stdout if out is None else stack.enter_context(out.open("w", encoding="utf-8"))
        progress = stack.enter_context(Progress("decoding", total=len(texts), unit="text"))
        for start in range(0, len(texts), LINES_TOGETHER):
            part = texts[start : start + LINES_TOGETHER]
            asked = [text for text in part if text]
            try:
                found = answers_of(checkpoint.model, checkpoint.encoders, asked, search=search, is_shown=False)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    f"stopped: the first {len(answers)} of {len(texts)} lines are answered in {out or 'the output'}"
                ) from None
            # A line without words has none in the answer either, as at the terminal.
            following = iter(found)
            own = [next(following) if text else "" for text in part]
            # An answer is one line whatever the model says.
            file.writelines(" ".join(answer.split()) + "\n" for answer in own)
            file.flush()
            answers += own
            progress.advance(len(part))
    return answers


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
