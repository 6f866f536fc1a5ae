"""API keys: made once, shown once, and kept only as salted hashes in a file that its owner alone can read.

A key is `olk_ID_SECRET`. The ID is no secret: it finds the entry, names the client in logs and limits, and is what is
revoked. The secret has 256 bits from the system's randomness, so one round of SHA-256 cannot be turned back; scrypt was
rejected, for it protects secrets that people choose and would cost every request tens of milliseconds. Comparing takes
the same time whatever is wrong, an unknown ID included.

A running server sees a changed file within a second: revoking needs no restart, and ends the sessions of that key.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

LOGGER = logging.getLogger(__name__)

PREFIX = "olk"
FORMAT = "omniloom keys 1"
CHECK_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """What is kept of a key."""

    id: str
    name: str
    created: str
    salt: str
    digest: str

    def matches(self, secret: str) -> bool:
        return hmac.compare_digest(_digest(self.salt, secret), self.digest)


NOBODY = StoredKey(id="", name="", created="", salt="00" * 16, digest="0" * 64)
"""Compared with where an ID is unknown, so that this takes as long as a wrong secret."""


class KeyFile:
    """The file of keys, as `omniloom keys` changes it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def create(self, name: str) -> str:
        """Add a key and return it; it cannot be read again."""
        if not name.strip() or len(name) > 80 or not name.isprintable():
            raise ValueError(f"a key's name has 1 to 80 printable characters, got {name[:80]!r}")
        id_, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_hex(16)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self._changing() as keys:
            keys[id_] = StoredKey(id=id_, name=name, created=created, salt=salt, digest=_digest(salt, secret))
        return f"{PREFIX}_{id_}_{secret}"

    def revoke(self, id_: str) -> StoredKey:
        """Remove the key with this ID."""
        with self._changing() as keys:
            if id_ not in keys:
                raise ValueError(f"{self.path} has no key {id_!r}; it has {', '.join(keys) or 'none'}")
            return keys.pop(id_)

    def read(self) -> dict[str, StoredKey]:
        """The keys by their IDs.

        Raises:
            ValueError: If the file is no file of keys, or others than its owner may write it.
            OSError: If it cannot be read.
        """
        with self.path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ValueError(f"others may write {self.path}, and so let themselves in; run chmod 600 {self.path}")
            text = file.read()
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"its format is {data['format']!r}")
            keys = [StoredKey(**{name: str(entry[name]) for name in NOBODY.__dict__}) for entry in data["keys"]]
        except (ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"{self.path} is no file of keys ({reason}); omniloom keys create makes one") from error
        return {key.id: key for key in keys}

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, StoredKey]]:
        """The keys to be changed; written back whole, or not at all."""
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self.read() if self.path.exists() else {}
            yield keys
            self._write(keys)
        finally:
            os.close(lock)

    def _write(self, keys: dict[str, StoredKey]) -> None:
        text = json.dumps({"format": FORMAT, "keys": [asdict(key) for key in keys.values()]}, indent=1)
        scratch = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self.path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise


class KeyRing:
    """The keys that a running server takes, read again where the file has changed."""

    def __init__(self, path: str | Path) -> None:
        """Raises as `KeyFile.read`, and ValueError where the file has no key."""
        self._file = KeyFile(path)
        self._seen = self._state()
        self._keys = self._file.read()
        self._next_check = time.monotonic() + CHECK_EVERY_S
        if not self._keys:
            raise ValueError(f"{path} has no key, so nobody could get in; run omniloom keys create --file {path}")

    def __len__(self) -> int:
        return len(self._keys)

    def owner_of(self, key: str) -> StoredKey | None:
        """Whose key this is; None where it is nobody's."""
        self._refresh()
        prefix, _, rest = key.partition("_")
        id_, _, secret = rest.partition("_")
        stored = self._keys.get(id_, NOBODY)
        is_right = stored.matches(secret)
        return stored if is_right and prefix == PREFIX and stored is not NOBODY else None

    def holds(self, owner: StoredKey) -> bool:
        """Whether a key that was let in is still taken."""
        self._refresh()
        return self._keys.get(owner.id) == owner

    def _refresh(self) -> None:
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_EVERY_S
        try:
            state = self._state()
            if state != self._seen:
                self._keys = self._file.read()
                self._seen = state
        except (OSError, ValueError) as error:
            # Nobody is let in by a file that is gone or broken: taking it away must be a way to lock everybody out.
            if self._keys:
                LOGGER.error("no key is taken any more: %s", error)
            self._keys, self._seen = {}, (0, 0, 0)

    def _state(self) -> tuple[int, int, int]:
        found = self._file.path.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode("utf-8", "surrogatepass")).hexdigest()
