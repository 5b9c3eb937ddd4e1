"""What can go wrong, named for what happened.

An error that a user can cause says four things: what is wrong, the offending value, what would be allowed, and what to
do next. Each class carries the exit code a command ends with, so the command line needs no table of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class OracleError(Exception):
    """Something failed that we did not foresee in detail. Exit code 1.

    Args:
        what: One sentence that says what is wrong.
        value: The offending value, as the user wrote it.
        allowed: The values that would have been accepted, or one sentence that describes them.
        next_step: What to do now: a command, a setting, a place in the docs.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        value: object = None,
        allowed: str | Iterable[object] | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.value = value
        if allowed is not None and not isinstance(allowed, str):
            allowed = ", ".join(str(a) for a in allowed)
        self.allowed = allowed
        self.next_step = next_step

    def __str__(self) -> str:
        """Return the sentence a person reads: what, value, allowed, next step, as far as they are known."""
        parts = [self.what.rstrip(".")]
        if self.value is not None:
            parts.append(f"got {self.value!r}")
        if self.allowed is not None:
            parts.append(f"allowed: {self.allowed}")
        if self.next_step is not None:
            parts.append(f"next: {self.next_step}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values, for `--json`."""
        return {
            "kind": type(self).__name__,
            "message": self.what,
            "value": None if self.value is None else str(self.value),
            "allowed": self.allowed,
            "next_step": self.next_step,
        }


class BadInput(OracleError):
    """The user's input or usage is wrong. Exit code 2."""

    exit_code = 2


class UnreadableFile(BadInput):
    """A file is missing, empty, or not in the layout it was said to be in."""


class BadSetting(BadInput):
    """A setting in oracle.toml, the environment or a flag is unknown or impossible."""


class BadCard(BadInput):
    """A race card cannot be priced as it stands."""


class NoSuchDataset(BadInput):
    """There is no dataset at the path."""


class NotEnoughData(BadInput):
    """There are too few races for what was asked."""


class NoSuchModel(BadInput):
    """The registry holds no such model, version or alias."""


class MissingExtra(BadInput):
    """A model family needs an optional library that is not installed."""


class Refused(OracleError):
    """The system can do it and will not: a gate, a leak, a missing approval. Exit code 3."""

    exit_code = 3


class RowwiseSplit(Refused):
    """A split would put runners of one race on both sides."""


class Leak(Refused):
    """A model or a column knows more than anybody could have known at the off.

    Args:
        what: One sentence that says what is wrong.
        suspects: Plain values, the guiltiest first, as a JSON document holds them.
        details: As in `OracleError`.
    """

    def __init__(self, what: str, *, suspects: Iterable[Mapping[str, Any]] = (), **details: Any) -> None:
        super().__init__(what, **details)
        self.suspects = [dict(s) for s in suspects]

    def as_dict(self) -> dict[str, Any]:
        """Return the error with its suspects."""
        return {**super().as_dict(), "suspects": self.suspects}


class BrokenPipeline(Refused):
    """Something that cannot know anything of the result does better than chance: what judges models is at fault."""


class BelowGate(Refused):
    """A model did not reach what it must reach to be registered."""


class UntrustedPackage(Refused):
    """A saved model cannot be proven to be what was saved: a hash, a version or a file does not match."""


class Unopened(Refused):
    """A sealed file does not open: its key is not there, or it is not what was sealed under this name."""


class Unavailable(OracleError):
    """A part outside this process (tracking server, registry, cluster) did not answer. Exit code 1."""

    passing = False
    """Whether it is known that the same may work a moment later."""
