"""The tokens that counted here last, for a process that begins while our store is away.

Without them it would turn everybody away until the store is back, beside others that go on. What is kept are the
snapshot's hashes, sealed with the key of the house; a token revoked while the store was away ends when it is back,
as it does in a process that never stopped.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from oracle.errors import Unavailable
from oracle.governance.access import Known, Snapshot
from oracle.serving.sealed import Sealer

REFRESH = 60.0
"""Seconds after which the file is written again without need, so that its moment is a late one."""


class KeptTokens:
    """Reads tokens, and keeps a copy of what it read.

    Args:
        read: Reads them from the store.
        file: Where the copy is.
        key: Seals it.
        stale_seconds: How long a copy counts.
        now: The clock, UTC.
    """

    def __init__(
        self,
        read: Callable[[], Snapshot],
        file: Path,
        key: bytes,
        stale_seconds: float,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._read, self._file, self._stale, self._now = read, file, stale_seconds, now
        self._sealer = Sealer(key, "tokens")
        self._last: Snapshot | None = None
        self._at = 0.0

    def __call__(self) -> Snapshot:
        """Return the tokens of the store, or before they were ever read here those of the copy.

        Raises:
            Unavailable: the store did not answer, and there is no copy that counts, or none is needed any more.
        """
        try:
            found = self._read()
        except Unavailable:
            kept = self._copy() if self._last is None else None
            if kept is None:
                raise
            return kept
        at = self._now().timestamp()
        if found != self._last or at - self._at > REFRESH:
            self._at = at
            tokens = [{**asdict(known), "scopes": sorted(known.scopes)} for known in found.tokens.values()]
            self._sealer.write(self._file, {"at": at, "tokens": tokens})
        self._last = found
        return found

    def _copy(self) -> Snapshot | None:
        said = self._sealer.read(self._file)
        if said is None or not 0 <= self._now().timestamp() - said["at"] <= self._stale:
            return None
        tokens = [Known(**{**each, "scopes": frozenset(each["scopes"])}) for each in said["tokens"]]
        return Snapshot({known.token_id: known for known in tokens})
