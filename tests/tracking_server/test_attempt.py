from __future__ import annotations

import pytest

from oracle.tracking_server.attempt import Asked, folded, is_file, read
from tests.tracking_server.attempts import JSON, asked, attempt

ALIAS = {"name": "equine-oracle", "alias": "production", "version": "3"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/registered-models/alias",
        "/api/3.0/mlflow/registered-models/alias",
        "/ajax-api/2.0/mlflow/registered-models/alias",
        "/ajax-api/3.0/mlflow/registered-models/alias",
    ],
)
def test_an_alias_that_is_moved_is_seen_behind_every_prefix(path: str) -> None:
    found = attempt("POST", path, ALIAS)
    assert (found.action, found.target, found.fault) == ("alias.set", "equine-oracle/3/production", None)


def test_an_alias_that_is_moved_is_seen_behind_a_static_prefix() -> None:
    found = read(asked("POST", "/team/api/2.0/mlflow/registered-models/alias", ALIAS), prefix="/team")
    assert found.action == "alias.set"


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/registered-models/alias/",
        "//api/2.0/mlflow/registered-models/alias",
        "/api/2.0/mlflow//registered-models/alias",
        "/api/2.0/mlflow/runs/../registered-models/alias",
        "/api/2.0/mlflow/./registered-models/alias",
        "/api/2.0/mlflow/registered-models%2Falias",
        "/api/2.0/mlflow/registered-models/alias;a=b",
        "/api/2.0/mlflow/registered-models/alias\x00",
        "/api/2.0/mlflow\\registered-models/alias",
        "/api/2.0/mlflow/Registered-Models/alias",
        "/api/2.0/mlflow/registered-models/alias2",
        "/api/v2/mlflow/registered-models/alias",
    ],
)
def test_a_path_that_is_not_plain_is_refused_and_never_taken_for_a_read(path: str) -> None:
    found = attempt("POST", path, ALIAS)
    assert found.mutating
    assert found.fault or found.kind is None


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"name": "mine", "name": "equine-oracle"}', "twice"),
        (b'{"run_id": "mine", "runId": "theirs"}', "two ways"),
        (b'"{\\"name\\": \\"equine-oracle\\"}"', "object"),
        (b'[{"name": "equine-oracle"}]', "object"),
        (b"\xff\xfe{\x00}\x00", "no plain JSON"),
        (b'{"name": ', "no plain JSON"),
        (b"[" * 100_000, "no plain JSON"),
    ],
)
def test_a_body_that_could_be_read_in_two_ways_is_at_fault(body: bytes, fault: str) -> None:
    found = read(Asked("POST", "/api/2.0/mlflow/registered-models/alias", "", JSON, body))
    assert fault in str(found.fault)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data; boundary=x"]
)
def test_a_body_of_another_type_is_at_fault(kind: str) -> None:
    found = read(Asked("POST", "/api/2.0/mlflow/runs/set-tag", "", {"content-type": kind}, b"run_id=a"))
    assert "application/json" in str(found.fault)


def test_values_in_the_query_of_a_change_are_at_fault() -> None:
    found = attempt("DELETE", "/api/2.0/mlflow/registered-models/delete", query="name=equine-oracle")
    assert found.fault == "values stand in the query"


@pytest.mark.parametrize("header", ["x_http_method_override", "x_method_override", "x_original_url"])
def test_a_read_that_a_header_would_turn_into_a_change_is_at_fault(header: str) -> None:
    found = attempt("GET", "/api/2.0/mlflow/registered-models/get", **{header: "DELETE"})
    assert found.mutating
    assert "another request" in str(found.fault)


def test_camel_case_is_read_as_the_same_field() -> None:
    assert attempt("POST", "/api/2.0/mlflow/runs/set-tag", {"runId": "a", "key": "k"}).run == "a"


@pytest.mark.parametrize(
    "query",
    [
        'mutation { testMutation(inputString: "x") { output } }',
        "query A { a }\nmutation B { b }",
        "# harmless\nmutation\n{ b }",
        "subscription { a }",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_graphql_mutation_is_closed(query: str, method: str) -> None:
    assert attempt(method, "/graphql", {"query": query}).kind == "closed"


def test_a_graphql_query_is_a_read_whatever_its_words_are_about() -> None:
    assert not attempt("POST", "/graphql", {"query": 'query { a(name: "mutation") { b } }'}).mutating


@pytest.mark.parametrize(
    "path",
    [
        "/gateway/proxy/x/y",
        "/v1/traces",
        "/ajax-api/3.0/jobs/",
        "/ajax-api/3.0/mlflow/assistant/message",
        "/api/2.0/mlflow/webhooks",
        "/api/3.0/mlflow/mcp-servers",
        "/api/2.0/mlflow/artifacts/presigned-upload-url",
    ],
)
def test_what_a_governed_server_has_no_use_for_is_closed(path: str) -> None:
    assert attempt("POST", path, {}).kind == "closed"


def test_reads_that_would_run_programs_or_call_out_are_closed_too() -> None:
    assert attempt("GET", "/ajax-api/3.0/mlflow/assistant/providers/x/health").kind == "closed"
    assert attempt("GET", "/ajax-api/2.0/mlflow/gateway-proxy").kind == "closed"


@pytest.mark.parametrize("method", ["TRACE", "FOO", "PUT", "PATCH", "post"])
def test_an_unknown_method_is_no_read(method: str) -> None:
    assert attempt(method, "/api/2.0/mlflow/registered-models/rename", {"name": "a"}).mutating


def test_a_file_is_known_before_its_body_is_read() -> None:
    put = asked("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/model.bin")
    assert is_file(put)
    assert not is_file(asked("POST", "/api/2.0/mlflow/runs/log-batch"))


@pytest.mark.parametrize(
    "name",
    ["Equine-Oracle", " equine-oracle", "equine-oracle\u200b", "ｅquine-oracle", "equine_oracle", "equine\u2010oracle"],
)
def test_a_name_that_looks_like_another_is_taken_for_it(name: str) -> None:
    assert folded(name) == folded("equine-oracle")


def test_metrics_of_a_logged_model_are_seen_in_another_runs_batch() -> None:
    body = {"run_id": "mine", "metrics": [{"key": "a", "value": 1, "model_id": "m-1"}]}
    assert attempt("POST", "/api/2.0/mlflow/runs/log-batch", body).logged_models == {"m-1"}
