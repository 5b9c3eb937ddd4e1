"""Whether a chain of entries is the one that was written: a fold over its links, in flat memory.

Each link is held against the one before and against its own hash, so that a row that was changed, removed, inserted or
moved is found where it stands. Whoever writes the whole chain anew, or cuts its end off, leaves none of that: it takes
an anchor, the hash of a position kept elsewhere, to see it. What cannot be read as a link is a flaw, not an error.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from oracle.governance.audit import GENESIS, Head, Link, digest

Kind = Literal["changed", "missing", "misplaced", "detached", "unreadable", "rewritten", "cut"]

MOST = 100
"""So many flaws are told one by one; the others are counted: a chain that was renumbered has one at every row."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A position of the chain as somebody kept it elsewhere."""

    position: int
    hash: str
    at: dt.datetime | None = None
    """When it was kept."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands where a link should, and is none."""

    position: int | None
    """Its position, as far as that can be told."""
    why: str


Piece = Link | Unreadable | Head
"""What a chain is read as; a head, once, says where it ends."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Where the chain is not what was written, and what is wrong there."""

    position: int
    kind: Kind
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the whole chain found."""

    entries: int
    """Links that were read."""
    head: Head
    """The last of them; `GENESIS` at 0 for an empty chain."""
    flaws: tuple[Flaw, ...]
    """The first `MOST`, in the order in which they were found."""
    more: int
    """Further flaws."""
    anchors: int
    """Anchors that the chain was held against, and holds with where there is no flaw."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flaws


@dataclass(slots=True)
class _Fold:
    head: Head
    awaited: dict[int, list[Anchor]]
    open_end: bool = True
    """Whether nothing has told yet where the chain ends."""
    entries: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    more: int = 0

    def note(self, position: int, kind: Kind, said: str) -> None:
        if len(self.flaws) < MOST:
            self.flaws.append(Flaw(position, kind, said))
        else:
            self.more += 1

    def take(self, item: Piece) -> None:
        if not self.open_end:
            self.note(self.head.position + 1, "unreadable", "something stands after the line that ends the chain")
        elif isinstance(item, Head):
            self._close(item)
        elif isinstance(item, Unreadable):
            self._skip(item)
        else:
            self._link(item)

    def _close(self, said: Head) -> None:
        self.open_end = False
        if said.position > self.head.position:
            self.note(said.position, "cut", f"it ends at {self.head.position}, and says of itself {said.position}")
        elif said != self.head:
            self.note(said.position, "rewritten", f"it says of itself that it ends otherwise, at {said.position}")

    def _skip(self, item: Unreadable) -> None:
        following = self.head.position + 1
        position = following if item.position is None else item.position
        self.note(position, "unreadable", f"what stands at {position} is no entry: {item.why}")
        if position == following:  # what comes after it is not to be called detached on its account
            self.head = Head(position, "")

    def _link(self, item: Link) -> None:
        self.entries += 1
        self._place(item)
        self._content(item)
        self._anchored(item)
        if item.position > self.head.position:
            self.head = Head(item.position, item.hash)

    def _place(self, link: Link) -> None:
        last = self.head
        if link.position <= last.position:
            self.note(link.position, "misplaced", f"{link.position} stands after {last.position}")
        elif link.position > last.position + 1:
            first, end = last.position + 1, link.position - 1
            gone = f"{first} is missing" if first == end else f"{first} to {end} are missing"
            self.note(first, "missing", f"{gone}: {link.position} stands after {last.position}")
        elif last.hash and link.previous != last.hash:
            self.note(
                link.position,
                "detached",
                f"{link.position} does not follow {last.position} as it stands: one of the two was written anew",
            )

    def _content(self, link: Link) -> None:
        try:
            true = digest(link.position, link.previous, link.entry)
        except (TypeError, ValueError, AttributeError) as error:
            self.note(link.position, "unreadable", f"what stands at {link.position} is no entry: {error}")
            return
        if true != link.hash:
            self.note(link.position, "changed", f"{link.position} is not what was written there: its hash is another")

    def _anchored(self, link: Link) -> None:
        for anchor in self.awaited.pop(link.position, ()):
            if anchor.hash != link.hash:
                self.note(link.position, "rewritten", _otherwise(link.position, anchor))

    def end(self) -> None:
        for position, anchors in sorted(self.awaited.items()):
            if position > self.head.position:
                text = f"the chain ends at {self.head.position}, and stood at {position} when it was anchored"
                self.note(position, "cut", text + _kept(anchors[-1]))
            else:
                self.note(position, "missing", f"{position} is missing, which was anchored{_kept(anchors[-1])}")


def verify(
    links: Iterable[Piece], anchors: Iterable[Anchor] = (), *, after: Head | None = None, closed: bool = False
) -> Verdict:
    """Return what is wrong with a chain, and where.

    Args:
        links: The chain in the order in which it is kept.
        anchors: What was kept elsewhere of it.
        after: The last link that is known to be sound, where only what follows is to be looked at; by default the
            chain is read from its first.
        closed: Whether the chain must say itself where it ends, as a file does: its end can be lost.
    """
    start = Head() if after is None else after
    awaited: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        if anchor.position >= start.position:
            awaited.setdefault(anchor.position, []).append(anchor)
    count = sum(map(len, awaited.values()))
    fold = _Fold(start, awaited)
    for anchor in awaited.pop(start.position, ()):
        if anchor.hash != start.hash:
            fold.note(start.position, "rewritten", _otherwise(start.position, anchor))
    for item in links:
        fold.take(item)
    if closed and fold.open_end:
        fold.note(fold.head.position + 1, "cut", f"it breaks off after {fold.head.position}: no line ends it")
    fold.end()
    head = fold.head if fold.head.hash or not fold.head.position else Head(fold.head.position, GENESIS)
    return Verdict(fold.entries, head, tuple(fold.flaws), fold.more, count)


def _otherwise(position: int, anchor: Anchor) -> str:
    return f"{position} is not what the anchor{_kept(anchor)} says: the chain up to there was written anew"


def _kept(anchor: Anchor) -> str:
    return "" if anchor.at is None else f" of {anchor.at:%Y-%m-%d %H:%M}Z"
