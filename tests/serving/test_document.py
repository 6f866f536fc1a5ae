"""The protocol page says what the message classes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniloom.serving.beta import protocol as beta
from omniloom.serving.document import render
from omniloom.serving.live import protocol as live
from omniloom.serving.realtime import protocol as ga

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_page_is_current():
    command = "python -m omniloom.serving.document docs/protocol.md"
    assert PAGE.read_text(encoding="utf-8") == render(), f"renew it: {command}"


@pytest.mark.parametrize("protocol", [ga, beta, live], ids=["realtime", "beta", "live"])
def test_every_event_has_a_name_of_its_own_and_is_on_the_page(protocol):
    names = [ga.event_type(event) for event in (*protocol.CLIENT_EVENTS, *protocol.SERVER_EVENTS)]
    assert len(set(names)) == len(names) and set(ga.EXTENSIONS) <= {*names, *ga.EXTENSIONS}
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_link_on_the_page_leads_to_an_object():
    page = PAGE.read_text(encoding="utf-8")
    links = {part.split(")")[0] for part in page.split("](#")[1:]} - {"realtime", "beta", "live"}
    assert {link for link in links if f'<a id="{link}"></a>' not in page} == set()
