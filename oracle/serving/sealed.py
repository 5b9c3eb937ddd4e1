"""Small files that stand in for something that is away, sealed so that nobody but this house can have written them.

The seal is an HMAC under the house's key: who can write the folder but does not know the key can take such a file away,
or put an older one of ours in its place, but cannot make one. So each carries its moment, and counts for a while only.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import Any

import orjson


class Sealer:
    """Writes and reads sealed files of one kind.

    Args:
        key: The house's; empty where there is none, and then nothing is written or read.
        kind: What they are for: a file of one kind is none of another.
    """

    def __init__(self, key: bytes, kind: str) -> None:
        self._key = hashlib.blake2b(kind.encode(), key=key, digest_size=32).digest() if key else b""

    def write(self, file: Path, document: Any) -> bool:
        """Write a document, whole or not at all and for nobody else to read; return whether it was.

        A folder that cannot be written costs the stand-in and nothing else.
        """
        if not self._key:
            return False
        content = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123
                out.write(self._seal(content) + b"\n" + content)
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(file)
        except OSError:
            return False
        return True

    def read(self, file: Path) -> Any:
        """Return the document in a file; None where there is none, or it is not one of ours."""
        if not self._key:
            return None
        try:
            seal, _, content = file.read_bytes().partition(b"\n")
            return orjson.loads(content) if hmac.compare_digest(seal, self._seal(content)) else None
        except (OSError, ValueError):
            return None

    def _seal(self, content: bytes) -> bytes:
        return hmac.new(self._key, content, hashlib.sha256).hexdigest().encode()
