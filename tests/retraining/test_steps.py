"""The list of steps: what is done is not done again, whoever goes on; and each way in which a retraining ends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from oracle.errors import Unavailable
from oracle.governance.audit import Entry
from oracle.retraining import pipeline, promotion
from oracle.retraining.pipeline import advance
from oracle.retraining.promotion import NotWaiting, answer, approval
from oracle.retraining.report import document, text
from oracle.retraining.steps import Context, Done, Outcome, Over, Waiting, Work, folder_of, made
from oracle.settings import CandidatePolicy, Settings
from oracle.store import Grant, Retraining, embedded
from oracle.store.retrainings import NoSuchRetraining
from tests.governance.registry_in_memory import Registry

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
ID = "r1"


@dataclass
class Loop:
    """A retraining whose steps are as the test says; the registry knows production version 3."""

    context: Context
    patch: pytest.MonkeyPatch
    ran: list[str] = field(default_factory=list)

    def steps(self, **steps: Callable[[Work], Outcome]) -> None:
        def noted(name: str, step: Callable[[Work], Outcome]) -> Callable[[Work], Outcome]:
            def run(work: Work) -> Outcome:
                self.ran.append(name)
                return step(work)

            return run

        self.patch.setattr(pipeline, "STEPS", {name: noted(name, step) for name, step in steps.items()})

    def on(self, now: dt.datetime = NOW) -> Retraining:
        return advance(self.context, ID, now)

    def with_(self, **changes: Any) -> Context:
        """Return the same context with something else, and still without a registry."""
        other = replace(self.context, **changes)
        self.patch.setitem(other.__dict__, "tracking", None)
        return other

    def serve(self, number: int) -> None:
        version = SimpleNamespace(number=number, label=f"v1.0.{number}", retraining=None)
        self.patch.setattr(pipeline, "serving", lambda _: version)

    def documents(self) -> dict[str, Mapping[str, Any]]:
        steps = self.context.store.retrainings.steps(ID)
        return {step.step: orjson.loads(step.document) for step in steps if step.status != "started"}


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    store = embedded(tmp_path)
    settings = Settings(home=tmp_path, candidate=CandidatePolicy(max_attempts=3))
    context = Context(settings, store)
    monkeypatch.setitem(context.__dict__, "tracking", None)
    found = Loop(context, monkeypatch)
    found.serve(3)
    monkeypatch.setattr(pipeline, "staged", lambda *_: None)
    monkeypatch.setattr(promotion, "staged", lambda *_: None)
    store.retrainings.start(Retraining(retraining_id=ID, event_id="e", at=NOW, cause="drift", production="3"))
    yield found
    store.close()


def done(**document: Any) -> Callable[[Work], Outcome]:
    return lambda _: Done(document)


def over(work: Work) -> Outcome:
    return Over("promoted", "all is well", {"n": 1})


def test_steps_are_done_in_their_order_and_each_sees_what_the_earlier_ones_left(loop: Loop) -> None:
    seen: list[Any] = []
    loop.steps(one=done(a=1), two=lambda work: seen.append(work.done["one"]) or Done({}), three=over)
    ended = loop.on()
    assert (loop.ran, seen) == (["one", "two", "three"], [{"a": 1}])
    assert (ended.status, ended.reason) == ("promoted", "all is well")
    assert loop.documents()["three"] == {"n": 1, "ends": {"status": "promoted", "reason": "all is well"}}


def test_a_step_that_is_done_is_not_done_again(loop: Loop) -> None:
    def unavailable(work: Work) -> Outcome:
        raise Unavailable("nobody there")

    loop.steps(one=done(), two=unavailable, three=over)
    with pytest.raises(Unavailable):
        loop.on()
    assert loop.context.store.retrainings.get(ID).status == "running"  # type: ignore[union-attr]
    loop.steps(one=done(), two=done(), three=over)
    assert loop.on().status == "promoted"
    assert loop.ran == ["one", "two", "two", "three"]
    assert loop.on().status == "promoted"
    assert len(loop.ran) == 4


@pytest.mark.parametrize("place", ["one.started", "one.done", "one.recorded", "two.recorded", "end.marked"])
def test_whoever_is_cut_off_anywhere_is_followed_to_the_same_end(loop: Loop, place: str) -> None:
    class Cut(BaseException):
        """As sudden as a kill."""

    def mark(where: str) -> None:
        if where == place:
            raise Cut

    loop.steps(one=done(a=1), two=over)
    with pytest.raises(Cut):
        advance(loop.with_(mark=mark), ID, NOW)
    assert loop.on().status == "promoted"
    ends = [step.step for step in loop.context.store.retrainings.steps(ID) if step.status == "done"]
    assert ends == ["one", "two"]


def test_an_error_nobody_foresaw_ends_it_as_failed_so_that_it_blocks_no_other(loop: Loop) -> None:
    told: list[str] = []
    context = loop.with_(tell=lambda kind, *_: told.append(kind))
    loop.steps(one=lambda _: 1 / 0, two=over)  # type: ignore[arg-type, return-value]
    ended = advance(context, ID, NOW)
    assert (ended.status, ended.reason) == ("failed", "one: unexpected ZeroDivisionError: division by zero")
    assert told == ["retraining_failed"]
    assert loop.context.store.retrainings.unfinished() is None


def test_a_step_that_never_comes_to_its_end_is_given_up(loop: Loop) -> None:
    class Killed(BaseException):
        """By the kernel, for its memory."""

    def hungry(work: Work) -> Outcome:
        raise Killed

    loop.steps(one=hungry, two=over)
    for _ in range(3):
        with pytest.raises(Killed):
            loop.on()
    assert loop.on().reason == "one was begun 3 times and never came to its end"


def test_one_process_at_a_time_works_on_a_retraining(loop: Loop) -> None:
    loop.steps(one=lambda work: Done({"inside": advance(work.context, ID, NOW).status}), two=over)
    assert loop.on().status == "promoted"
    assert loop.documents()["one"] == {"inside": "running"}
    assert loop.ran == ["one", "two"]


def test_a_retraining_about_a_version_that_is_in_service_no_more_is_superseded(loop: Loop) -> None:
    loop.steps(one=lambda _: loop.serve(4) or Done({}), two=over)
    ended = loop.on()
    assert ended.status == "superseded"
    assert ended.reason == "version v1.0.4 came into service; the retraining began with 3"
    assert loop.ran == ["one"]


def test_what_waits_is_looked_at_again_and_begun_once(loop: Loop) -> None:
    looks = iter([Waiting("testing", "not yet"), Waiting("testing", "still not"), Done({})])
    loop.steps(live_ab=lambda _: next(looks), two=over)
    for day, reason in enumerate(("not yet", "still not")):
        there = loop.on(NOW + dt.timedelta(days=day))
        assert (there.status, there.reason) == ("testing", reason)
    loop.on(NOW + dt.timedelta(days=2))
    lines = [s for s in loop.context.store.retrainings.steps(ID) if s.step == "live_ab"]
    assert [line.status for line in lines] == ["started", "done"]
    assert lines[1].seconds == pytest.approx(2 * 86400, abs=5)


@pytest.fixture
def asks(loop: Loop) -> Loop:
    """The same with a registry in memory, whose version 4 the retraining made, and two people who may approve."""
    registry, store = Registry(aliases={"production": 3}), loop.context.store
    for _ in range(4):
        registry.add()
    loop.patch.setitem(loop.context.__dict__, "tracking", registry.tracking())
    store.retrainings.update(ID, candidate="4")
    for name in ("ann", "bob"):
        grant = Grant(grant_id=name, at=NOW, name=name, roles="approver", actor="setup")
        entry = Entry(entry_id=name, at=NOW, actor="setup", action="people", target=name, outcome="allowed")
        store.people.grant(grant, entry)
    loop.steps(register=done(version="4"), approval=approval, two=over)
    return loop


def test_an_approval_is_waited_for_and_the_first_word_stands(asks: Loop) -> None:
    with pytest.raises(NotWaiting):
        answer(asks.context, ID, approved=True, actor="ann", reason="fine", now=NOW)
    assert asks.on().status == "awaiting_approval"
    answer(asks.context, ID, approved=True, actor="ann", reason="fine", now=NOW + dt.timedelta(hours=1))
    with pytest.raises(NotWaiting):
        answer(asks.context, ID, approved=False, actor="bob", reason="no", now=NOW)
    assert asks.on().status == "promoted"
    told = asks.documents()["approval"]
    assert (told["decision"], told["actor"], told["reason"]) == ("approved", "ann", "fine")
    request = asks.context.store.approvals.get(told["request"])
    assert request is not None
    assert (request.requester, request.retraining, request.expected) == ("retraining", ID, 3)
    assert request.evidence_digest == told["evidence_sha256"]


def test_a_candidate_that_is_declined_is_rejected_with_the_reason(asks: Loop) -> None:
    asks.on()
    answer(asks.context, ID, approved=False, actor="bob", reason="too soon", now=NOW)
    ended = asks.on()
    assert (ended.status, ended.reason) == ("rejected", "declined by bob: too soon")
    assert "two" not in asks.ran
    assert asks.context.tracking.client.entries[4]["lifecycle"] == "rejected"  # type: ignore[attr-defined]


def test_a_request_that_nobody_answers_in_time_ends_the_retraining(asks: Loop) -> None:
    asks.on()
    ended = asks.on(NOW + dt.timedelta(hours=73))
    assert ended.status == "rejected"
    assert "nobody answered" in str(ended.reason)


def test_an_unknown_retraining_is_refused_with_those_there_are(loop: Loop) -> None:
    with pytest.raises(NoSuchRetraining, match="r1"):
        advance(loop.context, "other", NOW)


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        made(tmp_path / "data", half)
    assert not (tmp_path / "data").exists()
    made(tmp_path / "data", lambda folder: (folder / "whole").touch())
    made(tmp_path / "data", half)
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["whole"]


def test_the_report_has_the_clock_of_every_step(asks: Loop) -> None:
    asks.steps(register=done(version="4", semver="v1.0.1", run_id="x"), approval=approval)
    there = asks.on()
    told = document(there, asks.context.store.retrainings.steps(ID))
    register, waits = told["steps"]
    assert (register["step"], register["status"], register["begun"]) == ("register", "done", 1)
    assert register["came_out"] == "version 4 (v1.0.1) is staged"
    assert 0.0 <= register["seconds"] <= told["seconds_at_work"] + 0.001 < 5.0
    assert (waits["status"], waits["seconds"], waits["came_out"]) == ("started", None, "")
    assert text(told).splitlines()[0].startswith("retraining r1: awaiting_approval: next: oracle retrain approve r1")


def test_files_lie_under_the_home_and_the_id(loop: Loop) -> None:
    assert folder_of(loop.context.settings, ID) == loop.context.settings.root / "retrainings" / ID
