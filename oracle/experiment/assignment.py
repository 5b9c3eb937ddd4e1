"""Who is assigned to which arm: sticky by a keyed hash, and monotone in the share. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

MOST_KEY = hashlib.blake2b.MAX_KEY_SIZE
CONTROL = "control"


def arm_name(number: int) -> str:
    """Return the name of an arm: 0 is the control, 1 the first challenger.

    >>> arm_name(0), arm_name(1), arm_name(2)
    ('control', 'treatment', 'treatment-2')
    """
    return CONTROL if number == 0 else "treatment" if number == 1 else f"treatment-{number}"


def arm_names(challengers: int) -> tuple[str, ...]:
    """Return the names of so many challengers, also those of their deployments."""
    return tuple(arm_name(number) for number in range(1, challengers + 1))


def position(experiment: str, unit: str, key: bytes) -> float:
    """Return the place of a unit in an experiment, in [0, 1), the same in every process that has the key.

    The length stands before the name, so that no two pairs of names are hashed as one text.
    """
    said = f"{len(experiment)}:{experiment}{unit}".encode()
    return int.from_bytes(hashlib.blake2b(said, digest_size=8, key=_short(key)).digest(), "big") / 2**64


def arm(position: float, shares: Sequence[float]) -> int:
    """Return 0 for the control and k for the k-th challenger, which owns the first part of [(k-1)/K, k/K)."""
    count = len(shares)
    k = min(int(position * count), count - 1) if count else 0
    return k + 1 if count and position - k / count < shares[k] else 0


def pseudonym(user: str, key: bytes) -> str:
    """Return 32 hex digits that stand for a user's name."""
    return hashlib.blake2b(user.encode(), digest_size=16, key=_short(key), person=b"user").hexdigest()


def _short(key: bytes) -> bytes:
    """Return a key as BLAKE2 takes it: a longer one is hashed first, as HMAC does."""
    return key if len(key) <= MOST_KEY else hashlib.blake2b(key).digest()
