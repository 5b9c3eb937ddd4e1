"""Features of the card itself: field, draw, weight, age, rating, and what has changed since the last run."""

from __future__ import annotations

import numpy as np

from oracle.features.feature import Feature, Missing, Source, View
from oracle.race import Known
from oracle.ranking.races import Floats


def _card(name: str, meaning: str, column: str) -> tuple[Feature, Feature]:
    """Return a column of the card as it is, and compared with the race's mean."""
    return (
        Feature(name, Source.CARD, Known.DECLARED, Missing.NAN, meaning, lambda v: v.card(column)),
        Feature(
            f"{name}_rel",
            Source.CARD,
            Known.DECLARED,
            Missing.NAN,
            f"{meaning} Minus the race's mean.",
            lambda v: v.centred(v.card(column)),
        ),
    )


def _change(name: str, meaning: str, now: str, entry: str) -> Feature:
    return Feature(
        name,
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.NAN,
        meaning,
        lambda v: v.card(now) - v.mean(entry),
    )


def _flag(name: str, meaning: str, column: str, *values: str) -> Feature:
    return Feature(name, Source.CARD, Known.DECLARED, Missing.ZERO, meaning, lambda v: v.text_is(column, *values))


def draw_place(v: View) -> Floats:
    """Return float64[N], the stall as a share of the field: 0 innermost, 1 outermost."""
    return np.clip((v.card("draw") - 1.0) / np.maximum(v.races.field_size - 1.0, 1.0), 0.0, 1.0)


def _class_change(v: View) -> Floats:
    return np.log1p(v.card("prize")) - v.mean("horse.last_class")


def _distance_change(v: View) -> Floats:
    return np.log(v.card("distance_m")) - v.mean("horse.last_distance")


FEATURES: tuple[Feature, ...] = (
    Feature("field_size", Source.CARD, Known.OFF, Missing.ZERO, "Number of starters.", lambda v: v.races.field_size),
    Feature("distance", Source.CARD, Known.DECLARED, Missing.NAN, "Metres.", lambda v: v.card("distance_m")),
    Feature("wetness", Source.CARD, Known.DECLARED, Missing.NAN, "Going, dry to wet.", lambda v: v.races.wetness),
    Feature(
        "prize_log",
        Source.CARD,
        Known.DECLARED,
        Missing.NAN,
        "Log of prize money.",
        lambda v: np.log1p(v.card("prize")),
    ),
    _flag("turf", "Run on turf.", "surface", "turf"),
    _flag("jumps", "Over hurdles or fences.", "race_type", "hurdle", "chase"),
    _flag("female", "Filly or mare.", "sex", "filly", "mare"),
    _flag("gelding", "Gelding.", "sex", "gelding"),
    *_card("draw", "Starting stall.", "draw"),
    Feature("draw_place", Source.CARD, Known.OFF, Missing.NAN, "Stall as share of the field, 0 inside.", draw_place),
    *_card("weight", "Weight carried, kg.", "weight_kg"),
    *_card("age", "Age in years.", "age"),
    *_card("rating", "Official rating.", "official_rating"),
    Feature(
        "rating_lead",
        Source.CARD,
        Known.DECLARED,
        Missing.NAN,
        "Official rating above the best rival's.",
        lambda v: v.lead(v.card("official_rating")),
    ),
    *_card("body_weight", "The horse's own weight, kg.", "body_weight_kg"),
    Feature(
        "burden",
        Source.CARD,
        Known.DECLARED,
        Missing.NAN,
        "Weight carried over own weight, minus the race's mean.",
        lambda v: v.centred(v.card("weight_kg") / v.card("body_weight_kg")),
    ),
    _change("weight_change", "Weight carried minus last time's, kg.", "weight_kg", "horse.last_weight"),
    _change("body_change", "Own weight minus last time's, kg.", "body_weight_kg", "horse.last_body"),
    _change("rating_change", "Official rating minus last time's.", "official_rating", "horse.last_rating"),
    Feature(
        "class_change",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.NAN,
        "Log prize minus last time's: up or down in class.",
        _class_change,
    ),
    Feature(
        "class_above_usual",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.NAN,
        "Log prize minus the career's mean.",
        lambda v: np.log1p(v.card("prize")) - v.mean("horse.class"),
    ),
    Feature(
        "distance_change",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.NAN,
        "Log distance minus last time's.",
        _distance_change,
    ),
    Feature(
        "distance_unusual",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.NAN,
        "Log distance minus the career's mean.",
        lambda v: np.log(v.card("distance_m")) - v.mean("horse.distance"),
    ),
    Feature(
        "going_change",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.NAN,
        "Wetness minus last time's.",
        lambda v: v.races.wetness - v.mean("horse.last_wetness"),
    ),
)
