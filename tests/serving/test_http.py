"""The HTTP contract, on the app object itself: no cluster, no socket, a real small model."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import NoSuchModel, OracleError, Unavailable
from oracle.serving import http
from oracle.serving.gateway import Gateway
from oracle.serving.lineage import LineageMessage
from oracle.serving.messages import EXAMPLE, PredictionMessage, RefusalMessage
from oracle.serving.version import ModelsMessage, Served, Target
from oracle.store import embedded
from tests.serving import hostile
from tests.serving.calls import Answer, call
from tests.serving.conftest import World

Ask = Callable[..., Answer]
JSON = {"content-type": "application/json"}


class Empty:
    """A source that has nothing, for the reason given."""

    def __init__(self, why: OracleError) -> None:
        self.why = why

    def load(self, target: Target, *, in_force: Served | None) -> Served:
        raise self.why

    def listing(self) -> ModelsMessage:
        return ModelsMessage(name="m", versions=(), serving=None)


def is_refusal(answer: Answer) -> bool:
    told = RefusalMessage.model_validate_json(answer.body)
    return told.error == told.errors[0] and bool(told.error.kind and told.error.message)


def test_a_card_is_answered_and_the_answer_can_be_read_again(ask: Ask, world: World):
    told = ask("POST", "/v1/predict", world.body, JSON)
    assert told.status == 200
    answer = PredictionMessage.model_validate_json(told.body)
    assert abs(sum(runner.win for runner in answer.runners) - 1) < 1e-9
    again = ask("GET", f"/v1/predictions/{answer.prediction_id}")
    assert (again.status, again.body) == (200, told.body)


def test_a_race_tells_which_version_answered_it_and_where_that_came_from(ask: Ask, world: World):
    answer = PredictionMessage.model_validate_json(ask("POST", "/v1/predict", world.body, JSON).body)
    told = LineageMessage.model_validate_json(ask("GET", f"/v1/races/{world.card.race_id}/lineage").body)
    assert answer.prediction_id in {each.prediction_id for each in told.answers}
    [version] = told.versions
    assert (version.version, version.known_by, version.kind) == ("1", "promotion", "first")
    assert version.trained_on is not None
    assert version.trained_on.data_fingerprint


def test_every_hostile_request_gets_422_with_a_reason(ask: Ask):
    for each in hostile.every():
        told = ask("POST", "/v1/predict", each.body, each.headers)
        expected = 413 if len(each.body) > 262_144 else 422
        assert told.status == expected, (each.name, told)
        assert is_refusal(told), each.name


def test_the_reason_names_field_value_and_what_is_allowed(ask: Ask):
    told = ask("POST", "/v1/predict", json.dumps(hostile.changed_runner(draw=99)).encode(), JSON)
    assert told.json()["error"] == {
        "kind": "OutOfRange",
        "message": "runners[1].draw is out of range",
        "field": "runners[1].draw",
        "value": "99",
        "allowed": "a whole number, 1 to 60",
        "next_step": "see docs/api.md for every field",
    }


@given(
    body=st.binary(max_size=300), kind=st.sampled_from(["application/json", "application/x+json", "text/csv", "*/*"])
)
def test_no_body_at_all_makes_a_500(ask: Ask, body: bytes, kind: str):
    assert ask("POST", "/v1/predict", body, {"content-type": kind}).status == 422


def test_a_body_above_the_limit_is_refused_as_too_large(ask: Ask):
    told = ask("POST", "/v1/predict", b" " * 262_145, JSON)
    assert (told.status, is_refusal(told)) == (413, True)
    assert "262144" in told.json()["error"]["allowed"]


def test_a_charset_or_a_missing_content_type_is_no_reason_to_refuse(ask: Ask):
    body = json.dumps(EXAMPLE).encode()
    assert ask("POST", "/v1/predict", body, {"content-type": "application/json; charset=utf-8"}).status == 200
    assert ask("POST", "/v1/predict", body).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/predict", 405),
        ("PUT", "/v1/predict", 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/predictions/none", 404),
        ("GET", "/v1/predictions/" + "x" * 5000, 404),
        ("GET", "/v1/predictions/%00%ff", 404),
        ("GET", "/v1/predictions/a%2Fb", 404),
        ("GET", "/v1/races/none/lineage", 404),
        ("GET", "/v1/races/%00%ff/lineage", 404),
        ("GET", "/v1/races/" + "x" * 5000 + "/lineage", 404),
        ("POST", "/v1/races/none/lineage", 405),
    ],
)
def test_every_refusal_has_the_same_shape(ask: Ask, method: str, path: str, status: int):
    told = ask(method, path)
    assert (told.status, is_refusal(told)) == (status, True)


def test_health_is_ok_and_names_the_model(ask: Ask):
    told = ask("GET", "/v1/health")
    assert told.status == 200
    assert (told.json()["status"], told.json()["model"]["version"]) == ("ok", "1")


def test_models_lists_versions_aliases_and_the_one_that_answers(ask: Ask):
    told = ask("GET", "/v1/models").json()
    assert (told["name"], told["serving"]["version"]) == ("equine-oracle", "1")
    assert told["versions"][0]["aliases"] == ["production", "v1-0-0"]


@pytest.mark.parametrize(
    "why", [NoSuchModel("none yet", next_step="oracle train --data DATASET"), Unavailable("the registry is away")]
)
def test_without_a_model_every_card_gets_503_with_the_next_step(tmp_path, why: OracleError):
    app = http.build(Gateway(Empty(why), embedded(tmp_path), Target()), max_body_bytes=10_000)
    told = call(app, "POST", "/v1/predict", json.dumps(EXAMPLE).encode(), JSON)
    assert (told.status, told.headers["retry-after"], told.json()["error"]["kind"]) == (503, "5", type(why).__name__)
    assert told.json()["error"]["next_step"] == why.next_step
    health = call(app, "GET", "/v1/health")
    assert (health.status, health.json()["status"], health.json()["model"]) == (503, "degraded", None)
    assert call(app, "POST", "/v1/predict", b"{}", JSON).status == 422
    assert call(app, "GET", "/v1/models").status == 200


def test_an_unforeseen_failure_keeps_the_shape_and_its_details_to_itself(tmp_path):
    class Broken:
        def predict(self, cards: object) -> list[object]:
            raise ZeroDivisionError("a secret of the house")

    class Shelf(Empty):
        def load(self, target: Target, *, in_force: Served | None) -> Served:
            return Served(Broken(), http_model)

    http_model = PredictionMessage.model_fields["model"].annotation(name="m", version="1")
    app = http.build(Gateway(Shelf(Unavailable("")), embedded(tmp_path), Target()), max_body_bytes=10_000)
    told = call(app, "POST", "/v1/predict", json.dumps(EXAMPLE).encode(), JSON)
    assert (told.status, is_refusal(told), b"secret" in told.body) == (500, True, False)


def test_the_openapi_document_describes_card_answer_and_refusal(ask: Ask):
    document = ask("GET", "/openapi.json").json()
    assert set(document["paths"]) == {
        *("/v1/predict", "/v1/predictions/{prediction_id}", "/v1/health", "/v1/models"),
        *("/v1/results", "/v1/events", "/v1/races/{race}/lineage"),
    }
    schemas = document["components"]["schemas"]
    assert {"CardMessage", "RunnerMessage", "PredictionMessage", "RefusalMessage"} <= set(schemas)
    assert schemas["CardMessage"]["additionalProperties"] is False
    body = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/CardMessage"}
    for reference in {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}:
        assert reference in schemas


def test_the_example_of_the_documentation_is_answered(ask: Ask):
    document = ask("GET", "/openapi.json").json()
    [example] = document["components"]["schemas"]["CardMessage"]["examples"]
    assert ask("POST", "/v1/predict", json.dumps(example).encode(), JSON).status == 200


def test_the_docs_page_stands_and_says_what_to_read_without_internet(ask: Ask):
    told = ask("GET", "/docs")
    assert told.status == 200
    assert b"swagger-ui" in told.body
    assert b'href="/openapi.json"' in told.body
