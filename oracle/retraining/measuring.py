"""What production and candidate did on the same races of the holdout: the evidence that a validation judges.

Both read the form of the same data version, every race as of its off, and are asked as they would be in service: from
the pool of form, as if no card had odds, or from the pool with the market.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import orjson
import pandas as pd

from oracle.ensemble.race_model import RaceModel
from oracle.experiment.trial import RANKS, first_fair_date
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Texts
from oracle.ranking import metrics
from oracle.ranking.outcome import gains, winners
from oracle.ranking.races import Bools, Floats
from oracle.retraining.candidate import LEARNED
from oracle.retraining.steps import TRAIN, VALIDATE, Done, Outcome, Over, Work
from oracle.retraining.validation import Evidence, PoolRaces, Verdict, validate
from oracle.settings import CandidatePolicy, EvaluationPolicy, Settings
from oracle.store import Store
from oracle.training.history import History
from oracle.training.learning import latencies, latest_cards

Pool = Literal["form", "market"]
ASKED = 1000
"""Latest predictions by which is seen which pool is served."""
SERVED = 0.1
"""Share of them from which a pool counts as served."""
FIELDS = ((7, "2 to 7"), (11, "8 to 11"), (10_000, "12 or more"))
"""Field sizes that are one slice."""


def judge(work: Work) -> Outcome:
    """Compare candidate and production on the holdout, and go on, or end where the candidate is found wanting."""
    context, settings = work.context, work.settings
    version = work.production()
    production = context.model(version)
    candidate = RaceModel.load(work.folder / LEARNED / "package")
    work.mark("validate.loaded")
    verdict, found = compared(
        settings,
        context.store,
        production,
        candidate,
        lambda overround: context.history(work.data, overround),
        dict(work.done[TRAIN]["canaries"]),
        dt.date.fromisoformat(str(work.done[TRAIN]["holdout_from"])),
    )
    work.mark("validate.measured")
    document = {**found, "production": str(version.number)}
    causes = "; ".join(verdict.causes)
    if verdict.outcome == "fail":
        return Over("rejected", f"validation: {causes}", document)
    if verdict.outcome == "not enough evidence" and settings.candidate.live == "never":
        return Over("rejected", f"validation: not enough evidence, and no live test to gather it: {causes}", document)
    work.tell("verdict", f"validation of the candidate: {verdict.outcome}", VALIDATE, {"causes": list(verdict.causes)})
    return Done(document)


def compared(
    settings: Settings,
    store: Store,
    production: RaceModel,
    candidate: RaceModel,
    histories: Callable[[str], History],
    canaries: Mapping[str, bool],
    since: dt.date | None = None,
) -> tuple[Verdict, dict[str, Any]]:
    """Return the verdict on a candidate and its document, by the races that neither version learned from.

    Args:
        settings: The tree in force.
        store: Where the answers of production stand.
        production: The version in service.
        candidate: The other one.
        histories: Returns the races by how they take the overround out of odds.
        canaries: By name, whether it scored like chance in the candidate's training.
        since: First date that is looked at; by default the first that is fair to both.
    """
    history = histories(candidate.about.overround)
    its = history
    if production.about.overround != candidate.about.overround:
        its = histories(production.about.overround)
    fair = first_fair_date(production.about, candidate.about)
    first = fair if since is None else max(fair, since)
    chosen = pools(store, settings.candidate, production, history, first)
    judged = tuple(_pool(pool, its, production, history, candidate, first, settings.evaluation) for pool in chosen)
    cards = latest_cards(history)
    times = [float(np.percentile(latencies(model, cards), 95)) for model in (production, candidate)]
    verdict = validate(Evidence(judged, canaries, *times), settings.candidate, settings.evaluation, settings.seed)
    return verdict, {
        **verdict.as_dict(),
        "first_date": str(first),
        "last_date": str(history.summary.last_date),
        "pools": list(chosen),
        "latency_ms_p95": {"production": times[0], "candidate": times[1]},
    }


def pools(
    store: Store, policy: CandidatePolicy, production: RaceModel, history: History, first: dt.date
) -> tuple[Pool, ...]:
    """Return the pools whose answers are judged, the one that answers most first.

    Args:
        store: Where the answers of production stand.
        policy: Which pools are wanted.
        production: The version in service.
        history: Of the data version; without odds in the holdout nobody can be asked from the market.
        first: First date of the races that are compared.
    """
    later = history.matrix.take(history.matrix.dates >= np.datetime64(first))
    able = production.market is not None and bool(len(later)) and bool(np.isfinite(later.market).any())
    if policy.pools == "form" or not able:
        return ("form",)
    if policy.pools == "market":
        return ("market",)
    counts = served(store) if policy.pools == "served" else Counter[str]()
    if not counts:
        return ("market", "form")
    total = counts.total()
    found: list[Pool] = [pool for pool in ("market", "form") if counts[pool] >= SERVED * total]
    return tuple(sorted(found, key=lambda pool: -counts[pool]))


def served(store: Store) -> Counter[str]:
    """Return how many of the latest answers came from each pool."""
    return Counter(str(orjson.loads(answer).get("ensemble")) for answer in store.predictions.latest_answers(ASKED))


def _pool(
    pool: Pool,
    its: History,
    production: RaceModel,
    history: History,
    candidate: RaceModel,
    first: dt.date,
    evaluation: EvaluationPolicy,
) -> PoolRaces:
    """Return what both did on the races from a date on, asked from one pool."""
    later = history.matrix.dates >= np.datetime64(first)
    sides = [
        Said.of(model, as_asked(matrix.matrix.take(later), pool), evaluation)
        for model, matrix in ((production, its), (candidate, history))
    ]
    races = history.matrix.take(later)
    counts = ~np.isnan(sides[0].ndcg) & ~np.isnan(sides[1].ndcg)
    if pool == "market":
        counts &= sides[0].priced
    won = winners(races.position, races.offsets, evaluation)
    rows = np.repeat(counts, races.sizes)
    inside = races.take(counts)
    ece = [
        float(metrics.ece(side.win[rows], won[rows], inside.offsets, evaluation.calibration_bins))
        if counts.any()
        else float("nan")
        for side in sides
    ]
    return PoolRaces(
        pool=pool,
        production_ndcg=sides[0].ndcg[counts],
        candidate_ndcg=sides[1].ndcg[counts],
        production_loss=sides[0].loss[counts],
        candidate_loss=sides[1].loss[counts],
        meeting=inside.meeting,
        slices=slices(history.frame, inside),
        production_ece=ece[0],
        candidate_ece=ece[1],
    )


@dataclass(frozen=True, eq=False)
class Said:
    """What one version said of some races."""

    win: Floats
    """float64[N]."""
    priced: Bools
    """bool[R], whether the pool with the market answered."""
    ndcg: Floats
    """float64[R]."""
    loss: Floats

    @classmethod
    def of(cls, model: RaceModel, races: RaceMatrix, evaluation: EvaluationPolicy) -> Said:
        """Return what a model says of some races."""
        score, win, priced = model.priced(races)
        gain, won = gains(races.position, races.offsets, evaluation), winners(races.position, races.offsets, evaluation)
        ndcg, loss = metrics.ndcg(score, gain, races.offsets, RANKS), metrics.log_loss(win, won, races.offsets)
        return cls(win, priced, ndcg, loss)


def as_asked(races: RaceMatrix, pool: str) -> RaceMatrix:
    """Return races as a pool is asked of them: the one of form sees no odds."""
    return replace(races, market=np.full_like(races.market, np.nan)) if pool == "form" else races


def slices(frame: pd.DataFrame, races: RaceMatrix) -> dict[str, Texts]:
    """Return what each race is called by in each way of slicing, object[R]; "" where it is not known."""
    known = frame.drop_duplicates("race_id").set_index("race_id")
    found = {
        name: known[name].reindex(races.race_id).astype(object).fillna("").to_numpy(dtype=object)
        for name in ("country", "course", "race_type", "surface")
    }
    found["field_size"] = np.array([_field(int(size)) for size in races.sizes], dtype=object)
    return found


def _field(size: int) -> str:
    return next(name for most, name in FIELDS if size <= most)
