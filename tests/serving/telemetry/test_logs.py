"""Logs: what they hold, in both forms, and what never stands in them."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from fastapi.testclient import TestClient

from omniloom.serving import create_app
from omniloom.serving.telemetry.logs import PrivateFormatter


def record_of(error=None, **extra):
    try:
        if error is not None:
            raise error
    except Exception:
        found = logging.LogRecord("omniloom.x", logging.ERROR, "x.py", 1, "%s failed", ("it",), sys.exc_info())
    else:
        found = logging.LogRecord("omniloom.x", logging.INFO, "x.py", 1, "%s went well", ("it",), None)
    for name, value in extra.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_errors_words_are_kept_back_and_its_place_is_told(log_format):
    cause = KeyError("my secret question")
    error = ValueError("'my secret question' is wrong")
    error.__cause__ = cause
    line = PrivateFormatter(log_format=log_format, tells_all=False).format(record_of(error))
    assert "secret" not in line
    assert "builtins.ValueError" in line and "builtins.KeyError" in line and "test_logs.py" in line
    told = PrivateFormatter(log_format=log_format, tells_all=True).format(record_of(error))
    assert "my secret question" in told


def test_lines_of_json_hold_their_fields():
    line = PrivateFormatter(log_format="json", tells_all=False).format(record_of(fields={"status": 200}))
    found = json.loads(line)
    assert found["message"] == "it went well" and found["status"] == 200 and found["level"] == "info"


def test_a_request_is_told_by_its_route_and_a_lost_one_too(omni, caplog):
    web = TestClient(create_app(omni, model_name="fake"), base_url="http://127.0.0.1:7860")
    with caplog.at_level(logging.INFO, logger="omniloom.access"):
        web.get("/health?secret=1")
        web.get("/secret/path")
    assert "secret" not in caplog.text
    told = [line.fields for line in caplog.records]
    assert [(line["route"], line["status"], line["method"]) for line in told] == [
        ("/health", 200, "GET"),
        ("none", 404, "GET"),
    ]
