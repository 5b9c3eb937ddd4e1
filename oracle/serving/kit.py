"""What a gateway works with besides its model and its store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oracle.experiment.assignment import pseudonym
from oracle.serving.answers import ENTRIES
from oracle.serving.challenger import Asking
from oracle.serving.members import Members
from oracle.serving.metrics import Tally
from oracle.serving.shadow import ShadowPolicy
from oracle.store.spool import MOST_BYTES


@dataclass(frozen=True, slots=True)
class Kit:
    """What a gateway works with besides its model and its store; a lone one needs none of it."""

    challengers: Mapping[str, Asking] = field(default_factory=dict)
    """How each challenger's deployment is asked, by the name of its arm."""
    key: bytes = b""
    """Key of assignment and of pseudonyms: who does not know it can neither choose an arm nor tell a user."""
    shadow: ShadowPolicy = field(default_factory=ShadowPolicy)
    members: Members | None = None
    """The members of the control where they stand in deployments of their own; None: all in this process."""
    tally: Tally = field(default_factory=Tally)
    replica: str = "here"
    warm: bool = False
    """Have each version answer an invented race before it is in force."""
    cached: int = ENTRIES
    """Cards whose answers are kept for those who ask again."""

    spool: Path | None = None
    """Folder of the journals that take answers while our store is away; None: such cards get 503."""
    spool_bytes: int = MOST_BYTES
    patience: float = 1.0
    """Seconds that an answer waits for our store before it goes there."""

    def pseudonym(self, user: str) -> str:
        """Return what stands for a user's name."""
        return pseudonym(user, self.key)
