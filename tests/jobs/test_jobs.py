"""Training and evaluation as Ray jobs, submitted to a cluster exactly as the docs say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.data.dataset import Dataset
from tests.models import world
from tests.serving.clusters import BIN, ask, free_ports, ray_folder, running
from tests.tracking.stores import fresh_home

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 60


@pytest.mark.parametrize("job", sorted(p.name for p in (REPOSITORY / "jobs").glob("*.py")))
def test_a_job_is_one_short_call_and_says_how_it_is_submitted(job: str):
    text = (REPOSITORY / "jobs" / job).read_text()
    assert len(text.splitlines()) <= LONGEST
    assert f"ray job submit --address http://HOST:8265 --working-dir . -- python jobs/{job}" in text


@dataclass(frozen=True)
class Cluster:
    address: str
    environment: dict[str, str]
    home: Path
    dataset: Path
    folder: Path
    """Where Ray keeps its files."""

    def uploaded(self) -> dict[str, int]:
        """Return the files that Ray took along with a job, and their sizes in bytes; not what Python compiled there."""
        (package,) = self.folder.glob("session_2*/runtime_resources/working_dir_files/_ray_pkg_*/")
        taken = (p for p in package.rglob("*") if p.is_file() and p.parent.name != "__pycache__")
        return {p.relative_to(package).as_posix(): p.stat().st_size for p in taken}


@dataclass(frozen=True)
class Job:
    code: int
    log: str

    @property
    def document(self) -> Any:
        """The one JSON line that the job printed; of a failed job Ray shows the last lines twice."""
        (line,) = {line for line in self.log.splitlines() if line.startswith('{"')}
        return json.loads(line)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own, started from the environment that holds the package, as the docs say."""
    home, dataset, log = fresh_home(tmp_path_factory), tmp_path_factory.mktemp("data") / "world", None
    Dataset(str(dataset)).append(world.results())
    head, dashboard, client, agent = free_ports(4)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORACLE_", "RAY_", "MLFLOW_"))}
    environment = kept | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with ray_folder() as folder:
        log = home / "ray.log"
        start = [BIN / "ray", "start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1"]
        start += [f"--port={head}", f"--dashboard-port={dashboard}", "--include-dashboard=true"]
        start += [f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"]
        start += [f"--temp-dir={folder}"]
        with running(start, environment, log):
            _until_jobs_are_taken(dashboard, log)
            yield Cluster(f"http://127.0.0.1:{dashboard}", environment, home, dataset, folder)


def _until_jobs_are_taken(port: int, log: Path, seconds: float = 240) -> None:
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        try:
            if ask(port, "GET", "/api/jobs/").status == 200:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


def submit(cluster: Cluster, *entry: object) -> Job:
    """Submit a job from the repository, with the home given as the docs say, and wait for its end."""
    given = json.dumps({"env_vars": {"ORACLE_HOME": str(cluster.home)}})
    command = [BIN / "ray", "job", "submit", "--address", cluster.address, "--working-dir", "."]
    command += ["--runtime-env-json", given, "--", *entry]
    done = subprocess.run(
        [str(part) for part in command],
        env=cluster.environment,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Job(done.returncode, done.stdout)


@pytest.mark.cluster
def test_a_model_is_trained_and_judged_by_jobs(cluster: Cluster):
    trained = submit(cluster, "python", "jobs/train.py", "--data", cluster.dataset)
    assert trained.code == 0, trained.log
    assert trained.document["model_version"] == 1
    assert "production" in trained.document["aliases"]
    judged = submit(cluster, "python", "jobs/evaluate.py", "--data", cluster.dataset)
    assert judged.code == 0, judged.log
    assert judged.document["model_version"] == 1
    assert judged.document["test"] == trained.document["test"]
    taken = cluster.uploaded()
    assert {"jobs/train.py", "oracle/race.py", "pyproject.toml"} <= set(taken)
    assert sum(taken.values()) < 5_000_000, "environments and data sets stay at home: .gitignore, .rayignore"
    assert not [name for name in taken if name.startswith((".venv/", ".git/", "tests/"))]


@pytest.mark.cluster
def test_a_sweep_is_a_job_on_the_cluster_it_was_submitted_to(cluster: Cluster):
    words = ("--trials", "4", "--families", "conditional_logit", "--cpus", "2")
    swept = submit(cluster, "python", "jobs/tune.py", "--data", cluster.dataset, *words)
    assert swept.code == 0, swept.log
    assert swept.document["complete"] is True
    assert Path(swept.document["recipe"]).is_file()
    assert cluster.home in Path(swept.document["recipe"]).parents


@pytest.mark.cluster
def test_a_job_that_cannot_be_done_fails_and_its_log_says_why(cluster: Cluster):
    failed = submit(cluster, "python", "jobs/train.py", "--data", "no-such-dataset")
    assert failed.code == 1  # Ray's own code for any failed job; the command's own, 2, stands in the log
    assert failed.document["error"]["kind"] == "NoSuchDataset"
    assert "Traceback" not in failed.log
    assert "exit code 2" in failed.log


TWICE = """
import sys, time
from pathlib import Path
from ray.job_submission import JobSubmissionClient
from oracle.retraining.on_ray import RayJobs
from oracle.retraining.submission import Job

class Hasty(RayJobs):
    looked = False

    def state(self, submission_id):
        seen = "unknown" if not self.looked else super().state(submission_id)
        self.looked = True
        return seen

address, folder, out = sys.argv[1:]
job = Job("retrain-a1", ("--retraining", "a1", "--data", out))
jobs = [kind(address, {"ORACLE_HOME": folder}, Path(folder)) for kind in (RayJobs, RayJobs, Hasty)]
print(jobs[0].state(job.submission_id))
for each in jobs:
    each.submit(job)
end_at = time.monotonic() + 60
while jobs[0].state(job.submission_id) == "running" and time.monotonic() < end_at:
    time.sleep(0.1)
print(jobs[0].state(job.submission_id))
print(len([j for j in JobSubmissionClient(address).list_jobs() if j.submission_id == job.submission_id]))
print(jobs[0].last_words(job.submission_id))
"""
INVENTED = (
    "import os, sys; open(sys.argv[4], 'a').write('ran '); print('home', os.environ['ORACLE_HOME']); sys.exit(7)\n"
)


@pytest.mark.cluster
def test_a_retraining_that_is_submitted_twice_is_one_job(cluster: Cluster, tmp_path: Path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "retrain.py").write_text(INVENTED)
    words = [sys.executable, "-c", TWICE, cluster.address, str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(words, env=cluster.environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, after, jobs, log = done.stdout.splitlines()
    assert (before, after, jobs) == ("unknown", "ended", "1")
    assert (tmp_path / "out").read_text() == "ran "
    assert f"home {tmp_path}" in log
