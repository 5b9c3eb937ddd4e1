"""Features of the race's own odds. Final odds exist at the off only: a card is answered with the odds it came with."""

from __future__ import annotations

import numpy as np

from oracle.features.feature import Feature, Missing, Source, View
from oracle.features.runs import MARKET_FLOOR
from oracle.race import Known
from oracle.ranking.races import Floats


def log_probability(v: View) -> Floats:
    """Return the log of the market's win probability, overround removed; NaN where a starter has no odds."""
    return np.log(np.maximum(v.market(), MARKET_FLOOR))


def _odds(name: str, meaning: str, compute) -> Feature:  # type: ignore[no-untyped-def]
    return Feature(name, Source.MARKET, Known.OFF, Missing.NAN, meaning, compute)


FEATURES: tuple[Feature, ...] = (
    _odds("market_log", "Log of the market's probability.", log_probability),
    _odds("market_log_rel", "The same, minus the race's mean.", lambda v: v.centred(log_probability(v))),
    _odds("market_lead", "The same, above the best rival's.", lambda v: v.lead(log_probability(v))),
    _odds("market_ahead", "Share of rivals the market likes better.", lambda v: v.ahead(log_probability(v))),
    _odds(
        "market_move",
        "Log of market probability times field size, minus its recent value: more or less fancied than usual.",
        lambda v: log_probability(v) + np.log(v.races.field_size) - v.mean("horse.recent_market"),
    ),
)
