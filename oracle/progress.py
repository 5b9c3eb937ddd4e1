"""How long work tells that it is under way, without knowing who listens.

Rooms take a `Progress` and wrap their loops in it; only the command line passes one that draws. The default says
nothing, so that pure code stays silent in tests, jobs and libraries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Passes items through and shows how far they are."""

    def __call__(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Return an iterator over `items`; `what` names the work, `total` its length where it is known."""
        ...


def silent(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:  # noqa: ARG001
    """Pass the items through and show nothing.

    >>> list(silent([1, 2], "counting"))
    [1, 2]
    """
    return iter(items)
