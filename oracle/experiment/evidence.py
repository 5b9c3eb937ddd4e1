"""From our store to what a test has seen: paired races, users by arm, units by share.

The pair of a race is the last card before the off that both versions scored with the same form: what somebody who asks
late is shown, by either. Its result is the latest revision. A runner that came under orders and was not scored, or too
few finishers, leave the race out for both.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from oracle.experiment.assignment import CONTROL, arm_names
from oracle.experiment.observed import ArmSeen, Observed, PairedRaces, SharePeriod, UserSums
from oracle.experiment.plan import Plan
from oracle.experiment.resplit import Users
from oracle.race import STARTED
from oracle.ranking import metrics
from oracle.ranking.outcome import gains, winners
from oracle.ranking.races import Floats, offsets_of, sum_by_race
from oracle.settings import EvaluationPolicy
from oracle.store import Change, RaceResult, Store
from oracle.store.retention import HABITS
from oracle.store.trials import Pair, Request

RANKS = 3
MOST_LATENCIES = 20_000
"""Of each arm, the latest ones."""
SETTLING = dt.timedelta(seconds=5)
"""After a change of shares in which a replica may still go by the old ones: units first seen then are not counted."""
STARTED_WORDS = frozenset(str(status) for status in STARTED)
LOADING = "absent"
"""The fallback of a challenger that does not hold its version yet: it has failed nobody."""
ACTS = ("view", "click", "follow", "bet")


def observed(store: Store, plan: Plan, arm: str, version: str, policy: EvaluationPolicy) -> Observed:
    """Return all that a test has seen of one challenger.

    Args:
        store: Where it was written.
        plan: Of the test.
        arm: The challenger's arm, such as `treatment`.
        version: The challenger's version.
        policy: Which races count.

    Raises:
        Unavailable: the store did not answer.
    """
    races, unscored, judged = paired_races(store, plan.control, version, plan.started_at, policy)
    felt = Felt()
    felt.take(store.trials.requests(plan.name))
    habits = store.trials.habits(plan.started_at, plan.started_at - HABITS)
    return replace(
        felt.observed(plan, arm, version, habits, judged),
        races=races,
        periods=share_periods(store.experiments.changes(plan.name), felt.first_seen, 1 + len(plan.treatments)),
        unscored=unscored,
    )


def recent(store: Store, plan: Plan, arm: str, version: str, requests: int) -> Observed:
    """Return what the latest requests of a test felt like, without races: what guardrails on traffic are checked by."""
    felt = Felt()
    felt.take(store.trials.requests(plan.name, latest=requests))
    return felt.observed(plan, arm, version, {}, {})


Judged = Mapping[str, tuple[float, float]]
"""By race key and by place key: NDCG@3 of control and treatment."""


def paired_races(
    store: Store, control: str, treatment: str, since: dt.datetime, policy: EvaluationPolicy
) -> tuple[PairedRaces, int, Judged]:
    """Return the races with a result that both versions scored, how many were left out, and the NDCG by race name."""
    last: dict[str, Pair] = {}
    for pair in store.trials.pairs(control, treatment, since):
        if pair.place_key not in last or pair.at > last[pair.place_key].at:
            last[pair.place_key] = pair
    pairs = list(last.values())
    results = store.trials.results([p.race_key for p in pairs], [p.place_key for p in pairs])
    latest: dict[str, RaceResult] = {}
    first: dict[str, dt.datetime] = {}
    for result in results:
        for name in (result.race_key, result.place_key):
            latest[name] = result
            first.setdefault(name, result.received_at)
    both = []
    for pair in pairs:
        name = pair.race_key if pair.race_key in latest else pair.place_key
        if name in latest:
            both.append(_Matched.of(pair, latest[name], first[name]))
    whole = [m for m in both if m is not None]
    races, counted = _judged(whole, policy)
    ndcg = {
        name: (float(races.control[i]), float(races.treatment[i]))
        for i, matched in enumerate(m for m, c in zip(whole, counted, strict=True) if c)
        for name in (matched.pair.race_key, matched.pair.place_key)
    }
    return races.in_order(), len(both) - len(races), ndcg


@dataclass(frozen=True, slots=True)
class _Matched:
    """A race with each starter's result and what both versions said of it."""

    pair: Pair
    meeting: str
    known_at: float
    position: list[float]
    control: list[tuple[float, float]]
    """(score, win) of each starter."""
    treatment: list[tuple[float, float]]

    @classmethod
    def of(cls, pair: Pair, result: RaceResult, known_at: dt.datetime) -> _Matched | None:
        """Return the race, or None where a starter was not scored: the card was of another field."""
        rows = [row for row in orjson.loads(result.runners) if row.get("status") in STARTED_WORDS]
        said = [_by_name(orjson.loads(text)) for text in (pair.control, pair.treatment)]
        found = [[_find(names, row) for row in rows] for names in said]
        if not rows or any(one is None for side in found for one in side):
            return None
        position = [float("nan") if row.get("position") is None else float(row["position"]) for row in rows]
        date = rows[0].get("date") or f"{result.off:%Y-%m-%d}"
        return cls(pair, f"{result.course} {date}", known_at.timestamp(), position, *found)  # type: ignore[arg-type]


def _by_name(runners: Sequence[Sequence[Any]]) -> dict[tuple[str, object], tuple[float, float]]:
    names: dict[tuple[str, object], tuple[float, float]] = {}
    for number, horse_id, horse, score, win, *_ in runners:
        said = (float(score), float(win))
        for key in (("id", horse_id), ("number", number), ("horse", str(horse).casefold())):
            if key[1] is not None:
                names[key] = said
    return names


def _find(
    names: Mapping[tuple[str, object], tuple[float, float]], row: Mapping[str, Any]
) -> tuple[float, float] | None:
    """Return what was said of a starter, by its id, else its name, else its number."""
    keys = (("id", row.get("horse_id")), ("horse", str(row.get("horse", "")).casefold()), ("number", row.get("number")))
    return next((names[key] for key in keys if key[1] is not None and key in names), None)


def _judged(races: Sequence[_Matched], policy: EvaluationPolicy) -> tuple[PairedRaces, list[bool]]:
    if not races:
        return PairedRaces(), []
    offsets = offsets_of([len(race.position) for race in races])
    position = np.array([p for race in races for p in race.position])
    gain, won = gains(position, offsets, policy), winners(position, offsets, policy)
    columns = {}
    for side in ("control", "treatment"):
        said = np.array([each for race in races for each in getattr(race, side)], dtype=np.float64)
        columns[side] = metrics.ndcg(said[:, 0], gain, offsets, RANKS)
        columns[f"{side}_loss"] = metrics.log_loss(_among_starters(said[:, 1], offsets), won, offsets)
    counted = ~np.isnan(columns["control"]) & ~np.isnan(columns["treatment"])
    paired = PairedRaces(
        race_key=np.array([race.pair.race_key for race in races], dtype=object)[counted],
        meeting=np.array([race.meeting for race in races], dtype=object)[counted],
        known_at=np.array([race.known_at for race in races])[counted],
        **{name: values[counted] for name, values in columns.items()},
    )
    return paired, counted.tolist()


def _among_starters(win: Floats, offsets: Any) -> Floats:
    """Return win probabilities that sum to 1 over the starters: one may have been withdrawn after the card."""
    total = np.repeat(sum_by_race(win, offsets), np.diff(offsets))
    return np.asarray(np.divide(win, total, out=np.full_like(win, np.nan), where=total > 0))


@dataclass
class _Person:
    """What one unit did and felt in its arm."""

    requests: int = 0
    failures: int = 0
    latency: float = 0.0
    timed: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    value: float = 0.0
    user: str | None = None
    races: dict[str, str] = field(default_factory=dict)
    """Race key -> place key."""


class Felt:
    """What the requests of a test felt like, gathered request by request; memory grows with units, not requests."""

    def __init__(self) -> None:
        self.first_seen: dict[str, tuple[dt.datetime, str]] = {}
        """Unit -> (moment, arm) of its first request."""
        self._people: dict[str, dict[str, _Person]] = defaultdict(lambda: defaultdict(_Person))
        self._latencies: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_LATENCIES))
        self._versions: dict[str, Counter[str]] = defaultdict(Counter)
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._span: list[dt.datetime] = []

    def take(self, requests: Iterable[Request]) -> None:
        """Count some requests in."""
        for request in requests:
            self._one(request)

    def _one(self, r: Request) -> None:
        first = self.first_seen.get(r.unit)
        if first is None or r.at < first[0]:
            self.first_seen[r.unit] = (r.at, r.arm)
        self._counts[r.arm] += 1
        failed = r.fallback not in (None, LOADING)
        self._failures[r.arm] += failed
        if r.fallback is None:
            self._versions[r.arm][r.model_version] += 1
        self._span = [min(self._span[0], r.at), max(self._span[1], r.at)] if self._span else [r.at, r.at]
        person = self._people[r.arm][r.unit]
        person.requests += 1
        person.user = r.user
        person.failures += failed
        if r.latency_ms is not None:
            self._latencies[r.arm].append(r.latency_ms)
            person.latency += r.latency_ms
            person.timed += 1
        person.acts.update({"view": r.views, "click": r.clicks, "follow": r.follows, "bet": r.bets})
        person.value += r.value
        person.races[r.race_key] = r.place_key

    def observed(self, plan: Plan, arm: str, version: str, habits: Mapping[str, float], judged: Judged) -> Observed:
        """Return what control and challenger felt like."""
        foreign = sum(
            count
            for which, own in ((CONTROL, plan.control), (arm, version))
            for answered, count in self._versions[which].items()
            if answered != own
        )
        return Observed(
            control=self._arm(CONTROL, habits, judged, 0),
            treatment=self._arm(arm, habits, judged, 1),
            first_at=self._span[0] if self._span else None,
            last_at=self._span[1] if self._span else None,
            foreign=foreign,
        )

    def users(self, arm: str) -> dict[str, Users]:
        """Return what each user of an arm did, by metric: what an A/A test of the past splits anew."""
        users = [p for p in self._people[arm].values() if p.user is not None]
        requests = np.array([float(p.requests) for p in users])
        told = {act: Users(np.array([float(p.acts[act]) for p in users]), requests) for act in ACTS}
        told["latency_ms"] = Users(np.array([p.latency for p in users]), np.array([float(p.timed) for p in users]))
        told["value"] = Users(np.array([p.value for p in users]), np.ones(len(users)))
        return told

    def _arm(self, arm: str, habits: Mapping[str, float], judged: Judged, side: int) -> ArmSeen:
        people = list(self._people[arm].values())
        users = [p for p in people if p.user is not None]
        covariate = np.array([habits.get(p.user or "", 0.0) for p in users])
        told = {
            "latency_ms": UserSums.of([p.latency for p in people], [float(p.timed) for p in people]),
            "failure": UserSums.of([float(p.failures) for p in people], [float(p.requests) for p in people]),
        }
        requests = [float(p.requests) for p in users]
        for act in ACTS:
            told[act] = UserSums.of([float(p.acts[act]) for p in users], requests, covariate)
        told["conversion"] = UserSums.of([float(p.acts["bet"] > 0) for p in users], [1.0] * len(users), covariate)
        told["value"] = UserSums.of([p.value for p in users], [1.0] * len(users), covariate)
        scores = [_scores(p, judged, side) for p in users]
        told["accuracy"] = UserSums.of([sum(s) for s in scores], [float(len(s)) for s in scores])
        return ArmSeen(self._counts[arm], self._failures[arm], np.array(self._latencies[arm]), told)


def _scores(person: _Person, judged: Judged, side: int) -> list[float]:
    """Return the NDCG@3, by his arm's version, of each race a user asked for that has a result."""
    found = (judged.get(key, judged.get(place)) for key, place in person.races.items())
    return [pair[side] for pair in found if pair is not None]


def share_periods(
    changes: Sequence[Change], first_seen: Mapping[str, tuple[dt.datetime, str]], arms: int
) -> tuple[SharePeriod, ...]:
    """Return how many units each arm got while the shares stood still.

    Units first seen just after a change are left out.

    Args:
        changes: What was done to the test, in order.
        first_seen: Unit -> (moment, arm) of its first request.
        arms: How many there are, the control included.
    """
    begins = [(change.at, change.shares) for change in changes if len(change.shares) == arms - 1]
    names = {name: i for i, name in enumerate((CONTROL, *arm_names(arms - 1)))}
    counts = [[0] * arms for _ in begins]
    moments = [at for at, _ in begins]
    for at, arm in first_seen.values():
        period = int(np.searchsorted(np.array([m.timestamp() for m in moments]), at.timestamp(), side="right")) - 1
        if period >= 0 and arm in names and at - moments[period] >= SETTLING:
            counts[period][names[arm]] += 1
    return tuple(
        SharePeriod(tuple(shares), tuple(count))
        for (_, shares), count in zip(begins, counts, strict=True)
        if sum(count)
    )
