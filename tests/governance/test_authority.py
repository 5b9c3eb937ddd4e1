"""Who moves a version, and who does not: every act on a registry in memory, and cut off at every place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import NoSuchModel, Refused, Unavailable
from oracle.governance.approval import Promotion
from oracle.governance.consent import (
    AlreadyAsked,
    AlreadyUsed,
    Answered,
    EvidenceChanged,
    Expired,
    GatesRefuse,
    NoSuchRequest,
    NotApproved,
    SelfApproval,
    Superseded,
)
from oracle.governance.gates import PromotionPolicy
from oracle.governance.lifecycle import NeverServed, NoSuchMove
from oracle.governance.roles import Actor, NotAllowed, Role
from oracle.registry.local import LocalAuthority
from oracle.registry.versions import ModelVersion, resolve
from oracle.store import Store, embedded
from tests.governance.measured import validation
from tests.governance.registry_in_memory import MODEL, Killed, Registry

NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
FOUR_EYES = PromotionPolicy(approval="four eyes")
SCIENTIST: frozenset[Role] = frozenset({"scientist"})
APPROVER: frozenset[Role] = frozenset({"approver"})
EVERY: frozenset[Role] = frozenset({"viewer", "scientist", "approver", "admin"})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that is made once, and copied."""
    folder = tmp_path_factory.mktemp("store")
    embedded(folder).close()
    return folder / "oracle.db"


class House:
    """A registry, a store, and people."""

    def __init__(self, store: Store) -> None:
        self.registry, self.store, self.now = Registry(), store, NOON
        self.policy = PromotionPolicy()

    def by(self, name: str, roles: frozenset[Role], policy: PromotionPolicy | None = None) -> LocalAuthority:
        return LocalAuthority(self.registry.tracking(), self.store, policy or self.policy, Actor(name, roles), self.now)

    @property
    def ann(self) -> LocalAuthority:
        return self.by("ann", SCIENTIST)

    @property
    def bea(self) -> LocalAuthority:
        return self.by("bea", APPROVER)

    def asked(self, version: int, measured: dict[str, Any] | None = None) -> str:
        return self.ann.request(version, reason="better", measured=measured).request.request_id

    def serving(self) -> int:
        return self.registry.aliases["production"]

    def stage(self, version: int) -> str | None:
        return self.version(version).lifecycle

    def version(self, version: int) -> ModelVersion:
        return resolve(self.registry.tracking(), version)

    def lines(self) -> list[tuple[str, str, str]]:
        return [(e.entry.actor, e.entry.action, e.entry.outcome) for e in self.store.audit.links()]

    def promotions(self) -> list[Promotion]:
        return self.store.promotions.all(MODEL)


@pytest.fixture
def house(template: Path, tmp_path: Path) -> Iterator[House]:
    (tmp_path / "oracle.db").write_bytes(template.read_bytes())
    store = Store(f"sqlite:///{tmp_path / 'oracle.db'}", patience=0.2)
    made = House(store)
    made.registry.add()
    made.registry.add()
    made.ann.first(1)
    yield made
    store.close()


def test_the_first_version_serves_and_no_second_one_is_the_first(house: House) -> None:
    assert (house.serving(), house.stage(1)) == (1, "production")
    assert house.ann.first(2) is None
    [first] = house.promotions()
    assert (first.kind, first.version, first.replaced, first.approver) == ("first", 1, None, None)
    assert house.lines() == [("ann", "first", "allowed")]


def test_where_four_eyes_are_wanted_the_first_version_waits_for_them_too(house: House) -> None:
    house.registry.aliases.clear()
    house.registry.entries.clear()
    house.registry.add()
    empty = house.by("ann", SCIENTIST, FOUR_EYES)
    assert empty.first(1) is None
    assert "production" not in house.registry.aliases


def test_a_version_that_passes_every_gate_is_approved_by_the_policy_and_carried_out_once(house: House) -> None:
    asked = house.ann.request(2, reason="better", measured={"validation": validation()})
    assert asked.ruling is not None
    assert (asked.verdict.outcome, asked.ruling.actor, asked.approved) == ("promote", "policy", True)
    done = house.ann.promote(asked.request.request_id)
    assert (done.kind, done.replaced, done.approver, done.request_id) == (
        "promote",
        1,
        "policy",
        asked.request.request_id,
    )
    assert (house.serving(), house.stage(2), house.stage(1)) == (2, "production", "archived")
    assert house.version(1).reason == "v1.0.1 took its place"
    assert "staging" not in house.registry.aliases
    with pytest.raises(AlreadyUsed):
        house.ann.promote(asked.request.request_id)
    assert len(house.promotions()) == 2
    assert house.lines() == [
        ("ann", "first", "allowed"),
        ("ann", "stage", "allowed"),
        ("ann", "request", "allowed"),
        ("policy", "approve", "allowed"),
        ("ann", "promote", "allowed"),
        ("ann", "promote", "refused"),
    ]


def test_what_could_not_be_told_waits_for_another_person(house: House) -> None:
    name = house.asked(2)
    with pytest.raises(NotApproved):
        house.ann.promote(name)
    assert house.serving() == 1
    assert house.bea.approve(name, "I looked").decision == "approved"
    assert house.bea.promote(name).approver == "bea"
    assert house.serving() == 2


def test_with_four_eyes_gates_that_pass_are_not_enough(house: House) -> None:
    house.policy = FOUR_EYES
    name = house.asked(2, {"validation": validation()})
    with pytest.raises(NotApproved):
        house.ann.promote(name)
    house.bea.approve(name, "I looked")
    house.ann.promote(name)
    assert house.serving() == 2


def test_what_gates_alone_approved_is_void_once_a_person_is_wanted(house: House) -> None:
    name = house.asked(2, {"validation": validation()})
    house.policy = FOUR_EYES
    with pytest.raises(NotApproved, match="person"):
        house.ann.promote(name)
    assert house.serving() == 1


@pytest.mark.parametrize("name", ["ann", "Ann", " ann ", "ANN"])
def test_nobody_approves_what_they_asked_for_whatever_they_are(house: House, name: str) -> None:
    asked = house.asked(2)
    with pytest.raises(SelfApproval):
        house.by(name, EVERY).approve(asked, "me too")
    assert house.store.approvals.rulings(asked) == []
    assert house.lines()[-1] == (name, "approve", "refused")


@pytest.mark.parametrize(
    ("act", "roles"),
    [
        (lambda a, _: a.stage(2, "r"), APPROVER),
        (lambda a, _: a.request(2, reason="r"), APPROVER),
        (lambda a, n: a.approve(n, "r"), SCIENTIST),
        (lambda a, n: a.reject(n, "r"), SCIENTIST),
        (lambda a, n: a.withdraw(n, "r"), APPROVER),
        (lambda a, n: a.promote(n), frozenset({"viewer"})),
        (lambda a, n: a.promote(n), frozenset({"admin"})),
        (lambda a, _: a.rollback(1, reason="r"), SCIENTIST),
        (lambda a, _: a.close(2, "reject", "r"), APPROVER),
        (lambda a, _: a.first(2), frozenset()),
    ],
)
def test_a_role_that_does_not_allow_an_act_moves_nothing(
    house: House, act: Callable[[LocalAuthority, str], object], roles: frozenset[Role]
) -> None:
    name = house.asked(2)
    calls, head = len(house.registry.calls), house.store.audit.head().position
    with pytest.raises(NotAllowed):
        act(house.by("mallory", roles), name)
    assert len(house.registry.calls) == calls
    [line] = house.store.audit.links(after=head)
    assert (line.entry.actor, line.entry.outcome) == ("mallory", "refused")


def test_a_gate_that_fails_refuses_and_nobody_can_approve_it(house: House) -> None:
    with pytest.raises(GatesRefuse) as refused:
        house.asked(2, {"validation": validation(latency="fail")})
    assert refused.value.exit_code == 3
    assert refused.value.as_dict()["outcome"] == "refuse"
    assert house.store.approvals.latest() == []


def test_a_request_is_answered_once(house: House) -> None:
    name = house.asked(2)
    house.bea.approve(name, "yes")
    for again in (house.bea.approve, house.by("eve", APPROVER).approve, house.bea.reject):
        with pytest.raises(Answered):
            again(name, "again")
    assert len(house.store.approvals.rulings(name)) == 1


def test_a_request_expires_and_so_does_an_approval(house: House) -> None:
    name = house.asked(2)
    house.now = NOON + 72 * HOUR
    with pytest.raises(Expired):
        house.bea.approve(name, "late")
    other = house.asked(2)
    house.bea.approve(other, "in time")
    house.now += 72 * HOUR
    with pytest.raises(Expired):
        house.ann.promote(other)
    assert house.serving() == 1


def test_evidence_against_another_version_promotes_nobody(house: House) -> None:
    house.registry.add()
    name, other = house.asked(2), house.asked(3)
    for each in (name, other):
        house.bea.approve(each, "yes")
    house.ann.promote(other)
    with pytest.raises(Superseded) as refused:
        house.ann.promote(name)
    assert (refused.value.value, refused.value.allowed) == (3, "1")
    with pytest.raises(Superseded):
        house.ann.request(2, reason="r", expected=1)
    assert house.serving() == 3


def test_a_package_that_changed_after_the_request_is_not_promoted(house: House) -> None:
    name = house.asked(2)
    house.bea.approve(name, "yes")
    house.registry.entries[2]["package_sha256"] = "0" * 64
    with pytest.raises(EvidenceChanged, match="package_sha256"):
        house.ann.promote(name)
    assert house.serving() == 1


def test_evidence_that_is_not_the_text_that_was_hashed_is_not_approved(house: House) -> None:
    name = house.asked(2)
    forged = replace(house.store.approvals.get(name), request_id="forged", evidence='{"version": 2}')  # type: ignore[type-var]
    house.store.approvals.ask(forged, house.ann._record.entry("request", 2, "allowed", "forged"))
    with pytest.raises(EvidenceChanged, match="hashed"):
        house.bea.approve("forged", "yes")


def test_a_rejected_version_says_why_and_does_not_come_back(house: House) -> None:
    name = house.asked(2)
    house.bea.reject(name, "too slow on firm ground")
    found = house.version(2)
    assert (found.lifecycle, found.reason, found.aliases) == (
        "rejected",
        "declined by bea: too slow on firm ground",
        (),
    )
    with pytest.raises(NoSuchMove):
        house.asked(2)
    with pytest.raises(NoSuchMove):
        house.bea.rollback(2, reason="all the same")


def test_only_who_asked_takes_a_request_back_and_may_ask_again(house: House) -> None:
    name = house.asked(2)
    with pytest.raises(NotAllowed):
        house.by("carl", SCIENTIST).withdraw(name, "not mine")
    with pytest.raises(AlreadyAsked):
        house.by("carl", SCIENTIST).request(2, reason="mine")
    house.ann.withdraw(name, "a mistake")
    with pytest.raises(Answered):
        house.bea.approve(name, "yes")
    assert house.by("carl", SCIENTIST).request(2, reason="mine").request.request_id != name


def test_asked_again_the_same_request_goes_on_until_there_is_more_to_say(house: House) -> None:
    name = house.asked(2)
    house.now += HOUR
    assert house.asked(2) == name
    other = house.asked(2, {"validation": validation()})
    assert other != name
    assert [r.decision for r in house.store.approvals.rulings(name)] == ["withdrawn"]
    assert house.asked(2) == other


def test_a_rollback_is_one_act_of_an_approver(house: House) -> None:
    house.ann.promote(house.asked(2, {"validation": validation()}))
    back = house.bea.rollback(reason="complaints")
    assert (back.kind, back.version, back.replaced, back.request_id) == ("rollback", 1, 2, None)
    assert (house.serving(), house.stage(1), house.stage(2)) == (1, "production", "archived")
    assert house.bea.rollback(reason="it was the feed").version == 2
    assert [p.version for p in house.promotions()] == [1, 2, 1, 2]


def test_only_what_has_served_can_be_rolled_back_to(house: House) -> None:
    house.registry.add()
    with pytest.raises(NoSuchMove):
        house.bea.rollback(3, reason="r")
    with pytest.raises(NoSuchMove):
        house.bea.rollback(1, reason="it serves")
    with pytest.raises(NeverServed):
        house.bea.rollback(reason="nothing before")
    house.ann.close(3, "retire", "its time is over")
    with pytest.raises(NeverServed):
        house.bea.rollback(3, reason="r")
    with pytest.raises(NoSuchModel):
        house.bea.rollback(9, reason="r")
    assert house.serving() == 1


def test_what_somebody_put_into_service_outside_was_never_let_into_it(house: House) -> None:
    house.registry.created = int((NOON + HOUR).timestamp() * 1000)
    house.registry.aliases["production"] = 2
    with pytest.raises(NoSuchMove):
        house.asked(2)
    assert house.bea.rollback(reason="that was nobody's").version == 1
    assert (house.serving(), house.stage(2)) == (1, "archived")
    with pytest.raises(NeverServed):
        house.bea.rollback(2, reason="back again")
    with pytest.raises(NeverServed):
        house.bea.rollback(reason="back again")


def test_what_was_archived_before_any_record_comes_back(house: House) -> None:
    house.registry.entries[2] |= {"lifecycle": "archived", "lifecycle_reason": "v1.0.0 took its place"}
    assert house.bea.rollback(reason="the one before").version == 2


def test_one_that_serves_or_is_archived_is_not_asked_for(house: House) -> None:
    with pytest.raises(NoSuchMove, match="production"):
        house.asked(1)
    house.ann.promote(house.asked(2, {"validation": validation()}))
    with pytest.raises(NoSuchMove, match="archived"):
        house.asked(1)


def test_what_does_not_exist_is_refused_and_written_down(house: House) -> None:
    with pytest.raises(NoSuchModel):
        house.asked(9)
    with pytest.raises(NoSuchRequest):
        house.bea.approve("nothing", "yes")
    assert house.lines()[-2:] == [("ann", "request", "refused"), ("bea", "approve", "refused")]


def test_a_registry_that_does_not_answer_is_a_failure_and_written_down(house: House) -> None:
    def away(_: int) -> None:
        raise OSError("no route")

    house.registry.after = away
    with pytest.raises(Unavailable):
        house.asked(2)
    assert house.lines()[-1] == ("ann", "request", "failed")


def test_nobody_promotes_while_somebody_else_does(house: House) -> None:
    name = house.asked(2, {"validation": validation()})
    with house.store.database.exclusive("promotion"), pytest.raises(Unavailable, match="busy"):
        house.ann.promote(name)


def test_what_was_in_service_before_any_record_is_written_down_as_found(house: House, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    store = embedded(tmp_path / "empty")
    house.store = store
    house.asked(2)
    [found] = store.promotions.all(MODEL)
    assert (found.kind, found.version, found.actor) == ("first", 1, "found in service")
    store.close()


def test_somebody_elses_request_is_not_closed_under_them(house: House) -> None:
    house.asked(2)
    with pytest.raises(AlreadyAsked):
        house.by("carl", SCIENTIST).close(2, "reject", "r")
    house.ann.close(2, "reject", "found wanting")
    assert house.stage(2) == "rejected"
    assert house.store.approvals.open(NOON) == []


def acts(house: House) -> None:
    """Ask, approve, promote and roll back, each once more where it was cut off; begun again it goes on."""
    request = house.ann.request(2, reason="better", measured={"validation": validation()}, retraining="r1").request
    if not any(r.step == "used" for r in house.store.approvals.rulings(request.request_id)):
        house.ann.promote(request.request_id)


def test_a_promotion_that_is_cut_off_anywhere_comes_to_the_same_end_and_happens_once(
    house: House, template: Path, tmp_path: Path
) -> None:
    acts(house)
    calls = len(house.registry.calls)
    end = house.registry.entries, house.registry.aliases
    assert calls >= 8
    for place in range(4, calls + 1):  # the first three are those of the first version
        folder = tmp_path / str(place)
        folder.mkdir()
        (folder / "oracle.db").write_bytes(template.read_bytes())
        store = Store(f"sqlite:///{folder / 'oracle.db'}")
        struck = House(store)
        struck.registry.add()
        struck.registry.add()
        struck.ann.first(1)

        def kill(number: int, at: int = place) -> None:
            if number == at:
                raise Killed

        struck.registry.after = kill
        with pytest.raises(Killed):
            acts(struck)
        struck.registry.after = lambda _: None
        struck.now += HOUR
        try:
            acts(struck)
        except NoSuchMove:
            assert struck.serving() == 2  # another act came first and brought it to its end
        assert (struck.registry.entries, struck.registry.aliases) == end, struck.registry.calls[place - 1]
        assert [p.version for p in struck.promotions()] == [1, 2]
        assert [line for line in struck.lines() if line[1] == "promote" and line[2] == "allowed"] == [
            ("ann", "promote", "allowed")
        ]
        store.close()


def test_whoever_comes_next_brings_a_promotion_to_its_end(house: House) -> None:
    name = house.asked(2, {"validation": validation()})

    def kill(_: int) -> None:
        raise Killed

    house.registry.after = kill
    with pytest.raises(Killed):
        house.ann.promote(name)
    house.registry.after = lambda _: None
    assert house.serving() == 2
    assert len(house.promotions()) == 1
    with pytest.raises(Refused):
        house.bea.approve(name, "again")
    assert [p.request_id for p in house.promotions()] == [None, name]
    assert (house.stage(1), house.stage(2)) == ("archived", "production")
