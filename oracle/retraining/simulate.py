"""A trigger policy played over past years: how often it would have fired, why, and what that would have gained.

Three answer every race after the start: the model that the policy maintains, the one that was in force at the start and
is never trained again, and the market. At each look the drift of the model in force is measured on the races run since
it came into force, by the sketches and the verdict of a live check; where the policy says so a model is trained on what
was known at that moment, judged on its last days against the one in force, and put into force after the days that a
test on live traffic takes. No race is known before it is run.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oracle.drift.verdict import Report
from oracle.ensemble.blend import STACKING
from oracle.ensemble.recipe import SHRUNK, Member, Pool, Recipe
from oracle.errors import BadInput, NotEnoughData
from oracle.progress import Progress, silent
from oracle.ranking import metrics
from oracle.ranking.outcome import gains, winners
from oracle.ranking.races import Bools, Floats
from oracle.ranking.report import NoResult, paired_difference
from oracle.retraining import trigger
from oracle.retraining.contender import FORM, MARKET, Contender, learned
from oracle.retraining.evidence import blind, parts_of
from oracle.retraining.trigger import Decision, Evidence, Past
from oracle.settings import Settings
from oracle.training.history import History

QUICK = Recipe(
    {name: Member(name) for name in ("lambdarank", "conditional_logit", "market", "market_power", "market_logit")},
    form=Pool(("lambdarank", "conditional_logit")),
    market=Pool(("market_power", "market_logit"), SHRUNK, STACKING),
)
"""Two members of each kind: a training in a few seconds, for a policy that is played over many."""
DAY = dt.timedelta(days=1)
LEAST_DAYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is played."""

    first: dt.date | None = None
    """Where the frozen model is trained and the play begins; by default after 40% of the race dates."""
    last: dt.date | None = None
    every_days: int = 14
    """Days between two looks."""
    window_days: int = 90
    """Days that a look looks back."""
    holdout_days: int = 90
    """Days before a training that it does not learn from and is judged on."""
    test_days: int = 7
    """Days from a training until its model is in force."""
    pool: str = FORM
    """Which ensemble answers: form, as for cards without odds, or market."""
    recipe: Recipe = QUICK

    def __post_init__(self) -> None:
        for name in ("every_days", "window_days", "holdout_days"):
            if getattr(self, name) < 1:
                raise BadInput(
                    f"{name.replace('_', ' ')} of a simulation", value=getattr(self, name), allowed="1 or more"
                )
        if self.pool not in (FORM, MARKET):
            raise BadInput("no such ensemble", value=self.pool, allowed=(FORM, MARKET))


@dataclass
class Played:
    """What happened."""

    decisions: list[Decision] = field(default_factory=list)
    """One a look."""
    reports: list[Report | None] = field(default_factory=list)
    retrainings: list[dict[str, Any]] = field(default_factory=list)


Learn = Callable[[str, History, dt.date, Plan, Settings], Contender]
"""Trains on what lies before a date: name, history, date, plan and settings."""


def _learned(name: str, history: History, before: dt.date, plan: Plan, settings: Settings) -> Contender:
    return learned(name, history, before, plan.holdout_days, plan.recipe, settings, silent)


def play(
    history: History, plan: Plan, settings: Settings, progress: Progress = silent, learn: Learn = _learned
) -> dict[str, Any]:
    """Return what a policy would have done with a history, and gained.

    Args:
        history: The races, each as of its off.
        plan: What is played.
        settings: The tree in force: `retraining` is the policy, `drift` says what drift is.
        progress: Told of each look.
        learn: What trains.

    Raises:
        NotEnoughData: too few races before or after the start.
        BadInput: the market is to answer races without odds.
    """
    return _Play(history, plan, settings, progress, learn).report()


class _Play:
    def __init__(self, history: History, plan: Plan, settings: Settings, progress: Progress, learn: Learn) -> None:
        self.history, self.plan, self.settings, self.learn = history, plan, settings, learn
        self.dates = history.matrix.dates
        self.first, self.end = _period(self.dates, plan)
        self.frozen = self._learn(self.first)
        if not self.frozen.answers(plan.pool):
            raise BadInput("no race of the holdout has odds", value=plan.pool, allowed=FORM)
        self.in_force = self.frozen
        self.asked = self._between(self.first, self.end)
        self.answers = {"frozen": self.frozen.win(history, self.asked, plan.pool)}
        self.answers["maintained"] = self.answers["frozen"].copy()
        self.played = Played()
        self.past: list[Past] = []
        self.next: tuple[dt.date, Contender] | None = None
        looks = list(_looks(self.first, self.end, plan.every_days))
        before = self.first
        for today in progress(looks, "past years", len(looks)):
            self._come_into_force(today)
            self._look(before, today)
            before = today

    def _learn(self, before: dt.date) -> Contender:
        return self.learn(f"learned {before}", self.history, before, self.plan, self.settings)

    def _between(self, first: dt.date, end: dt.date) -> Bools:
        return np.asarray((self.dates >= np.datetime64(first)) & (self.dates < np.datetime64(end)))

    def _look(self, before: dt.date, today: dt.date) -> None:
        block = self._between(before, today)
        if block.any():
            self.in_force.watch(self.history, block, today, self.plan.pool)
        since = today - self.plan.window_days * DAY
        report = self.in_force.drift(since, self.plan.pool, self.settings.drift)
        drift = blind("no race was run in the window") if report is None else parts_of(report.as_dict())
        last = max([self.in_force.learned_at, *(p.started_at.date() for p in self.past)])
        evidence = Evidence(
            model_version=self.in_force.name,
            drift=drift,
            trained_at=_moment(self.in_force.learned_at),
            new_races=int(self._between(last, today).sum()),
            latest=str(today),
            past=tuple(self.past),
        )
        decision = trigger.decide(evidence, self.settings.retraining, _moment(today))
        self.played.decisions.append(decision)
        self.played.reports.append(report)
        if decision.retraining_id is not None:
            self._retrain(decision, report, today)

    def _retrain(self, decision: Decision, report: Report | None, today: dt.date) -> None:
        candidate, ended = self._learn(today), today + self.plan.test_days * DAY
        gain = self._gain_on(candidate.holdout, candidate)
        promoted = gain > 0.0
        self.past.append(Past(str(decision.retraining_id), _moment(today), _moment(ended)))
        if promoted:
            self.next = (ended, candidate)
        self.played.retrainings.append(
            {
                "date": str(today),
                "in_force_from": str(ended) if promoted else None,
                "promoted": promoted,
                "holdout_log_loss_gain": gain,
                "replaces": self.in_force.name,
                "rules": [c.rule for c in decision.deciding],
                "why": [c.why for c in decision.deciding],
                "causes": [] if report is None else [dict(c) for c in report.causes[:5]],
            }
        )

    def _gain_on(self, mask: Bools, candidate: Contender) -> float:
        """Return the log-loss that a candidate saves against the model in force, on races neither has learned from."""
        loss = [self._losses(who.win(self.history, mask, self.plan.pool), mask) for who in (self.in_force, candidate)]
        return float(np.nanmean(loss[0] - loss[1]))

    def _losses(self, win: Floats, mask: Bools) -> Floats:
        part = self.history.matrix.take(mask)
        return metrics.log_loss(win, winners(part.position, part.offsets, self.settings.evaluation), part.offsets)

    def _come_into_force(self, today: dt.date) -> None:
        if self.next is None or self.next[0] > today:
            return
        since, self.in_force = self.next
        self.next = None
        later = self._between(since, self.end)
        rows = np.repeat(later[self.asked], self.history.matrix.sizes[self.asked])
        if later.any():
            self.answers["maintained"][rows] = self.in_force.win(self.history, later, self.plan.pool)

    def report(self) -> dict[str, Any]:
        races = self.history.matrix.take(self.asked)
        answers = {**self.answers, "market": np.asarray(races.market, dtype=np.float64)}
        measured = Measured.of(answers, races.position, races.offsets, races.meeting, self.settings)
        played, years = self.played, np.unique(races.dates.astype("datetime64[Y]"))
        fired = Counter(rule for r in played.retrainings for rule in r["rules"])
        span = max((self.end - self.first) / dt.timedelta(days=365.25), 1e-9)
        return {
            "dataset": self.history.name,
            "pool": self.plan.pool,
            "first_date": str(self.first),
            "last_date": str(self.end - DAY),
            "races": len(races),
            "looks": len(played.decisions),
            "decisions": dict(Counter(d.decision for d in played.decisions)),
            "retrainings": len(played.retrainings),
            "promoted": sum(r["promoted"] for r in played.retrainings),
            "retrainings_a_year": len(played.retrainings) / span,
            "alarms_by_kind": self._alarms(),
            "fired_by": dict(fired.most_common()),
            "held_back_by": dict(Counter(c.rule for d in played.decisions for c in d.those("against")).most_common()),
            "all": measured.document(np.ones(len(races), dtype=np.bool_)),
            "by_year": {
                str(year): measured.document(races.dates.astype("datetime64[Y]") == year)
                | {"retrainings": sum(r["date"][:4] == str(year) for r in played.retrainings)}
                for year in years
            },
            "log": played.retrainings,
        }

    def _alarms(self) -> dict[str, dict[str, int]]:
        """Return how often each kind of drift was found, not found, and not measured."""
        seen = [r for r in self.played.reports if r is not None]
        return {
            kind: {str(v): n for v, n in Counter(str(r.parts[kind].verdict) for r in seen).items()}
            for kind in trigger.KINDS
        }


def _period(dates: np.ndarray, plan: Plan) -> tuple[dt.date, dt.date]:
    """Return the first day of the play, and the day after its last."""
    days = np.unique(dates).astype("datetime64[D]")
    first = plan.first or days[int(0.4 * len(days))].item()
    end = (plan.last or days[-1].item()) + DAY
    before, after = (
        (days < np.datetime64(first)).sum(),
        ((days >= np.datetime64(first)) & (days < np.datetime64(end))).sum(),
    )
    if before < LEAST_DAYS or after < LEAST_DAYS:
        raise NotEnoughData(
            "too few race dates before or after the start",
            value=f"{first} to {end - DAY}",
            allowed=f"dates between {days[0]} and {days[-1]}",
            next_step="choose other dates with --from and --to",
        )
    return first, end


def _looks(first: dt.date, end: dt.date, every_days: int) -> Iterator[dt.date]:
    today = first + every_days * DAY
    while today < end:
        yield today
        today += every_days * DAY


def _moment(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Measured:
    """How each who answered did, race by race, on the races that all of them answered."""

    ndcg: dict[str, Floats]
    log_loss: dict[str, Floats]
    meeting: np.ndarray
    settings: Settings

    @classmethod
    def of(
        cls,
        answers: dict[str, Floats],
        position: Floats,
        offsets: np.ndarray,
        meeting: np.ndarray,
        settings: Settings,
    ) -> Measured:
        """Measure the answers."""
        gain, won = gains(position, offsets, settings.evaluation), winners(position, offsets, settings.evaluation)
        ndcg = {who: metrics.ndcg(p, gain, offsets, 3) for who, p in answers.items()}
        loss = {who: metrics.log_loss(p, won, offsets) for who, p in answers.items()}
        return cls(ndcg, loss, meeting, settings)

    def document(self, where: Bools) -> dict[str, Any]:
        """Return means and differences over some races, as plain values."""
        who = ("maintained", "frozen", "market")
        known = where & ~np.isnan(self.ndcg["maintained"]) & ~np.isnan(self.ndcg["frozen"])
        return {
            "races": int(known.sum()),
            "ndcg_at_3": {w: _mean(self.ndcg[w][known]) for w in who},
            "log_loss": {w: _mean(self.log_loss[w][known]) for w in who},
            "ndcg_at_3_gain": {w: self._gap(self.ndcg["maintained"], self.ndcg[w], known) for w in who[1:]},
            "log_loss_gain": {w: self._gap(self.log_loss[w], self.log_loss["maintained"], known) for w in who[1:]},
        }

    def _gap(self, one: Floats, other: Floats, known: Bools) -> dict[str, Any] | None:
        found = paired_difference(
            one[known], other[known], self.meeting[known], self.settings.seed, self.settings.evaluation
        )
        return None if isinstance(found, NoResult) else found.as_dict()


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
