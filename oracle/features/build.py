"""From races to the matrix: a history is walked through the state; a card is read from it. One code for both."""

from __future__ import annotations

import itertools

import numpy as np

from oracle.features import books, program, registry
from oracle.features.feature import View
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.matrix import Floats32, RaceMatrix
from oracle.features.races import Races, Texts
from oracle.features.state import Reading, State, gaps
from oracle.progress import Progress, silent
from oracle.ranking.races import Bools, offsets_of

CHUNK = 400_000
"""Runners walked at a time, so that working memory does not grow with the history."""

FEW = 2_000
"""Runners up to which cards go through the compiled program, whose working memory is a number per step and runner."""


def matrix(races: Races, reading: Reading, feature_set: str) -> RaceMatrix:
    """Return the features of a set for races that have been read.

    Each feature sees only columns known by the moment it declares; asking for a later one raises.
    """
    features = registry.features(feature_set)
    values = np.empty((races.runners, len(features)), dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i, feature in enumerate(features):
            values[:, i] = feature.compute(View(races, reading, feature.known))
    values[np.isinf(values)] = np.nan
    return _whole(races, values, feature_set)


def _whole(races: Races, values: Floats32, feature_set: str) -> RaceMatrix:
    return RaceMatrix(
        values=values,
        names=registry.names(feature_set),
        offsets=races.offsets,
        off=races.off,
        day=races.day,
        position=races.numbers["position"],
        market=races.market,
        odds=races.numbers["odds"],
        race_id=races.texts["race_id"][races.offsets[:-1]],
        meeting=_meetings(races),
    )


def history(
    races: Races,
    feature_set: str,
    state: State | None = None,
    progress: Progress = silent,
    cards: Bools | None = None,
) -> RaceMatrix:
    """Return the matrix of a history, each race as of its off, and leave the state as it stands after it.

    Args:
        races: Races with results, ordered by off.
        feature_set: Name of the feature set.
        state: What was known before; carried forward in place. A new one where None.
        progress: Told of each chunk.
        cards: bool[R], which of the races are cards: they read what was known at their off, and nothing is learned
            from them.
    """
    state = State() if state is None else state
    parts, first = [], 0
    for part in progress(_chunks(races), "features", 1 + races.runners // CHUNK):
        own = None if cards is None else cards[first : first + len(part)]
        parts.append(matrix(part, state.walk(part, own), feature_set))
        first += len(part)
    return _joined(parts)


def card(races: Races, feature_set: str, state: State) -> RaceMatrix:
    """Return the matrix of cards as the state knows their runners now; the state is not changed."""
    return cards(races, feature_set, state)[0]


def cards(races: Races, feature_set: str, state: State) -> tuple[RaceMatrix, Bools]:
    """Return the matrix of cards, and which runners' horses ever ran in the history, bool[N].

    Few runners take the short way through the compiled program, many the way of a history; the numbers are the same.
    """
    if not 0 < races.runners <= FEW:
        reading = state.read(races)
        return matrix(races, reading, feature_set), ~np.isnan(reading.last["horse"])
    tables = state.read_cards(races)
    steps = program.program(feature_set)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = steps.run(races.offsets, program.columns(steps, races), tables)
    return _whole(races, values, feature_set), ~np.isnan(tables[2][:, books.NUMBER["horse"]])


def _chunks(races: Races) -> list[Races]:
    """Cut a history into parts between which no race is still being run."""
    allowed = gaps(races, KNOWN_AFTER)
    cuts = [0]
    for cut in allowed:
        if races.offsets[cut] - races.offsets[cuts[-1]] >= CHUNK:
            cuts.append(int(cut))
    cuts.append(len(races))
    return [races.slice(a, b) for a, b in itertools.pairwise(cuts) if b > a] or [races]


def _meetings(races: Races) -> Texts:
    first = races.offsets[:-1]
    dates = races.day.astype("datetime64[D]")
    return np.array([f"{c} {d}" for c, d in zip(races.texts["course"][first], dates, strict=True)], dtype=object)


def _joined(parts: list[RaceMatrix]) -> RaceMatrix:
    if len(parts) == 1:
        return parts[0]
    sizes = np.concatenate([p.sizes for p in parts])
    values: Floats32 = np.concatenate([p.values for p in parts])
    return RaceMatrix(
        values=values,
        names=parts[0].names,
        offsets=offsets_of(sizes),
        off=np.concatenate([p.off for p in parts]),
        day=np.concatenate([p.day for p in parts]),
        position=np.concatenate([p.position for p in parts]),
        market=np.concatenate([p.market for p in parts]),
        odds=np.concatenate([p.odds for p in parts]),
        race_id=np.concatenate([p.race_id for p in parts]),
        meeting=np.concatenate([p.meeting for p in parts]),
    )
