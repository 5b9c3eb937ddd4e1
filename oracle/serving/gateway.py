"""Answers cards with the model in force: the whole of serving, as a plain class without a cluster.

A card is read, assigned to an arm, priced, written to our store, and only then answered. Pricing by the control happens
in the caller's own thread, under Ray the event loop: a replica has one core, and a second thread would only wait. What
can take long (reasons, combinations) goes to another thread, a challenger is awaited, and whatever goes wrong with it
the control answers. Where there is no model yet the gateway stands and says so, and looks again: training after serving
must not need a restart. A model that cannot be loaded never replaces one that works.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oracle.ensemble.explain import meanings, shortened
from oracle.errors import OracleError
from oracle.experiment.assignment import arm as arm_of
from oracle.experiment.assignment import position, pseudonym
from oracle.race import CardExplanation, RaceCard
from oracle.serving.body import read_card
from oracle.serving.caller import NOBODY, Caller
from oracle.serving.challenger import Asking, Fallback, Reply
from oracle.serving.exotics import exotics as combinations
from oracle.serving.members import Members
from oracle.serving.messages import ExplainedMessage, ModelMessage, PredictionMessage, answer, explained
from oracle.serving.metrics import Tally
from oracle.serving.query import NOTHING_ASKED, Query
from oracle.serving.request import Asked, Told, row_of, scoring_of, told_by_challenger, told_by_control
from oracle.serving.routing import CONTROL, InForce, Routing, Running, assigned, in_force, read_routing
from oracle.serving.scoring import Scored, card_key
from oracle.serving.shadow import Shadow, ShadowPolicy, Work
from oracle.serving.slot import Loaded, Slot
from oracle.serving.version import Source, Target
from oracle.store import GroupCommit, Prediction, Scoring, Store, race_key

SHADOW_PATIENCE = 20.0
"""Times the usual time limit for a batch that nobody waits for."""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Kit:
    """What a gateway works with besides its model and its store; a lone one needs none of it."""

    challengers: Mapping[str, Asking] = field(default_factory=dict)
    """How each challenger's deployment is asked, by the name of its arm."""
    key: bytes = b""
    """Key of assignment and of pseudonyms: who does not know it can neither choose an arm nor tell a user."""
    shadow: ShadowPolicy = field(default_factory=ShadowPolicy)
    members: Members | None = None
    """The members of the control where they stand in deployments of their own; None: all in this process."""
    tally: Tally = field(default_factory=Tally)
    replica: str = "here"

    def pseudonym(self, user: str) -> str:
        """Return what stands for a user's name."""
        return pseudonym(user, self.key)


class Gateway:
    """Holds the control and asks the challengers; safe to call from several threads, `respond` from one event loop."""

    def __init__(
        self,
        source: Source,
        store: Store,
        target: Target | None = None,
        *,
        kit: Kit | None = None,
        now: Callable[[], dt.datetime] = _now,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        """Load the target's model, or remember why it could not be.

        Args:
            source: Where models come from.
            store: Where answers are written, and results and experiments are read.
            target: Which version the control answers with where `user_config` does not say.
            kit: Challengers and whatever else it works with.
            now: The clock, UTC.
            new_id: Makes ids of predictions.
        """
        self.kit = kit or Kit()
        self.source, self.store, self._now, self._new_id = source, store, now, new_id
        self._default = target or Target()
        self._configured = Routing(control=self._default)
        self._running: Sequence[Running] = ()
        self.routing = in_force(self._configured, (), challengers=len(self.kit.challengers))
        self.rejections = 0
        self.rejected: OracleError | None = None
        """Why the last `user_config` is not in force; None where it is."""
        self.trouble: OracleError | None = None
        """Why results and experiments are not looked at; None where they are."""
        self.slot = Slot(source, store.results, now=now)
        self.commit = GroupCommit(store)
        self._reported: dict[str, int] = {}
        self.shadow = Shadow(self._score_beside, self.kit.shadow)
        self.slot.follow(self._default)

    def reconfigure(self, wanted: object) -> None:
        """Follow the routing that `user_config` describes; an impossible one changes nothing and shows in the health.

        A `reconfigure` that raises would take the replica out of service, so this never does for a user's mistake.
        Blocks while another version is loaded: call it beside the event loop.
        """
        try:
            routing = read_routing(wanted, challengers=len(self.kit.challengers))
        except OracleError as error:
            self.rejections, self.rejected = self.rejections + 1, error
            self.kit.tally.count("oracle_routing_rejections")
            return
        self.rejected = None
        control = routing.control
        if control.version is None:
            control = control.model_copy(update={"version": self._default.version})
        self.slot.follow(control)
        if self.slot.refused is not None:
            self.rejections += 1
            self.kit.tally.count("oracle_routing_rejections")
        self._configured = routing.model_copy(update={"control": control})
        self._route()

    def rule(self, running: Sequence[Running]) -> None:
        """Follow the experiments that run by our store."""
        self._running = tuple(running)
        self._route()

    def _route(self) -> None:
        self.routing = in_force(self._configured, self._running, challengers=len(self.kit.challengers))

    def predict(self, body: bytes, *, exotics: int = 0) -> PredictionMessage:
        """Return the control's answer to the card in `body`, after it has been written to our store.

        Args:
            body: The card.
            exotics: Combinations of each pool to tell of, the likeliest ones.

        Raises:
            MalformedCard: the body is not a card.
            OracleError: there is no model, or the answer could not be written.
        """
        return self._at_once(body, Query(exotics=exotics))

    def explain(self, body: bytes, top: int | None = None, *, exotics: int = 0) -> ExplainedMessage:
        """Return the control's answer to the card in `body` with the reasons for each score; kept as it is given.

        Args:
            body: The card.
            top: List so many contributions of each runner and sum up the others; None for all.
            exotics: Combinations of each pool to tell of, the likeliest ones.

        Raises:
            MalformedCard: the body is not a card.
            OracleError: there is no model, or the answer could not be written.
        """
        told = self._at_once(body, Query(explain=True, top=top, exotics=exotics))
        assert isinstance(told, ExplainedMessage)
        return told

    def _at_once(self, body: bytes, query: Query) -> PredictionMessage:
        began = time.perf_counter()
        asked = self._asked(body, query, b"", NOBODY, InForce(self.routing.control))
        self.slot.look_again()
        loaded = self.slot.held()
        told, why = self._priced(asked, loaded, query)
        message = self._message(asked, told, query, why)
        row, scoring, _ = self._row(asked, told, message, began)
        self.commit.submit(row, scoring).result()
        return message

    async def respond(
        self, body: bytes, query: Query = NOTHING_ASKED, raw: bytes = b"", caller: Caller = NOBODY
    ) -> str:
        """Return the answer to a request as JSON text, once it is durable.

        Args:
            body: The card.
            query: What is asked for besides.
            raw: The query as it came.
            caller: Who asks; a request whose id was answered before gets that answer.

        Raises:
            MalformedCard: the body is not a card.
            OracleError: there is no model, or the answer could not be written.
        """
        began = time.perf_counter()
        asked = self._asked(body, query, raw, caller, self.routing)
        loaded = self.slot.held()
        reply: Reply | Fallback | None = None
        if asked.arm != CONTROL:
            reply = await self._challenged(asked)
        why: CardExplanation | None = None
        if isinstance(reply, Reply) and not query.explain:
            told = told_by_challenger(reply, asked.arm)
        elif query.explain:
            told, why = await asyncio.to_thread(self._priced, asked, loaded, query)
        else:
            told = told_by_control((await self._by_control([asked.card], loaded))[0], loaded)
        if reply is not None and not isinstance(reply, Reply):
            told = replace(told, fallback=reply)
            self.kit.tally.count("oracle_fallbacks", asked.arm, reply)
        if query.exotics:
            message = await asyncio.to_thread(self._message, asked, told, query, why)
        else:
            message = self._message(asked, told, query, why)
        row, scoring, text = self._row(asked, told, message, began)
        kept = await self.commit.keep(row, scoring)
        self._noted(asked, told, loaded, began, repeated=kept is not None)
        return text if kept is None else kept

    async def _challenged(self, asked: Asked) -> Reply | Fallback:
        arm = next(each for each in asked.routing.arms if each.name == asked.arm)
        return await self.kit.challengers[arm.name].score([asked.card], arm.target)

    async def _by_control(self, cards: Sequence[RaceCard], loaded: Loaded) -> list[Scored]:
        if self.kit.members is None:
            return self.slot.score(cards, loaded)
        return await self.kit.members.score(loaded, cards)

    def _asked(self, body: bytes, query: Query, raw: bytes, caller: Caller, routing: InForce) -> Asked:
        message = read_card(body)
        race = race_key(message.race_id, message.course, message.off)
        unit = caller.user or race
        arm = CONTROL
        if routing.experiment is not None and not query.explain:  # reasons are the control's: nothing to be tested
            arm = assigned(routing, unit, self._position, arm_of)
        return Asked(
            message=message,
            card=message.as_card(),
            text=message.model_dump_json(exclude_unset=True),
            race=race,
            caller=caller,
            unit=unit,
            arm=arm,
            routing=routing,
            prediction_id=caller.prediction_id(raw, body) or self._new_id(),
        )

    def _position(self, experiment: str, unit: str) -> float:
        return position(experiment, unit, self.kit.key)

    def _priced(self, asked: Asked, loaded: Loaded, query: Query) -> tuple[Told, CardExplanation | None]:
        """Return what the control says, and why where that was asked."""
        [scored] = self.slot.score([asked.card], loaded)
        if not query.explain:
            return told_by_control(scored, loaded), None
        [why] = loaded.model.explain([asked.card])
        if query.top is not None:
            top = query.top
            why = replace(why, runners=tuple(r and shortened(r, top) for r in why.runners))
        return told_by_control(replace(scored, said=why.prediction), loaded), why

    def _message(self, asked: Asked, told: Told, query: Query, why: CardExplanation | None) -> PredictionMessage:
        message = answer(
            asked.message,
            told.scored.said,
            model=told.model,
            prediction_id=asked.prediction_id,
            at=self._now(),
            exotics=combinations(told.scored.said, told.discount, query.exotics) if query.exotics else None,
        )
        return message if why is None else explained(message, why, meanings())

    def _row(
        self, asked: Asked, told: Told, message: PredictionMessage, began: float
    ) -> tuple[Prediction, Scoring | None, str]:
        """Return what is written of an answer, and the answer as text."""
        text = message.model_dump_json()
        spent = (time.perf_counter() - began) * 1000
        row = row_of(asked, told, at=message.at, answer=text, latency_ms=spent)
        return row, self._scoring(asked, told, message.at, spent), text

    def _scoring(self, asked: Asked, told: Told, at: dt.datetime, spent: float) -> Scoring | None:
        """Return the answering arm's scoring while an experiment runs: without one nobody compares."""
        if asked.routing.experiment is None:
            return None
        return scoring_of(
            asked.card,
            asked.text,
            told.scored,
            label=told.label,
            arm=told.slot,
            form=told.form,
            at=at,
            latency_ms=spent,
        )

    def _noted(self, asked: Asked, told: Told, loaded: Loaded, began: float, *, repeated: bool) -> None:
        """Count an answer, and have the other arms score its card."""
        tally = self.kit.tally
        if repeated:
            tally.count("oracle_repeats")
            return
        tally.count("oracle_requests", asked.arm, told.label)
        tally.observe("oracle_latency_ms", asked.arm, told.label, value=(time.perf_counter() - began) * 1000)
        if asked.routing.experiment is None:
            return
        name = card_key(asked.text.encode(), loaded.seq)
        slots = ((CONTROL, loaded.target), *((arm.name, arm.target) for arm in asked.routing.arms))
        for arm, target in slots:
            if arm != told.slot:
                self.shadow.offer(arm, Work(name, asked.card, asked.text, target))

    async def _score_beside(self, arm: str, target: Target, work: Sequence[Work]) -> bool:
        """Have an arm score cards that another one answered, and note what it said."""
        cards = [each.card for each in work]
        if arm == CONTROL:
            loaded = self.slot.held()
            began = time.perf_counter()
            scored = await self._by_control(cards, loaded)
            label, form = loaded.label, loaded.seq
            spent = (time.perf_counter() - began) * 1000 / len(work)
        else:
            reply = await self.kit.challengers[arm].score(cards, target, patience=SHADOW_PATIENCE)
            if not isinstance(reply, Reply):
                return False
            scored, label, form, spent = list(reply.scored), reply.label, reply.form, reply.latency_ms
        at = self._now()
        self.commit.note(
            [
                scoring_of(w.card, w.text, s, label=label, arm=arm, form=form, at=at, latency_ms=spent)
                for w, s in zip(work, scored, strict=True)
            ]
        )
        return True

    def shadow_since(self) -> dict[str, int]:
        """Return how much shadow work was scored, shed and failed since this was asked last."""
        so_far = {
            "scored": self.shadow.done,
            "shed": self.shadow.shed + self.commit.shed,
            "failed": self.shadow.failed,
        }
        since = {name: count - self._reported.get(name, 0) for name, count in so_far.items()}
        self._reported = so_far
        return since

    def prediction(self, prediction_id: str) -> str | None:
        """Return an earlier answer as JSON, exactly as it was given, or None where there is none of that id."""
        found = self.store.predictions.get(prediction_id)
        return None if found is None else found.answer

    @property
    def model(self) -> ModelMessage | None:
        """The version in force."""
        return None if self.slot.loaded is None else self.slot.loaded.message

    def close(self) -> None:
        """Write what was handed in, and end."""
        self.commit.close()
