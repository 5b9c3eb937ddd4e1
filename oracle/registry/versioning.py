"""How a model gets its version number: from what changed, never from somebody's mood. Pure.

The number tells a reader what to expect of a newer model. Another composition of the ensemble (members, the way they
are combined) is a new major version; another setting of the same composition (hyperparameters, features) a new minor
one; the same recipe on newer data or by newer code a new patch. The registry keeps the facts beside each version, so
the rule can be checked afterwards.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import total_ordering
from typing import Any

from oracle.errors import BadInput

_FORM = re.compile(r"v?(0|[1-9]\d*)[.-](0|[1-9]\d*)[.-](0|[1-9]\d*)")


@total_ordering
@dataclass(frozen=True, slots=True)
class SemVer:
    """A semantic version: ordered by major, then minor, then patch."""

    major: int
    minor: int
    patch: int

    def __post_init__(self) -> None:
        if min(self.major, self.minor, self.patch) < 0:
            raise ValueError("the parts of a version are not negative")

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"

    def __lt__(self, other: SemVer) -> bool:
        return (self.major, self.minor, self.patch) < (other.major, other.minor, other.patch)

    @property
    def alias(self) -> str:
        """The same as a registry alias: MLflow allows no dots there (and keeps `v1` for itself).

        >>> SemVer(1, 2, 3).alias
        'v1-2-3'
        """
        return str(self).replace(".", "-")

    def next_major(self) -> SemVer:
        """Return the next version with another composition."""
        return SemVer(self.major + 1, 0, 0)

    def next_minor(self) -> SemVer:
        """Return the next version with the same composition, set otherwise."""
        return SemVer(self.major, self.minor + 1, 0)

    def next_patch(self) -> SemVer:
        """Return the next version of the same recipe."""
        return SemVer(self.major, self.minor, self.patch + 1)


FIRST = SemVer(1, 0, 0)


def is_semver(text: str) -> bool:
    """Return whether the text is a version in one of the forms that `parse` reads."""
    return _FORM.fullmatch(text) is not None


def parse(text: str) -> SemVer:
    """Return the version written as `v1.2.3`, `1.2.3` or in its alias form `v1-2-3`.

    >>> parse("v1.2.3") == parse("1.2.3") == parse("v1-2-3")
    True

    Raises:
        BadInput: the text is none of these.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadInput(
            "this is not a model version",
            value=text,
            allowed="v{major}.{minor}.{patch}, such as v1.2.3",
            next_step="oracle model list names the versions there are",
        )
    return SemVer(*(int(part) for part in found.groups()))


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model was made of, as far as its version number depends on it."""

    families: tuple[str, ...]
    """Families of the members, with one entry per member; their order does not matter."""
    aggregation: str
    """How members are combined within a race, such as `log_pool`."""
    hyperparameters: str
    """Digest of the hyperparameters of all members and of the combination; see `digest_of`."""
    features: str
    """Feature sets and the version of the feature registry, such as `form+market@3`."""
    data: str
    """Fingerprint of the dataset."""
    code: str
    """Commit of the code."""

    def to_json(self) -> str:
        """Return the facts as the registry keeps them."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelFacts:
        """Return the facts that `to_json` wrote.

        Raises:
            ValueError: the text is not such a document.
        """
        try:
            values = json.loads(text)
            return cls(**{**values, "families": tuple(values["families"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not the facts of a model: {error}") from error


def digest_of(settings: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that are equal for equal settings, in whatever order they are written.

    >>> digest_of({"a": 1, "b": {"c": 2}}) == digest_of({"b": {"c": 2}, "a": 1})
    True
    """
    text = json.dumps(settings, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def bump(previous: SemVer | None, before: ModelFacts | None, now: ModelFacts) -> SemVer:
    """Return the version of a new model.

    Args:
        previous: The highest version there is; None where there is none.
        before: Facts of that version; None where they were not kept, and then nothing can be said to be the same.
        now: Facts of the new model.

    Returns:
        A version above `previous`: also a model equal in every fact is another model.
    """
    if previous is None:
        return FIRST
    if before is None or _composition(before) != _composition(now):
        return previous.next_major()
    if (before.hyperparameters, before.features) != (now.hyperparameters, now.features):
        return previous.next_minor()
    return previous.next_patch()


def _composition(facts: ModelFacts) -> tuple[tuple[str, ...], str]:
    return tuple(sorted(facts.families)), facts.aggregation
