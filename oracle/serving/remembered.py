"""Which version answered here last: for a replica that is started again while the registry is away.

What the registry said of a target is kept in a small file beside the packages, with the digest of the package, and
sealed with the key of this house: who can write the folder but does not know the key can name no other package. The
package still has to prove itself by the digest. What is too old counts no more, so that nobody brings a version back
that was taken out of service long ago.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path

from oracle.registry.versions import ModelVersion
from oracle.serving.messages import ModelMessage
from oracle.serving.sealed import Sealer
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
        self._sealer = Sealer(key, "last known version")
        self._kept: dict[str, tuple[str, dt.datetime]] = {}

    def keep(self, target: Target, version: ModelVersion, message: ModelMessage, now: dt.datetime) -> None:
        """Keep what the registry said just now; a folder that cannot be written costs nothing but the memory."""
        name = str(target.version)
        last = self._kept.get(name)
        if version.digest is None or (last is not None and last[0] == version.digest and now - last[1] < REFRESH):
            return
        said = {"of": self._of, "target": name, "digest": version.digest, "at": now, "model": message.model_dump()}
        if self._sealer.write(self._file(name), said):
            self._kept[name] = (version.digest, now)

    def find(self, target: Target, now: dt.datetime) -> Known | None:
        """Return what the registry said of a target last; None where that is unknown, not ours, or too old."""
        said = self._sealer.read(self._file(str(target.version)))
        if said is None:
            return None
        at = dt.datetime.fromisoformat(said["at"])
        if (said["of"], said["target"]) != (self._of, str(target.version)) or not dt.timedelta() <= now - at <= OLDEST:
            return None
        return Known(ModelMessage.model_validate(said["model"]), said["digest"], at)

    def _file(self, name: str) -> Path:
        digest = hashlib.blake2b(f"{self._of}\0{name}".encode(), digest_size=8).hexdigest()
        return self._folder / f"last-known-{digest}"
