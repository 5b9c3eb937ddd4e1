"""What a gateway does beside its requests: follow results and experiments, keep the guardrails, report its gauges."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oracle.errors import Unavailable
from oracle.serving.gateway import Gateway
from oracle.serving.keeping import need_store
from oracle.serving.outages import Following
from oracle.serving.watch import Chore, Watch
from oracle.store import Experiment, Pulse, Store

GUARD_EVERY = 10.0
"""Seconds between two looks at the guardrails of a running experiment."""
SCORE_EVERY = 30.0
"""Seconds between two looks at how the arms do on the races run since."""
GAUGE_EVERY = 1.0

Guard = Callable[[Store, Experiment, dt.datetime], str | None]
"""Says why an experiment has to end at once, or None."""
Standing = Callable[[Store, Experiment], Mapping[str, float]]
"""Says the running NDCG@3 of each arm."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """What is looked at besides results and experiments; None where nothing is."""

    guard: Guard | None = None
    standing: Standing | None = None


def tend(
    gateway: Gateway,
    tasks: Tasks,
    now: Callable[[], dt.datetime],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Watch:
    """Return what looks after a gateway: its `look` is to be called twice a second, beside the event loop.

    Args:
        gateway: The gateway.
        tasks: What is looked at besides results and experiments.
        now: The clock, UTC.
        clock: Seconds that only grow.
    """
    scores = _Scores(gateway, tasks.standing)
    return Watch(
        lambda: _pulse(gateway),
        on_results=gateway.slot.catch_up,
        on_experiments=lambda: gateway.rule(gateway.store.experiments.running()),
        chores=(
            Chore(GAUGE_EVERY, lambda: _gauges(gateway)),
            Chore(GUARD_EVERY, lambda: _guard(gateway, tasks.guard, now)),
            Chore(SCORE_EVERY, scores),
            Chore(GAUGE_EVERY, scores.tell),
        ),
        clock=clock,
    )


def look(gateway: Gateway, watch: Watch) -> None:
    """Look once after a gateway, and let it know what the look could not see."""
    try:
        watch.look()
        gateway.slot.look_again()
    except Exception as error:
        what = f"results and experiments are not followed: {type(error).__name__}: {error}"
        gateway.trouble = Unavailable(what, next_step="the server's log shows where it happened")
        raise
    gateway.trouble = watch.trouble


def follow(gateway: Gateway, following: Following) -> None:
    """Look once after the registry, and let the gateway know what could not be followed."""
    following.look()
    gateway.unfollowed = following.trouble


def _pulse(gateway: Gateway) -> Pulse:
    """Ask our store how far it has come; where nobody asks for cards, this is what notices that it is away."""
    standby = gateway.commit.standby
    if standby is None:
        return gateway.store.pulse()
    need_store(gateway.commit)
    try:
        return gateway.store.pulse(patience=gateway.kit.patience)
    except Unavailable as error:
        standby.suspect(error)
        raise


def _gauges(gateway: Gateway) -> None:
    """Say every gauge again, also one that did not change: Ray forgets a gauge that nobody sets."""
    loaded = gateway.slot.loaded
    gateway.kit.tally.gauge("oracle_form_seq", value=0 if loaded is None else loaded.seq)
    tally, shadow, commit = gateway.kit.tally, gateway.shadow, gateway.commit
    tally.gauge("oracle_shadow_depth", value=shadow.depth)
    tally.gauge("oracle_shadow_lag_seconds", value=shadow.lag)
    tally.gauge("oracle_commit_depth", value=commit.depth)
    tally.gauge("oracle_commit_seconds", value=commit.last_commit_seconds)
    for name, by in gateway.shadow_since().items():
        if by:
            tally.count(f"oracle_shadow_{name}", by=by)
    _outage_gauges(gateway)


def _outage_gauges(gateway: Gateway) -> None:
    tally, standby, moment = gateway.kit.tally, gateway.commit.standby, dt.datetime.now(dt.UTC)
    for name, away in (("store", gateway.commit.away), ("registry", gateway.registry_away)):
        tally.gauge(f"oracle_{name}_away_seconds", value=0.0 if away is None else (moment - away.since).total_seconds())
    if standby is not None:
        tally.gauge("oracle_spool_rows", value=standby.waiting)
        tally.gauge("oracle_spool_bytes", value=standby.size)
        tally.gauge("oracle_spool_refused", value=standby.refused)
        tally.gauge("oracle_spool_otherwise", value=standby.otherwise)


def _guard(gateway: Gateway, guard: Guard | None, now: Callable[[], dt.datetime]) -> None:
    """End an experiment whose guardrail is breached: its traffic returns to the control by the next look."""
    if guard is None:
        return
    for experiment in gateway.store.experiments.running():
        breach = guard(gateway.store, experiment, now())
        if breach is not None:
            gateway.store.experiments.end(experiment.name, "rolled_back", breach, "guardrail", now())
            gateway.rule(gateway.store.experiments.running())


class _Scores:
    """Reports how the arms do, anew only where there are results that were not there the last time."""

    def __init__(self, gateway: Gateway, standing: Standing | None) -> None:
        self._gateway, self._standing = gateway, standing
        self._seen = 0
        self._ndcg: dict[tuple[str, str], float] = {}

    def __call__(self) -> None:
        latest = self._gateway.store.results.latest()
        running = self._gateway.store.experiments.running()
        names = {experiment.name for experiment in running}
        self._ndcg = {key: ndcg for key, ndcg in self._ndcg.items() if key[0] in names}
        if self._standing is None or latest == self._seen:
            return
        for experiment in running:
            for arm, ndcg in self._standing(self._gateway.store, experiment).items():
                self._ndcg[experiment.name, arm] = ndcg
        self._seen = latest
        self.tell()

    def tell(self) -> None:
        """Say the last known scores again."""
        for (experiment, arm), ndcg in self._ndcg.items():
            self._gateway.kit.tally.gauge("oracle_ndcg_at_3", experiment, arm, value=ndcg)
