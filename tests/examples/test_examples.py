"""The examples run as they are shown, with the shipped model."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from omniloom.cli.parsing import Parser
from omniloom.data.chat_files import read_chats
from omniloom.data.chat_shards import read_shard
from omniloom.sandbox import Sandbox, SandboxUnavailable

ROOT = Path(__file__).parents[2]


def run(name: str, *arguments: str, folder: Path) -> str:
    """What an example prints, run in another folder with one thread."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_first_conversation_keeps_what_was_said_and_drawn(tmp_path: Path) -> None:
    printed = run("first_conversation.py", "--out", "answers", folder=tmp_path)
    assert printed.count("->") == 4
    assert {path.name for path in (tmp_path / "answers").iterdir()} == {"drawing.png", "question.wav"}


def test_streaming_shows_text_ahead_of_its_sound(tmp_path: Path) -> None:
    kinds = [line.split()[2] for line in run("streaming.py", "say red star", folder=tmp_path).splitlines()]
    assert kinds[0] == "text"
    assert "sound" in kinds
    assert kinds[-1] == "done"


@pytest.mark.parametrize("folder", ["chats", "deeper/chats"])
def test_own_data_is_read_back(tmp_path: Path, folder: str) -> None:
    run("own_data.py", folder, folder=tmp_path)
    assert len(list(read_chats(tmp_path / folder / "chats.jsonl"))) == 2


def test_own_data_is_read_back_from_a_shard(tmp_path: Path) -> None:
    run("own_data.py", "chats", "--shards", folder=tmp_path)
    assert len(read_shard(tmp_path / "chats" / "chats-000000.tar")) == 2


def test_own_codec_is_loaded_again_and_streams(tmp_path: Path) -> None:
    lines = run("own_codec.py", "codecs", folder=tmp_path).splitlines()
    assert lines[0].startswith("codecs holds a LoudnessCodec; ")
    codes = [int(code) for code in lines[1].split()[1:]]
    assert len(codes) == 25 and codes == sorted(codes) and codes[0] < 3 and codes[-1] > 25
    assert lines[2] == "streamed as the whole"


def test_the_page_on_codecs_shows_the_example() -> None:
    page = (ROOT / "docs" / "codecs.md").read_text(encoding="utf-8")
    shown = next(block for block in page.split("```python\n") if block.startswith("@codec_kinds"))
    assert shown.partition("```")[0] in (ROOT / "examples" / "own_codec.py").read_text(encoding="utf-8")


def test_translating_trains_decodes_and_goes_on(tmp_path: Path) -> None:
    lines = run("translate.py", "run", "--steps", "3", folder=tmp_path).splitlines()[-2:]
    assert [line.split(" -> ")[0] for line in lines] == ["3141", "271828"]
    again = run("translate.py", "run", "--steps", "3", folder=tmp_path).splitlines()[-2:]
    assert again == lines


@pytest.mark.slow
def test_translating_turns_digits_round(tmp_path: Path) -> None:
    lines = run("translate.py", folder=tmp_path).splitlines()[-2:]
    assert [line.split("  (")[0] for line in lines] == ["3141 -> 1413", "271828 -> 828172"]


def test_the_page_on_translating_shows_the_example() -> None:
    page = (ROOT / "docs" / "models" / "seq2seq.md").read_text(encoding="utf-8")
    shown = page.split("```python\n")[1].partition("```")[0]
    code = (ROOT / "examples" / "translate.py").read_text(encoding="utf-8")
    assert all(line in code for line in shown.splitlines())


def test_programs_are_judged(tmp_path: Path) -> None:
    try:
        Sandbox().close()
    except SandboxUnavailable as error:
        pytest.skip(f"no containment here: {error}")
    lines = run("judge_programs.py", folder=tmp_path).splitlines()
    assert [line.split()[0] for line in lines[:6]] == ["passed", "failed", "passed", "failed", "failed", "failed"]
    assert lines[6:] == ["pass@1 0.333", "pass@2 0.600", "pass@4 0.933"]


def test_the_page_on_problems_shows_the_example() -> None:
    page = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
    shown = page.split("```python\n")[1].partition("```")[0]
    assert shown in (ROOT / "examples" / "my_problem.py").read_text(encoding="utf-8")


def test_the_page_on_problems_gives_commands_that_are_understood() -> None:
    page = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
    for block in page.split("```sh\n")[1:]:
        for line in block.partition("```")[0].replace("\\\n", " ").splitlines():
            program, command, *arguments = shlex.split(line, comments=True)
            parser = Parser(prog=command)
            assert program == "omniloom"
            import_module(f"omniloom.cli.commands.{command}").add_arguments(parser)
            parser.parse_args(arguments)
