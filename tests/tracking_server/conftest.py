"""One governed server for the whole session, with a model in service, one before it and one that waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.tracking.stores import fresh_home
from tests.tracking_server.people import Registered, asked, promoted, registered, welcome
from tests.tracking_server.running import Served, serving


@dataclass(frozen=True)
class Governed:
    """A server and what stands on it."""

    served: Served
    archived: Registered
    production: Registered
    staged: Registered
    fresh: Registered
    """Registered, and nobody has asked for it."""
    used: str
    """The request that brought `production` into service."""
    waiting: str
    """Sam's request for `staged`."""
    pats: str
    """A request of somebody who may approve too."""


@pytest.fixture(scope="session")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    with serving(fresh_home(tmp_path_factory)) as served:
        welcome(served)
        first = registered(served, "sam", "v1.0.0")
        promoted(served, first.number)
        second = registered(served, "sam", "v1.0.1", 0.51)
        used = promoted(served, second.number)
        third, fourth = registered(served, "sam", "v1.0.2"), registered(served, "sue", "v1.0.3")
        fifth = registered(served, "pat", "v1.0.4")
        waiting, pats = asked(served, "sam", third.number), asked(served, "pat", fifth.number)
        yield Governed(served, first, second, third, fourth, used, waiting, pats)
