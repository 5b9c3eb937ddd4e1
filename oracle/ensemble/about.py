"""What a model says of itself and of a card: the answer's words and order, once every number is known."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oracle.features.ledger import DAY
from oracle.features.races import Races
from oracle.race import RaceCard, Runner, RunnerPrediction
from oracle.ranking import market as market_terms
from oracle.ranking.races import Bools, Floats, Ints, offsets_of

STALE_DAYS = 60
"""Days between the last known result and a card's off from which the answer says that its form is old."""


@dataclass(frozen=True)
class About:
    """What a model says of itself."""

    feature_version: str = ""
    """Fingerprint of the feature sets it was trained on."""
    data_fingerprint: str = ""
    first_date: str = ""
    """First race date of the history it was trained on."""
    trained_through: str = ""
    """Last race date whose results its parameters were fitted on."""
    state_through: str = ""
    """Last race date whose results its form knows."""
    races: int = 0
    runners: int = 0
    courses: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    test: Mapping[str, Any] = field(default_factory=dict)
    """The test report it shipped with."""
    overround: str = market_terms.MULTIPLICATIVE
    """How the margin is taken out of the odds: what it learned with is what it answers with."""


def rows_of(cards: Sequence[RaceCard], races: Races) -> list[Ints]:
    """Return for each card the row of each of its runners among the starters; -1 for a withdrawn one."""
    declared = offsets_of([len(card.runners) for card in cards])
    row = np.full(int(declared[-1]), -1, dtype=np.int64)
    row[races.rows] = np.arange(races.runners)
    return [row[a:b] for a, b in itertools.pairwise(declared)]


def told_of(
    card: RaceCard, rows: Ints, utility: Floats, win: Floats, placing: Floats, known: Bools
) -> tuple[RunnerPrediction, ...]:
    """Return what is said of each runner of a card, in its order; equal chances are ranked by score, then by row."""
    own = rows[rows >= 0]
    order = own[np.lexsort((own, -utility[own], -win[own]))].tolist()
    rank = {row: i for i, row in enumerate(order, start=1)}
    columns = (column[own].tolist() for column in (utility, win, placing, known))
    found = {row: told for row, *told in zip(own.tolist(), *columns, strict=True)}
    runners = zip(card.runners, rows.tolist(), strict=True)
    return tuple(_told(runner, rank.get(row), found.get(row)) for runner, row in runners)


def _told(runner: Runner, rank: int | None, found: list[Any] | None) -> RunnerPrediction:
    if found is None:
        return RunnerPrediction(runner.horse, runner.number, None, None, 0.0, 0.0, None, None, True)
    score, win, place, known = found
    fair = 1.0 / win if win > 0 else None
    edge = None if runner.odds is None else win * runner.odds - 1.0
    return RunnerPrediction(runner.horse, runner.number, rank, score, win, place, fair, edge, known)


def why_without_market(card: RaceCard, *, learned: bool) -> str:
    """Return why the form ensemble answers a card.

    Args:
        card: The card.
        learned: Whether the model has a blend with the market at all.
    """
    if not learned:
        return "the model was trained without odds"
    quoted = sum(r.odds is not None for r in card.runners if not r.withdrawn)
    return "not every runner has odds" if quoted else "no odds were given"


def notes_on(card: RaceCard, about: About, through: float, known: Bools, why_form: str | None) -> tuple[str, ...]:
    """Return what the reader of an answer should know.

    Args:
        card: The card.
        about: The model.
        through: Off time of the last result it knows, seconds since 1970.
        known: bool[starters], whether the horse ever ran in the history.
        why_form: Why the form ensemble answers; None where the blend with the market does.
    """
    notes = [] if why_form is None else [f"{why_form}: answered by the form ensemble"]
    notes += _on_time(card, about, through)
    strangers = len(known) - int(np.count_nonzero(known))
    if strangers:
        notes.append(f"{strangers} of {len(known)} runners never ran in the history this model knows")
    if about.courses and card.course not in about.courses:
        notes.append(f"course never seen in training: {card.course}")
    return tuple(notes)


def _on_time(card: RaceCard, about: About, through: float) -> list[str]:
    """Return what the moment of the card says about its answer: hindsight, or form gone stale."""
    days = (card.off.timestamp() - through) / DAY
    if days <= 0:
        return [f"off before the last result this model knows ({about.state_through}): the answer has hindsight"]
    if days > STALE_DAYS:
        return [f"the form ends {days:.0f} days before the off ({about.state_through})"]
    return []
