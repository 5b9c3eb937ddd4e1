"""What the steps of a retraining share: what they are given, what they come to, and where their files lie.

A step is a function of its `Work`. It may be begun more than once, by processes that were killed, and must come to the
same end; it is not begun again once it is recorded as done. What it leaves for later steps stands in its document in
our store, or in the retraining's folder under a name that appears whole or not at all.
"""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from oracle.ensemble.race_model import RaceModel
from oracle.ensemble.recipe import Recipe
from oracle.errors import OracleError
from oracle.features.matrix import RaceMatrix
from oracle.progress import Progress, silent
from oracle.registry import authority
from oracle.registry.authority import Authority
from oracle.registry.lifecycle import download
from oracle.registry.versions import ModelVersion, resolve
from oracle.settings import Settings
from oracle.store import Store
from oracle.store.retrainings import Retraining, Status
from oracle.tracking.connection import Tracking, connect
from oracle.training.history import History, read

SNAPSHOT, SWEEP, TRAIN, VALIDATE, REGISTER = "snapshot", "sweep", "train", "validate", "register"
REPLAY_AB, LIVE_AB, APPROVAL, PROMOTE, ARCHIVE = "replay_ab", "live_ab", "approval", "promote", "archive"
ACTOR = "retraining"
"""Who acts where nobody does."""


class Tell(Protocol):
    """Somebody who passes news on (`oracle.alerts`); told the same twice, he passes it on once."""

    def __call__(self, kind: str, title: str, document: Mapping[str, Any]) -> object:
        """Pass on what happened: its kind, one sentence, and the details with `retraining_id` and `step`."""
        ...


def nobody(kind: str, title: str, document: Mapping[str, Any]) -> None:
    """Pass nothing on."""


def unmarked(mark: str) -> None:
    """Let a step go on."""


@dataclass(frozen=True)
class Context:
    """What a retraining works with; one may serve many retrainings of a process."""

    settings: Settings
    store: Store
    data: str | None = None
    """Path of the dataset to begin with; by default `candidate.data`."""
    recipe: Recipe | None = None
    """What the ensemble is made of; by default what the production version was made of."""
    tell: Tell = nobody
    progress: Progress = silent
    address: str | None = None
    """The Ray that a sweep joins; one of its own by default."""
    mark: Callable[[str], None] = unmarked
    """Called between the lines of every step, with the place: where a test pulls the plug."""
    _histories: dict[tuple[str, str], History] = field(default_factory=dict, repr=False)

    @cached_property
    def tracking(self) -> Tracking:
        """The registry, connected when it is first asked."""
        return connect(self.settings)

    def history(self, data: str, overround: str) -> History:
        """Return the walked history of a data version; the latest two are kept, since several steps read them."""
        key = (data, overround)
        if key not in self._histories:
            while len(self._histories) >= 2:
                del self._histories[next(iter(self._histories))]
            self._histories[key] = read(data, self.progress, overround)
        return self._histories[key]

    def walked(self, data: str) -> Callable[[str], RaceMatrix]:
        """Return how the races of a data version are had with their features."""
        return lambda overround: self.history(data, overround).matrix

    def authority(self, now: dt.datetime) -> Authority:
        """Return who moves versions at a moment, on behalf of a retraining."""
        return authority.of(self.settings, self.tracking, self.store, now, authority.RETRAINING)

    def model(self, version: ModelVersion) -> RaceModel:
        """Return a registered version, proven to be what was registered."""
        return RaceModel.load(download(self.tracking, version, self.settings.root / "models"))


@dataclass(frozen=True)
class Done:
    """A step is finished; what came out goes into its document."""

    document: Mapping[str, Any]


@dataclass(frozen=True)
class Waiting:
    """A step cannot finish now, and is looked at again later."""

    status: Status
    reason: str
    experiment: str | None = None


@dataclass(frozen=True)
class Over:
    """A step that ends the whole retraining."""

    status: Status
    reason: str
    document: Mapping[str, Any] = field(default_factory=dict)


Outcome = Done | Waiting | Over


@dataclass(frozen=True)
class Work:
    """A retraining as a step sees it."""

    context: Context
    retraining: Retraining
    done: Mapping[str, Mapping[str, Any]]
    """Documents of the steps that are done."""
    now: dt.datetime
    began_at: dt.datetime
    """When the present step was first begun."""

    @property
    def id(self) -> str:
        """Of the retraining."""
        return self.retraining.retraining_id

    @property
    def settings(self) -> Settings:
        """The tree in force."""
        return self.context.settings

    @property
    def folder(self) -> Path:
        """Where the retraining keeps its files."""
        return folder_of(self.settings, self.id)

    @property
    def data(self) -> str:
        """Path of the data version."""
        return str(self.folder / "data")

    def production(self) -> ModelVersion:
        """Return the version in service that everything is measured against."""
        return resolve(self.context.tracking, self.retraining.production)

    def candidate(self) -> ModelVersion:
        """Return the version that this retraining registered."""
        return resolve(self.context.tracking, str(self.done[REGISTER]["version"]))

    def authority(self) -> Authority:
        """Return who moves versions; here the retraining asks, and nobody else."""
        return self.context.authority(self.now)

    def mark(self, place: str) -> None:
        """Pass a place where the process may be cut off."""
        self.context.mark(place)

    def tell(self, kind: str, title: str, step: str, document: Mapping[str, Any]) -> None:
        """Pass on what happened."""
        self.context.tell(kind, title, {"retraining_id": self.id, "step": step, **document})


def folder_of(settings: Settings, retraining_id: str) -> Path:
    """Return where a retraining keeps its files."""
    return settings.root / "retrainings" / retraining_id


def made(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` fills; it appears under its name when it is whole, and is then never made again."""
    if not folder.exists():
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        make(partial)
        partial.rename(folder)
    return folder


@dataclass
class Stopwatch:
    """Moments of a run: the one it was given, and the time since."""

    now: dt.datetime
    _began: float = field(default_factory=time.perf_counter)

    def moment(self) -> dt.datetime:
        """Return the moment it is by now."""
        return self.now + dt.timedelta(seconds=time.perf_counter() - self._began)


def told(error: BaseException) -> dict[str, Any]:
    """Return an error as a document holds it."""
    if isinstance(error, OracleError):
        return error.as_dict()
    return {"kind": type(error).__name__, "message": str(error)}
