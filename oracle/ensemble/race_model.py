"""One model as it is served: members, blends, and the as-of state that makes a card's features.

A card in, a ranked and calibrated answer out. Where every starter has odds the blend with the market answers, else the
form ensemble, and the answer says which. The model is saved as a package of plain files and loads only if it can be
proven to be what was saved and to speak of the same features as this installation.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from oracle.ensemble import blend, explain
from oracle.ensemble.about import About, notes_on, rows_of, told_of, why_without_market
from oracle.ensemble.blend import Blend
from oracle.errors import BadCard, BadInput, UntrustedPackage
from oracle.features import build, registry
from oracle.features.ledger import DAY
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races, from_cards, from_frame
from oracle.features.state import State
from oracle.models import families, package
from oracle.models.ranker import FittedRanker
from oracle.race import CardExplanation, CardPrediction, RaceCard, Runner, RunnerExplanation
from oracle.ranking import calibration as calibrations
from oracle.ranking import market as market_terms
from oracle.ranking.calibration import UNCHANGED, Calibration
from oracle.ranking.plackett_luce import Discount, place
from oracle.ranking.races import Bools, Floats, softmax
from oracle.ranking.report import scored

FEATURE_SET = "market"


def feature_version() -> str:
    """Return the fingerprint of every feature set of this installation."""
    return "+".join(registry.fingerprint(name) for name in registry.SETS)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Cards as races with their features: all that members are asked with, so that they may be asked elsewhere."""

    races: Races
    matrix: RaceMatrix
    known: Bools
    """bool[N], whether the horse ever ran in the history."""
    priced: Bools
    """bool[R], whether the blend with the market answers."""


@dataclass(frozen=True, slots=True)
class _Priced:
    """Prepared cards with every score that an answer rests on."""

    of: Prepared
    scores: Mapping[str, Floats]
    utility: Floats
    win: Floats


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
        if not cards:
            return []
        prepared = self.prepare(cards)
        return self.finish(cards, prepared, self.scores(prepared))

    def prepare(self, cards: Sequence[RaceCard]) -> Prepared:
        """Return the cards as races with their features; nothing has been asked of a member yet.

        Raises:
            BadCard: a card has fewer than two starters, or there is no card.
        """
        for card in cards:
            starters = sum(not r.withdrawn for r in card.runners)
            if starters < 2:
                raise BadCard(
                    "a race needs at least two runners that are not withdrawn", value=starters, allowed="2 or more"
                )
        if not cards:
            raise BadCard("there is no card to prepare", value=0, allowed="1 or more")
        races = from_cards(cards, self.state.alias, self.about.overround)
        matrix, known = build.cards(races, FEATURE_SET, self.state)
        priced = np.zeros(len(races), dtype=np.bool_)
        if self.market is not None:
            priced = scored(matrix.market, matrix.offsets)
        return Prepared(races, matrix, known, priced)

    def asked(self, prepared: Prepared) -> tuple[str, ...]:
        """Return the members whose scores the answers to prepared cards rest on.

        Where the blend with the market answers every race nobody of the form ensemble is asked, and the other way
        round; a member without a weight is never asked.
        """
        used = [] if prepared.priced.all() else list(self.form.used)
        if self.market is not None and prepared.priced.any():
            used += self.market.used
        return tuple(name for name in self.members if name in used)

    def scores(self, prepared: Prepared) -> dict[str, Floats]:
        """Return the scores of the members that are asked, float64[N] each, computed here."""
        return {name: self.members[name].score(prepared.matrix) for name in self.asked(prepared)}

    def finish(
        self, cards: Sequence[RaceCard], prepared: Prepared, scores: Mapping[str, Floats]
    ) -> list[CardPrediction]:
        """Return the answer to each card from the scores of its members, wherever they were computed.

        Args:
            cards: The cards, in the order they were prepared in.
            prepared: What `prepare` made of them.
            scores: float64[N] of each member that `asked` names; others are not looked at.

        Raises:
            BadInput: a member's scores are missing, or are not one per starter.
        """
        return self._answer(cards, self._scored(prepared, scores))

    def explain(self, cards: Sequence[RaceCard]) -> list[CardExplanation]:
        """Return the answer to each card as `predict` gives it, and what each feature adds to each score.

        Raises:
            BadCard: a card has fewer than two starters.
        """
        if not cards:
            return []
        prepared = self.prepare(cards)
        found = self._scored(prepared, self.scores(prepared))
        why = self._why(found)
        return [
            CardExplanation(said, tuple(None if row < 0 else why[row] for row in rows.tolist()))
            for said, rows in zip(self._answer(cards, found), rows_of(cards, prepared.races), strict=True)
        ]

    def warm(self, *, reasons: bool = True) -> None:
        """Answer and explain an invented race, so that all that is loaded, laid out or compiled once is so now.

        Called where a model is put in place, so that the first card that is asked about waits for none of it.

        Args:
            reasons: Explain too; another form alone changes nothing that an explanation has to wait for.
        """
        off = self.state.through + DAY if np.isfinite(self.state.through) else 0.0
        runners = tuple(Runner(f"warm {at}", number=at, odds=2.0 + at) for at in range(1, 13))
        priced = RaceCard((*self.about.courses, "warm")[0], dt.datetime.fromtimestamp(off, dt.UTC), runners)
        for card in (priced, replace(priced, runners=tuple(replace(r, odds=None) for r in runners))):
            self.predict([card])
            if reasons:
                self.explain([card])

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

    def with_state(self, state: State, state_through: str | None = None) -> RaceModel:
        """Return the same model with another form: everything else is shared.

        Args:
            state: What is known.
            state_through: Last race date whose results it knows; where it is not told, the UTC date of its last off,
                and never one before the model's own.
        """
        through = state_through or self.about.state_through
        if state_through is None and np.isfinite(state.through):
            through = max(through, str(np.datetime64(int(state.through), "s").astype("datetime64[D]")))
        return replace(self, state=state, about=replace(self.about, state_through=through))

    def with_weights(self, weights: Mapping[str, Mapping[str, float]]) -> RaceModel:
        """Return the same model with the weights of a blend replaced; whoever is not named has no weight.

        Args:
            weights: Weight by member, under `form`, `market` or both.

        Raises:
            BadInput: no such blend or member, a weight that is not a finite number, or no weight but zeros.
        """
        blends = {"form": self.form} | ({} if self.market is None else {"market": self.market})
        for name in weights:
            if name not in blends:
                raise BadInput("the model has no such blend", value=name, allowed=blends)
        changed = {name: blend.reweighed(blends[name], given) for name, given in weights.items()}
        return replace(self, form=changed.get("form", self.form), market=changed.get("market", self.market))

    def priced(self, races: RaceMatrix) -> tuple[Floats, Floats, Bools]:
        """Return score and win probability of each runner, float64[N], and which races the market pool answered."""
        priced = np.zeros(len(races), dtype=np.bool_)
        if self.market is not None:
            priced = scored(races.market, races.offsets)
        scores = {name: member.score(races) for name, member in self.members.items()}
        return *self._pooled(scores, races, priced), priced

    def _pooled(self, scores: Mapping[str, Floats], races: RaceMatrix, priced: Bools) -> tuple[Floats, Floats]:
        """Return score and win probability of each runner, by the blend that answers its race."""
        if self.market is None or not priced.any():
            utility = self.form.utility(scores, races)
            return utility, self._calibrated("form", utility, races)
        corrected = self.market.utility(scores, races)
        win = self._calibrated("model", corrected, races)
        if priced.all():
            return corrected, win
        utility, rows = self.form.utility(scores, races), np.repeat(priced, races.sizes)
        return np.where(rows, corrected, utility), np.where(rows, win, self._calibrated("form", utility, races))

    def _calibrated(self, who: str, utility: Floats, races: RaceMatrix) -> Floats:
        return self.calibration.get(who, UNCHANGED).apply(softmax(utility, races.offsets), races.offsets)

    def _scored(self, prepared: Prepared, scores: Mapping[str, Floats]) -> _Priced:
        """Return prepared cards with the scores an answer rests on, each checked to be there whole."""
        starters = prepared.races.runners
        for name in self.asked(prepared):
            if name not in scores or scores[name].shape != (starters,):
                raise BadInput(
                    f"the scores of {name} are not one per starter",
                    value="none" if name not in scores else scores[name].shape,
                    allowed=f"{starters} scores",
                )
        return _Priced(prepared, scores, *self._pooled(scores, prepared.matrix, prepared.priced))

    def _why(self, found: _Priced) -> dict[int, RunnerExplanation]:
        """Return the explanation of each row, by the blend that answers its race."""
        why: dict[int, RunnerExplanation] = {}
        of = found.of
        for pooled, mask in ((self.form, ~of.priced), (self.market, of.priced)):
            if pooled is not None and mask.any():
                rows = np.flatnonzero(np.repeat(mask, of.matrix.sizes))
                races = of.matrix.take(mask)
                scores = {name: score[rows] for name, score in found.scores.items()}
                parts = explain.contributions(pooled, self.members, scores, races)
                told = explain.of_runners(parts, races, of.races.numbers["odds"][rows])
                why |= dict(zip(rows.tolist(), told, strict=True))
        return why

    def _answer(self, cards: Sequence[RaceCard], found: _Priced) -> list[CardPrediction]:
        of, utility, win = found.of, found.utility, found.win
        races, priced, known = of.races, of.priced, of.known
        places = market_terms.BRITISH_IRISH.places(of.matrix.sizes)
        placing = place(win, races.offsets, places, self.discount)
        answers = []
        for i, (card, rows) in enumerate(zip(cards, rows_of(cards, races), strict=True)):
            runners = told_of(card, rows, utility, win, placing, known)
            why_form = None if priced[i] else why_without_market(card, learned=self.market is not None)
            notes = notes_on(card, self.about, self.state.through, known[rows[rows >= 0]], why_form)
            answers.append(CardPrediction(runners, "market" if priced[i] else "form", int(places[i]), notes))
        return answers

    def save(self, folder: Path, beside: Mapping[str, bytes] = MappingProxyType({})) -> str:
        """Write the model as a package and return its digest.

        Args:
            folder: A new or empty folder.
            beside: Files that belong to the model and are not needed to answer, by name; the digest covers them too.

        Raises:
            BadInput: the name of such a file is one of the model's own.
        """
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
        if taken := sorted(set(files) & set(beside)):
            raise BadInput("a file beside the model has a name of its own files", value=taken[0])
        return package.save(folder, {**files, **beside})

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
