"""The evidence bundle of a request: what the version is, what was measured, and on which version in service. Pure.

Whoever says yes says it to this text: its SHA-256 is kept beside it and taken again when the request is approved and
when it is carried out. What the registry says of the version must still be what the bundle says of it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Subject:
    """A version, as the registry has it."""

    model: str
    version: int
    label: str
    """Semantic version, else the number."""
    run_id: str
    package: str | None
    """SHA-256 of the package; None where nobody registered one."""
    data: str | None = None
    """Fingerprint of the data it learned from."""
    features: str | None = None
    code: str | None = None
    """Commit."""
    run_status: str | None = None
    """What the registry says of the run; None where it is gone."""
    metrics: Mapping[str, float] = field(default_factory=dict)

    def made_of(self) -> dict[str, Any]:
        """Return what never changes about it, as plain values."""
        return {
            "model": self.model,
            "version": self.version,
            "semver": self.label,
            "run_id": self.run_id,
            "package_sha256": self.package,
            "data_fingerprint": self.data,
            "features": self.features,
            "git_commit": self.code,
        }


def bundle(
    subject: Subject, expected: Subject | None, measured: Mapping[str, Any], verdict: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the evidence for a version.

    Args:
        subject: The version.
        expected: The version in service that it was measured on; None where none is.
        measured: What validation and tests measured, by step.
        verdict: What the gates said of it.
    """
    return {
        **subject.made_of(),
        "metrics": dict(subject.metrics),
        "measured_on": None if expected is None else expected.made_of(),
        "measured": dict(measured),
        "gates": dict(verdict),
    }


def canonical(document: object) -> str:
    """Return the one text of a document: keys in order, no spaces, and null for what is no number.

    >>> canonical({"b": float("nan"), "a": (1, 2)})
    '{"a":[1,2],"b":null}'
    """
    return json.dumps(_plain(document), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def digest(text: str) -> str:
    """Return the SHA-256 of a text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def changed(text: str, subject: Subject) -> list[str]:
    """Return the names of what the registry says otherwise than a bundle does; empty where all of it still holds."""
    told = json.loads(text)
    return [name for name, value in subject.made_of().items() if told.get(name) != value]
