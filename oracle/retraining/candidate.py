"""How a candidate comes about: a short sweep where one is wanted, a training that leaves the holdout alone, a version.

The candidate is made of what production is made of, learned anew from the data version: its latest days are kept out of
the training as the test of it, and both versions are compared there. What was judged is what ships.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from oracle import process
from oracle.data.dataset import Dataset
from oracle.ensemble import recipe as recipes
from oracle.ensemble.recipe import SHIPPED, Recipe, from_dict
from oracle.errors import OracleError
from oracle.features.matrix import RaceMatrix
from oracle.registry import acts
from oracle.registry.lifecycle import register as registered
from oracle.registry.versioning import ModelFacts
from oracle.registry.versions import RETRAINING
from oracle.retraining.steps import REGISTER, SNAPSHOT, SWEEP, TRAIN, Done, Outcome, Work, made
from oracle.settings import CandidatePolicy, Settings
from oracle.tracking.connection import Tracking, reaching
from oracle.tracking.provenance import provenance
from oracle.tracking.runs import Recorder, end, run
from oracle.training.learning import example_of, learn
from oracle.training.record import calibration_told, parameters

LEARNED = "learned"
"""Folder of what a training left: the package, and what a registration asks for."""
EXAMPLE_DAYS = 60
"""Latest days in which a race is looked for to show what a card is."""


@dataclass(frozen=True)
class Holdout:
    """The latest dates of a history, which a candidate does not learn from."""

    first: dt.date
    days: int
    """Race dates in it."""
    share: float
    """Of all race dates: the test share of the split."""

    def settings(self, settings: Settings) -> Settings:
        """Return the tree under which a training leaves the holdout alone."""
        return settings.model_copy(update={"split": settings.split.model_copy(update={"test_share": self.share})})


def holdout(races: RaceMatrix, policy: CandidatePolicy) -> Holdout:
    """Return the holdout of a history: so many of its latest days, and never more than a share of its race dates."""
    dates = np.unique(races.dates)
    wanted = int((dates > dates[-1] - np.timedelta64(policy.holdout_days, "D")).sum())
    days = max(1, min(wanted, int(policy.holdout_share * len(dates))))
    first = dt.date.fromisoformat(str(dates[-days].astype("datetime64[D]")))
    return Holdout(first, days, days / len(dates))


def sweep(work: Work) -> Outcome:
    """Search hyperparameters and weights where the policy gives trials, and return the recipe to train with."""
    policy = work.settings.candidate
    base, origin = _recipe(work)
    if not policy.trials:
        work.mark("sweep.skipped")
        return Done({"trials": 0, "origin": origin, "recipe": base.as_dict()})
    from oracle.tuning.sweep import Request, Subject  # Ray reads the environment when it is imported
    from oracle.tuning.sweep import sweep as search

    history = work.context.history(work.data, work.settings.market.overround)
    kept = holdout(history.matrix, policy)
    before = history.matrix.take(history.matrix.dates < np.datetime64(kept.first))  # nothing of the holdout is seen
    folder = work.folder / "sweep"
    request = Request(
        policy.trials, policy.sweep_seconds, address=work.context.address, resume=(folder / "sweep.json").exists()
    )
    facts = {**provenance().parameters(), **parameters(history, work.settings)}
    subject = Subject(f"{history.name} before {kept.first}", history.summary.fingerprint, before, facts)
    document = search(subject, work.settings, request, folder, f"retraining-{work.id}", lambda _: None)
    work.mark("sweep.searched")
    tuned = document["recommends"] != "shipped"
    chosen = recipes.read(Path(document["recipe"])) if tuned else base
    told = {name: document[name] for name in ("recommends", "verdict", "seconds")}
    return Done(
        {"trials": policy.trials, "origin": "sweep" if tuned else origin, "recipe": chosen.as_dict(), "sweep": told}
    )


def _recipe(work: Work) -> tuple[Recipe, str]:
    """Return what a candidate is made of, and where that comes from."""
    if work.context.recipe is not None:
        return work.context.recipe, "given"
    found = _recorded(work.context.tracking, work.production().run_id)
    return (SHIPPED, "shipped") if found is None else (found, "production")


def _recorded(tracking: Tracking, run_id: str) -> Recipe | None:
    """Return the recipe that a run recorded, None where it has none that this installation can read."""
    from mlflow.artifacts import load_text
    from mlflow.exceptions import MlflowException

    try:
        with reaching(tracking.uri):
            address = f"{tracking.client.get_run(run_id).info.artifact_uri}/recipe.json"
        return from_dict(json.loads(load_text(address)))
    except (OracleError, MlflowException, OSError, ValueError):
        return None


def train(work: Work) -> Outcome:
    """Learn from all but the holdout, and leave a package in the retraining's folder.

    Raises:
        NotEnoughData: too few races.
        BrokenPipeline, Leak, BelowGate: the training does not stand.
    """
    tracking = work.context.tracking
    history = work.context.history(work.data, work.settings.market.overround)
    kept = holdout(history.matrix, work.settings.candidate)
    recipe = from_dict(work.done[SWEEP]["recipe"])
    _close(tracking, work.id)

    def make(partial: Path) -> None:
        with run(tracking, f"retrain {work.id}", {RETRAINING: work.id}) as recorder:
            work.mark("train.begun")
            learned = learn(
                history,
                kept.settings(work.settings),
                recorder,
                provenance(),
                partial / "package",
                recipe=recipe,
                progress=work.context.progress,
            )
            work.mark("train.learned")
            said = {
                "run_id": learned.run_id,
                "facts": learned.facts.to_json(),
                "holdout_from": str(kept.first),
                "holdout_days": kept.days,
                "test": learned.fitted.test.as_dict(),
                "calibration": calibration_told(learned.fitted),
                "honesty": learned.honesty.as_dict(),
                "canaries": {name: bird.alive for name, bird in learned.honesty.canaries.items()},
                "seconds": {name: round(s, 3) for name, s in learned.fitted.seconds.items()},
                "peak_memory_mb": round(process.peak_memory_mb()),
            }
            (partial / "learned.json").write_bytes(orjson.dumps(said, option=_OPTIONS, default=str))
        work.mark("train.written")

    folder = made(work.folder / LEARNED, make)
    work.mark("train.made")
    return Done(orjson.loads((folder / "learned.json").read_bytes()))


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def _close(tracking: Tracking, retraining_id: str) -> None:
    """End the runs that a kill of an earlier attempt left running."""
    with reaching(tracking.uri):
        left = tracking.client.search_runs(
            [tracking.experiment_id], f"tags.{RETRAINING} = '{retraining_id}' and attributes.status = 'RUNNING'"
        )
    for each in left:
        end(Recorder(tracking, each.info.run_id), "KILLED")


def register(work: Work) -> Outcome:
    """Register the package under the alias `staging`, once however often this is begun, and say so."""
    tracking, learned = work.context.tracking, work.done[TRAIN]
    last = dt.date.fromisoformat(str(work.done[SNAPSHOT]["last_date"]))
    recent = Dataset(work.data).read(start=last - dt.timedelta(days=EXAMPLE_DAYS))
    version = registered(
        tracking,
        work.folder / LEARNED / "package",
        example_of(recent),
        ModelFacts.from_json(learned["facts"]),
        learned["run_id"],
        work.id,
    )
    work.mark("register.registered")
    if acts.stands(tracking, version) == "unstaged":
        work.authority().stage(version.number, f"retraining {work.id}")
    work.mark("register.staged")
    work.context.store.retrainings.update(work.id, candidate=str(version.number), run_id=version.run_id)
    document: dict[str, Any] = {"version": str(version.number), "semver": version.label, "run_id": version.run_id}
    told = {"candidate": version.label, "production": work.retraining.production}
    work.tell("candidate_staged", f"{version.label} is staged", REGISTER, told)
    return Done(document)
