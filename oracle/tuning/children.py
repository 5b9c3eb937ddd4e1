"""The MLflow side of a sweep: one run per trial under the sweep's own run, exactly one, whatever was killed in between.

Ray's own MLflow callback writes flat runs and, after a restore, new ones beside those it left RUNNING. Here a run is
found by its tags before one is made, and what the ledger says is brought into it: a run can lag behind the ledger by
what one kill cut off, never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from oracle.tracking.connection import Tracking, reaching
from oracle.tracking.runs import Recorder, again, begin, end
from oracle.tuning.ledger import Record, State

SWEEP, ROLE, PHASE, NUMBER = "oracle.sweep", "oracle.role", "oracle.phase", "oracle.trial"
PARENT = "mlflow.parentRunId"
CURVE = ("log_loss", "ndcg_at_3", "pseudo_r2", "races", "seconds", "against_shipped")
"""What a fold measures, in the words of the catalogue after `fold.`."""

A_PAGE = 1000


def parent_of(tracking: Tracking, sweep: str) -> str | None:
    """Return the run of a sweep, None where it has none yet."""
    found = _search(tracking, f"tags.`{SWEEP}` = '{sweep}' AND tags.`{ROLE}` = 'sweep'")
    return next(iter(found.values()), None)


def tags_of(sweep: str) -> dict[str, str]:
    """Return the tags by which the run of a sweep is found again."""
    return {SWEEP: sweep, ROLE: "sweep"}


@dataclass
class Children:
    """The runs of the trials of one sweep."""

    tracking: Tracking
    sweep: str
    parent: str
    _known: dict[tuple[str, int], str] = field(default_factory=dict)
    _open: dict[tuple[str, int], Recorder] = field(default_factory=dict)

    def reconcile(self, records: Iterable[Record]) -> None:
        """Find the runs that are there, and bring those of ended trials to their end. To be called once, first."""
        self._known = _search(self.tracking, f"tags.`{SWEEP}` = '{self.sweep}' AND tags.`{PARENT}` = '{self.parent}'")
        for record in records:
            if record.ended and not self._is_whole(record):
                self.start(record)
                self.end(record)

    def start(self, record: Record) -> None:
        """Open the run of a trial, or go on with the one it has, and bring its folds up to the ledger's."""
        key = (record.phase, record.number)
        if key in self._known:
            self._open[key] = again(self.tracking, self._known[key])
            seen = self._folds_in(self._known[key])
        else:
            tags = {PARENT: self.parent, SWEEP: self.sweep, PHASE: record.phase, NUMBER: str(record.number)}
            self._open[key] = begin(self.tracking, f"{record.phase} {record.number}", tags)
            self._known[key] = self._open[key].run_id
            seen = set()
        self._open[key].params(_parameters(record))
        for fold in range(len(record.folds)):
            if fold not in seen:
                self.fold(record, fold)

    def fold(self, record: Record, fold: int) -> None:
        """Record what a fold measured, as a point of the trial's curves."""
        values = {f"fold.{name}": record.folds[fold][name] for name in CURVE if name in record.folds[fold]}
        self._open[record.phase, record.number].metrics(values, step=fold)

    def end(self, record: Record) -> None:
        """End the run of a trial as the trial ended."""
        recorder = self._open.pop((record.phase, record.number))
        done = {"trial.folds": len(record.folds), "trial.seconds": record.seconds}
        if record.value is not None:
            done["trial.against_shipped"] = record.value
        recorder.metrics(done)
        tags = {"stopped_early": str(record.state is State.STOPPED_EARLY).lower(), "interrupted": "false"}
        if record.error:
            tags["failure"] = record.error
        recorder.tags(tags)
        end(recorder, "FAILED" if record.state is State.FAILED else "FINISHED")

    def withdraw(self, phase: str) -> None:
        """Delete the runs of a phase that has become void."""
        for key in [k for k in self._known if k[0] == phase]:
            with reaching(self.tracking.uri):
                self.tracking.client.delete_run(self._known[key])
            del self._known[key]

    def interrupt(self) -> None:
        """End the runs of trials that did not come to their end: KILLED until the sweep is resumed.

        Asks MLflow which they are: an interruption can fall between making a run and taking note of it.
        """
        self._open.clear()
        running = f"attributes.status = 'RUNNING' AND tags.`{PARENT}` = '{self.parent}'"
        for run_id in _search(self.tracking, running).values():
            recorder = Recorder(self.tracking, run_id)
            recorder.tags({"interrupted": "true"})
            end(recorder, "KILLED")

    @property
    def opened(self) -> set[tuple[str, int]]:
        """The trials, by phase and number, whose runs are open."""
        return set(self._open)

    def _is_whole(self, record: Record) -> bool:
        """Return whether the run of an ended trial has ended too, with all its folds."""
        run_id = self._known.get((record.phase, record.number))
        if run_id is None:
            return False
        with reaching(self.tracking.uri):
            run = self.tracking.client.get_run(run_id)
        told = run.data.metrics.get("trial.folds")
        return run.info.status in ("FINISHED", "FAILED") and told == len(record.folds)

    def _folds_in(self, run_id: str) -> set[int]:
        with reaching(self.tracking.uri):
            return {m.step for m in self.tracking.client.get_metric_history(run_id, "fold.races")}


def _search(tracking: Tracking, where: str) -> dict[tuple[str, int], str]:
    """Return run ids by phase and number; the sweep's own run has neither."""
    found: dict[tuple[str, int], str] = {}
    token = None
    while True:
        with reaching(tracking.uri):
            page = tracking.client.search_runs(
                [tracking.experiment_id], where, max_results=A_PAGE, order_by=["start_time ASC"], page_token=token
            )
        for run in page:
            tags: Mapping[str, str] = run.data.tags
            found.setdefault((tags.get(PHASE, ""), int(tags.get(NUMBER, -1))), run.info.run_id)
        token = page.token
        if not token:
            return found


def _parameters(record: Record) -> dict[str, object]:
    """Return what a trial tried under the names of the catalogue."""
    told: dict[str, object] = {"trial.phase": record.phase, "trial.number": record.number}
    for name, value in record.point.items():
        which, _, setting = name.partition("/")
        if not setting:
            told[f"trial.{which}"] = value
        elif "pool" in record.point:
            told[f"pool.{setting}"] = value
        else:
            told[f"members.{which}.{setting}"] = value
    return told
