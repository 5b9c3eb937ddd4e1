"""One training, one MLflow run: everything it records goes through the catalogue, and it always ends.

Calls are batched (twenty single metrics cost 560 ms, one batch of twenty 40 ms). A run whose work raises ends FAILED
with the reason as a tag; one that is interrupted or asked to stop ends KILLED. Only a process that is killed outright
can leave a run RUNNING.
"""

from __future__ import annotations

import datetime as dt
import math
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson

from oracle.errors import OracleError
from oracle.tracking import catalogue
from oracle.tracking.connection import Tracking, reaching, shown
from oracle.tracking.patience import outlast
from oracle.tracking.provenance import Provenance

METRICS_A_CALL, PARAMETERS_A_CALL = 1000, 100
"""What MLflow accepts in one batch."""

LONGEST_VALUE = 6000
"""Characters of a parameter; MLflow would cut a longer one silently."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records into one run. Names are checked against the catalogue before anything is sent."""

    tracking: Tracking
    run_id: str
    _unmeasured: set[str] = field(default_factory=set, repr=False)

    def params(self, tree: Mapping[str, object]) -> None:
        """Record parameters: nested mappings are joined by dots, None is left out.

        Raises:
            Undeclared: a name is not in the catalogue; nothing has been recorded.
            OracleError: a value is too long to be kept whole, or the run already holds another value.
        """
        from mlflow.entities import Param

        leaves = {name: value for name, value in catalogue.flatten(tree).items() if catalogue.parameter(name)}
        texts = [(name, as_text(name, value)) for name, value in leaves.items() if value is not None]
        for part in _parts([Param(name, text) for name, text in texts], PARAMETERS_A_CALL):
            with reaching(self.tracking.uri):
                self.tracking.client.log_batch(self.run_id, params=part)

    def metrics(self, tree: Mapping[str, object], step: int = 0) -> None:
        """Record metrics: nested mappings are joined by dots.

        What could not be measured (None or NaN) is not a number: it is named in the tag `unmeasured` instead, so that a
        reader can tell it from one that nobody tried to measure.

        Raises:
            Undeclared: a name is not in the catalogue; nothing has been recorded.
        """
        leaves = {name: value for name, value in catalogue.flatten(tree).items() if catalogue.metric(name)}
        numbers = {name: math.nan if value is None else float(value) for name, value in leaves.items()}  # type: ignore[arg-type]
        self._send([(name, number, step) for name, number in numbers.items() if not math.isnan(number)])
        missing = {name for name, number in numbers.items() if math.isnan(number)}
        if missing - self._unmeasured:
            self._unmeasured.update(missing)
            self.tags({"unmeasured": ", ".join(sorted(self._unmeasured))[:LONGEST_VALUE]})

    def curve(self, name: str, values: Sequence[float], steps: Sequence[int] | None = None) -> None:
        """Record one metric over iterations: at the given steps, else at 0, 1, 2, ...; gaps (NaN) stay gaps."""
        catalogue.metric(name)
        points = zip(range(len(values)) if steps is None else steps, values, strict=True)
        self._send([(name, float(value), int(step)) for step, value in points if not math.isnan(value)])

    def provenance(self, found: Provenance) -> None:
        """Record code and library versions, the commit also under the tag that MLflow's own pages show."""
        self.params(found.parameters())
        self.tags({"mlflow.source.git.commit": found.commit})

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags: free words about the run, which nothing computes with."""
        from mlflow.entities import RunTag

        for part in _parts([RunTag(key, str(value)) for key, value in tags.items()], PARAMETERS_A_CALL):
            with reaching(self.tracking.uri):
                self.tracking.client.log_batch(self.run_id, tags=part)

    def artifact_text(self, path: str, text: str) -> None:
        """Keep a text under the run, at a relative path such as `report.md`."""
        outlast(self.tracking.uri, lambda: self.tracking.client.log_text(self.run_id, text, path))

    def artifact_json(self, path: str, document: object) -> None:
        """Keep a document as JSON; NaN becomes null, numpy values plain numbers."""
        options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
        self.artifact_text(path, orjson.dumps(document, option=options, default=str).decode() + "\n")

    def artifact_file(self, file: Path, folder: str | None = None) -> None:
        """Keep a file under the run, in a relative folder."""
        outlast(self.tracking.uri, lambda: self.tracking.client.log_artifact(self.run_id, str(file), folder))

    def _send(self, points: Sequence[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric
        from mlflow.utils.time import get_current_time_millis

        stamp = get_current_time_millis()  # type: ignore[no-untyped-call]  # MLflow's clock: it stamps the run with it too
        for part in _parts([Metric(name, value, stamp, step) for name, value, step in points], METRICS_A_CALL):
            with reaching(self.tracking.uri):
                self.tracking.client.log_batch(self.run_id, metrics=part)


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def as_text(name: str, value: object) -> str:
    """Return a parameter's value as MLflow keeps it: text that reads back to the same value.

    >>> as_text("seed", 7), as_text("git.dirty", True), as_text("evaluation.relevance", (3.0, 2.0))
    ('7', 'true', '[3.0,2.0]')

    Raises:
        OracleError: the text is longer than MLflow keeps.
    """
    if isinstance(value, str | dt.date | Path):
        text = str(value)
    else:
        text = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS, default=str).decode()
    if len(text) > LONGEST_VALUE:
        raise OracleError(
            "the parameter is too long to be recorded whole",
            value=f"{name}, {len(text)} characters",
            allowed=f"at most {LONGEST_VALUE}",
            next_step="record it as an artifact",
        )
    return text


@contextmanager
def run(
    tracking: Tracking, name: str, tags: Mapping[str, str] | None = None, run_id: str | None = None
) -> Iterator[Recorder]:
    """Open a run, hand out its recorder, and end it whatever happens.

    Args:
        tracking: Where to record.
        name: What people read in the list of runs.
        tags: Free words about the run.
        run_id: Go on with this run instead of opening a new one.

    Raises:
        Unavailable: the store does not answer.
        OracleError: whatever the work inside raises passes through unchanged.
    """
    recorder = begin(tracking, name, tags) if run_id is None else again(tracking, run_id)
    try:
        with _stopping():
            yield recorder
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        try:
            recorder.tags({"failure": f"{type(error).__name__}: {error}"[:LONGEST_VALUE]})
            end(recorder, status)
        except OracleError as second:
            error.add_note(f"run {recorder.run_id} could not be ended at {shown(tracking.uri)}: {second}")
        raise
    end(recorder, "FINISHED")


def begin(tracking: Tracking, name: str, tags: Mapping[str, str] | None = None) -> Recorder:
    """Open a run that whoever calls has to `end`; `run` does both."""
    with reaching(tracking.uri):
        opened = tracking.client.create_run(tracking.experiment_id, run_name=name, tags=dict(tags or {}))
    return Recorder(tracking, opened.info.run_id)


def again(tracking: Tracking, run_id: str) -> Recorder:
    """Return to a run that ended, or that a killed process left behind: it is RUNNING once more."""
    with reaching(tracking.uri):
        tracking.client.update_run(run_id, status="RUNNING")
    return Recorder(tracking, run_id)


def end(recorder: Recorder, status: str) -> None:
    """End a run: `FINISHED`, `FAILED` or `KILLED`."""
    with reaching(recorder.tracking.uri):
        recorder.tracking.client.set_terminated(recorder.run_id, status)


@contextmanager
def _stopping() -> Iterator[None]:
    """Let a polite request to end (SIGTERM: a job stopped, a container drained) unwind the stack like Ctrl-C does."""
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature that Python calls
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
