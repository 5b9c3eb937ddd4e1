"""Every route of MLflow's server that changes something, by what it would do. Pure.

The table is a list of what is let through to the judgement, not of what is forbidden: a mutating route that stands
nowhere here is refused. Whole families that a governed server has no use for (the gateway, jobs, webhooks, assistants,
traces ...) are closed by their first words, whatever the method: some of them run code or call out on a GET.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["read", "track", "artifact", "experiment", "logged model", "registry", "people", "ours", "closed"]
"""What a route is about; `closed` is refused to everybody."""


@dataclass(frozen=True, slots=True)
class Route:
    """A known route: what it does, and the values that stand in its path."""

    action: str
    kind: Kind
    values: tuple[str, ...] = ()
    """What the braces of its pattern stood for."""


SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, outside of the closed families."""

_READS = (
    *("mlflow/runs/search", "mlflow/experiments/search", "mlflow/experiments/search-datasets"),
    *("mlflow/logged-models/search", "mlflow/registered-models/get-latest-versions", "mlflow/traces/search"),
    *("mlflow/traces/batchGetInfos", "mlflow/traces/metrics", "mlflow/traces/calculate-filter-correlation"),
    *("mlflow/datasets/search", "mlflow/issues/search", "mlflow/prompt-optimization/jobs/search", "jobs/search"),
    *("mlflow/artifacts/presigned-download-url", "mlflow/ui-telemetry"),
)
"""What is asked by POST and changes nothing. The pages send telemetry, which the server drops."""

_TRACK = {
    **{("POST", f"mlflow/runs/{word}"): f"run.{word}" for word in ("create", "update", "delete", "restore", "set-tag")},
    **{("POST", f"mlflow/runs/{word}"): f"run.{word}" for word in ("delete-tag", "log-metric", "log-parameter")},
    **{("POST", f"mlflow/runs/{word}"): f"run.{word}" for word in ("log-batch", "log-inputs", "log-model", "outputs")},
}
_EXPERIMENTS = {
    ("POST", f"mlflow/experiments/{word}"): f"experiment.{word}"
    for word in ("create", "update", "delete", "restore", "set-experiment-tag", "delete-experiment-tag")
}
_LOGGED = {
    ("POST", "mlflow/logged-models"): "logged-model.create",
    ("PATCH", "mlflow/logged-models/{}"): "logged-model.finalize",
    ("DELETE", "mlflow/logged-models/{}"): "logged-model.delete",
    ("PATCH", "mlflow/logged-models/{}/tags"): "logged-model.set-tags",
    ("DELETE", "mlflow/logged-models/{}/tags/{}"): "logged-model.delete-tag",
    ("POST", "mlflow/logged-models/{}/params"): "logged-model.log-params",
}
_REGISTRY = {
    ("POST", "mlflow/registered-models/create"): "model.create",
    ("POST", "mlflow/registered-models/rename"): "model.rename",
    ("PATCH", "mlflow/registered-models/update"): "model.update",
    ("DELETE", "mlflow/registered-models/delete"): "model.delete",
    ("POST", "mlflow/registered-models/set-tag"): "model.set-tag",
    ("DELETE", "mlflow/registered-models/delete-tag"): "model.delete-tag",
    ("POST", "mlflow/registered-models/alias"): "alias.set",
    ("DELETE", "mlflow/registered-models/alias"): "alias.delete",
    ("POST", "mlflow/model-versions/create"): "version.create",
    ("PATCH", "mlflow/model-versions/update"): "version.update",
    ("DELETE", "mlflow/model-versions/delete"): "version.delete",
    ("POST", "mlflow/model-versions/transition-stage"): "version.transition-stage",
    ("POST", "mlflow/model-versions/set-tag"): "version.set-tag",
    ("DELETE", "mlflow/model-versions/delete-tag"): "version.delete-tag",
}
_ARTIFACTS = {
    ("PUT", "mlflow-artifacts/artifacts/*"): "artifact.put",
    ("DELETE", "mlflow-artifacts/artifacts/*"): "artifact.delete",
    ("POST", "mlflow-artifacts/mpu/create/*"): "artifact.put-parts",
    ("POST", "mlflow-artifacts/mpu/complete/*"): "artifact.put-parts",
    ("POST", "mlflow-artifacts/mpu/abort/*"): "artifact.put-parts",
    ("POST", "mlflow/upload-artifact"): "artifact.upload",
}
_PEOPLE = {
    ("POST", "mlflow/users/create"): "user.create",
    ("POST", "mlflow/users/create-ui"): "user.create",
    ("PATCH", "mlflow/users/update-password"): "user.password",
    ("PATCH", "mlflow/users/update-admin"): "user.admin",
    ("DELETE", "mlflow/users/delete"): "user.delete",
    ("POST", "mlflow/users/permissions/grant"): "permission.grant",
    ("POST", "mlflow/users/permissions/revoke"): "permission.revoke",
    ("POST", "mlflow/roles/create"): "mlflow-role.create",
    ("PATCH", "mlflow/roles/update"): "mlflow-role.update",
    ("DELETE", "mlflow/roles/delete"): "mlflow-role.delete",
    ("POST", "mlflow/roles/permissions/add"): "mlflow-role.add-permission",
    ("DELETE", "mlflow/roles/permissions/remove"): "mlflow-role.remove-permission",
    ("PATCH", "mlflow/roles/permissions/update"): "mlflow-role.update-permission",
    ("POST", "mlflow/roles/assign"): "mlflow-role.assign",
    ("DELETE", "mlflow/roles/unassign"): "mlflow-role.unassign",
}

CLOSED = (
    *("gateway", "v1/traces", "jobs", "mlflow/jobs", "mlflow/gateway", "mlflow/gateway-proxy", "mlflow/assistant"),
    *("mlflow/mcp-servers", "mlflow/webhooks", "mlflow/scorers", "mlflow/scorer", "mlflow/review-queues"),
    *("mlflow/label-schemas", "mlflow/issues", "mlflow/demo", "mlflow/genai", "mlflow/prompt-optimization"),
    *("mlflow/runs/create-promptlab-run", "mlflow/workspaces", "mlflow/datasets", "mlflow/traces"),
    "mlflow/artifacts/presigned-upload-url",
)
"""First words of the families that a governed server does without: nothing of theirs may change anything."""

SHUT = ("gateway", "mlflow/gateway-proxy", "mlflow/assistant", "mlflow/gateway/secrets")
"""Of those, the ones whose reads run programs, call out or show secrets: closed whatever the method."""

OURS = "oracle"
"""First word of our own routes."""


def _kinds() -> dict[tuple[str, str], Route]:
    table: dict[tuple[str, str], Route] = {("POST", path): Route("read", "read") for path in _READS}
    parts: tuple[tuple[Kind, dict[tuple[str, str], str]], ...] = (
        ("track", _TRACK),
        ("experiment", _EXPERIMENTS),
        ("logged model", _LOGGED),
        ("registry", _REGISTRY),
        ("artifact", _ARTIFACTS),
        ("people", _PEOPLE),
    )
    for kind, routes in parts:
        table |= {key: Route(action, kind) for key, action in routes.items()}
    return table


_TABLE = _kinds()
_PLAIN = {key: route for key, route in _TABLE.items() if "{" not in key[1] and not key[1].endswith("*")}
_PATTERNS = [(*key, route) for key, route in _TABLE.items() if key not in _PLAIN]


def find(method: str, path: str) -> Route | None:
    """Return what a request to a path would do; None for a mutating route that nobody has placed.

    Args:
        method: HTTP method, in capitals.
        path: The path behind the version of the API, such as `mlflow/runs/create`.

    >>> find("POST", "mlflow/registered-models/alias")
    Route(action='alias.set', kind='registry', values=())
    >>> find("DELETE", "mlflow/logged-models/m-1/tags/colour").values
    ('m-1', 'colour')
    >>> find("POST", "mlflow/registered-models/overthrow") is None
    True
    """
    if path == OURS or path.startswith(f"{OURS}/"):
        return Route("ours", "ours", (path.removeprefix(OURS).lstrip("/"),))
    if path == "graphql" and method in ("GET", "POST"):
        return Route("graphql", "read")
    if method in SAFE:
        return Route("closed", "closed") if _within(path, SHUT) and method != "OPTIONS" else Route("read", "read")
    known = _PLAIN.get((method, path)) or _matching(method, path)
    if known is None and _within(path, CLOSED):
        return Route("closed", "closed")
    return known


def _within(path: str, families: tuple[str, ...]) -> bool:
    return any(path == word or path.startswith(f"{word}/") for word in families)


def _matching(method: str, path: str) -> Route | None:
    for wanted, pattern, route in _PATTERNS:
        if wanted != method:
            continue
        if pattern.endswith("*"):
            if path.startswith(pattern[:-1]):
                return Route(route.action, route.kind, (path[len(pattern) - 1 :],))
            continue
        parts, given = pattern.split("/"), path.split("/")
        if len(parts) == len(given) and all(p in ("{}", g) for p, g in zip(parts, given, strict=True)):
            values = tuple(g for p, g in zip(parts, given, strict=True) if p == "{}")
            return Route(route.action, route.kind, values)
    return None
