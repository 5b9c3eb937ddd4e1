"""A place for a model version: what stands in it, carried forward by results, and swapped whole.

The control's slot lives in the gateway's own process, each challenger's in a deployment of its own. A version is
loaded and brought up to the results in our store beside the requests; then one reference changes. Whoever scores holds
on to what it found in the slot when it began.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from oracle.ensemble.race_model import RaceModel
from oracle.errors import BadSetting, OracleError, Unavailable, UntrustedPackage
from oracle.race import RaceCard
from oracle.serving.form import LiveForm, Snapshot, Stored
from oracle.serving.messages import ModelMessage
from oracle.serving.scoring import Scored, here
from oracle.serving.version import Predictor, Served, Source, Target, label

LOOK_AGAIN = dt.timedelta(seconds=5)
"""How long an empty slot waits before the registry is asked again: asking costs tens of milliseconds."""


class ResultsRead(Protocol):
    """Where results are read from."""

    def since(self, seq: int) -> Sequence[Stored]:
        """Return the latest revision of each race that has one after `seq`, in the order of seq."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What stands in a slot: a version with its weights and its form. Never changed."""

    model: Predictor
    message: ModelMessage
    target: Target
    loaded_at: dt.datetime
    form: Snapshot | None = None
    """The form it answers with; None where the model has none that can be carried forward."""

    @property
    def label(self) -> str:
        """Version and weights in one word."""
        return label(self.message.version, self.target.weights)

    @property
    def seq(self) -> int:
        """Number of the last stored result that its form has looked at."""
        return 0 if self.form is None else self.form.seq


class Slot:
    """Holds one version. `loaded` may be read from any thread; what changes it takes turns.

    Args:
        source: Where versions come from.
        results: Results that move the form; None where none do.
        now: The clock, UTC.
        warm: Have a version answer an invented race before it stands here: what is compiled or laid out once is so
            before the first card, and a version that cannot answer never takes the place of one that can.
    """

    def __init__(
        self,
        source: Source,
        results: ResultsRead | None,
        *,
        now: Callable[[], dt.datetime],
        warm: bool = False,
    ) -> None:
        self._source, self._results, self._now, self._warm = source, results, now, warm
        self._loading, self._changing = threading.Lock(), threading.Lock()
        self._served: Served | None = None
        self._form: LiveForm | None = None
        self._asked_at = now()
        self._asked: Target | None = None
        self.loaded: Loaded | None = None
        self.refused: OracleError | None = None
        """Why what was asked for last is not what stands here; None where it is."""

    def follow(self, target: Target) -> None:
        """Put the target's version here, brought up to the stored results; where that fails, keep what stands here."""
        with self._loading:
            self._load(target)

    def follow_alias(self) -> None:
        """Put another version here if what was asked for names another by now: an alias that was moved.

        Raises:
            OracleError: the registry did not answer, or the version cannot be loaded; what stands here stays.
        """
        with self._loading:
            if self._asked is None or self._served is None:
                return
            found = self._source.load(self._asked, in_force=self._served)
            if found is not self._served:
                self._put(self._asked, found)

    @property
    def asked(self) -> Target | None:
        """What this slot was asked to hold last."""
        return self._asked

    def empty(self) -> None:
        """Take away what stands here: an idle slot holds no model."""
        with self._loading, self._changing:
            self._served = self._form = self.loaded = self.refused = self._asked = None

    def look_again(self) -> None:
        """Ask the registry once more where the slot should hold a version and is empty, if it is time; else nothing."""
        due = self.loaded is None and self._asked is not None and self._now() - self._asked_at >= LOOK_AGAIN
        if due and self._loading.acquire(blocking=False):
            try:
                assert self._asked is not None
                self._load(self._asked)
            finally:
                self._loading.release()

    def catch_up(self) -> int:
        """Fold in the results that the form has not seen and return the number of the last one.

        Raises:
            Unavailable: our store did not answer.
        """
        with self._changing:
            if self.loaded is None:
                return 0
            if self._fold():
                self.loaded = self._standing(self.loaded.target, self.loaded.loaded_at, new=False)
            return self.loaded.seq

    def held(self) -> Loaded:
        """Return what stands here.

        Raises:
            OracleError: nothing does; says why.
        """
        if self.loaded is None:
            raise self.refused or Unavailable("no model is loaded", next_step="oracle train --data DATASET")
        return self.loaded

    def score(self, cards: Sequence[RaceCard], loaded: Loaded | None = None) -> list[Scored]:
        """Return what the version says of each card.

        Args:
            cards: Races, at least one.
            loaded: Score with this one, which stood here a moment ago.

        Raises:
            OracleError: nothing stands here, or a card cannot be scored.
        """
        return here((loaded or self.held()).model, cards)

    def _load(self, target: Target) -> None:
        """Fetch the target's version and put it here; who folds results in meanwhile does not wait for a slow store."""
        self._asked_at = self._now()
        try:
            found = self._source.load(target, in_force=self._served)
        except OracleError as error:
            self._asked, self.refused = target, error
            return
        self._put(target, found)

    def _put(self, target: Target, found: Served) -> None:
        with self._changing:
            self._asked_at, self._asked = self._now(), target
            before = self._served, self._form
            try:
                if found is not self._served:
                    self._served, self._form = found, _form_of(found.model)
                same = self.loaded is not None and before[0] is found and self.loaded.target.weights == target.weights
                at = self.loaded.loaded_at if same and self.loaded is not None else self._now()
                self._fold_if_possible()
                self.loaded = self._standing(target, at)
            except OracleError as error:
                self._served, self._form = before
                self.refused = error
                return
            self.refused = None

    def _fold_if_possible(self) -> None:
        """Fold in what results there are; an empty slot is filled without them where our store is away."""
        try:
            self._fold()
        except Unavailable:
            if self.loaded is not None:  # a form that knows the results answers better than a newer version without
                raise

    def _fold(self) -> bool:
        """Fold in what results there are and return whether there were any."""
        if self._form is None or self._results is None:
            return False
        before = self._form.snapshot.seq
        return self._form.fold(self._results.since(before)).seq != before

    def _standing(self, target: Target, loaded_at: dt.datetime, *, new: bool = True) -> Loaded:
        """Return the version of this slot with its weights and the newest form; `new` where more than that changed."""
        assert self._served is not None
        model: Predictor = self._served.model
        snapshot = None
        if self._form is not None and isinstance(model, RaceModel):
            snapshot = self._form.snapshot
            model = snapshot.of(model)
        model = _weighed(model, target)
        if self._warm and isinstance(model, RaceModel):
            _answers(model, reasons=new)
        return Loaded(model, self._served.message, target, loaded_at, snapshot)


def _form_of(model: Predictor) -> LiveForm | None:
    return LiveForm(model.state, model.about) if isinstance(model, RaceModel) else None


def _answers(model: RaceModel, *, reasons: bool) -> None:
    """Return if the model answers an invented race.

    Raises:
        UntrustedPackage: it does not.
    """
    try:
        model.warm(reasons=reasons)
    except Exception as error:
        raise UntrustedPackage(
            f"the version loads and does not answer: {type(error).__name__}: {error}", next_step="train again"
        ) from error


def _weighed(model: Predictor, target: Target) -> Predictor:
    if target.weights is None:
        return model
    if not isinstance(model, RaceModel):
        raise BadSetting("this model's weights cannot be changed", value=target.weights, next_step="leave weights out")
    return model.with_weights({blend: dict(given) for blend, given in target.weights.items()})
