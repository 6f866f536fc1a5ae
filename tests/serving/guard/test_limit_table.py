"""The documentation's table of limits is the source's, and the command line takes each of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omniloom.serving.guard.limit_table import described, limits_from
from omniloom.serving.realtime.limits import Limits

PAGE = Path(__file__).parents[3] / "docs" / "serve.md"
END = "<!-- end of limits -->"


def table():
    rows = [f"| `{limit.name}` | {limit.default:,} | {limit.what} |" for limit in described()]
    return "\n".join(["| Limit | By default | What it bounds |", "|---|---|---|", *rows, ""])


def test_the_documentation_tells_every_limit():
    text = PAGE.read_text(encoding="utf-8")
    start = text.index("-->\n", text.index("<!-- limits:")) + len("-->\n")
    end = text.index(END)
    if os.environ.get("OMNILOOM_RENEW_GOLDEN"):
        PAGE.write_text(f"{text[:start]}\n{table()}\n{text[end:]}", encoding="utf-8")
        return
    assert text[start:end].strip() == table().strip(), "OMNILOOM_RENEW_GOLDEN=1 pytest this file renews docs/serve.md"


@pytest.mark.parametrize("limit", described(), ids=lambda limit: limit.name)
def test_the_command_line_takes_every_limit(limit):
    twice = 2 * limit.default + 1
    assert getattr(limits_from([f"{limit.name}={twice}"]), limit.name) == twice


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["sesions=3"], "unknown limit 'sesions'; did you mean 'sessions'?"),
        (["sessions"], "write sessions=NUMBER, once"),
        (["sessions=3", "sessions=4"], "write sessions=NUMBER, once"),
        (["sessions=0"], "sessions takes a whole number above 0, got '0'"),
        (["sessions=many"], "sessions takes a whole number above 0, got 'many'"),
        (["sessions=2.5"], "sessions takes a whole number above 0, got '2.5'"),
        (["head_s=-1"], "head_s takes a number above 0, got '-1'"),
        (["head_s=nan"], "head_s takes a number above 0, got 'nan'"),
    ],
)
def test_a_wrong_limit_is_told_with_the_right_one(pairs, message):
    with pytest.raises(ValueError) as told:
        limits_from(pairs)
    assert message in str(told.value)


def test_a_rate_may_be_none_and_numbers_may_be_grouped():
    assert limits_from(["requests_per_minute=0", "body_bytes=1_000_000"]) == Limits(body_bytes=1_000_000)
