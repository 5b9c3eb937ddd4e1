"""Answers cards with the model in force: the whole of serving, as a plain class without a cluster.

A card is read, assigned to an arm, priced, written to our store, and only then answered. Pricing by the control happens
in the caller's own thread, under Ray the event loop: a replica has one core, and a second thread would only wait. What
can take long (reasons, combinations) goes to another thread, a challenger is awaited, and whatever goes wrong with it
the control answers. Where there is no model yet the gateway stands and says so, and looks again: training after serving
must not need a restart. A model that cannot be loaded never replaces one that works.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from oracle.errors import OracleError, Unavailable
from oracle.experiment.assignment import CONTROL, position
from oracle.experiment.assignment import arm as arm_of
from oracle.race import RaceCard
from oracle.serving.answers import AnswerCache, signed, written
from oracle.serving.caller import NOBODY, Caller
from oracle.serving.challenger import Reply
from oracle.serving.clock import Clock
from oracle.serving.exotics import exotics as combinations
from oracle.serving.keeping import earlier, writer
from oracle.serving.kit import Kit
from oracle.serving.messages import ExplainedMessage, ModelMessage, PredictionMessage
from oracle.serving.query import NOTHING_ASKED, Query
from oracle.serving.request import (
    Answer,
    Asked,
    Read,
    Told,
    read,
    row_of,
    scoring_of,
    told_by_challenger,
    told_by_control,
)
from oracle.serving.routing import InForce, Routing, Running, assigned, in_force, read_routing
from oracle.serving.scoring import Scored, card_key
from oracle.serving.shadow import Shadow, Work
from oracle.serving.slot import Loaded, Slot
from oracle.serving.version import Source, Target
from oracle.serving.wording import plain, with_reasons
from oracle.store import Away, Scoring, Store

SHADOW_PATIENCE = 20.0
"""Times the usual time limit for a batch that nobody waits for."""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


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
        self.source, self.store, self.now, self._new_id = source, store, now, new_id
        self._default = target or Target()
        self._configured = Routing(control=self._default)
        self._running: Sequence[Running] = ()
        self.routing = in_force(self._configured, (), challengers=len(self.kit.challengers))
        self.rejections = 0
        self.rejected: OracleError | None = None
        """Why the last `user_config` is not in force; None where it is."""
        self.trouble: OracleError | None = None
        """Why results and experiments are not looked at; None where they are."""
        self.unfollowed: OracleError | None = None
        """Why the alias is not followed; None where it is."""
        self.slot = Slot(source, store.results, now=now, warm=self.kit.warm)
        self.commit = writer(store, self.kit, _now)
        self._reported: dict[str, int] = {}
        self._cards: AnswerCache[Read] = AnswerCache(self.kit.cached)
        self._answers: AnswerCache[Answer] = AnswerCache(self.kit.cached)
        self._scored: AnswerCache[bool] = AnswerCache()
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
        asked = self._asked(read(body), NOBODY, InForce(self.routing.control), b"")
        self.slot.look_again()
        loaded = self.slot.held()
        message: PredictionMessage
        if query.explain:
            message, told = with_reasons(asked, self.slot, loaded, query, self.now)
        else:
            told = told_by_control(asked.read, self.slot.score([asked.read.card], loaded)[0], loaded)
            message = plain(asked, told, query.exotics, self.now)
        text = message.model_dump_json()
        spent = (time.perf_counter() - began) * 1000
        self.commit.submit(row_of(asked, told, at=message.at, answer=text, latency_ms=spent)).result()
        return message

    async def respond(
        self, body: bytes, query: Query = NOTHING_ASKED, raw: bytes = b"", caller: Caller = NOBODY
    ) -> bytes:
        """Return the answer to a request as JSON, once it is durable.

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
        card = self._read(body)
        loaded, routing = self.slot.held(), self.routing
        if query.explain:  # reasons are the control's: nothing to be tested
            routing = InForce(routing.control)
        asked = self._asked(card, caller, routing, raw)
        if query.explain:
            message, told = await asyncio.to_thread(with_reasons, asked, self.slot, loaded, query, self.now)
            at, said, answer = message.at, message.model_dump_json().encode(), Answer(told, b"")
        else:
            answer = await self._answer(asked, loaded, query.exotics)
            at, told = self.now(), answer.told
            said = signed(answer.rest, asked.prediction_id, at)
        spent = (time.perf_counter() - began) * 1000
        row = row_of(
            asked,
            told,
            at=at,
            answer=said.decode(),
            latency_ms=spent,
            fallback=answer.fallback,
            cached=answer.cached,
        )
        kept = await self.commit.keep(row, self._scoring(asked, answer, at, spent))
        self._noted(asked, answer, loaded, began, repeated=kept is not None)
        return said if kept is None else kept.encode()

    def _read(self, body: bytes) -> Read:
        """Return the card in a body, one that came before as it was read then."""
        found = self._cards.get(body)
        if found is None:
            found = read(body)
            self._cards.put(body, found, 8 * len(body))
        return found

    def _asked(self, card: Read, caller: Caller, routing: InForce, raw: bytes) -> Asked:
        unit = caller.user or card.race
        arm = CONTROL if routing.experiment is None else assigned(routing, unit, self._position, arm_of)
        name = caller.prediction_id(raw, card.body, self.kit.key) or self._new_id()
        return Asked(card, caller, unit, arm, routing, name)

    def _position(self, experiment: str, unit: str) -> float:
        return position(experiment, unit, self.kit.key)

    async def _answer(self, asked: Asked, loaded: Loaded, exotics: int) -> Answer:
        """Return the answer of the assigned arm, or the control's for it."""
        if asked.arm == CONTROL:
            return await self._of_control(asked.read, loaded, exotics)
        arm = next(each for each in asked.routing.arms if each.name == asked.arm)
        key = (asked.read.body, exotics, arm.name, arm.target.label, loaded.seq)
        found = self._answers.get(key)
        if found is not None:
            return found
        reply = await self.kit.challengers[arm.name].score([asked.read.card], arm.target, form=loaded.seq)
        if not isinstance(reply, Reply):
            self.kit.tally.count("oracle_fallbacks", asked.arm, reply)
            return replace(await self._of_control(asked.read, loaded, exotics), fallback=reply)
        answer = await self._worded(asked.read, told_by_challenger(asked.read, reply, arm.name), exotics)
        if reply.form == loaded.seq:  # while two processes learn of a result one after the other, nothing is kept
            self._answers.put(key, replace(answer, cached=True), len(asked.read.body) + len(answer.rest))
        return answer

    async def _of_control(self, card: Read, loaded: Loaded, exotics: int) -> Answer:
        key = (card.body, exotics, CONTROL, loaded.label, loaded.seq)
        found = self._answers.get(key)
        if found is not None:
            return found
        told = told_by_control(card, (await self._by_control([card.card], loaded))[0], loaded)
        answer = await self._worded(card, told, exotics)
        self._answers.put(key, replace(answer, cached=True), len(card.body) + len(answer.rest))
        return answer

    async def _by_control(self, cards: Sequence[RaceCard], loaded: Loaded) -> list[Scored]:
        if self.kit.members is None:
            return self.slot.score(cards, loaded)
        return await self.kit.members.score(loaded, cards)

    async def _worded(self, card: Read, told: Told, exotics: int) -> Answer:
        said = told.scored.said
        pools = await asyncio.to_thread(combinations, said, told.discount, exotics) if exotics else None
        return Answer(told, written(card.message, said, told.model, pools))

    def _scoring(self, asked: Asked, answer: Answer, at: dt.datetime, spent: float) -> Scoring | None:
        """Return the answering arm's scoring while an experiment runs: without one nobody compares."""
        told, card = answer.told, asked.read
        name = (told.card_key, told.label)
        if asked.routing.experiment is None or self._scored.get(name) is not None:
            return None
        self._scored.put(name, True, 200)
        return scoring_of(
            card.card,
            card.text,
            told.scored,
            label=told.label,
            arm=told.slot,
            form=told.form,
            at=at,
            latency_ms=spent,
        )

    def _noted(self, asked: Asked, answer: Answer, loaded: Loaded, began: float, *, repeated: bool) -> None:
        """Count an answer, and have the other arms score its card."""
        tally, told, card = self.kit.tally, answer.told, asked.read
        if repeated:
            tally.count("oracle_repeats")
            return
        tally.count("oracle_requests", asked.arm, told.label)
        tally.count("oracle_cache_hits" if answer.cached else "oracle_cache_misses")
        tally.observe("oracle_latency_ms", asked.arm, told.label, value=(time.perf_counter() - began) * 1000)
        if asked.routing.experiment is None:
            return
        name = told.card_key if told.form == loaded.seq else card_key(card.text.encode(), loaded.seq)
        slots = ((CONTROL, loaded.target), *((arm.name, arm.target) for arm in asked.routing.arms))
        for arm, target in slots:
            if arm != told.slot:
                self.shadow.offer(arm, Work(name, card.card, card.text, target))

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
            held = self.slot.loaded
            form = 0 if held is None else held.seq
            reply = await self.kit.challengers[arm].score(cards, target, form=form, patience=SHADOW_PATIENCE)
            if not isinstance(reply, Reply):
                return False
            scored, label, form, spent = list(reply.scored), reply.label, reply.form, reply.latency_ms
        at = self.now()
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

    async def settled(self) -> None:
        """In a replay, return once every card asked about has been scored by every arm; otherwise at once.

        A race lasts longer than any scoring, except where time is told: a result must not be in the form by which an
        arm scores the card of the same race.
        """
        if isinstance(self.now, Clock) and self.now.replayed:
            await self.shadow.settled()

    def catch_up(self) -> None:
        """Have the form of the control know the stored results; what fails here is tried again by whoever tends us."""
        with contextlib.suppress(Unavailable):
            self.slot.catch_up()

    def prediction(self, prediction_id: str) -> str | None:
        """Return an earlier answer as JSON, exactly as it was given; see `oracle.serving.keeping.earlier`."""
        return earlier(self.commit, self.store, prediction_id)

    @property
    def registry_away(self) -> Away | None:
        """Since when the registry or its artifacts are away, and why; None where a source cannot say."""
        found: Away | None = getattr(self.source, "away", None)
        return found

    @property
    def registry_asked(self) -> bool:
        """Whether that is known."""
        return bool(getattr(self.source, "asked", True))

    @property
    def model(self) -> ModelMessage | None:
        """The version in force."""
        return None if self.slot.loaded is None else self.slot.loaded.message

    def close(self) -> None:
        """Write what was handed in, and end."""
        self.commit.close()
