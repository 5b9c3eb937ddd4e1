"""Which version answered here last: for a replica that is started again while the registry is away.

What the registry said of a target is kept in a small file beside the packages, with the digest of the package, and
sealed with the key of this house: who can write the folder but does not know the key can name no other package. The
package still has to prove itself by the digest. What is too old counts no more, so that nobody brings a version back
that was taken out of service long ago.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from oracle.registry.versions import ModelVersion
from oracle.serving.messages import ModelMessage
from oracle.serving.version import Target

OLDEST = dt.timedelta(hours=72)
"""A weekend: how long an answer of the registry stands in for it."""
REFRESH = dt.timedelta(minutes=10)
"""How old the file may be before it is written again without need."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry said of a target."""

    message: ModelMessage
    digest: str
    at: dt.datetime


class Remembered:
    """What the registry said last, by target.

    Args:
        folder: Where the packages are kept.
        of: Names the registry and the model, so that those of another are never taken for ours.
        key: Seals what is kept; without one nothing is.
    """

    def __init__(self, folder: Path, of: str, key: bytes) -> None:
        self._folder, self._of = folder, of
        self._key = hashlib.blake2b(b"last known version", key=key, digest_size=32).digest() if key else b""
        self._kept: dict[str, tuple[str, dt.datetime]] = {}

    def keep(self, target: Target, version: ModelVersion, message: ModelMessage, now: dt.datetime) -> None:
        """Keep what the registry said just now; a folder that cannot be written costs nothing but the memory."""
        if not self._key or version.digest is None:
            return
        name = str(target.version)
        last = self._kept.get(name)
        if last is not None and last[0] == version.digest and now - last[1] < REFRESH:
            return
        said = {"of": self._of, "target": name, "digest": version.digest, "at": now, "model": message.model_dump()}
        content = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        file = self._file(name)
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f"{file.name}.{os.getpid()}")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123
                out.write(self._seal(content) + b"\n" + content)
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(file)
            self._kept[name] = (version.digest, now)

    def find(self, target: Target, now: dt.datetime) -> Known | None:
        """Return what the registry said of a target last; None where that is unknown, not ours, or too old."""
        if not self._key:
            return None
        try:
            seal, _, content = self._file(str(target.version)).read_bytes().partition(b"\n")
            if not hmac.compare_digest(seal, self._seal(content)):
                return None
            said: dict[str, Any] = orjson.loads(content)
        except (OSError, ValueError):
            return None
        at = dt.datetime.fromisoformat(said["at"])
        if (said["of"], said["target"]) != (self._of, str(target.version)) or not dt.timedelta() <= now - at <= OLDEST:
            return None
        return Known(ModelMessage.model_validate(said["model"]), said["digest"], at)

    def _file(self, name: str) -> Path:
        digest = hashlib.blake2b(f"{self._of}\0{name}".encode(), digest_size=8).hexdigest()
        return self._folder / f"last-known-{digest}"

    def _seal(self, content: bytes) -> bytes:
        return hmac.new(self._key, content, hashlib.sha256).hexdigest().encode()
