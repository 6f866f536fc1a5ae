"""Connections that fail: told in words, tried again, and nothing that was typed or said is lost from the page."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.serving.child import serving

from omniloom.serving.guard.keys import KeyFile

pytestmark = [pytest.mark.service]


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def test_a_killed_server_is_told_and_its_successor_serves_the_same_page(
    tmp_path: Path, open_page: Callable[..., Any], ask: Any, last_answer: Any
) -> None:
    with serving(tmp_path, "--port", "0") as child:
        address = child.wait_until_ready()
        page = open_page(address.removeprefix("http://")).page
        page.get_by_text("Ready", exact=True).wait_for()
        ask(page, "What is 2 + 3?", form="text")
        last_answer(page).get_by_text("five").wait_for()
        page.get_by_label("Message", exact=True).fill("What is 4 + 4?")
        child.process.send_signal(signal.SIGKILL)
        page.get_by_text("Not connected", exact=True).wait_for()
        page.locator("#lost").get_by_text("Trying").wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("Your message is kept").wait_for()
    with serving(tmp_path, "--port", port_of(address)) as child:
        child.wait_until_ready()
        page.get_by_text("Ready", exact=True).wait_for()  # by itself: nobody pressed anything
        page.locator("#log").get_by_text("The model has forgotten what stands above.").wait_for()
        assert page.locator("#lost").is_hidden()
        assert page.get_by_label("Message", exact=True).input_value() == "What is 4 + 4?"
        assert page.locator(".turn").count() == 2
        page.get_by_role("button", name="Send", exact=True).click()
        last_answer(page).get_by_text("eight").wait_for()


def test_what_was_not_answered_can_be_asked_again(watched: Any, omni: Any, ask: Any, last_answer: Any) -> None:
    page = watched.page
    omni.hold(after_words=1)
    ask(page, "one two three", form="text")
    last_answer(page).get_by_text("one").wait_for()
    watched.cut()
    last_answer(page).get_by_text("The connection was lost before the answer was whole.").wait_for()
    page.get_by_text("Ready", exact=True).wait_for()
    omni.release()
    page.get_by_role("button", name="Ask again").click()
    last_answer(page).get_by_text("one two three").wait_for()
    assert page.locator(".turn.user").count() == 2


def test_a_full_server_says_so_and_lets_in_whom_it_can(tmp_path: Path, open_page: Callable[..., Any]) -> None:
    with serving(tmp_path, "--port", "0", "--limit", "sessions=1") as child:
        address = child.wait_until_ready().removeprefix("http://")
        first = open_page(address).page
        first.get_by_text("Ready", exact=True).wait_for()
        second = open_page(address).page
        second.locator("#lost").get_by_text("Every place on this server is taken.").wait_for()
        first.close()
        second.get_by_text("Ready", exact=True).wait_for()


def test_a_server_that_leaves_is_told(tmp_path: Path, open_page: Callable[..., Any]) -> None:
    with serving(tmp_path, "--port", "0") as child:
        page = open_page(child.wait_until_ready().removeprefix("http://")).page
        page.get_by_text("Ready", exact=True).wait_for()
        child.process.send_signal(signal.SIGTERM)
        page.locator("#lost").get_by_text("The server is about to restart").wait_for()


def test_a_key_is_asked_for_kept_in_the_tab_and_sent(
    tmp_path: Path, open_page: Callable[..., Any], ask: Any, last_answer: Any
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    key = keys.create("browser")
    with serving(tmp_path, "--port", "0", "--api-keys", str(keys.path)) as child:
        page = open_page(child.wait_until_ready().removeprefix("http://")).page
        page.get_by_role("heading", name="This server asks for a key").wait_for()
        page.get_by_label("API key").fill("olk_wrong_key")
        page.keyboard.press("Enter")
        page.get_by_text("The key that was given is not accepted.").wait_for()
        page.get_by_label("API key").fill(key)
        page.keyboard.press("Enter")
        page.get_by_text("Ready", exact=True).wait_for()
        page.locator(".example .thumb[src^=blob]").first.wait_for()
        ask(page, "What is 2 + 3?", form="text")
        last_answer(page).get_by_text("five").wait_for()
        assert page.evaluate("() => [Object.values(localStorage), document.cookie].join()").find(key) == -1
        page.reload()
        page.get_by_text("Ready", exact=True).wait_for()
