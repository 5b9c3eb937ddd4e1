"""Answers cards with the model in force: the whole of serving, as a plain class without a cluster.

A card is read, priced, written to our store, and only then answered. Where there is no model yet the gateway stands and
says so, and looks again: training after serving must not need a restart. A model that cannot be loaded never replaces
one that works.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from oracle.ensemble.explain import meanings, shortened
from oracle.errors import BadSetting, OracleError, Unavailable
from oracle.race import CardPrediction
from oracle.serving.body import read_card
from oracle.serving.exotics import exotics as combinations
from oracle.serving.messages import CardMessage, ExplainedMessage, ModelMessage, PredictionMessage, answer, explained
from oracle.serving.version import Served, Source, Target
from oracle.store import Prediction, Store, race_key

Told = TypeVar("Told", bound=PredictionMessage)

LOOK_AGAIN = dt.timedelta(seconds=5)
"""How long a gateway without a model waits before it asks the registry again: asking costs tens of milliseconds."""


class HealthMessage(BaseModel):
    """Whether cards are answered as they should be, and if not, why."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "degraded"]
    reasons: tuple[str, ...] = Field(description="Why it is degraded; empty where it is ok.")
    model: ModelMessage | None = Field(description="The version that answers; null where there is none.")
    loaded_at: dt.datetime | None = Field(description="When that version was loaded, UTC.")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


class Gateway:
    """Holds one model version and answers cards with it; safe to call from several threads."""

    def __init__(
        self,
        source: Source,
        store: Store,
        target: Target,
        *,
        now: Callable[[], dt.datetime] = _now,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        """Load the target's model, or remember why it could not be.

        Args:
            source: Where models come from.
            store: Where answers are written.
            target: Which version to answer with.
            now: The clock, UTC.
            new_id: Makes ids of predictions.
        """
        self._source, self._store, self._now, self._new_id = source, store, now, new_id
        self._target = target
        self._served: Served | None = None
        self._loaded_at: dt.datetime | None = None
        self._refused: OracleError | None = None
        self._asked_at = now()
        self._changing = threading.Lock()
        self._pricing = threading.Lock()
        self.follow(target)

    def follow(self, target: Target) -> None:
        """Answer with the target's model from now on; where it cannot be loaded, keep the one in force and say why."""
        with self._changing:
            self._load(target)

    def reconfigure(self, wanted: object) -> None:
        """Follow the target that `user_config` describes; an impossible one changes nothing and shows in the health.

        A `reconfigure` that raises would take the replica out of service, so this never does for a user's mistake.
        """
        try:
            if not isinstance(wanted, Mapping):
                raise TypeError("user_config must be a mapping of version and revision")
            target = Target.model_validate({**self._target.model_dump(), **wanted})
        except (TypeError, ValueError) as error:
            self._refused = BadSetting(f"user_config is not possible: {error}", allowed=Target.model_fields)
            return
        self.follow(target)

    def _load(self, target: Target) -> None:
        self._asked_at = self._now()
        try:
            loaded = self._source.load(target, in_force=self._served)
        except OracleError as error:
            self._refused = error
            return
        self._refused = None
        if loaded is not self._served:
            self._served, self._loaded_at = loaded, self._now()

    def predict(self, body: bytes, *, exotics: int = 0) -> PredictionMessage:
        """Return the answer to the card in `body`, after it has been written to our store.

        Args:
            body: The card.
            exotics: Combinations of each pool to tell of, the likeliest ones.

        Raises:
            MalformedCard: the body is not a card.
            OracleError: there is no model, or the answer could not be written.
        """
        card = read_card(body)
        served = self._in_force()
        with (
            self._pricing
        ):  # one core per replica: a second thread would only wait, and members need not be thread-safe
            [said] = served.model.predict([card.as_card()])
        return self._kept(card, self._answered(card, said, served, exotics))

    def explain(self, body: bytes, top: int | None = None, *, exotics: int = 0) -> ExplainedMessage:
        """Return the answer to the card in `body` with the reasons for each score; kept as it is given.

        Args:
            body: The card.
            top: List so many contributions of each runner and sum up the others; None for all.
            exotics: Combinations of each pool to tell of, the likeliest ones.

        Raises:
            MalformedCard: the body is not a card.
            OracleError: there is no model, or the answer could not be written.
        """
        card = read_card(body)
        served = self._in_force()
        with self._pricing:
            [why] = served.model.explain([card.as_card()])
        if top is not None:
            why = replace(why, runners=tuple(r and shortened(r, top) for r in why.runners))
        return self._kept(card, explained(self._answered(card, why.prediction, served, exotics), why, meanings()))

    def _answered(self, card: CardMessage, said: CardPrediction, served: Served, exotics: int) -> PredictionMessage:
        return answer(
            card,
            said,
            model=served.message,
            prediction_id=self._new_id(),
            at=self._now(),
            exotics=combinations(said, served.model.discount, exotics) if exotics else None,
        )

    def _kept(self, card: CardMessage, told: Told) -> Told:
        """Write an answer to our store and hand it back: what cannot be written is not answered."""
        race, text = race_key(card.race_id, card.course, card.off), card.model_dump_json(exclude_unset=True)
        row = Prediction(
            prediction_id=told.prediction_id,
            at=told.at,
            race_id=told.race_id,
            race_key=race,
            course=card.course,
            off=card.off,
            unit=race,
            model_name=told.model.name,
            model_version=told.model.version,
            card_key=hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
            card=text,
            answer=told.model_dump_json(),
        )
        self._store.predictions.add([row])
        return told

    def prediction(self, prediction_id: str) -> str | None:
        """Return an earlier answer as JSON, exactly as it was given, or None where there is none of that id."""
        found = self._store.predictions.get(prediction_id)
        return None if found is None else found.answer

    def health(self) -> HealthMessage:
        """Return how the gateway is."""
        reasons = []
        try:
            self._in_force()
        except OracleError as error:
            reasons.append(str(error))
        if self._refused and self._served:
            reasons.append(f"keeping version {self._served.message.version}; the model asked for: {self._refused}")
        try:
            self._store.check()
        except OracleError as error:
            reasons.append(str(error))
        return HealthMessage(
            status="degraded" if reasons else "ok",
            reasons=tuple(reasons),
            model=self.model,
            loaded_at=self._loaded_at,
        )

    @property
    def source(self) -> Source:
        """Where models come from."""
        return self._source

    @property
    def model(self) -> ModelMessage | None:
        """The version in force."""
        return None if self._served is None else self._served.message

    def _in_force(self) -> Served:
        """Return the model in force; without one, let a single caller look again and all others know at once."""
        due = self._served is None and self._now() - self._asked_at >= LOOK_AGAIN
        if due and self._changing.acquire(blocking=False):
            try:
                self._load(self._target)
            finally:
                self._changing.release()
        if self._served is None:
            raise self._refused or Unavailable("no model is loaded", next_step="oracle train --data DATASET")
        return self._served
