"""`oracle ab plan` and `oracle ab simulate`, and the report."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.errors import BadInput
from oracle.experiment import pictures, report
from oracle.experiment.simulate import differences, simulate
from oracle.experiment.sizing import Question, paired
from oracle.experiment.verdict import decide
from tests.experiment.seen import after, observed, plan
from tests.experiment.seen import paired as races_with


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    output._Result.fd = 1
    code = output.run(app, [*words, "--json"])
    out, err = capfd.readouterr()
    return code, json.loads(out or err.splitlines()[0]) if out else None, err


@pytest.fixture(autouse=True)
def _own_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave standard output where pytest reads it."""
    monkeypatch.setattr(output._Result, "claim", staticmethod(lambda: None))


POOL = differences(0.0854, seed=1, races=4000)
PLAN = ("ab", "plan", "--mean", ".55", "--sd", ".27", "--effect", ".01", "--share", ".1")


def test_the_plan_of_the_requirement(capfd: pytest.CaptureFixture[str], oracle_home: Any):
    code, told, _ = run(capfd, *PLAN)
    assert code == 0
    assert 209_000 <= told["unpaired"]["races"] <= 211_500
    assert told["paired"] is None
    _, told, _ = run(capfd, *PLAN, "--rho", ".95")
    assert 1_850 <= told["paired"]["races"] <= 1_950
    assert 56 <= told["ratio"] <= 185


def test_a_plan_that_cannot_end_is_refused_with_3(capfd: pytest.CaptureFixture[str], oracle_home: Any):
    code, told, err = run(capfd, *PLAN, "--races-per-day", "30", "--max-days", "60")
    assert code == 3
    assert "days" in told["error"]["allowed"]
    assert "next:" in err
    assert run(capfd, *PLAN, "--max-days", "60")[0] == 2


def test_a_worthless_challenger_ships_in_fewer_than_one_test_of_twenty():
    size = paired(Question(0.55, 0.27, 0.01), 0.95)
    found = simulate(size, 0.0, races_per_look=20, reps=300, seed=3, pool=POOL)
    assert found.shipped <= 0.05
    assert found.stopped > 0.7
    assert found.repeated_z > found.shipped


def test_one_per_cent_is_seen_within_twice_the_planned_races():
    size = paired(Question(0.55, 0.27, 0.01), 0.95)
    found = simulate(size, 0.01, races_per_look=20, reps=200, seed=3, pool=POOL)
    assert found.shipped >= 0.8


def test_the_command_says_false_positives_or_power(capfd: pytest.CaptureFixture[str], oracle_home: Any):
    _, told, _ = run(capfd, "ab", "simulate", "--effect", "0", "--reps", "20")
    assert told["power"] is None
    assert 0.0 <= told["false_positive_rate"] <= 1.0
    assert run(capfd, "ab", "simulate", "--effect", "0", "--looks", "hourly")[0] == 2
    assert run(capfd, "ab", "simulate", "--effect", "0.9", "--reps", "2")[0] == 2
    assert run(capfd, "ab", "simulate", "--effect", "nan", "--reps", "2")[0] == 2
    assert run(capfd, "ab", "simulate", "--effect", "0", "--wanted", "0.0001")[0] == 2


def test_a_plan_says_when_the_floors_are_reached_and_what_users_take(
    capfd: pytest.CaptureFixture[str], oracle_home: Any
):
    _, told, _ = run(capfd, *PLAN, "--predictions-per-day", "500", "--conversion", ".05", "--users-per-day", "1000")
    assert told["floors"]["days_until"] == 2.0
    assert told["users"]["days_anytime"] > told["users"]["days"] > 0
    assert told["point_rule"]["passes_worthless"] > 0.4
    assert run(capfd, *PLAN, "--races-per-day", "0")[0] == 2
    assert run(capfd, *PLAN, "--share", "1")[0] == 2
    assert run(capfd, "ab", "plan", "--mean", ".9", "--sd", ".6")[0] == 2
    assert run(capfd, *PLAN, "--share", ".4", "--challengers", "3")[0] == 2


def test_meetings_that_err_together_ship_no_worthless_challenger():
    size = paired(Question(0.55, 0.27, 0.01), 0.95)
    found = simulate(size, 0.0, races_per_look=20, reps=300, seed=4, per_meeting=20, alike=0.7, pool=POOL)
    assert found.shipped <= 0.05
    assert found.repeated_z > 0.5
    with pytest.raises(BadInput, match="alike"):
        simulate(size, 0.01, races_per_look=20, reps=1, seed=4, alike=0.95)


def test_the_same_seed_plays_the_same_tests_and_the_same_picture_is_drawn_twice():
    size = paired(Question(0.55, 0.27, 0.01), 0.95)
    one, other = (simulate(size, 0.0, races_per_look=20, reps=20, seed=4, pool=POOL) for _ in range(2))
    assert one == other
    seen = observed(races_with(np.where(np.arange(90) % 7 == 0, 0.1, 0.0)))
    assert pictures.decisive_races(seen) == pictures.decisive_races(seen)


def challenge() -> report.Challenge:
    seen = observed(races_with(np.where(np.arange(600) % 7 == 0, 0.1, 0.0)))
    return report.Challenge("treatment", "4<script>", seen, decide(seen, plan(), after(30)))


def test_the_page_stands_alone_and_escapes_what_it_shows():
    page = report.page(plan(), "running", [challenge()], [{"at": "now", "why": "<b>because</b>"}])
    assert page.count("<svg") == 3
    assert "<script>" not in page
    assert "&lt;b&gt;because" in page
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', page)


def test_the_document_is_plain_values_and_the_text_says_the_decision():
    told = report.document(plan(), "running", [challenge()])
    again = json.loads(output.as_json(told))
    assert again["challengers"][0]["decision"] == challenge().verdict.decision
    assert again["fingerprint"] == plan().fingerprint
    assert challenge().verdict.label in report.text(plan(), "running", [challenge()])
