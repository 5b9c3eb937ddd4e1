"""Jobs of a Ray cluster, by its HTTP address. Ray itself keeps a name for one job; to be told so is success.

The environment says how to authenticate (`RAY_AUTH_MODE`) and has to be settled before this module is used: Ray reads
it while it is imported.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from oracle.errors import Unavailable
from oracle.retraining.submission import JOB, Job, State, folder_of_jobs, tail

T = TypeVar("T")
AWAY = (RuntimeError, ConnectionError, OSError)
"""What Ray's client raises for an answer other than 200, and for none at all."""
UNKNOWN = "status code 404"


class RayJobs:
    """Jobs of a cluster.

    Args:
        address: Of the cluster's dashboard, such as `http://127.0.0.1:8265`.
        environment: Variables the jobs are to see.
        beside: The working folder; it, or the checkout, is taken along.
    """

    def __init__(self, address: str, environment: Mapping[str, str], beside: Path) -> None:
        self._address, self._environment, self._beside = address, dict(environment), beside
        self.where = f"the Ray at {address}"

    def submit(self, job: Job) -> None:
        """Submit a job, unless the cluster knows the name already.

        Raises:
            Unavailable: the cluster does not answer, or does not take it.
        """
        if self.state(job.submission_id) != "unknown":
            return
        surroundings = {"working_dir": str(folder_of_jobs(self._beside)), "env_vars": self._environment}

        def submit(client: Any) -> None:
            client.submit_job(
                entrypoint=f"python {JOB} {shlex.join(job.words)}",
                submission_id=job.submission_id,
                runtime_env=surroundings,
            )

        try:
            self._ask(submit)
        except Unavailable:
            if self.state(job.submission_id) == "unknown":  # else somebody else was faster, or the answer was lost
                raise

    def state(self, submission_id: str) -> State:
        """Return how the job does.

        Raises:
            Unavailable: the cluster does not answer.
        """
        try:
            status = self._ask(lambda client: client.get_job_status(submission_id))
        except Unavailable as error:
            if UNKNOWN in error.what:
                return "unknown"
            raise
        return "ended" if status.is_terminal() else "running"

    def stop(self, submission_id: str) -> None:
        """Tell the cluster to end the job.

        Raises:
            Unavailable: it does not answer.
        """
        self._ask(lambda client: client.stop_job(submission_id))

    def last_words(self, submission_id: str) -> str:
        """Return the end of the job's log as the cluster has it."""
        try:
            return tail(str(self._ask(lambda client: client.get_job_logs(submission_id))))
        except Unavailable:
            return ""

    def _ask(self, question: Callable[[Any], T]) -> T:
        from ray.job_submission import JobSubmissionClient

        try:
            return question(JobSubmissionClient(self._address))
        except AWAY as error:
            raise Unavailable(
                f"the job API of Ray: {error}", value=self._address, next_step="check --address and RAY_AUTH_MODE"
            ) from error
