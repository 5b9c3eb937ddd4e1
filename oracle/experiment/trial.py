"""Two versions on the past races that neither was trained on, as if both had been asked at the off.

They read the same form, that of a dataset walked race by race, each race as of its off; all races are scored at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from oracle.data.dataset import Dataset
from oracle.ensemble.about import About
from oracle.ensemble.race_model import FEATURE_SET
from oracle.errors import NotEnoughData, Refused
from oracle.experiment.observed import PairedRaces
from oracle.features import build
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Texts, from_frame
from oracle.progress import Progress, silent
from oracle.ranking import metrics
from oracle.ranking.outcome import gains, winners
from oracle.ranking.races import Bools, Floats
from oracle.settings import EvaluationPolicy

RANKS = 3
BEFORE = 1000
"""Races before a trial that its bounds are tuned by."""


class Hindsight(Refused):
    """A model would be judged on races that it was trained on."""


class Rater(Protocol):
    """What a replay needs of a model (`oracle.ensemble.race_model.RaceModel`)."""

    @property
    def about(self) -> About:
        """What it says of itself."""
        ...

    def priced(self, races: RaceMatrix) -> tuple[Floats, Floats, Bools]:
        """Return score and win probability of each runner, float64[N], and which races the market pool answered."""
        ...


@dataclass(frozen=True, eq=False)
class Trial:
    """Both versions on the races of a period that neither was trained on."""

    races: PairedRaces
    country: Texts
    """object[R]: country of the course; "" where it is not known."""
    before: PairedRaces
    """The latest races before the period, for the tuning only."""
    left_out: int
    """Races of the period that count for neither: too few finishers, or a version without a score."""
    first: dt.date
    last: dt.date
    notes: tuple[str, ...] = ()
    """What the reader should know of this trial."""

    @property
    def races_per_day(self) -> float:
        """Races that counted, by the calendar days of the period."""
        return len(self.races) / ((self.last - self.first).days + 1)


def first_fair_date(*models: About) -> dt.date:
    """Return the first date that none of the models was trained on."""
    return max(dt.date.fromisoformat(about.trained_through) for about in models) + dt.timedelta(days=1)


def begin(since: dt.date | None, *models: About) -> dt.date:
    """Return the first date to replay: the one asked for, or the first that is fair to all.

    Raises:
        Hindsight: a model was trained on races of the date asked for, or later.
    """
    first = first_fair_date(*models)
    if since is not None and since < first:
        raise Hindsight(
            f"a model was trained on races through {first - dt.timedelta(days=1)}: it knows how they ended",
            value=str(since),
            allowed=f"{first} and later",
            next_step=f"--since {first}, or versions that were trained earlier",
        )
    return since or first


def trial(
    data: str,
    control: Rater,
    treatment: Rater,
    policy: EvaluationPolicy,
    *,
    since: dt.date | None = None,
    until: dt.date | None = None,
    odds: bool = True,
    progress: Progress = silent,
    walked: Callable[[str], RaceMatrix] | None = None,
) -> Trial:
    """Return what both versions come to on the races of a dataset that neither was trained on.

    Args:
        data: Path of the dataset: the history that the models were trained on, and later races.
        control: The one in use.
        treatment: The one that is to prove itself.
        policy: Which races count, and what is relevant in them.
        since: First date; by default the first that is fair to both.
        until: Last date; by default the dataset's.
        odds: Whether cards carry the dataset's odds; without, the form ensembles answer.
        progress: Told of each chunk.
        walked: Returns the races of the dataset with their features, by the way of taking the margin out of the odds;
            for those who have walked them already.

    Raises:
        Hindsight: a model was trained on races of that period, or the dataset has none after.
        NoSuchDataset: there is no dataset at the path.
        NotEnoughData: no race of the period counts.
    """
    first = begin(since, control.about, treatment.about)
    dataset = Dataset(data)
    newest = dataset.summary().last_date
    last = min(until or newest, newest) if newest else None
    if last is None or last < first:
        raise Hindsight(
            "there is no race in the period that neither model was trained on",
            value=f"races through {last}",
            allowed=f"races of {first} and later",
            next_step="ingest later results, or replay versions that were trained earlier",
        )
    frame = dataset.read()
    walk = walked or (lambda overround: build.history(from_frame(frame, overround), FEATURE_SET, progress=progress))
    both = _both(frame, control, treatment, policy, odds, walk)
    counts = ~np.isnan(both.control) & ~np.isnan(both.treatment)
    day = both.matrix.dates
    inside = (day >= np.datetime64(first)) & (day <= np.datetime64(last))
    if not (inside & counts).any():
        raise NotEnoughData(
            f"no race from {first} to {last} counts",
            value=f"{int(inside.sum())} races",
            allowed=f"races with at least {policy.min_finishers} finishers and a score of both versions",
            next_step="ingest later results",
        )
    earlier = np.flatnonzero((day < np.datetime64(first)) & counts)[-BEFORE:]
    return Trial(
        races=both.paired(inside & counts),
        country=both.country[inside & counts],
        before=both.paired(np.isin(np.arange(len(day)), earlier)),
        left_out=int((inside & ~counts).sum()),
        first=first,
        last=last,
        notes=_notes(both.matrix, control.about, treatment.about),
    )


def _notes(races: RaceMatrix, *models: About) -> tuple[str, ...]:
    begins, history = str(races.dates.min()), min(about.first_date for about in models)
    if not history or begins <= history:
        return ()
    return (
        f"the dataset begins {begins}, a model's history {history}: both read a thinner form than they learned from",
    )


@dataclass(frozen=True, eq=False)
class _Both:
    """Every race of a dataset under both versions; NaN where a race does not count or a version has no score."""

    matrix: RaceMatrix
    control: Floats
    treatment: Floats
    control_loss: Floats
    treatment_loss: Floats
    country: Texts

    def paired(self, mask: Bools) -> PairedRaces:
        """Return some of the races; a matrix has them in the order in which their results become known."""
        return PairedRaces(
            race_key=self.matrix.race_id[mask],
            meeting=self.matrix.meeting[mask],
            known_at=self.matrix.off[mask] + KNOWN_AFTER,
            control=self.control[mask],
            treatment=self.treatment[mask],
            control_loss=self.control_loss[mask],
            treatment_loss=self.treatment_loss[mask],
        )


def _both(
    frame: pd.DataFrame,
    control: Rater,
    treatment: Rater,
    policy: EvaluationPolicy,
    odds: bool,
    walked: Callable[[str], RaceMatrix],
) -> _Both:
    matrices = {overround: walked(overround) for overround in {control.about.overround, treatment.about.overround}}
    if not odds:
        matrices = {k: replace(m, market=np.full_like(m.market, np.nan)) for k, m in matrices.items()}
    scored = [_scored(model, matrices[model.about.overround], policy) for model in (control, treatment)]
    matrix = matrices[control.about.overround]
    known = frame.drop_duplicates("race_id").set_index("race_id")["country"]
    country = known.reindex(matrix.race_id).astype(object).fillna("").to_numpy(dtype=object)
    (ndcg, loss), (other, other_loss) = scored
    return _Both(matrix, ndcg, other, loss, other_loss, country)


def _scored(model: Rater, races: RaceMatrix, policy: EvaluationPolicy) -> tuple[Floats, Floats]:
    """Return float64[R] each: NDCG@3 and log-loss of a version."""
    score, win, _ = model.priced(races)
    return (
        metrics.ndcg(score, gains(races.position, races.offsets, policy), races.offsets, RANKS),
        metrics.log_loss(win, winners(races.position, races.offsets, policy), races.offsets),
    )
