"""The processes of serving, as plain classes: a gateway that answers over HTTP, and a challenger that answers it.

`oracle.serving.app` decorates them. What they do beside their requests runs on threads that begin once all is loaded: a
replica that was started again has caught up with the stored results and experiments before it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oracle.alerts.direct import Alarm
from oracle.alerts.message import Part
from oracle.errors import Unavailable
from oracle.experiment import conduct
from oracle.features.matrix import RaceMatrix
from oracle.governance import logs
from oracle.governance.access import Snapshot
from oracle.race import RaceCard
from oracle.ranking.races import Floats
from oracle.serving import http, turned_away
from oracle.serving.access import EVERY, Access, FromStore
from oracle.serving.challenger import Ask, Asking, Challenger, Fallback, Reply
from oracle.serving.clock import Clock
from oracle.serving.door import Door, Guard
from oracle.serving.head import RequestLimits
from oracle.serving.kept_tokens import KeptTokens
from oracle.serving.kit import Kit
from oracle.serving.members import AskMember, Member, Members
from oracle.serving.metrics import Taken, Tally
from oracle.serving.outages import Following, Outages
from oracle.serving.registered import Registered
from oracle.serving.routing import Routing, in_force
from oracle.serving.shadow import REPLAYED, ShadowPolicy
from oracle.serving.slot import Slot
from oracle.serving.tending import Tasks, follow, look, tend
from oracle.serving.turned_away import TurnedAway
from oracle.serving.version import Target
from oracle.serving.watch import Background, Watch
from oracle.serving.wiring import SPOOL, Wiring, ask_briefly, behind_haproxy, gateway, opened
from oracle.settings import EvaluationPolicy, ServingSettings
from oracle.store import Store


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class GatewayProcess:
    """One process that answers over HTTP.

    Args:
        wiring: All that it needs.
        asks: How each challenger is asked, by the name of its arm.
        cause: What kind of failure an exception of a challenger is.
        export: Takes what was counted, once a second.
        members: How each member of the control is asked, by its name; none where all are scored here.
        replica: What this process is called.
        peers: How many processes answer, and share the limits of tokens.
        tasks: Guardrails and standings; by default those of a test in our store.
    """

    def __init__(
        self,
        wiring: Wiring,
        asks: Mapping[str, Ask],
        *,
        cause: Callable[[BaseException], Fallback],
        export: Callable[[Taken], None],
        members: Mapping[str, AskMember] | None = None,
        replica: str = "here",
        peers: Callable[[], int] = lambda: 1,
        tasks: Tasks | None = None,
    ) -> None:
        logs.install()
        ask_briefly()
        serving = wiring.settings.serving
        timeout = serving.treatment_timeout_ms / 1000
        tally = Tally()
        kit = Kit(
            challengers={arm: Asking(ask, timeout=timeout, cause=cause) for arm, ask in asks.items()},
            key=wiring.key,
            members=Members(members, tally) if members else None,
            tally=tally,
            replica=replica,
            cached=serving.cached,
            warm=True,
            shadow=REPLAYED if serving.replay else ShadowPolicy(),
            **_spooling(wiring),
        )
        clock = Clock(told=serving.replay)
        self.gateway = gateway(wiring, kit, clock)
        self._turned_away = TurnedAway(self.gateway.store.audit.append, replica=replica, now=_now)
        self.guard = guard(serving, self.gateway.store, self._turned_away, peers, _copied(wiring))
        access = self.guard.access
        self.app = Door(
            http.build(self.gateway, max_body_bytes=serving.max_body_bytes, policy=wiring.settings.check),
            self.gateway,
            guard=self.guard,
            pseudonym=kit.pseudonym,
            max_body_bytes=serving.max_body_bytes,
            clock=clock,
        )
        tasks = tasks or _tasks(wiring.settings.evaluation)
        watch = tend(self.gateway, tasks, clock)
        look(self.gateway, watch)
        outages = Outages(self.gateway, _alarms(wiring), _now)
        registry = self.gateway.source
        assert isinstance(registry, Registered)
        following = Following(self.gateway.slot, registry, every=serving.follow_seconds, clock=time.monotonic)
        self._background = (
            Background(lambda: look(self.gateway, watch), name="watch"),
            Background(lambda: follow(self.gateway, following), name="registry", every=1.0),
            Background(outages.look, name="alarms", every=1.0),
            Background(lambda: export(kit.tally.take()), name="metrics", every=1.0),
            Background(self._turned_away.flush, name="turned away", every=turned_away.EVERY),
            *([Background(access.refresh, name="tokens", every=EVERY)] if access else []),
        )
        for each in self._background:
            each.start()

    async def reconfigure(self, user_config: object) -> None:
        """Follow another routing without a restart; a bad one keeps the last good."""
        await asyncio.to_thread(self.gateway.reconfigure, user_config)

    def close(self) -> None:
        """End what runs beside the requests, and write what was handed in."""
        for each in self._background:
            each.close()
        self._turned_away.close()
        self.gateway.close()


def _spooling(wiring: Wiring) -> dict[str, Any]:
    """Return where answers go while our store is away: in a replay nowhere, it can wait."""
    kept = wiring.settings.store
    if not kept.spool_megabytes or wiring.settings.serving.replay:
        return {}
    folder = wiring.settings.root / SPOOL
    return {"spool": folder, "spool_bytes": kept.spool_megabytes * 2**20, "patience": kept.patience_seconds}


def _alarms(wiring: Wiring) -> dict[Part, Alarm]:
    folder, receivers = wiring.settings.root / SPOOL, wiring.settings.alerts
    parts: tuple[Part, ...] = ("store", "artifacts")
    return {part: Alarm(part, folder, receivers) for part in parts}


def guard(
    serving: ServingSettings,
    kept: Store,
    turned_away: TurnedAway,
    peers: Callable[[], int],
    copied: Callable[[Callable[[], Snapshot]], Callable[[], Snapshot]] = lambda read: read,
) -> Guard:
    """Return what stands at the door, with the tokens as the store knows them now.

    Args:
        serving: How the access is kept.
        kept: Where tokens are.
        turned_away: Is told of those who may not come in.
        peers: How many processes answer.
        copied: Makes of what reads the store something that can do without it.
    """
    access = None
    if serving.auth == "tokens":
        access = Access(copied(FromStore(kept)), stale_seconds=3600 * serving.tokens_stale_hours, peers=peers)
        access.refresh()
    return Guard(access, turned_away, RequestLimits(body_seconds=serving.body_seconds), behind_haproxy())


def _copied(wiring: Wiring) -> Callable[[Callable[[], Snapshot]], Callable[[], Snapshot]]:
    stale = 3600 * wiring.settings.serving.tokens_stale_hours
    return lambda read: KeptTokens(read, wiring.settings.root / SPOOL / "tokens", wiring.key, stale, _now)


def _tasks(policy: EvaluationPolicy) -> Tasks:
    """Return what looks after a test that runs by our store."""
    return Tasks(
        guard=conduct.Guardian(policy),
        standing=lambda kept, experiment: conduct.running_ndcg(kept, experiment, policy),
    )


class ChallengerProcess:
    """One process that answers for a challenger's slot.

    Args:
        wiring: All that it needs.
        arm: Which slot.
    """

    def __init__(self, wiring: Wiring, arm: str) -> None:
        logs.install()
        ask_briefly()
        self._store = opened(wiring)
        self._arm, self._slots = arm, wiring.settings.serving.challengers
        slot = Slot(Registered(wiring.settings, wiring.key), self._store.results, now=_now, warm=True)
        self.challenger = Challenger(slot)
        self._watch = Watch(self._store.pulse, on_results=slot.catch_up, on_experiments=self._ruled)
        self._look()
        self._background = Background(self._look, name="watch")
        self._background.start()

    def _look(self) -> None:
        with contextlib.suppress(Unavailable):  # the look that follows tells of it
            self._store.complete()
        self._watch.look()
        self.challenger.look()

    def _ruled(self) -> None:
        routing = in_force(Routing(), self._store.experiments.running(), challengers=self._slots)
        self.challenger.rule(next((arm.target for arm in routing.arms if arm.name == self._arm), None))

    async def score(self, cards: Sequence[RaceCard], target: Target, form: int = 0) -> Reply | None:
        """Return what the target says of the cards, knowing that result too; None where another version stands here."""
        return self.challenger.score(cards, target, form)

    def reconfigure(self, user_config: Any) -> None:
        """Hold the version that `user_config` names even while nobody asks."""
        self.challenger.reconfigure(user_config)

    def close(self) -> None:
        """End."""
        self._background.close()


class MemberProcess:
    """One process that scores for one member of the control.

    Args:
        wiring: All that it needs.
        name: Which member.
    """

    def __init__(self, wiring: Wiring, name: str) -> None:
        logs.install()
        ask_briefly()
        self.member = Member(name, Registered(wiring.settings, wiring.key))
        self._background = Background(self.member.look, name="versions", every=0.1)
        self._background.start()

    async def score(self, matrix: RaceMatrix, version: str) -> Floats | None:
        """Return float64[N]; None where that version is not here (yet)."""
        return self.member.score(matrix, version)

    def close(self) -> None:
        """End."""
        self._background.close()
