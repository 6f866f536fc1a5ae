"""API keys: what is kept of them, who is let in by one, and that revoking works while a server runs."""

from __future__ import annotations

import json
import os
import stat

import pytest

from omniloom.serving.guard import keys as keys_module
from omniloom.serving.guard.keys import KeyFile, KeyRing


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def checks_at_once(monkeypatch):
    monkeypatch.setattr(keys_module, "CHECK_EVERY_S", 0.0)


def test_a_key_lets_its_owner_in_and_nothing_else_does(file):
    key, other = file.create("laptop"), file.create("phone")
    ring = KeyRing(file.path)
    assert ring.owner_of(key).name == "laptop" and ring.owner_of(other).name == "phone"
    id_, _, secret = key.removeprefix("olk_").partition("_")
    other_id = other.split("_")[1]
    wrong = [
        key[:-1],
        f"{key}x",
        key.upper(),
        f"olk_{other_id}_{secret}",
        f"xxx_{id_}_{secret}",
        secret,
        "",
        "olk__",
        "olk_",
    ]
    wrong += ["olk__" + "0" * 64, f"olk_{id_}_\udcff", " " + key]
    assert [ring.owner_of(text) for text in wrong] == [None] * len(wrong)


def test_the_file_holds_no_key_and_is_its_owners_alone(file):
    key = file.create("laptop")
    text = file.path.read_text()
    assert key not in text and key.split("_", 2)[2] not in text
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    entry = json.loads(text)["keys"][0]
    same = KeyFile(file.path).read()[key.split("_")[1]]
    assert entry["digest"] == same.digest and len(bytes.fromhex(entry["salt"])) == 16
    assert len({(stored.salt, stored.digest) for stored in KeyFile(file.path).read().values()}) == 1


def test_a_running_server_follows_the_file(file, checks_at_once):
    first = file.create("first")
    ring = KeyRing(file.path)
    second = file.create("second")
    assert ring.owner_of(second).name == "second"
    file.revoke(first.split("_")[1])
    assert ring.owner_of(first) is None and ring.owner_of(second) is not None
    file.path.write_text("{")
    assert ring.owner_of(second) is None
    file.path.unlink()
    assert ring.owner_of(second) is None
    third = file.create("third")
    assert ring.owner_of(third).name == "third" and ring.owner_of(second) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other", "keys": []}', '{"format": "omniloom keys 1"}'])
def test_another_kind_of_file_is_refused_with_a_remedy(file, text):
    file.path.write_text(text)
    with pytest.raises(ValueError, match=r"is no file of keys .* omniloom keys create makes one"):
        KeyRing(file.path)


def test_a_file_that_others_can_write_is_refused(file):
    file.create("laptop")
    file.path.chmod(0o660)
    with pytest.raises(ValueError, match="chmod 600"):
        KeyRing(file.path)


def test_without_any_key_nobody_could_get_in(file):
    key = file.create("laptop")
    file.revoke(key.split("_")[1])
    with pytest.raises(ValueError, match="has no key"):
        KeyRing(file.path)
    with pytest.raises(ValueError, match="has no key 'nobody'"):
        file.revoke("nobody")
    with pytest.raises(ValueError, match="printable"):
        file.create("two\nlines")


def test_what_could_not_be_written_leaves_the_file_as_it_was(file, monkeypatch):
    key = file.create("laptop")
    before = file.path.read_bytes()

    def fail(descriptor):
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        file.create("phone")
    assert file.path.read_bytes() == before and KeyRing(file.path).owner_of(key) is not None
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["keys.json", "keys.json.lock"]
