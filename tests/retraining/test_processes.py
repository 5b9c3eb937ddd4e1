"""Jobs as processes of this machine: one per name, alive or not beyond doubt, and not bound to who started them."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.errors import Unavailable
from oracle.retraining.processes import Processes
from oracle.retraining.submission import Job, job_of

WAITING = "import sys; print('begun', sys.argv[1:], flush=True); open(sys.argv[1], 'w').close(); sys.stdin = open(sys.argv[2]); sys.exit(sys.stdin.read())"  # noqa: E501


@pytest.fixture
def jobs(tmp_path: Path) -> Processes:
    return Processes(tmp_path / "jobs", tmp_path, (sys.executable, "-c", WAITING))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job that lives until somebody has written into its pipe."""
    for name in ("begun", "end"):
        os.mkfifo(tmp_path / name)
    return Job("retrain-a", (str(tmp_path / "begun"), str(tmp_path / "end")))


def begun(job: Job) -> None:
    Path(job.words[0]).open().close()  # waits for the other end


def ended(pid: int) -> None:
    """Wait for the end of a process without taking its exit code from whoever started it."""
    watched = os.pidfd_open(pid)
    assert select.select([watched], [], [], 30)[0]
    os.close(watched)


def pid_of(tmp_path: Path) -> int:
    return int((tmp_path / "jobs" / "retrain-a.pid").read_text().split()[1])


def test_a_name_is_one_process_whoever_asks_for_it_and_however_often(jobs: Processes, job: Job, tmp_path: Path):
    assert jobs.state("retrain-a") == "unknown"
    other = Processes(tmp_path / "jobs", tmp_path, ("/bin/false",))
    jobs.submit(job)
    begun(job)
    first = pid_of(tmp_path)
    for each in (jobs, other):
        each.submit(job)
        assert each.state("retrain-a") == "running"
    Path(job.words[1]).write_text("it went wrong")
    ended(first)
    for each in (other, jobs):
        assert each.state("retrain-a") == "ended"
        each.submit(job)
        assert each.state("retrain-a") == "ended", "a name is used once"
    assert pid_of(tmp_path) == first
    assert jobs.last_words("retrain-a").endswith("it went wrong")


@pytest.mark.parametrize(
    "end",
    [lambda jobs, pid: jobs.stop("retrain-a"), lambda jobs, pid: os.kill(pid, signal.SIGKILL)],  # noqa: ARG005
    ids=["stopped", "killed"],
)
def test_a_process_that_is_stopped_or_killed_has_ended(
    jobs: Processes, job: Job, tmp_path: Path, end: Callable[[Processes, int], None]
):
    jobs.submit(job)
    begun(job)
    end(jobs, pid_of(tmp_path))
    ended(pid_of(tmp_path))
    assert jobs.state("retrain-a") == "ended"
    jobs.stop("retrain-a")


def test_a_name_whose_process_was_never_started_is_used_up(jobs: Processes, job: Job, tmp_path: Path):
    broken = Processes(tmp_path / "jobs", tmp_path, ("/no/such/program",))
    with pytest.raises(Unavailable, match="cannot be started"):
        broken.submit(job)
    assert jobs.state("retrain-a") == "ended"


def test_the_name_of_a_job_follows_from_the_retraining_and_the_attempt():
    assert job_of("a1", 1, "s3://bucket/d").submission_id == "retrain-a1"
    assert job_of("a1", 3, "s3://bucket/d").submission_id == "retrain-a1-3"
    assert job_of("a1", 1, "races").words[-1] == str(Path("races").absolute())
