"""The evidence of `oracle model compare`: two registered versions on the races that neither learned from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oracle.ensemble.race_model import RaceModel
from oracle.errors import NotEnoughData
from oracle.experiment.trial import first_fair_date
from oracle.features.matrix import RaceMatrix
from oracle.progress import Progress
from oracle.race import RaceCard
from oracle.ranking import metrics
from oracle.ranking.calibration import reliability_table
from oracle.ranking.outcome import winners
from oracle.ranking.races import Bools, Floats
from oracle.registry.compare import Evidence, OnRaces, SameRaces, Side
from oracle.registry.lifecycle import download
from oracle.registry.versions import ModelVersion
from oracle.retraining.measuring import Said, as_asked, slices
from oracle.settings import EvaluationPolicy, Settings
from oracle.tracking.connection import Tracking, reaching
from oracle.training import history
from oracle.training.history import History
from oracle.training.learning import latest_cards

BINS = 10
"""Of the reliability curves: two have to be read in one picture."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A version with its model."""

    side: Side
    model: RaceModel


def load(settings: Settings, tracking: Tracking, version: ModelVersion) -> Loaded:
    """Return a version with what its run recorded, and its model, proven to be what was registered."""
    model = RaceModel.load(download(tracking, version, settings.root / "models"))
    with reaching(tracking.uri):
        run = tracking.client.get_run(version.run_id).data if version.run_id else None
    blend = model.market or model.form
    return Loaded(
        Side(
            version=version.label,
            number=version.number,
            created=version.created.isoformat(timespec="seconds"),
            run_id=version.run_id,
            aliases=version.aliases,
            lifecycle=version.lifecycle,
            facts=version.facts,
            trained_through=model.about.trained_through,
            parameters=dict(run.params) if run else {},
            metrics=dict(run.metrics) if run else {},
            importance={name: member.importance() for name, member in model.members.items()},
            weights=dict(blend.weights),
        ),
        model,
    )


def measure(settings: Settings, data: str, a: RaceModel, b: RaceModel, progress: Progress) -> Evidence:
    """Return what both do on the races of a dataset that neither learned from, and how long a card takes.

    Raises:
        NotEnoughData: one of them learned from every race there is.
    """
    first = first_fair_date(a.about, b.about)
    walked = {o: history.read(data, progress, o) for o in sorted({a.about.overround, b.about.overround})}
    whole = walked[a.about.overround]
    later: Bools = whole.matrix.dates >= np.datetime64(first)
    if not later.any():
        raise NotEnoughData(
            "one of the two learned from every race of the dataset",
            value=str(whole.summary.last_date),
            allowed=f"races of {first} and later",
            next_step="ingest later results, or leave --data out: what each run recorded is compared",
        )
    pools = [
        _pool(pool, walked, (a, b), later, settings.evaluation)
        for pool in ("market", "form")
        if pool == "form" or _able(whole.matrix.take(later), a, b)
    ]
    return Evidence(
        data=data,
        first_date=str(first),
        last_date=str(whole.summary.last_date),
        excluded=int((~later).sum()),
        pools=tuple(pools),
        latency_ms=_in_turns(a, b, latest_cards(whole)),
    )


def _able(races: RaceMatrix, *models: RaceModel) -> bool:
    return all(model.market is not None for model in models) and bool(np.isfinite(races.market).any())


def _pool(
    pool: str, walked: dict[str, History], models: Sequence[RaceModel], later: Bools, evaluation: EvaluationPolicy
) -> SameRaces:
    own = [as_asked(walked[model.about.overround].matrix.take(later), pool) for model in models]
    said = [Said.of(model, races, evaluation) for model, races in zip(models, own, strict=True)]
    counts: Bools = ~np.isnan(said[0].ndcg) & ~np.isnan(said[1].ndcg)
    if pool == "market":
        counts &= said[0].priced & said[1].priced
    races, frame = own[0], walked[models[0].about.overround].frame
    rows, inside = np.repeat(counts, races.sizes), races.take(counts)
    a, b = (_on(each, races, inside, rows, counts, evaluation) for each in said)
    return SameRaces(pool, a, b, inside.meeting, slices(frame, inside) if len(inside) else {})


def _on(
    said: Said, races: RaceMatrix, inside: RaceMatrix, rows: Bools, counts: Bools, evaluation: EvaluationPolicy
) -> OnRaces:
    won, win = winners(races.position, races.offsets, evaluation)[rows], said.win[rows]
    ece = float(metrics.ece(win, won, inside.offsets, evaluation.calibration_bins)) if counts.any() else float("nan")
    table = reliability_table(win, inside.position, inside.offsets, BINS) if counts.any() else ()
    return OnRaces(said.ndcg[counts], said.loss[counts], ece, table)


def _in_turns(a: RaceModel, b: RaceModel, cards: Sequence[RaceCard]) -> tuple[Floats, Floats]:
    """Return how long each takes to answer each card, milliseconds: both on every card, each first in turn."""
    times: dict[int, list[float]] = {0: [], 1: []}
    for model in (a, b):
        model.predict(cards[:1])  # the first call compiles
    for turn, card in enumerate(cards):
        for side in (0, 1) if turn % 2 else (1, 0):  # whoever comes second finds the card warm
            began = time.perf_counter()
            (a, b)[side].predict([card])
            times[side].append(1000.0 * (time.perf_counter() - began))
    return np.array(times[0]), np.array(times[1])
