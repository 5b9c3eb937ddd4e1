"""Features of the horse's own record: how it ran, how lately, how fast, against whom, what bettors thought of it."""

from __future__ import annotations

import numpy as np

from oracle.features.feature import Feature, Missing, Source
from oracle.race import Known

STRENGTH_OF_PRIOR = 3.0
"""Runs' worth of belief that a horse is average, before its own record is believed."""


def _history(name: str, missing: Missing, meaning: str, compute) -> Feature:  # type: ignore[no-untyped-def]
    beyond = any(word in name for word in ("surprise", "excess"))
    return Feature(name, Source.HISTORY, Known.DECLARED, missing, meaning, compute, beyond_market=beyond)


def _compared(entry: str, meaning: str) -> tuple[Feature, Feature]:
    """Return an entry of the horse's ledger as it is, and compared with the race's mean."""
    key = f"horse.{entry}"
    return (
        _history(entry, Missing.NAN, meaning, lambda v: v.mean(key)),
        _history(f"{entry}_rel", Missing.NAN, f"{meaning} Minus the race's mean.", lambda v: v.centred(v.mean(key))),
    )


def _plain(entry: str, meaning: str) -> Feature:
    key = f"horse.{entry}"
    return _history(entry, Missing.NAN, meaning, lambda v: v.mean(key))


def _rating(column: int, name: str, meaning: str) -> tuple[Feature, Feature]:
    return (
        _history(name, Missing.NAN, meaning, lambda v: v.centred(v.reading.ratings[:, column])),
        _history(
            f"{name}_lead",
            Missing.NAN,
            f"{meaning} Above the best rival's.",
            lambda v: v.lead(v.reading.ratings[:, column]),
        ),
    )


FEATURES: tuple[Feature, ...] = (
    _history("runs", Missing.ZERO, "Career runs.", lambda v: v.weight("horse.run")),
    _history("busy", Missing.ZERO, "Runs lately, half-life 45 days.", lambda v: v.weight("horse.busy")),
    _history("days_off", Missing.NAN, "Days since the last run.", lambda v: v.days_since("horse")),
    _history(
        "win_rate", Missing.PRIOR, "Career win rate, shrunk.", lambda v: v.shrunk("horse.won", 0.09, STRENGTH_OF_PRIOR)
    ),
    _history(
        "place_rate",
        Missing.PRIOR,
        "Career rate of the first three, shrunk.",
        lambda v: v.shrunk("horse.placed", 0.27, STRENGTH_OF_PRIOR),
    ),
    _history(
        "win_rate_rel",
        Missing.PRIOR,
        "Career win rate, shrunk, minus the race's mean.",
        lambda v: v.centred(v.shrunk("horse.won", 0.09, STRENGTH_OF_PRIOR)),
    ),
    *_compared("finish", "Career finish, 1 first to 0 last."),
    *_compared("margin", "Career lengths per mile better than the field."),
    *_compared("speed", "Career speed figure."),
    *_compared("market", "Career log of market probability times field size."),
    *_compared("excess", "Career rivals beaten beyond the market's expectation."),
    *_compared("recent_excess", "Recent rivals beaten beyond the market's expectation."),
    *_compared("last_excess", "Last rivals beaten beyond the market's expectation."),
    _plain("surprise", "Career wins above the market's expectation, per run."),
    _plain("failed", "Share of runs not completed."),
    *_compared("recent_finish", "Recent finish, 1 first to 0 last."),
    *_compared("recent_margin", "Recent lengths per mile better than the field."),
    *_compared("recent_speed", "Recent speed figure."),
    *_compared("recent_market", "Recent log of market probability times field size."),
    *_compared("recent_class", "Recent log prize money."),
    *_compared("recent_split", "Recent closing sections against the field, seconds faster."),
    *_compared("recent_published_speed", "Recent published speed figures."),
    *_compared("recent_published_merit", "Recent published ratings of the runs."),
    _plain("recent_surprise", "Recent wins above the market's expectation."),
    _plain("recent_failed", "Recent share of runs not completed."),
    *_compared("recent_early", "Recent place at the first call, 1 leader to 0 last."),
    *_compared("recent_late", "Recent places made up after the first call."),
    *_compared("last_finish", "Last finish."),
    *_compared("last_margin", "Last lengths per mile better than the field."),
    *_compared("last_speed", "Last speed figure."),
    *_compared("last_market", "Last log of market probability times field size."),
    *_compared("last_published_speed", "Last published speed figure."),
    *_compared("last_published_merit", "Last published rating of a run."),
    _plain("last_position", "Last finishing position."),
    _plain("last_field", "Field size last time."),
    _plain("last_early", "Place at the first call last time."),
    *_compared("best_speed", "Best speed figure."),
    *_compared("best_margin", "Best lengths per mile better than the field."),
    *_compared("best_published_speed", "Best published speed figure."),
    *_compared("best_published_merit", "Best published rating of a run."),
    *_compared("best_class", "Highest log prize money run for."),
    *_rating(0, "strength_horse", "The horse's part of the Plackett-Luce rating, minus the race's mean."),
    *_rating(3, "merit", "Rating in lengths per mile, minus the race's mean."),
    _history(
        "strength",
        Missing.ZERO,
        "Plackett-Luce rating of horse, jockey and trainer together, minus the race's mean.",
        lambda v: v.centred(v.reading.ratings[:, :3].sum(axis=1)),
    ),
    _history(
        "strength_ahead",
        Missing.ZERO,
        "Share of rivals with a higher rating.",
        lambda v: v.ahead(v.reading.ratings[:, :3].sum(axis=1)),
    ),
    _history(
        "rivals",
        Missing.NAN,
        "Mean rating in lengths of the race's runners: how strong the company is.",
        lambda v: v.reading.ratings[:, 3] - v.centred(v.reading.ratings[:, 3]),
    ),
    Feature(
        "merit_at_weight",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.NAN,
        "Rating in lengths less half a length for each kilogram carried, minus the race's mean.",
        lambda v: v.centred(v.reading.ratings[:, 3] - 0.5 * v.card("weight_kg")),
    ),
    _history(
        "rushed",
        Missing.NAN,
        "Expected early speed of the rivals: how hard the race will be run.",
        lambda v: v.mean("horse.recent_early") - v.centred(v.mean("horse.recent_early")),
    ),
    _history(
        "improving",
        Missing.NAN,
        "Recent speed figure above the career's.",
        lambda v: v.mean("horse.recent_speed") - v.mean("horse.speed"),
    ),
    _history(
        "backed_before",
        Missing.NAN,
        "Last market above the recent one: who bettors came for.",
        lambda v: v.mean("horse.last_market") - v.mean("horse.recent_market"),
    ),
    _history(
        "first_run", Missing.ZERO, "Never ran before.", lambda v: np.isnan(v.days_since("horse")).astype(np.float64)
    ),
)
