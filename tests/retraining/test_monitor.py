"""A tick: what it does with what was measured, and that one which is cut off anywhere loses and doubles nothing."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from oracle import store
from oracle.alerts.outbox import Outbox
from oracle.errors import Unavailable
from oracle.retraining.monitor import Context, Production, Tick, tick
from oracle.retraining.shepherd import Shepherd
from oracle.retraining.submission import Job, State
from oracle.settings import AlertSettings, RetrainingPolicy, Settings
from oracle.store import Check, Experiment, Retraining, Store
from oracle.store.experiments import fingerprint
from tests.store.rows import result

NOW = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SETTINGS = Settings(
    retraining=RetrainingPolicy(min_new_races=0, attempts=2),
    alerts=AlertSettings.model_validate({"webhooks": ["https://a.example/"], "secret": "a secret of some length"}),
)


@dataclass
class InventedJobs:
    """Jobs that live as long as a test wants them to."""

    where = "nowhere"
    states: dict[str, State] = field(default_factory=dict)
    submitted: list[Job] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        if self.state(job.submission_id) == "unknown":
            self.submitted.append(job)
            self.states[job.submission_id] = "running"

    def state(self, submission_id: str) -> State:
        return self.states.get(submission_id, "unknown")

    def stop(self, submission_id: str) -> None:
        self.states[submission_id] = "ended"

    def last_words(self, submission_id: str) -> str:
        return "Killed"


@dataclass
class Yard:
    """A monitor with everything around it invented but the store."""

    store: Store
    verdicts: dict[str, str] = field(default_factory=lambda: {"concept": "drift"})
    jobs: InventedJobs = field(default_factory=InventedJobs)
    posted: list[str] = field(default_factory=list)
    advanced: list[str] = field(default_factory=list)
    checks: Callable[[dt.datetime], Check | None] | None = None
    busy: bool = False

    def tick(self, now: dt.datetime = NOW) -> Tick:
        outbox = Outbox(self.store, SETTINGS.alerts, lambda *post: self.posted.append(post[1].alert_id))
        policy = SETTINGS.retraining
        context = Context(
            settings=SETTINGS,
            store=self.store,
            outbox=outbox,
            shepherd=Shepherd(
                self.store,
                policy,
                self.jobs,
                lambda *step: self.advanced.append(step[0]),
                "s3://d",
                lambda _: self.busy,
            ),
            production=lambda: Production("7", NOW - 100 * HOUR),
            check=self.checks or self.check,
            data="s3://d",
        )
        return tick(context, now)

    def check(self, now: dt.datetime) -> Check:
        quiet = dict.fromkeys(("data", "prediction", "concept", "outcome"), "no drift")
        document = {
            kind: {"verdict": verdict, "cause": f"{kind} moved"} for kind, verdict in (quiet | self.verdicts).items()
        }
        found = Check(
            check_id=f"check-{sorted(self.verdicts.items())}",
            at=now,
            kind="monitor",
            model_version="7",
            reference="its own",
            races=500,
            verdict="drift" if "drift" in self.verdicts.values() else "no drift",
            document=orjson.dumps(document).decode(),
        )
        self.store.checks.add(found)
        return found

    def state(self) -> dict[str, Any]:
        """Everything that must not depend on where a tick was cut off."""
        retrainings = self.store.retrainings.all()
        names = [r.retraining_id for r in retrainings]
        return {
            "jobs": self.jobs.submitted,
            "posted": sorted(self.posted),
            "retrainings": [(r.retraining_id, r.status, r.production) for r in retrainings],
            "decisions": {(d.event_id, d.decision, d.retraining_id) for d in self.store.retrainings.decisions()},
            "steps": [(s.step, s.status, s.document) for name in names for s in self.store.retrainings.steps(name)],
        }


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    opened = store.embedded(tmp_path)
    yield Yard(opened)
    opened.close()


def kinds(found: Tick) -> list[str]:
    return [a.kind for a in found.alerts]


def test_drift_starts_one_job_however_often_one_looks(yard: Yard):
    first = yard.tick()
    assert first.decision is not None
    assert first.decision.decision == "retrain"
    assert first.alarming
    assert kinds(first) == ["drift", "retraining_started"]
    (job,) = yard.jobs.submitted
    assert job.submission_id == f"retrain-{first.decision.retraining_id}"
    assert job.words == ("--retraining", first.decision.retraining_id, "--data", "s3://d")
    later = [yard.tick(NOW + h * HOUR) for h in (1, 2)]
    assert [t.decision.decision for t in later if t.decision] == ["wait", "wait"]
    assert [kinds(t) for t in later] == [[], []]
    assert len(yard.jobs.submitted) == 1
    assert len(yard.store.retrainings.decisions()) == 2, "that nothing changed is written down once"
    assert len(yard.posted) == 2


def test_a_quiet_check_starts_nothing(yard: Yard):
    yard.verdicts = {}
    found = yard.tick()
    assert found.decision is not None
    assert found.decision.decision == "ignore"
    assert not found.alarming
    assert yard.jobs.submitted == yard.posted == []


def test_a_check_that_fails_is_an_alarm_of_its_own_and_no_quiet_day(yard: Yard):
    def broken(now: dt.datetime) -> Check:
        raise Unavailable("the tracking server is away")

    yard.checks = broken
    found = yard.tick()
    assert found.decision is not None
    assert found.decision.decision == "wait"
    assert "the tracking server is away" in found.decision.sentence
    assert kinds(found) == ["monitor_failed"]
    assert kinds(yard.tick(NOW + HOUR)) == []
    yard.checks = None
    assert kinds(yard.tick(NOW + 2 * HOUR)) == ["drift", "retraining_started"]


def test_a_check_of_another_version_says_nothing_of_the_one_in_use(yard: Yard):
    yard.checks = lambda now: Check(
        check_id="c", at=now, kind="monitor", model_version="6", reference="", races=1, verdict="drift", document="{}"
    )
    found = yard.tick()
    assert found.decision is not None
    assert found.decision.decision == "wait"
    assert "version 6" in found.decision.sentence


def test_a_job_that_dies_is_submitted_again_under_the_next_name_and_then_given_up(yard: Yard):
    yard.tick()
    first = yard.jobs.submitted[0].submission_id
    yard.jobs.states[first] = "ended"
    yard.tick(NOW + HOUR)
    assert [j.submission_id for j in yard.jobs.submitted] == [first, f"{first}-2"]
    yard.jobs.states[f"{first}-2"] = "ended"
    found = yard.tick(NOW + 2 * HOUR)
    (retraining,) = yard.store.retrainings.all()
    assert retraining.status == "failed"
    assert "Killed" in str(retraining.reason)
    assert kinds(found) == ["retraining_failed"]


def test_a_job_that_never_comes_to_an_end_is_stopped(yard: Yard):
    yard.tick()
    (job,) = yard.jobs.submitted
    yard.tick(NOW + 5 * HOUR)
    assert yard.jobs.states[job.submission_id] == "running"
    yard.tick(NOW + 7 * HOUR)
    assert yard.jobs.states[job.submission_id] == "ended"


def test_a_job_that_brought_its_retraining_to_an_end_is_not_missed(yard: Yard):
    yard.tick()
    (retraining,) = yard.store.retrainings.all()
    yard.store.retrainings.update(retraining.retraining_id, status="testing", candidate="8")
    yard.jobs.states[yard.jobs.submitted[0].submission_id] = "ended"
    assert kinds(yard.tick(NOW + HOUR)) == ["candidate_staged"]
    assert yard.advanced == [retraining.retraining_id]
    yard.store.retrainings.end(retraining.retraining_id, "promoted", "it won", NOW + HOUR)
    found = yard.tick(NOW + 2 * HOUR)
    assert kinds(found) == ["promoted"]
    assert len(yard.jobs.submitted) == 1
    assert found.retraining is None


def test_a_retraining_that_somebody_is_at_by_hand_is_left_to_him_until_he_dies(yard: Yard):
    yard.verdicts = {}
    by_hand = Retraining(retraining_id="a1", event_id="hand-a1", at=NOW, cause="by hand (anna)", production="7")
    yard.store.retrainings.start(by_hand)
    yard.busy = True
    assert kinds(yard.tick()) == ["retraining_started"]
    assert yard.jobs.submitted == []
    yard.busy = False
    yard.tick(NOW + HOUR)
    yard.tick(NOW + 2 * HOUR)
    assert [j.submission_id for j in yard.jobs.submitted] == ["retrain-a1"]


def test_a_challenger_that_a_guardrail_rolled_back_is_told_of(yard: Yard):
    yard.verdicts = {}
    plan = "{}"
    started = Experiment(
        name="spring", plan=plan, fingerprint=fingerprint(plan), control="7", treatments=(("treatment", "8"),),
        shares=(0.1,), started_at=NOW - HOUR, actor="anna",
    )  # fmt: skip
    yard.store.experiments.start(started)
    assert kinds(yard.tick()) == []
    yard.store.experiments.end("spring", "rolled_back", "its p95 was 80 ms", "guardrail", NOW)
    (told,) = yard.tick(NOW + HOUR).alerts
    assert (told.kind, told.severity) == ("rolled_back", "critical")
    assert "80 ms" in told.title
    assert "guardrail" in told.title


def test_new_races_are_those_since_the_last_training(yard: Yard):
    yard.verdicts = {}
    old, new = (result(race_id=name, off=NOW - h * HOUR, received_at=NOW - HOUR) for name, h in (("a", 200), ("b", 2)))
    yard.store.results.add([old, new])
    assert yard.store.results.races_after(None, None) == 2
    assert yard.store.results.races_after(NOW - 100 * HOUR, None) == 1
    assert yard.store.results.races_after(NOW - 100 * HOUR, NOW) == 0


class Killed(BaseException):
    """The end of a process, which nothing catches."""


def _killing(yard: Yard, at: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Kill a tick before its effect number `at`, counted over writes, jobs and deliveries; returns the count."""
    count = 0

    def before(work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **named: Any) -> Any:
            nonlocal count
            if count == at:
                raise Killed
            count += 1
            return work(*args, **named)

        return wrapped

    monkeypatch.setattr(yard.store.database, "write", before(yard.store.database.write))
    monkeypatch.setattr(yard.jobs, "submit", before(yard.jobs.submit))
    return lambda: count


def test_a_tick_that_is_killed_anywhere_ends_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store.embedded(tmp_path / "empty").close()

    def fresh(name: str) -> Yard:
        shutil.copytree(tmp_path / "empty", tmp_path / name)
        return Yard(store.embedded(tmp_path / name))

    whole = fresh("whole")
    whole.tick()
    whole.tick()
    wanted, killed, at = whole.state(), 0, 0
    while True:
        yard = fresh(str(at))
        with monkeypatch.context() as patch:
            _killing(yard, at, patch)
            try:
                yard.tick()
            except Killed:
                killed += 1
            else:
                break
        yard.tick()
        yard.tick()
        found = yard.state()
        last = at == 0 or found["posted"] == wanted["posted"] or len(found["posted"]) == len(wanted["posted"]) + 1
        assert {**found, "posted": None} == {**wanted, "posted": None}, f"killed before effect {at}"
        assert set(found["posted"]) == set(wanted["posted"])
        assert last, "at most the delivery that was cut off before it was noted comes twice"
        yard.store.close()
        at += 1
    assert killed >= 8
    whole.store.close()
    yard.store.close()
