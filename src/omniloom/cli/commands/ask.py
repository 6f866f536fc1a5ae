"""`omniloom ask`: one question in, one reply out."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from omniloom.cli import drawing
from omniloom.cli.parsing import Parser, positive_int

if TYPE_CHECKING:
    from omniloom.generation import Reply, Sampling
    from omniloom.stream.parts import Part

SUMMARY = "Ask one question, with pictures, sound and video, and get one reply in text, sound or pictures."
EXAMPLES = (
    'omniloom ask "what is this?" --image cat.png',
    'omniloom ask "which digit is this?" --audio seven.wav',
    'omniloom ask "what moves where?" --video film.gif',
    'omniloom ask "say red star" --want audio --save reply.wav',
    'omniloom ask "draw a big red circle at the top left" --save circle.png',
    'omniloom ask "draw a cat" --best-of 8 --reranker runs/reranker/model --save cat.png',
    'omniloom ask "a blue cat" --checkpoint runs/dall-e --best-of 32 --save cat.png --grid cats.png',
)

WANTS = ("text", "audio", "image")
SUFFIX_WANTS = {
    **dict.fromkeys((".wav", ".flac", ".mp3", ".ogg"), "audio"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif"), "image"),
    ".txt": "text",
}
CUTS = (
    ("top_k", positive_int, "K", "above temperature 0, draw from the K likeliest tokens (default: all)"),
    ("top_p", float, "P", "then from the fewest likeliest that hold so much probability (default: 1, all)"),
    ("min_p", float, "P", "then from those at least P times as likely as the likeliest (default: 0, all)"),
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("text", nargs="?", help="the question; may be left out where --audio asks it")
    # One list for all kinds: parts keep the order in which they are given.
    for kind in ("image", "audio", "video"):
        parser.add_argument(
            f"--{kind}",
            dest="media",
            action="append",
            type=lambda path, kind=kind: (kind, path),  # type: ignore[misc]
            metavar="FILE",
            default=[],
            help=f"show or play this {kind} file; may be given several times",
        )
    parser.add_argument(
        "--want", action="append", choices=WANTS, help="what the reply holds (default: what --save needs, else text)"
    )
    parser.add_argument(
        "--save", action="append", default=[], metavar="FILE", help="write the reply's sound, picture or text here"
    )
    parser.add_argument("--checkpoint", default="tiny", help="a shipped model's name or a folder (default: tiny)")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 always takes the likeliest token (default)")
    for name, parse, metavar, text in CUTS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=parse, metavar=metavar, help=text)
    parser.add_argument("--seed", type=int, default=0, help="another seed, another reply, above temperature 0")
    parser.add_argument("--max-tokens", type=positive_int, metavar="N", help="stop the reply after N tokens")
    drawing.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    # What can be refused without a model is refused before one is loaded.
    wants = chosen_wants(options.want, options.save)
    sampling = chosen_sampling(options)
    if drawing.is_asked(options):
        if wants not in (["text"], ["image"]):
            raise ValueError(f"where a picture is chosen it is all there is, got --want {' --want '.join(wants)}")
        return drawing.run(options, sampling)
    parts = question(options.text, options.media)
    from omniloom.generation import Omni

    omni = Omni.load(options.checkpoint)
    started_s = time.monotonic()
    limits = {} if options.max_tokens is None else {"max_tokens": options.max_tokens}
    reply = omni.reply(parts, want=wants, sampling=sampling, seed=options.seed, **limits)
    elapsed_s = time.monotonic() - started_s
    print(reply.text)
    for path in options.save:
        save(reply, path)
    _report(reply, options.save, elapsed_s)
    return 0


def chosen_wants(wants: list[str] | None, paths: list[str]) -> list[str]:
    """What the reply must hold: what was asked for, or else what the files to be saved need.

    Raises:
        ValueError: If a file's suffix is of no known kind, or its kind is not among those asked for.
    """
    kinds = []
    for path in paths:
        kind = SUFFIX_WANTS.get(Path(path).suffix.lower())
        if kind is None:
            raise ValueError(f"--save {path}: end the name with one of {', '.join(SUFFIX_WANTS)}")
        if not Path(path).parent.is_dir():
            raise ValueError(f"--save {path}: there is no folder {Path(path).parent}; make it first")
        # Every reply has its text.
        if wants is not None and kind not in wants and kind != "text":
            raise ValueError(f"--save {path} needs --want {kind}, got --want {' --want '.join(wants)}")
        kinds.append(kind)
    return sorted(set(wants or kinds or ["text"]), key=WANTS.index)


def chosen_sampling(options: argparse.Namespace) -> Sampling:
    """How tokens are picked.

    Raises:
        ValueError: If a setting is out of its range, or would do nothing at temperature 0.
    """
    from omniloom.generation import Sampling

    cuts = {name: getattr(options, name) for name, *_ in CUTS if getattr(options, name) is not None}
    for name in cuts if not options.temperature else ():
        raise ValueError(f"--{name.replace('_', '-')} needs --temperature above 0, which draws tokens at all")
    return Sampling(temperature=options.temperature or 0.0, **cuts)


def question(text: str | None, media: list[tuple[str, str]]) -> list[str | Part]:
    """The parts of the question: its text first, then pictures, sounds and videos in their order."""
    from omniloom.stream.parts import Audio, Image, Text, Video

    if text is None and not media:
        raise ValueError('ask something: omniloom ask "what is this?" --image cat.png')
    parts: list[str | Part] = [] if text is None else [Text(text)]
    kinds: dict[str, type[Image] | type[Audio] | type[Video]] = {"image": Image, "audio": Audio, "video": Video}
    return [*parts, *(kinds[kind].open(path) for kind, path in media)]


def save(reply: Reply, path: str) -> None:
    """Write the piece of the reply that the file's suffix names."""
    kind = SUFFIX_WANTS[Path(path).suffix.lower()]
    if kind == "text":
        Path(path).write_text(reply.text + "\n", encoding="utf-8")
        return
    piece = reply.audio if kind == "audio" else reply.image
    if piece is None:
        raise ValueError(f"the reply holds no {kind} to save as {path}; ask for it in the question or by --want {kind}")
    piece.save(path)


def _report(reply: Reply, paths: list[str], elapsed_s: float) -> None:
    """What else came, on the error stream: the text alone is the output."""
    found = []
    if reply.audio is not None:
        found.append(f"{reply.audio.duration_s:.1f} s of speech")
    if reply.image is not None:
        found.append("a picture")
    kept = f", saved as {', '.join(paths)}" if paths else ", not saved (give --save FILE)" if found else ""
    held = f"{' and '.join(found)}{kept}; " if found or paths else ""
    print(f"({held.removeprefix(', ')}{elapsed_s:.2f} s)", file=sys.stderr)
