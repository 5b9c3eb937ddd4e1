"""A sweep as a whole: hyperparameters of members, then the weighing of the best, then tuned against shipped.

Both searches run on Ray Tune; the folder of the sweep (`oracle.tuning.ledger`) holds every trial, and MLflow one run
for the sweep with one run under it for each trial. `docs/tuning.md` tells how to use and to read it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from oracle import process
from oracle.cluster import running
from oracle.ensemble.race_model import feature_version
from oracle.ensemble.recipe import SHIPPED, Recipe
from oracle.errors import BadInput
from oracle.features.matrix import RaceMatrix
from oracle.settings import Settings
from oracle.tracking.connection import connect
from oracle.tracking.runs import run
from oracle.tuning import outcome, searches
from oracle.tuning.children import Children, parent_of, tags_of
from oracle.tuning.final import OnTest, on_test
from oracle.tuning.ledger import opened
from oracle.tuning.objective import FoldPolicy, board
from oracle.tuning.phase import Phase
from oracle.tuning.searches import Means, shipped_pools, tried, tried_pools
from oracle.tuning.space import Space, candidates, searched
from oracle.tuning.verdict import FORM, MODEL, chosen, chosen_pool, in_hindsight, tuned, walk_forward

WEIGHTS_SHARE = 4
"""One trial in so many goes to the weighing of members."""

RESERVED = 0.1
"""Share of the time budget that is kept for the weighing."""

VARYING = ("id", "trials")
"""What may differ when a sweep is resumed: it can be given more trials."""


@dataclass(frozen=True)
class Request:
    """What a sweep is asked for."""

    trials: int = 40
    seconds: float | None = None
    """Time for both searches; None for no bound. The comparison at the end comes on top."""
    families: tuple[str, ...] = ()
    cpus: int | None = None
    """Trials at the same time, on a Ray of our own also its processors; None for as many as there are."""
    address: str | None = None
    """The Ray to join; None for one of our own."""
    resume: bool = False

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise BadInput("a sweep needs at least one trial", value=self.trials, allowed="1 or more")
        if self.seconds is not None and not self.seconds > 0:
            raise BadInput("the time budget must be above 0", value=self.seconds, allowed="seconds above 0")
        if self.cpus is not None and self.cpus < 1:
            raise BadInput("a sweep needs a processor", value=self.cpus, allowed="1 or more")
        searched(candidates(SHIPPED, True, self.families), self.families)

    @property
    def weights(self) -> int:
        """Trials of the second search."""
        return self.trials // WEIGHTS_SHARE


@dataclass(frozen=True)
class Subject:
    """What is searched on."""

    name: str
    fingerprint: str
    races: RaceMatrix
    parameters: Mapping[str, Any]
    """What the sweep's run records of code, data, split and features."""


def sweep(
    subject: Subject,
    settings: Settings,
    request: Request,
    folder: Path,
    identity: str,
    show: Callable[[Phase], None],
) -> dict[str, Any]:
    """Search, compare, record, and return what `oracle tune --json` prints.

    Args:
        subject: The races and where they come from.
        settings: The tree in force.
        request: What is asked for.
        folder: The folder of the sweep.
        identity: A name for the sweep that no other has.
        show: Told now and then how far a phase is.

    Raises:
        BadInput: a family is unknown, or there is no sweep to resume.
        Refused: the folder holds a sweep, or one that was begun with something else.
        NotEnoughData: too few races for the folds.
        Unavailable: the tracking store or Ray does not answer.
    """
    began = time.perf_counter()
    policy = FoldPolicy()
    races = board(subject.races, settings.split, settings.evaluation, settings.seed, policy)
    members = candidates(SHIPPED, races.priced, request.families)
    spaces = searched(members, request.families)
    asked = {
        "id": identity,
        "trials": request.trials,
        "dataset": subject.fingerprint,
        "features": feature_version(),
        "members": sorted(members),
        "families": sorted(spaces),
        "shipped": SHIPPED.as_dict(),
        "folds": policy.folds,
        "seed": settings.seed,
        "split": settings.split.model_dump(),
        "evaluation": settings.evaluation.model_dump(),
    }
    tracking = connect(settings)  # the store is made before anybody could race for it
    with opened(folder, asked, resume=request.resume, varying=VARYING) as ledger:
        done = ledger.read(outcome.OUTCOME)
        if done and done["complete"] and done["trials"]["done"] >= request.trials:
            return done
        name = str(ledger.asked()["id"])
        parent = parent_of(tracking, name)
        with run(tracking, f"tune {subject.name}", tags_of(name), parent) as recorder:
            outcome.describe(recorder, subject.parameters, spaces, policy)
            children = Children(tracking, name, recorder.run_id)
            means = Means(races, members, ledger, children, request.cpus, show)
            try:
                found = _search(means, subject.races, settings, request, spaces, began)
            finally:
                children.interrupt()
            document = outcome.document(found, folder, recorder.run_id, time.perf_counter() - began)
            outcome.record(recorder, ledger, found, document, spaces)
        ledger.write(outcome.OUTCOME, document)  # last of all: where it stands, nothing is left to do
    return document


def _search(
    means: Means,
    races: RaceMatrix,
    settings: Settings,
    request: Request,
    spaces: Mapping[str, Space],
    began: float,
) -> outcome.Found:
    """Run both searches and the comparison on one Ray."""
    with running(request.address, request.cpus or process.cores(), 2 * races.values.nbytes / 1e6):
        budget = request.seconds
        until = None if budget is None else budget * (1.0 - RESERVED) - (time.perf_counter() - began)
        first = searches.members(means, spaces, request.trials - request.weights, until)
        means.children.interrupt()  # those that the time budget cut off
        if not first.measured:
            return outcome.unmeasured(first, SHIPPED, settings.evaluation)
        base = {t.name: t for t in tried(means, first.shipped, spaces)}
        ended = tried(means, [r for r in first.records if r.ended], spaces)
        best = chosen(ended, base, len(means.board.folds))
        left = None if budget is None else budget - (time.perf_counter() - began)
        second = searches.weights(means, best, request.weights, left)
        means.children.interrupt()
        pools, light = tried_pools(second), means.board.without_features()
        ways = {a: chosen_pool(a, pools, pool, second.folds) for a, pool in shipped_pools(light).items()}
        recipe = tuned(SHIPPED, best, ways[FORM], ways.get(MODEL, SHIPPED.market))
        compared = {a: walk_forward(a, base, ended, pools, p, light) for a, p in shipped_pools(light).items()}
        hindsight = {a: in_hindsight(base, best, ways[a], p, light) for a, p in shipped_pools(light).items()}
        on_tests = _on_test(races, settings, recipe)
        return outcome.Found(first, second, recipe, SHIPPED, compared, settings.evaluation, hindsight, on_tests)


def _on_test(races: RaceMatrix, settings: Settings, recipe: Recipe) -> dict[str, OnTest]:
    """Return what tuned and shipped recipe reach on the test dates: one training each, side by side."""
    shared = ray.put(races)
    train = ray.remote(num_cpus=1)(on_test)
    recipes = {"tuned": recipe, "shipped": SHIPPED}
    asked = {
        name: train.remote(shared, settings.split, settings.evaluation, settings.seed, 1, recipes[name])
        for name in recipes
        if name == "shipped" or recipe != SHIPPED
    }
    done: dict[str, OnTest] = dict(zip(asked, ray.get(list(asked.values())), strict=True))
    return {"tuned": done["shipped"], **done}
