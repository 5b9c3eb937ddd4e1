"""What tends the served model while history is played: the monitor's tick, and the retrainings it calls for.

The monitor and the pipeline are the real ones. Only where a job would run elsewhere it runs here, at once, at the
moment of the look: the time of history stands still while a model is trained.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Protocol

from oracle.registry.versions import resolve
from oracle.replay.play import Clockwork
from oracle.settings import Settings
from oracle.store import Store
from oracle.tracking.connection import connect


class Loop(Protocol):
    """What looks after the model in use."""

    def look(self, now: dt.datetime, clockwork: Clockwork) -> None:
        """Look once, and do what is due."""
        ...

    def production(self) -> str:
        """Return the version that is to answer from now on."""
        ...

    def trouble(self) -> list[str]:
        """Return what failed at the last look, in a sentence each."""
        ...


class Nobody:
    """Looks at nothing: the first model answers to the end."""

    def __init__(self, own: Settings) -> None:
        self._tracking = connect(own)

    def look(self, now: dt.datetime, clockwork: Clockwork) -> None:
        """Do nothing."""

    def production(self) -> str:
        """Return the version that is to answer from now on."""
        return str(resolve(self._tracking, None).number)

    def trouble(self) -> list[str]:
        """Return nothing."""
        return []


def tending(own: Settings, store: Store, data: Path) -> Loop:  # noqa: ARG001
    """Return the loop in a replay's home."""
    return Nobody(own)
