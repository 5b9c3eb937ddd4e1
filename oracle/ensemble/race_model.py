"""One model as it is served: members, blends, and the as-of state that makes a card's features.

A card in, a ranked and calibrated answer out. Where every starter has odds the blend with the market answers, else the
form ensemble, and the answer says which. The model is saved as a package of plain files and loads only if it can be
proven to be what was saved and to speak of the same features as this installation.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oracle.ensemble import blend, explain
from oracle.ensemble.blend import Blend
from oracle.errors import BadCard, BadInput, UntrustedPackage
from oracle.features import build, registry
from oracle.features.ledger import DAY
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races, from_cards, from_frame
from oracle.features.state import State
from oracle.models import families, package
from oracle.models.market import FAMILY as MARKET
from oracle.models.ranker import FittedRanker
from oracle.race import CardExplanation, CardPrediction, RaceCard, RunnerExplanation, RunnerPrediction
from oracle.ranking import calibration as calibrations
from oracle.ranking import market as market_terms
from oracle.ranking.calibration import UNCHANGED, Calibration
from oracle.ranking.plackett_luce import Discount, place
from oracle.ranking.races import Bools, Floats, Ints, offsets_of, softmax
from oracle.ranking.report import scored

FEATURE_SET = "market"

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


def feature_version() -> str:
    """Return the fingerprint of every feature set of this installation."""
    return "+".join(registry.fingerprint(name) for name in registry.SETS)


@dataclass(frozen=True, slots=True)
class _Priced:
    """Cards as races, with every score that an answer rests on."""

    races: Races
    matrix: RaceMatrix
    scores: Mapping[str, Floats]
    utility: Floats
    win: Floats
    priced: Bools
    """bool[R], whether the blend with the market answers."""
    known: Bools
    """bool[N], whether the horse ever ran in the history."""


@dataclass
class RaceModel:
    """A fitted model with its state. Predicting changes nothing; `advance` carries the form forward."""

    members: Mapping[str, FittedRanker]
    form: Blend
    market: Blend | None
    discount: Discount
    """How much less win probabilities say about the later places; fitted on held-out dates."""
    state: State
    about: About
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    """Of the answers of `form` and of `model`, the pool with the market; fitted on held-out dates."""

    def predict(self, cards: Sequence[RaceCard]) -> list[CardPrediction]:
        """Return the answer to each card, in the order given.

        Raises:
            BadCard: a card has fewer than two starters.
        """
        return self._answer(cards, self._priced(cards)) if cards else []

    def explain(self, cards: Sequence[RaceCard]) -> list[CardExplanation]:
        """Return the answer to each card as `predict` gives it, and what each feature adds to each score.

        Raises:
            BadCard: a card has fewer than two starters.
        """
        if not cards:
            return []
        found = self._priced(cards)
        why = self._why(found)
        return [
            CardExplanation(said, tuple(None if row < 0 else why[row] for row in rows.tolist()))
            for said, rows in zip(self._answer(cards, found), _rows_of(cards, found.races), strict=True)
        ]

    def advance(self, results: pd.DataFrame) -> None:
        """Fold the results of later races into the form, in the order of their off times.

        Args:
            results: Canonical runner rows of whole races that the state has not seen.
        """
        races = from_frame(results, self.about.overround)
        if len(races):
            self.state.walk(races)
            last = max(self.about.state_through, str(races.day.max().astype("datetime64[D]")))
            self.about = replace(self.about, state_through=last)

    def priced(self, races: RaceMatrix) -> tuple[Floats, Floats, Bools]:
        """Return score and win probability of each runner, float64[N], and which races the market pool answered."""
        return self._pooled({name: member.score(races) for name, member in self.members.items()}, races)

    def _pooled(self, scores: Mapping[str, Floats], races: RaceMatrix) -> tuple[Floats, Floats, Bools]:
        utility = self.form.utility(scores, races)
        win = self._calibrated("form", utility, races)
        priced = np.zeros(len(races), dtype=np.bool_)
        if self.market is not None:
            priced = scored(scores[MARKET], races.offsets)
            rows, corrected = np.repeat(priced, races.sizes), self.market.utility(scores, races)
            utility = np.where(rows, corrected, utility)
            win = np.where(rows, self._calibrated("model", corrected, races), win)
        return utility, win, priced

    def _calibrated(self, who: str, utility: Floats, races: RaceMatrix) -> Floats:
        return self.calibration.get(who, UNCHANGED).apply(softmax(utility, races.offsets), races.offsets)

    def _priced(self, cards: Sequence[RaceCard]) -> _Priced:
        """Return the cards as races with every score that an answer rests on."""
        for card in cards:
            starters = sum(not r.withdrawn for r in card.runners)
            if starters < 2:
                raise BadCard(
                    "a race needs at least two runners that are not withdrawn", value=starters, allowed="2 or more"
                )
        races = from_cards(cards, self.state.alias, self.about.overround)
        reading = self.state.read(races)
        matrix = build.matrix(races, reading, FEATURE_SET)
        scores = {name: member.score(matrix) for name, member in self.members.items()}
        utility, win, priced = self._pooled(scores, matrix)
        return _Priced(races, matrix, scores, utility, win, priced, ~np.isnan(reading.last["horse"]))

    def _why(self, found: _Priced) -> dict[int, RunnerExplanation]:
        """Return the explanation of each row, by the blend that answers its race."""
        why: dict[int, RunnerExplanation] = {}
        for pooled, mask in ((self.form, ~found.priced), (self.market, found.priced)):
            if pooled is not None and mask.any():
                rows = np.flatnonzero(np.repeat(mask, found.matrix.sizes))
                races = found.matrix.take(mask)
                scores = {name: score[rows] for name, score in found.scores.items()}
                parts = explain.contributions(pooled, self.members, scores, races)
                told = explain.of_runners(parts, races, found.races.numbers["odds"][rows])
                why |= dict(zip(rows.tolist(), told, strict=True))
        return why

    def _answer(self, cards: Sequence[RaceCard], found: _Priced) -> list[CardPrediction]:
        races, utility, win, priced, known = found.races, found.utility, found.win, found.priced, found.known
        places = market_terms.BRITISH_IRISH.places(found.matrix.sizes)
        placing = place(win, races.offsets, places, self.discount)
        answers = []
        for i, (card, rows) in enumerate(zip(cards, _rows_of(cards, races), strict=True)):
            runners = _runners(card, rows, utility, win, placing, known)
            notes = self._notes(card, known[rows[rows >= 0]], bool(priced[i]))
            answers.append(CardPrediction(runners, "market" if priced[i] else "form", int(places[i]), notes))
        return answers

    def _notes(self, card: RaceCard, known: Bools, priced: bool) -> tuple[str, ...]:
        notes = []
        if not priced:
            quoted = sum(r.odds is not None for r in card.runners if not r.withdrawn)
            reason = "no odds were given" if not quoted else "not every runner has odds"
            if self.market is None:
                reason = "the model was trained without odds"
            notes.append(f"{reason}: answered by the form ensemble")
        notes += self._on_time(card)
        strangers = int((~known).sum())
        if strangers:
            notes.append(f"{strangers} of {len(known)} runners never ran in the history this model knows")
        if self.about.courses and card.course not in self.about.courses:
            notes.append(f"course never seen in training: {card.course}")
        return tuple(notes)

    def _on_time(self, card: RaceCard) -> list[str]:
        """Return what the moment of the card says about its answer: hindsight, or form gone stale."""
        days = (card.off.timestamp() - self.state.through) / DAY
        if days <= 0:
            return [
                f"off before the last result this model knows ({self.about.state_through}): the answer has hindsight"
            ]
        if days > STALE_DAYS:
            return [f"the form ends {days:.0f} days before the off ({self.about.state_through})"]
        return []

    def save(self, folder: Path) -> str:
        """Write the model as a package and return its digest."""
        files: dict[str, bytes] = {}
        for name, member in self.members.items():
            files |= {f"members/{name}/{file}": data for file, data in member.dump().items()}
        arrays = io.BytesIO()
        np.savez_compressed(arrays, **self.state.dump())  # type: ignore[arg-type]
        files["state.npz"] = arrays.getvalue()
        model = {
            "families": {name: member.family for name, member in self.members.items()},
            "form": self.form.as_dict(),
            "market": None if self.market is None else self.market.as_dict(),
            "discount": asdict(self.discount),
            "calibration": {who: fitted.as_dict() for who, fitted in self.calibration.items()},
            "about": asdict(self.about),
        }
        files["model.json"] = json.dumps(model, ensure_ascii=False, default=str).encode()
        return package.save(folder, files)

    @classmethod
    def load(cls, folder: Path) -> RaceModel:
        """Return the model of a package.

        Raises:
            UntrustedPackage: a file is not what was saved, or the features are not those of this installation.
        """
        files = package.load(folder)
        try:
            model = json.loads(files["model.json"])
            told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in model["about"].items()}
            about = About(**told)
            _refuse_other_features(about.feature_version)
            members = {
                name: families.restore(family, _under(files, f"members/{name}/"))
                for name, family in model["families"].items()
            }
            with np.load(io.BytesIO(files["state.npz"]), allow_pickle=False) as arrays:
                state = State.restore(dict(arrays))
            form = blend.from_dict(model["form"])
            pooled = None if model["market"] is None else blend.from_dict(model["market"])
            calibrated = {who: calibrations.from_dict(told) for who, told in model.get("calibration", {}).items()}
            return cls(members, form, pooled, Discount(**model["discount"]), state, about, calibrated)
        except (KeyError, TypeError, AttributeError, ValueError, EOFError, BadInput, zipfile.BadZipFile) as error:
            raise UntrustedPackage(
                f"model package {folder.name} is incomplete: {error}", next_step="train again"
            ) from error


def _rows_of(cards: Sequence[RaceCard], races: Races) -> list[Ints]:
    """Return for each card the row of each of its runners among the starters; -1 for a withdrawn one."""
    declared = offsets_of([len(card.runners) for card in cards])
    row = np.full(int(declared[-1]), -1, dtype=np.int64)
    row[races.rows] = np.arange(races.runners)
    return [row[a:b] for a, b in itertools.pairwise(declared)]


def _runners(
    card: RaceCard, rows: Ints, utility: Floats, win: Floats, placing: Floats, known: Bools
) -> tuple[RunnerPrediction, ...]:
    """Return what is said of each runner of a card, in its order; equal chances are ranked by score, then by row."""
    own = rows[rows >= 0]
    rank = {int(row): i for i, row in enumerate(own[np.lexsort((own, -utility[own], -win[own]))], start=1)}
    return tuple(
        RunnerPrediction(runner.horse, runner.number, None, None, 0.0, 0.0, None, None, True)
        if row < 0
        else RunnerPrediction(
            horse=runner.horse,
            number=runner.number,
            rank=rank[row],
            score=float(utility[row]),
            win=float(win[row]),
            place=float(placing[row]),
            fair_odds=1.0 / float(win[row]) if win[row] > 0 else None,
            edge=None if runner.odds is None else float(win[row]) * runner.odds - 1.0,
            known=bool(known[row]),
        )
        for runner, row in zip(card.runners, rows.tolist(), strict=True)
    )


def _under(files: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    return {name.removeprefix(prefix): data for name, data in files.items() if name.startswith(prefix)}


def _refuse_other_features(trained_on: str) -> None:
    if trained_on != feature_version():
        raise UntrustedPackage(
            "the model was trained on other features than this installation computes",
            value=trained_on,
            allowed=feature_version(),
            next_step="train again with this version, or install the version that trained it",
        )
