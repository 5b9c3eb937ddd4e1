"""One job per attempt of a retraining: how it is named, and what there has to be to run one.

A retraining's jobs have names that follow from its id, and whoever submits a name twice starts one job: a monitor that
dies between writing down what it is about to do and doing it can simply be started again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import oracle
from oracle.errors import UnreadableFile

State = Literal["unknown", "running", "ended"]
JOB = "jobs/retrain.py"


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be run once."""

    submission_id: str
    words: tuple[str, ...]
    """What follows `python jobs/retrain.py`."""


class Jobs(Protocol):
    """Where jobs run."""

    where: str
    """As a person reads it."""

    def submit(self, job: Job) -> None:
        """Start a job; one of the same name that was started before is left as it is.

        Raises:
            Unavailable: nobody knows whether it was started: to be asked again.
        """

    def state(self, submission_id: str) -> State:
        """Return how the job of that name does; `unknown` where none was ever started.

        Raises:
            Unavailable: nobody knows.
        """

    def stop(self, submission_id: str) -> None:
        """End a job that runs.

        Raises:
            Unavailable: it could not be told.
        """

    def last_words(self, submission_id: str) -> str:
        """Return the end of what a job printed, "" where nothing is known of it."""


def job_of(retraining_id: str, attempt: int, data: str) -> Job:
    """Return the job of an attempt.

    Args:
        retraining_id: The retraining.
        attempt: 1 for the first.
        data: Dataset to train on.
    """
    name = f"retrain-{retraining_id}"
    where = data if "://" in data else str(Path(data).expanduser().absolute())
    return Job(name if attempt == 1 else f"{name}-{attempt}", ("--retraining", retraining_id, "--data", where))


def folder_of_jobs(beside: Path) -> Path:
    """Return the folder that holds `jobs/`: the working folder, or the checkout the package is in.

    Args:
        beside: The working folder.

    Raises:
        UnreadableFile: neither has it.
    """
    for folder in (beside, Path(oracle.__file__).parents[1]):
        if (folder / JOB).is_file():
            return folder
    raise UnreadableFile("there is no job to submit", value=JOB, next_step="start the monitor from a checkout")


def tail(text: str, lines: int = 5) -> str:
    """Return the last lines of a text that say something.

    >>> tail("a, b, c".replace(", ", chr(10)), 2)
    'b | c'
    """
    said: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(said[-lines:])[-500:]
