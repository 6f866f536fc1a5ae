"""The page on pictures: every Python block of it runs, and says what the package says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "pictures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_blocks_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(BLOCKS) == 3
    for block in BLOCKS:
        exec(compile(block, "docs/pictures.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "64 codes of 512 give (3, 32, 32)" in shown
    assert "('row', 'column', 'row', 'row', 'convolution')" in shown
    assert "an orange cat\n396 pairs are trained on, 198 are asked for" in shown


def test_the_commands_of_the_page_are_those_of_the_package() -> None:
    from omniloom.cli.program import COMMANDS
    from omniloom.recipes import recipes

    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]
    assert {line.split()[1] for line in lines} <= set(COMMANDS)
    assert {line.split()[2] for line in lines if line.split()[1] == "train"} <= set(recipes)
