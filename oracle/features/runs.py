"""What one run says about the horse, and about those who rode, trained and drew: the quantities that ledgers collect.

All of it becomes known with the result. It is only ever read as history: a run's own row is folded into the ledgers
after the race has been read, never before.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from oracle.features import within
from oracle.features.keys import keys
from oracle.features.ledger import Entry, Ledger, LedgerSpec
from oracle.features.races import Races
from oracle.race import Status
from oracle.ranking.races import Bools, Floats

PAR_LEDGERS: tuple[LedgerSpec, ...] = (
    LedgerSpec("par", ("course", "surface", "race_type", "distance"), (Entry("pace", "pace", half_life_days=1100.0),)),
    LedgerSpec(
        "par_going", ("course", "surface", "going_band"), (Entry("deviation", "deviation", half_life_days=730.0),)
    ),
    LedgerSpec("par_day", ("course", "surface", "day"), (Entry("variant", "variant"),)),
)
"""What time a course asks for: by distance, by going, and by the day's own speed (Beyer's track variant)."""

DAY_PRIOR = 20.0
"""Runs of earlier races today that the day's variant needs before half of it is believed."""

SPEED_CAP = 6.0
"""Seconds per kilometre: a horse walked home says no more than this."""

MILE_M = 1609.344
CAP = 30.0
"""Lengths: a horse eased down is beaten by any number, and it says no more than this."""

MARKET_FLOOR = 1e-4


def speed(races: Races, pars: Mapping[str, Ledger], unrun: Bools | None = None) -> Floats:
    """Return float64[N], the speed figure of each run: seconds per kilometre faster than par for course and conditions.

    Learns the pars on the way, in the order of off times, so that a figure rests on earlier races only; a figure once
    given never changes. NaN where there is no time, or no par yet.
    """
    pace = races.numbers["time_s"] / races.numbers["distance_m"] * 1000.0
    figure = np.where((pace > 40.0) & (pace < 120.0), pace, np.nan)
    for spec in PAR_LEDGERS:
        figure = figure - _learn_par(races, pars[spec.name], figure, unrun)
    return np.clip(-figure, -SPEED_CAP, SPEED_CAP)


def _learn_par(races: Races, ledger: Ledger, figure: Floats, unrun: Bools | None) -> Floats:
    account = ledger.accounts(*keys(races, ledger.spec.key), open_new=True)
    into = None if unrun is None else np.where(unrun, -1, account)
    value, weight, _ = ledger.walk(races.offsets, races.off, account, figure[:, None], known_after=0.0, into=into)
    if ledger.spec.name == "par":
        return value[:, 0]
    return np.nan_to_num(value[:, 0]) * weight[:, 0] / (weight[:, 0] + DAY_PRIOR)


def facts(races: Races, pars: Mapping[str, Ledger], unrun: Bools | None = None) -> dict[str, Floats]:
    """Return every quantity a ledger entry can ask for, float64[N] each; NaN where the run does not say.

    Args:
        races: Races that have been run.
        pars: The par ledgers, which learn from these races.
        unrun: bool[N], runners of cards: nothing is learned from them.
    """
    n, offsets, numbers = races.field_size, races.offsets, races.numbers
    position = numbers["position"]
    finished = ~np.isnan(position)
    rivals = np.maximum(n - 1.0, 1.0)
    market = races.market
    won = np.where(position == 1, 1.0, 0.0)
    behind = lengths_behind(races)
    finish = np.where(finished, np.clip(1.0 - (position - 1.0) / rivals, 0.0, 1.0), 0.0)
    excess = finish - within.expected_finish(np.maximum(market, MARKET_FLOOR), offsets)
    early = 1.0 - (numbers["first_call"] - 1.0) / rivals
    stall = np.clip((numbers["draw"] - 1.0) / rivals, 0.0, 1.0)
    status = races.texts["status"]
    return {
        "run": np.ones(races.runners),
        "won": won,
        "placed": np.where(position <= 3, 1.0, 0.0),
        "finish": finish,
        "excess": excess,
        "front_excess": (early - 0.5) * excess,
        "wide_excess": (stall - 0.5) * excess,
        "light_excess": -within.centred(numbers["weight_kg"], offsets) * excess,
        "position": position,
        "failed": (~finished & np.array([s != Status.DISQUALIFIED for s in status], dtype=np.bool_)).astype(np.float64),
        "behind": behind,
        "margin": within.mean(behind, offsets) - behind,
        "expected": market,
        "surprise": won - market,
        "market": np.log(np.maximum(market, MARKET_FLOOR) * n),
        "early": early,
        "late": (numbers["first_call"] - position) / rivals,
        "early_won": np.where(position == 1, 1.0 - (numbers["first_call"] - 1.0) / rivals, np.nan),
        "split": -within.centred(numbers["last_split_s"], offsets),
        "speed": speed(races, pars, unrun),
        "field": n,
        "class": np.log1p(numbers["prize"]),
        "rating": numbers["official_rating"],
        "weight": numbers["weight_kg"],
        "body": numbers["body_weight_kg"],
        "distance": np.log(numbers["distance_m"]),
        "wetness": races.wetness,
        "published_speed": numbers["speed_rating"],
        "published_merit": numbers["performance_rating"],
    }


def lengths_behind(races: Races) -> Floats:
    """Return float64[N], lengths behind the winner per mile run, capped; from times where lengths are missing.

    A length is 0.17 s at racing pace. Scaled to a mile because distances between horses grow with the distance run.
    """
    lengths = races.numbers["beaten_lengths"]
    time = races.numbers["time_s"]
    fastest = -np.maximum.reduceat(np.nan_to_num(-time, nan=-np.inf), races.offsets[:-1])
    by_time = (time - np.repeat(fastest, np.diff(races.offsets))) / 0.17
    lengths = np.where(np.isnan(lengths), by_time, lengths)
    lengths = np.where(races.numbers["position"] == 1, 0.0, lengths)
    lengths = np.where(np.isnan(races.numbers["position"]), np.nan, lengths)
    scale = np.where(np.isnan(races.numbers["distance_m"]), 1.0, MILE_M / races.numbers["distance_m"])
    return np.minimum(lengths * scale, CAP)
