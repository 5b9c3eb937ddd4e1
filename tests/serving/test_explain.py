"""Explanations over HTTP, by the gateway and on the command line: they add up, they are kept, and they are the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.cli import explain as command
from oracle.cli.explain import comparison, explain, table
from oracle.errors import BadCard, NoSuchModel, UnreadableFile
from oracle.serving.body import MalformedCard
from oracle.serving.comparison import ComparisonMessage, side_by_side
from oracle.serving.gateway import Gateway
from oracle.serving.messages import EXAMPLE, ExplainedMessage, PredictionMessage
from oracle.serving.query import NAMES, Query, read_query
from tests.serving import hostile
from tests.serving.calls import Answer
from tests.serving.conftest import World
from tests.serving.test_http import JSON, is_refusal

Ask = Callable[..., Answer]
ASKED = "/v1/predict?explain=true"


def adds_up(runner: dict[str, Any]) -> bool:
    why = runner["explanation"]
    if why is None:
        return bool(runner["withdrawn"])
    total = why["base"] + why["others"] + sum(c["contribution"] for c in why["contributions"])
    return abs(total - runner["score"]) < 1e-9


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what is its own, and without its reasons."""
    kept = {k: v for k, v in answer.items() if k not in ("prediction_id", "at", "meanings", "prediction_ids")}
    for runner in kept.get("runners", ()):
        runner.pop("explanation", None)
    return kept


@pytest.mark.parametrize("odds", [True, False])
def test_the_reasons_add_up_and_the_answer_is_the_same_with_and_without_them(ask: Ask, world: World, odds: bool):
    card = json.loads(world.body)
    card["runners"][0]["withdrawn"] = True
    card["runners"].append({"horse": "Never Seen Before", "odds": 12})
    for runner in card["runners"]:
        runner["odds"] = runner["odds"] if odds else None
    told = ask("POST", ASKED, json.dumps(card).encode(), JSON)
    assert told.status == 200
    answer = ExplainedMessage.model_validate_json(told.body)
    assert answer.ensemble == ("market" if odds else "form")
    assert all(adds_up(runner) for runner in told.json()["runners"])
    named = {c.feature for r in answer.runners if r.explanation for c in r.explanation.contributions}
    assert set(answer.meanings) == named
    assert ("odds" in named) == odds
    assert plain(told.json()) == plain(ask("POST", "/v1/predict", json.dumps(card).encode(), JSON).json())


def test_an_explained_answer_can_be_read_again_byte_by_byte(ask: Ask, world: World):
    told = ask("POST", ASKED, world.body, JSON)
    again = ask("GET", f"/v1/predictions/{told.json()['prediction_id']}")
    assert (again.status, again.body) == (200, told.body)


@pytest.mark.parametrize("query", ["", "?explain=false", "?explain=0", "?explain=FALSE"])
def test_without_the_question_no_reason_is_given(ask: Ask, world: World, query: str):
    told = ask("POST", f"/v1/predict{query}", world.body, JSON)
    assert told.status == 200
    assert set(told.json()) == set(PredictionMessage.model_fields)
    assert b"explanation" not in told.body


@pytest.mark.parametrize("top", [1, 3, 1000])
def test_the_largest_contributions_are_listed_and_the_others_summed_up(ask: Ask, world: World, top: int):
    whole = ask("POST", ASKED, world.body, JSON).json()
    part = ask("POST", f"{ASKED}&top={top}", world.body, JSON).json()
    for full, short in zip(whole["runners"], part["runners"], strict=True):
        assert short["explanation"]["contributions"] == full["explanation"]["contributions"][:top]
        assert adds_up(short)
    assert len(part["meanings"]) <= len(whole["meanings"])


@pytest.mark.parametrize(
    ("query", "kind", "told"),
    [
        ("explain=maybe", "BadQuery", "explain is neither true nor false"),
        ("explain=", "BadQuery", "explain is neither true nor false"),
        ("explain", "BadQuery", "the query string cannot be read"),
        ("explain=true&explain=false", "DuplicateKey", "explain stands twice in the query"),
        ("explian=true", "UnknownQuery", "explian is not a known query parameter; did you mean explain?"),
        ("explain=true&top=0", "OutOfRange", "top is not a number of contributions"),
        ("explain=true&top=-3", "OutOfRange", "top is not a number of contributions"),
        ("explain=true&top=1e3", "OutOfRange", "top is not a number of contributions"),
        ("explain=true&top=" + "9" * 5000, "OutOfRange", "top is not a number of contributions"),
        ("explain=true&top=%D9%A3", "OutOfRange", "top is not a number of contributions"),
        ("top=3", "BadQuery", "top is about an explanation"),
        ("explain=%ff", "BadQuery", "the query string cannot be read"),
        ("&&&", "BadQuery", "the query string cannot be read"),
        ("&".join(f"a{i}=1" for i in range(50)), "BadQuery", "the query string cannot be read"),
        ("<script>=1", "UnknownQuery", "<script> is not a known query parameter"),
    ],
)
def test_a_question_nobody_understands_is_refused_with_what_can_be_asked(
    ask: Ask, world: World, query: str, kind: str, told: str
):
    answer = ask("POST", f"/v1/predict?{query}", world.body, JSON)
    assert (answer.status, is_refusal(answer)) == (422, True)
    error = answer.json()["error"]
    assert (error["kind"], error["message"]) == (kind, told)
    assert error["allowed"]
    assert error["next_step"] == "see docs/api.md for every query parameter"
    assert len(answer.body) < 2000


@given(st.binary(max_size=40))
def test_any_query_string_is_read_or_refused(raw: bytes):
    try:
        assert isinstance(read_query(raw), Query)
    except MalformedCard as refused:
        told = refused.problems[0]
        shown = f"{told.message} {told.field} {told.value}"
    else:
        shown = ""
    assert len(shown) < 400


def test_a_malformed_card_is_refused_the_same_with_a_question(ask: Ask):
    body = json.dumps(hostile.changed_runner(draw=99)).encode()
    assert ask("POST", ASKED, body, JSON).json() == ask("POST", "/v1/predict", body, JSON).json()


def test_the_openapi_document_describes_question_and_explained_answer(ask: Ask):
    document = ask("GET", "/openapi.json").json()
    asked = {p["name"]: p for p in document["paths"]["/v1/predict"]["post"]["parameters"]}
    assert set(asked) == set(NAMES)
    assert all(p["in"] == "query" and p["description"] for p in asked.values())
    assert {"ExplainedMessage", "ExplanationMessage", "ContributionMessage"} <= set(document["components"]["schemas"])


# the command line


@pytest.fixture
def card(world: World, tmp_path: Path) -> Path:
    file = tmp_path / "card.json"
    file.write_bytes(world.body)
    return file


def test_the_command_says_what_the_api_says(ask: Ask, world_home: Path, card: Path, capfd: pytest.CaptureFixture[str]):
    explain(str(card), json=True)
    offline = json.loads(capfd.readouterr().out)
    online = ask("POST", ASKED, card.read_bytes(), JSON).json()
    for told in (offline, online):
        del told["prediction_id"], told["at"]
    assert offline == online


@pytest.mark.usefixtures("world_home")
def test_the_table_shows_the_largest_contributions_of_each_runner(card: Path, capfd: pytest.CaptureFixture[str]):
    explain(str(card), top=2)
    blocks = capfd.readouterr().out.split("\n\n")
    *runners, foot = blocks
    assert [block.split(".")[0] for block in runners] == [str(i + 1) for i in range(len(runners))]
    assert "equine-oracle v1.0.0 (version 1); ensemble: market" in foot
    for block in runners:
        head, *rows = block.splitlines()
        assert "score" in head
        assert len(rows) == 4  # two features, the others, the base
        assert [row.split()[0] for row in rows[2:]] == ["others", "base"]
        told = sum(float(row.split()[-1]) for row in rows)
        assert told == pytest.approx(float(head.split("score ")[1].split(",")[0]), abs=5e-4)


def test_a_withdrawn_runner_stands_last_and_without_reasons(standing: Gateway):
    told = standing.explain(json.dumps(EXAMPLE).encode(), 3)
    assert table(told).split("\n\n")[-2] == "-. Stays at Home (4): withdrawn"
    both = side_by_side(told, told)
    assert comparison(both).split("\n\n")[-2] == "-. Stays at Home (4): withdrawn"


@pytest.fixture
def other(standing: Gateway, world: World) -> ExplainedMessage:
    """Another opinion: half of each contribution, one feature less and one more."""
    told = standing.explain(world.body).model_dump()
    told["model"]["version"] = "2"
    for runner in told["runners"]:
        why = runner["explanation"]
        why["contributions"] = [c | {"contribution": c["contribution"] / 2} for c in why["contributions"][1:]]
        why["contributions"].append({"feature": "moon", "value": None, "contribution": 0.25})
        runner["score"] = why["base"] + sum(c["contribution"] for c in why["contributions"])
    return ExplainedMessage.model_validate(told)


def test_two_versions_side_by_side_show_each_feature_in_both(standing: Gateway, world: World, other: ExplainedMessage):
    one = standing.explain(world.body)
    both = side_by_side(one, other)
    assert (both.model.version, both.against.version) == ("1", "2")
    for runner, a, b in zip(both.runners, one.runners, other.runners, strict=True):
        assert (runner.score.model, runner.score.against) == (a.score, b.score)
        assert (runner.win.model, runner.rank.model) == (a.win, a.rank)
        for which, score in (("model", a.score), ("against", b.score)):
            parts = [getattr(f, which) for f in runner.features]
            assert getattr(runner.base, which) + sum(parts) == pytest.approx(score, abs=1e-9)
        sizes = [abs(f.difference) for f in runner.features]
        assert sizes == sorted(sizes, reverse=True)
        named = {f.feature: f for f in runner.features}
        assert (named["moon"].model, named["moon"].against, named["moon"].value.model) == (0.0, 0.25, None)
        assert named[a.explanation.contributions[0].feature].against == 0.0
    assert ComparisonMessage.model_validate_json(both.model_dump_json()) == both


@pytest.mark.parametrize("top", [1, 4])
def test_a_short_comparison_adds_up_in_both(standing: Gateway, world: World, other: ExplainedMessage, top: int):
    for runner in side_by_side(standing.explain(world.body), other, top).runners:
        assert len(runner.features) == top
        for which in ("model", "against"):
            parts = sum(getattr(f, which) for f in runner.features) + getattr(runner.others, which)
            total = getattr(runner.base, which) + parts
            assert total == pytest.approx(getattr(runner.score, which), abs=1e-9)


@pytest.mark.usefixtures("world_home")
def test_a_version_against_itself_differs_in_nothing(card: Path, capfd: pytest.CaptureFixture[str]):
    explain(str(card), model_version="1", against="production", json=True)
    both = json.loads(capfd.readouterr().out)
    assert both["model"] == both["against"]
    assert all(f["difference"] == 0.0 for r in both["runners"] for f in r["features"])
    explain(str(card), against="v1.0.0", top=2)
    text = capfd.readouterr().out
    assert "difference" in text
    assert "against: equine-oracle v1.0.0 (version 1); ensemble: market" in text


@pytest.mark.usefixtures("world_home")
@pytest.mark.parametrize("names", [{"model_version": "17"}, {"against": "17"}])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(card: Path, names: dict[str, str]):
    with pytest.raises(NoSuchModel, match=r"v1\.0\.0"):
        explain(str(card), **names)


@pytest.mark.usefixtures("oracle_home")
def test_a_card_that_is_none_is_refused_before_the_registry_is_asked(tmp_path: Path):
    file = tmp_path / "card.json"
    with pytest.raises(UnreadableFile):
        explain(str(file))
    file.write_bytes(orjson.dumps({"course": "Nowhere"}))
    with pytest.raises(BadCard):
        explain(str(file), against="2")


def test_the_command_shows_eight_contributions_where_nothing_was_asked_for():
    assert command.SHOWN == 8
