"""The feature sets, gathered from the chapters, and their fingerprints.

A model is saved with the fingerprint of the set it was trained on and refuses any other: a feature whose meaning moved
under a trained model is an error that no metric shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from types import MappingProxyType

from oracle.errors import BadInput
from oracle.features import conditions, connections, form, market, suitability
from oracle.features.feature import Feature
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.ledgers import LEDGERS
from oracle.features.ratings import PARTICIPANTS, RatingPolicy
from oracle.features.runs import PAR_LEDGERS

_FORM: tuple[Feature, ...] = (
    *conditions.FEATURES,
    *form.FEATURES,
    *suitability.FEATURES,
    *connections.FEATURES,
)

SETS: Mapping[str, tuple[Feature, ...]] = MappingProxyType({"form": _FORM, "market": (*_FORM, *market.FEATURES)})
"""`form` uses nothing of the race's own odds; `market` adds them. Odds of earlier races are history to both."""

BEYOND_MARKET: frozenset[str] = frozenset(f.name for f in SETS["market"] if f.beyond_market)
"""The features that are measured against what the market expected."""


def features(name: str) -> tuple[Feature, ...]:
    """Return the features of a set: `form` (nothing of this race's odds) or `market` (with them).

    Raises:
        BadInput: there is no such set.
    """
    if name not in SETS:
        raise BadInput("no such feature set", value=name, allowed=SETS)
    return SETS[name]


@cache
def names(name: str) -> tuple[str, ...]:
    """Return the names of the features of a set, in the order of the columns."""
    return tuple(f.name for f in features(name))


def fingerprint(name: str) -> str:
    """Return the version of a feature set: a digest of its names and versions and of all that the state collects.

    Two installations with equal fingerprints compute the same matrix from the same races.
    """
    parts = [f"{f.name}:{f.version}" for f in features(name)]
    parts += [repr(spec) for spec in (*LEDGERS, *PAR_LEDGERS, *PARTICIPANTS)]
    parts += [repr(asdict(RatingPolicy())), str(KNOWN_AFTER)]
    return f"{name}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"
