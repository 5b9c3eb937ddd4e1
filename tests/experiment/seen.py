"""What tests on live traffic have seen, invented for tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from oracle.experiment.observed import ArmSeen, Observed, PairedRaces, SharePeriod, UserSums
from oracle.experiment.plan import Plan, make
from oracle.settings import ExperimentPolicy

START = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def plan(**changes: Any) -> Plan:
    told: dict[str, Any] = {
        "name": "spring",
        "control": "3",
        "treatments": ("4",),
        "shares": (0.1,),
        "mean": 0.55,
        "sd": 0.27,
        "rho": 0.95,
        "policy": ExperimentPolicy(max_days=60.0),
        "started_at": START,
    }
    return make(**told | changes)


def paired(differences: Any, *, days: float = 30.0, per_meeting: int = 8, worse: float = 0.0) -> PairedRaces:
    """Races with these differences, evenly over the days; `worse` is added to the treatment's log-loss."""
    d = np.asarray(differences, dtype=np.float64)
    chance = np.random.default_rng(5)
    loss = chance.normal(2.0, 0.5, d.size)
    return PairedRaces(
        race_key=np.array([f"r{i:05d}" for i in range(d.size)], dtype=object),
        meeting=np.array([f"m{i // per_meeting}" for i in range(d.size)], dtype=object),
        known_at=START.timestamp() + np.linspace(0.0, days * 86_400.0, d.size, endpoint=False),
        control=0.5 - d / 2.0,
        treatment=0.5 + d / 2.0,
        control_loss=loss,
        treatment_loss=loss + worse + chance.normal(0.0, 0.05, d.size),
    )


def arm(requests: int, *, failures: int = 0, slower: float = 1.0, seed: int = 1) -> ArmSeen:
    chance = np.random.default_rng(seed)
    users = requests // 5
    clicks = chance.binomial(5, 0.3, users).astype(np.float64)
    latencies = slower * chance.lognormal(1.0, 0.4, requests)
    return ArmSeen(requests, failures, latencies, {"click": UserSums.of(clicks, np.full(users, 5.0))})


def observed(
    races: PairedRaces,
    *,
    control: ArmSeen | None = None,
    treatment: ArmSeen | None = None,
    counts: tuple[int, ...] = (1800, 200),
    shares: tuple[float, ...] = (0.1,),
) -> Observed:
    return Observed(
        races=races,
        control=arm(9000) if control is None else control,
        treatment=arm(1000, seed=2) if treatment is None else treatment,
        periods=(SharePeriod(shares, counts),),
        first_at=START,
        last_at=START + dt.timedelta(days=30),
    )


def after(days: float) -> dt.datetime:
    return START + dt.timedelta(days=days)
