"""Which version was there when, and whose yes it had, by the records alone."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from oracle.governance.approval import Promotion, Request, Ruling
from oracle.governance.audit import Entry
from oracle.governance.lineage import Answered, at, in_service, of_race, of_request
from oracle.serving import lineage as served
from oracle.serving.refusals import NoSuchRace
from oracle.store import Prediction, embedded

NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def promotion(version: int, hours: float, kind: Any = "promote", **more: Any) -> Promotion:
    made = {"run_id": f"run{version}", "data_fingerprint": f"data{version}", "evidence_sha256": f"e{version}"}
    said = {"by": "bea", "at": (NOON + hours * HOUR).isoformat(), "reason": "seen"}
    if kind == "promote":
        made |= {"requested": {**said, "by": "ann"}, "approved": said}  # type: ignore[dict-item]
    told = {"label": f"v1.0.{version}", "replaced": None, "actor": "bea", "approver": "bea"} | more
    return Promotion(
        promotion_id=f"{kind}{version}{hours}",
        at=NOON + hours * HOUR,
        model="equine-oracle",
        version=version,
        kind=kind,
        request_id=f"q{version}" if kind == "promote" else None,
        document=json.dumps(made),
        **told,
    )


def request(version: int) -> Request:
    return Request(
        request_id=f"q{version}",
        at=NOON,
        model="equine-oracle",
        version=version,
        label=f"v1.0.{version}",
        expected=1,
        requester="ann",
        reason="better",
        expires=NOON + 72 * HOUR,
        evidence=json.dumps({"run_id": f"run{version}", "gates": {"outcome": "undecided"}}),
        evidence_digest="d",
    )


TOLD = [promotion(1, 0, "first"), promotion(2, 2), promotion(1, 5, "rollback")]


@pytest.mark.parametrize(("hours", "version"), [(-0.001, None), (0, 1), (1.99, 1), (2, 2), (4.99, 2), (5, 1), (99, 1)])
def test_the_version_of_a_moment_is_the_last_that_came_before_it(hours: float, version: int | None) -> None:
    found = in_service(TOLD, NOON + hours * HOUR)
    assert (None if found is None else found.version) == version


def test_of_two_at_one_moment_the_later_written_counts() -> None:
    found = in_service([promotion(1, 0, "first"), promotion(2, 0)], NOON)
    assert found is not None
    assert found.version == 2


def test_a_moment_tells_what_it_was_trained_on_and_who_wanted_and_approved_it() -> None:
    told = at(TOLD, NOON + 3 * HOUR)
    assert (told["version"], told["trained_on"]["data_fingerprint"], told["evidence_sha256"]) == (2, "data2", "e2")
    assert (told["requested"]["by"], told["approved"]["by"], told["request"]) == ("ann", "bea", "q2")
    assert told["in_service_until"] == "2026-03-04T17:00:00+00:00"


def test_before_any_record_nobody_says_more_than_is_known() -> None:
    assert at([], NOON)["told"] == "nothing is on record before that moment"
    told = at(TOLD, NOON - HOUR)
    assert (told["version"], told["told"]) == (None, "the record begins at 2026-03-04 12:00:00 UTC")


def test_a_rollback_carries_the_approval_that_the_version_had_before() -> None:
    told = at([*TOLD, promotion(2, 6, "rollback")], NOON + 7 * HOUR)
    assert (told["kind"], told["approved"]) == ("rollback", None)
    assert told["approved_before"]["approved"]["by"] == "bea"


def answer(version: str, hours: float, **more: Any) -> Answered:
    told = {"arm": "control", "experiment": None, "fallback": None} | more
    return Answered(f"p{hours}", NOON + hours * HOUR, version=version, **told)


def test_a_race_tells_each_version_that_answered_and_how_it_is_known() -> None:
    answers = [answer("1", 1), answer("2", 3), answer("7", 3, arm="treatment", experiment="t"), answer("8+aa", 4)]
    rejected = Ruling(request_id="q7", step="decided", at=NOON, decision="rejected", actor="bea", reason="no")
    found = of_race("r", answers, TOLD, {7: of_request(request(7), [rejected])})
    assert [(v["version"], v["known_by"]) for v in found["versions"]] == [
        ("1", "promotion"),
        ("2", "promotion"),
        ("7", "request"),
        ("8+aa", None),
    ]
    assert [each["in_service"] for each in found["answers"]] == [1, 2, 2, 2]
    assert found["versions"][2]["decided"]["decision"] == "rejected"
    assert "oracle model show 8" in found["versions"][3]["told"]


def kept(race: str | None, version: str, hours: float) -> Prediction:
    return Prediction(
        prediction_id=f"p{version}{hours}",
        at=NOON + hours * HOUR,
        race_id=race,
        race_key=race or "Redmile|2026-03-05T12:00Z",
        course="Redmile",
        off=NOON + 24 * HOUR,
        unit="u",
        user="somebody",
        model_name="equine-oracle",
        model_version=version,
        card_key="k",
        card="{}",
        answer="{}",
    )


def test_the_store_alone_tells_the_lineage_of_a_race_and_names_no_user(tmp_path: Path) -> None:
    store = embedded(tmp_path)
    entry = Entry(entry_id="e", at=NOON, actor="ann", action="promote", target="m", outcome="allowed")
    for each in TOLD:
        store.promotions.add(each, entry)
    store.predictions.add([kept("r1", "1", 1), kept(None, "2", 3), kept("other", "2", 3.5)])
    told = served.of_race(store, "r1")
    assert [(v.version, v.answers, v.known_by) for v in told.versions] == [("1", 1, "promotion")]
    both = served.of_race(store, "Redmile|2026-03-05T12:00Z")
    assert [(each.version, each.in_service) for each in both.answers] == [("1", 1), ("2", 2), ("2", 2)]
    approved = both.versions[1].approved
    assert approved is not None
    assert approved.by == "bea"
    assert "somebody" not in both.model_dump_json()
    with pytest.raises(NoSuchRace, match="no answer"):
        served.of_race(store, "nothing'; DROP TABLE predictions")
    store.close()
