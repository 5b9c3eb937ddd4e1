"""What every part of a deployment is: how it is prepared, started, known to be ready, and ended."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from oracle.deployment.ledger import Ledger
from oracle.deployment.passwords import Passwords
from oracle.deployment.places import Places
from oracle.deployment.processes import Command
from oracle.settings import GovernanceSettings, Settings, StoreSettings

GENTLY: Sequence[tuple[int, float]] = ((signal.SIGTERM, 20.0),)


@dataclass(frozen=True, slots=True)
class Site:
    """All that the parts of a deployment know in common."""

    places: Places
    passwords: Passwords
    ledger: Ledger
    tree: Settings
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of ours that the caller has in the environment: the MLflow server and the app take them over."""

    def port(self, name: str) -> int:
        """Return the port of a part."""
        return self.ledger.ports[name]

    @property
    def tracking(self) -> str:
        """Address of the MLflow server."""
        return f"http://127.0.0.1:{self.port('mlflow')}"

    @property
    def url(self) -> str:
        """Address of the app."""
        return f"http://127.0.0.1:{self.port('app')}"

    @property
    def dashboard(self) -> str:
        """Address of Ray's dashboard and its API."""
        return f"http://127.0.0.1:{self.port('dashboard')}"

    @property
    def bucket(self) -> str:
        """Address of the S3 server."""
        return f"https://127.0.0.1:{self.port('s3')}"

    def database(self, role: str, password: str, name: str) -> str:
        """Return the address of a database for one role."""
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port('postgresql')}/{name}"

    @property
    def store(self) -> str:
        """Our store as serving, workers and people see it."""
        return self.database("app", self.passwords.app, "oracle")

    @property
    def governed(self) -> Settings:
        """The settings of the MLflow server. Four eyes, unless somebody chose otherwise: this is production."""
        governance = self.tree.governance
        if "approval" not in governance.model_fields_set:
            governance = GovernanceSettings(**{**governance.model_dump(), "approval": "four eyes"})
        store = StoreSettings(uri=SecretStr(self.governed_store))
        return self.tree.model_copy(update={"home": self.places.home, "store": store, "governance": governance})

    @property
    def governed_store(self) -> str:
        """Our store as the MLflow server and admins see it."""
        return self.database("governor", self.passwords.governor, "oracle")


class Part(Protocol):
    """One part of a deployment."""

    name: str
    title: str
    ports: Sequence[str]
    """Names of the ports it listens on."""
    seconds: float
    """How long it may take until it is ready."""
    signals: Sequence[tuple[int, float]]
    """What ends it, gentlest first, each with the seconds it may take."""

    def prepare(self) -> None:
        """Make what the process needs before it starts; does nothing the second time."""
        ...

    def command(self) -> Command:
        """Return how the process is started."""
        ...

    def lacking(self) -> str | None:
        """Return what is still missing until it answers; None when it does."""
        ...

    def furnish(self) -> None:
        """Make what only the running part can make (roles, databases, users); does nothing the second time."""
        ...

    def clear(self) -> None:
        """Remove what it left outside the home, when it is stopped."""
        ...


def digest(command: Command) -> str:
    """Return one word for all a part is started with; another one means that it must be started anew."""
    told = json.dumps([list(command.words), dict(sorted(command.environment.items()))])
    return hashlib.sha256(told.encode()).hexdigest()[:32]
