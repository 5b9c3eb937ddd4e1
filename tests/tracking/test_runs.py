import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle.errors import OracleError
from oracle.tracking.connection import Tracking
from oracle.tracking.entries import Undeclared
from oracle.tracking.provenance import UNKNOWN, provenance
from oracle.tracking.runs import LONGEST_VALUE, as_text, run


def test_a_run_keeps_parameters_metrics_and_files_under_their_dotted_names(tracking: Tracking) -> None:
    with run(tracking, "a training", {"purpose": "test"}) as recorder:
        recorder.params(
            {"seed": 7, "split": {"test_share": 0.2}, "members": {"logit": {"l2": 1e-05}}, "data": {"name": None}}
        )
        recorder.metrics({"test": {"model": {"ndcg_at_3": np.float64(0.5)}, "races": 900}})
        recorder.artifact_json("report.json", {"nan": float("nan"), "array": np.arange(2)})
        recorder.artifact_text("notes/why.md", "because")
    kept = tracking.client.get_run(recorder.run_id)
    assert kept.info.status == "FINISHED"
    assert kept.data.params == {"seed": "7", "split.test_share": "0.2", "members.logit.l2": "0.00001"}
    assert kept.data.metrics == {"test.model.ndcg_at_3": 0.5, "test.races": 900.0}
    assert kept.data.tags["purpose"] == "test"
    assert {f.path for f in tracking.client.list_artifacts(recorder.run_id)} == {"report.json", "notes"}
    file = Path(tracking.client.download_artifacts(recorder.run_id, "report.json"))
    assert json.loads(file.read_text()) == {"nan": None, "array": [0, 1]}


def test_a_curve_of_any_length_is_kept_point_by_point_and_gaps_stay_gaps(tracking: Tracking) -> None:
    values = [1 / (i + 1) for i in range(2500)]
    values[3] = float("nan")
    with run(tracking, "a curve") as recorder:
        recorder.curve("training.lambdarank.loss", values, range(1, 2501))
    history = tracking.client.get_metric_history(recorder.run_id, "training.lambdarank.loss")
    assert {m.step: m.value for m in history} == {i + 1: v for i, v in enumerate(values) if i != 3}


def test_what_could_not_be_measured_is_named_and_is_not_a_number(tracking: Tracking) -> None:
    with run(tracking, "a gap") as recorder:
        recorder.metrics({"test.market.ece": None, "test.market.mrr": 0.5})
        recorder.metrics({"test.form.ece": float("nan")})
    kept = tracking.client.get_run(recorder.run_id).data
    assert kept.metrics == {"test.market.mrr": 0.5}
    assert kept.tags["unmeasured"] == "test.form.ece, test.market.ece"


def test_an_undeclared_name_is_refused_before_anything_is_sent(tracking: Tracking) -> None:
    with pytest.raises(Undeclared), run(tracking, "a misspelling") as recorder:
        recorder.metrics({"test.model.mrr": 0.5, "test.model.accuracy": 0.5})
    kept = tracking.client.get_run(recorder.run_id)
    assert kept.info.status == "FAILED"
    assert kept.data.metrics == {}
    with pytest.raises(Undeclared), run(tracking, "another") as recorder:
        recorder.params({"sead": 7})


@pytest.mark.parametrize(
    ("raised", "status"),
    [(ValueError("no races"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(143), "KILLED")],
    ids=["failure", "interrupt", "exit"],
)
def test_a_run_that_raises_ends_with_its_reason_and_the_reason_passes_through(
    tracking: Tracking, raised: BaseException, status: str
) -> None:
    with pytest.raises(type(raised)) as passed, run(tracking, "doomed") as recorder:
        raise raised
    assert passed.value is raised
    kept = tracking.client.get_run(recorder.run_id)
    assert kept.info.status == status
    assert type(raised).__name__ in kept.data.tags["failure"]


def test_a_polite_request_to_end_kills_the_run_and_leaves_the_signal_as_it_was(tracking: Tracking) -> None:
    with pytest.raises(SystemExit) as ended, run(tracking, "stopped") as recorder:
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert tracking.client.get_run(recorder.run_id).info.status == "KILLED"


def test_a_parameter_too_long_to_be_kept_whole_is_refused(tracking: Tracking) -> None:
    assert as_text("members", "x" * LONGEST_VALUE)
    with pytest.raises(OracleError, match="artifact"):
        as_text("members", "x" * (LONGEST_VALUE + 1))


def test_another_value_for_a_parameter_of_the_same_run_is_refused(tracking: Tracking) -> None:
    with run(tracking, "two seeds") as recorder:
        recorder.params({"seed": 7})
        with pytest.raises(OracleError, match="MLflow refused"):
            recorder.params({"seed": 8})


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53) | st.booleans())
def test_a_number_reads_back_from_its_text_to_the_last_bit(value: float) -> None:
    assert json.loads(as_text("seed", value)) == value


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_curve_reads_back_as_it_was_written(tracking: Tracking, values: list[float]) -> None:
    with run(tracking, "law") as recorder:
        recorder.curve("training.logit.validation_loss", values)
    history = tracking.client.get_metric_history(recorder.run_id, "training.logit.validation_loss")
    assert [m.value for m in sorted(history, key=lambda m: m.step)] == values


def test_provenance_names_the_commit_of_a_working_copy_and_nothing_of_a_foreign_one(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert provenance(tmp_path).commit == UNKNOWN
    git("init", "-q")
    (tmp_path / "model.py").write_text("one")
    assert provenance(tmp_path).commit == UNKNOWN
    git("add", ".")
    git("commit", "-qm", "first")
    assert (provenance(tmp_path).commit, provenance(tmp_path).dirty) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "model.py").write_text("two")
    assert provenance(tmp_path).dirty
    (tmp_path / "site-packages").mkdir()
    assert provenance(tmp_path / "site-packages").commit == UNKNOWN


def test_provenance_is_recorded_under_declared_names(tracking: Tracking) -> None:
    found = provenance(libraries=("numpy", "no-such-library"))
    with run(tracking, "provenance") as recorder:
        recorder.provenance(found)
    kept = tracking.client.get_run(recorder.run_id).data
    assert kept.params["python.version"] == ".".join(map(str, sys.version_info[:3]))
    assert kept.params["library.numpy"] == np.__version__
    assert kept.params["library.no-such-library"] == UNKNOWN
    assert kept.tags["mlflow.source.git.commit"] == found.commit
