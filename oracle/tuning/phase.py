"""One phase of a sweep on the driver: what is tried next, what came of it, and who is told, in that order.

Ray Tune asks and reports through three small adaptors (searcher, scheduler, callback). They hold nothing: the phase
does, and the ledger behind it. So a phase that is begun again after a kill takes up its unfinished trials first, with
the numbers, the folds and the MLflow runs they had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oracle.errors import OracleError
from oracle.tuning.children import Children
from oracle.tuning.ledger import Ledger, Record, State
from oracle.tuning.proposals import Told, propose
from oracle.tuning.space import Plain, Space, inside, values_of

REFERENCES, MEMBERS = "shipped", "members"
REDRAWS = 20
"""How often a point that has been tried already is drawn again: small spaces repeat themselves."""


@dataclass
class Phase:
    """The trials of a phase."""

    name: str
    ledger: Ledger
    children: Children
    first: str
    """What a point chooses before anything else: `member` or `pool`."""
    spaces: Mapping[str, Space]
    total: int
    """Trials of the phase, those of earlier starts included."""
    folds: int
    """Folds of a trial that is not stopped early."""
    seed: int
    config: Callable[[Record, Phase], dict[str, Any]]
    """What a trial is handed, apart from what it has done so far."""
    references: Sequence[Mapping[str, Plain]] = ()
    """Points that are measured first, without being trials: what others are compared with."""
    records: list[Record] = field(default_factory=list)
    shipped: list[Record] = field(default_factory=list)
    fatal: OracleError | None = None
    seconds: float = 0.0
    """Wall-clock time that Ray Tune took for it, since the sweep was last started."""
    _waiting: list[Record] = field(default_factory=list)
    _running: dict[str, Record] = field(default_factory=dict)
    _early: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.records = self.ledger.records(self.name)
        self.shipped = self.ledger.records(REFERENCES) if self.references else []
        for number in range(len(self.shipped), len(self.references)):
            self.shipped.append(Record(REFERENCES, number, dict(self.references[number])))
        self.children.reconcile(self.records)
        for record in (*self.shipped, *self.records):
            if not record.ended and len(record.folds) == self.folds:  # killed between its last fold and its end
                self._end(record, State.FINISHED)
        self._waiting = [r for r in (*self.shipped, *self.records) if not r.ended]

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        """Be forgotten by Tune's own snapshots: a sweep resumes from its ledger."""
        return _nothing, ()

    @property
    def remaining(self) -> int:
        """How many trials and references Tune has to run."""
        return len(self._waiting) + max(0, self.total - len(self.records))

    @property
    def stopped_early(self) -> int:
        """Trials that were given up after a poor fold."""
        return sum(r.state is State.STOPPED_EARLY for r in self.records)

    @property
    def running(self) -> list[Record]:
        """The trials that run at this moment."""
        return list(self._running.values())

    def shipped_losses(self, which: str) -> list[float]:
        """Return what a shipped member reached on each fold; known before any trial of it begins."""
        (record,) = (r for r in self.shipped if r.point[self.first] == which)
        return losses(record)

    def suggest(self, tune_id: str) -> dict[str, Any] | None:
        """Return the configuration of the next trial, None while what it is compared with is still measured.

        The record is kept before anybody learns of the trial: a kill from here on finds it in the ledger.
        """
        if self._waiting and (self._waiting[0].phase == REFERENCES or self.measured):
            record = self._waiting.pop(0)
        elif not self.measured:
            return None
        else:
            record = Record(self.name, len(self.records), self._point())
            self.records.append(record)
        self.ledger.put(record)
        self._running[tune_id] = record
        return {"phase": record.phase, "number": record.number, **self.config(record, self), "losses": losses(record)}

    def started(self, tune_id: str) -> None:
        """Take note that a trial runs."""
        record = self._running[tune_id]
        if record.phase != REFERENCES:
            self.children.start(record)

    def judged(self, tune_id: str, result: dict[str, Any]) -> None:
        """Keep what a fold measured; takes the scores out of the result, which Tune would carry along."""
        record, scores = self._running[tune_id], result.pop("scores", None)
        if int(result["fold"]) != len(record.folds):
            return
        if scores is not None:
            self.ledger.put_scores(record, len(record.folds), scores)
        record.folds.append({k: float(v) for k, v in result["measured"].items()})
        record.value = float(result["value"])
        self.ledger.put(record)
        if record.phase != REFERENCES:
            self.children.fold(record, len(record.folds) - 1)

    def given_up(self, tune_id: str) -> None:
        """Take note that the scheduler stops a trial after the fold it is about to report."""
        self._early.add(tune_id)

    def completed(self, tune_id: str) -> None:
        """Take note that a trial has ended by itself or by the scheduler; one that was cut off stays unfinished."""
        record = self._running.pop(tune_id)
        if len(record.folds) == self.folds:
            self._end(record, State.FINISHED)
        elif tune_id in self._early:
            self._end(record, State.STOPPED_EARLY)

    def failed(self, tune_id: str, error: str) -> None:
        """Take note that a trial raised; a reference that does leaves nothing to compare with."""
        record = self._running.pop(tune_id)
        record.error = error
        if record.phase == REFERENCES:
            what = f"the shipped {record.point[self.first]} cannot be fitted on these races: {error}"
            self.fatal = OracleError(what, next_step="see the error; `oracle train` needs the same member")
            return
        self._end(record, State.FAILED)

    def _end(self, record: Record, state: State) -> None:
        record.state = state
        self.ledger.put(record)
        if record.phase != REFERENCES:
            if (record.phase, record.number) not in self.children.opened:
                self.children.start(record)
            self.children.end(record)

    @property
    def measured(self) -> bool:
        """Whether everything that trials are compared with has been measured."""
        return all(r.ended for r in self.shipped)

    def _point(self) -> dict[str, Plain]:
        told = [Told(r.point, 0.0) for r in self.shipped if self.is_inside(r.point)]
        told += [Told(r.point, r.value if r.ended else None, r.state is State.FAILED) for r in self.records]
        tried = [r.point for r in self.records]
        point = propose(self.first, self.spaces, told, self.seed)
        for again in range(1, REDRAWS):
            if point not in tried:
                break
            point = propose(self.first, self.spaces, told, self.seed + 1000 * again)
        return point

    def is_inside(self, point: Mapping[str, Plain]) -> bool:
        """Return whether a shipped point lies in the space: what is shipped can move, a search must not break by it."""
        space = self.spaces.get(str(point[self.first]))
        return space is not None and inside(space, values_of(str(point[self.first]), space, point))


def losses(record: Record) -> list[float]:
    """Return the log-loss of a trial on each fold it has seen."""
    return [fold["log_loss"] for fold in record.folds]


def _nothing() -> None:
    """Stand in for a phase in a snapshot that nobody reads."""
