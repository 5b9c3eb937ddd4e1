"""How things stand in MLflow's own database at the moment of an attempt, as far as the judgement needs to know."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from oracle.tracking_server.attempt import Attempt
from oracle.tracking_server.guard import State, Version

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_ID = re.compile(r"[0-9a-f]{32}")
_MODEL = re.compile(r"m-[0-9a-f]{32}")
_PAGE = 1000


class Standing:
    """Reads the state of the governed model; it asks no more than the attempt at hand needs."""

    def __init__(self, client: MlflowClient, model: str, alias: str, experiment: str) -> None:
        self._client, self._model, self._alias, self._experiment = client, model, alias, experiment

    def of(self, attempt: Attempt) -> State:
        """Return the state that the judgement of an attempt needs.

        Raises:
            MlflowException: the database did not answer.
        """
        if attempt.kind in ("people", "ours", "closed", "read", None):
            return State(model=self._model, alias=self._alias)
        if self._is_of_another_run(attempt):
            return State(model=self._model, alias=self._alias)
        versions = self._versions()
        state = State(model=self._model, alias=self._alias, versions=versions)
        if attempt.kind == "experiment":
            return State(
                model=self._model, alias=self._alias, versions=versions, experiments=self._experiments(versions)
            )
        if attempt.action == "run.update" and attempt.run in state.frozen_runs:
            open_run = self._client.get_run(attempt.run).info.status == "RUNNING"
            return State(
                model=self._model,
                alias=self._alias,
                versions=versions,
                running=frozenset({attempt.run}) if open_run else frozenset(),
            )
        return state

    def _is_of_another_run(self, attempt: Attempt) -> bool:
        """Return whether the attempt is about one run, of which no version was made: the common case, and one query."""
        run = attempt.run
        if attempt.kind == "artifact" and attempt.action != "artifact.upload":
            parts = attempt.path.split("/")
            run = parts[1] if len(parts) > 2 else ""
        if attempt.kind not in ("track", "artifact") or attempt.logged_models or not _ID.fullmatch(run):
            return False
        return not self._client.search_model_versions(f"run_id='{run}'", max_results=1)

    def _versions(self) -> dict[int, Version]:
        from mlflow.exceptions import MlflowException

        try:
            aliases = self._client.get_registered_model(self._model).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        found: dict[int, Version] = {}
        token = None
        while True:
            page = self._client.search_model_versions(f"name='{self._model}'", max_results=_PAGE, page_token=token)
            for entry in page:
                number = int(entry.version)
                held = frozenset(alias for alias, at in aliases.items() if int(at) == number)
                found[number] = Version(number, entry.run_id or "", _made_of(entry), dict(entry.tags), held)
            token = page.token
            if not token:
                return found

    def _experiments(self, versions: dict[int, Version]) -> frozenset[str]:
        from mlflow.exceptions import MlflowException

        ids = set()
        ours = self._client.get_experiment_by_name(self._experiment)
        if ours is not None:
            ids.add(str(ours.experiment_id))
        for run in {version.run_id for version in versions.values() if version.run_id}:
            try:
                ids.add(str(self._client.get_run(run).info.experiment_id))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        return frozenset(ids)


def _made_of(entry: Any) -> str:
    """Return the logged model of a version; where the registry did not keep it, its place tells."""
    found = _MODEL.search(entry.source or "")
    return str(getattr(entry, "model_id", None) or (found[0] if found else ""))


def snapshot(attempt: Attempt, state: State) -> str | None:
    """Return what the attempt is about as it stands, as JSON; None where no registry object is."""
    if attempt.kind != "registry" or attempt.text("name") != state.model:
        return None
    found: dict[str, Any] = {}
    if attempt.text("alias"):
        found["alias"] = {attempt.text("alias"): state.aliases.get(attempt.text("alias"))}
    number = attempt.text("version")
    version = state.versions.get(int(number)) if number.isascii() and number.isdigit() else None
    if version is not None and attempt.text("key"):
        found["tag"] = {attempt.text("key"): version.tags.get(attempt.text("key"))}
    elif version is not None:
        found["version"] = {"number": version.number, "aliases": sorted(version.aliases), "tags": dict(version.tags)}
    if not found:
        found["versions"] = len(state.versions)
    return json.dumps(found, sort_keys=True)


_TOLD = (
    *("name", "new_name", "version", "alias", "key", "value", "stage", "run_id", "model_id", "source"),
    *("username", "is_admin", "role_id", "role_name", "resource_type", "resource_id", "resource_pattern", "permission"),
    *("experiment_id", "lifecycle_stage", "status"),
)
"""Fields of a request that are told to the audit trail; no other is, so that no password ever comes into it."""
LONGEST = 500


def asked_for(attempt: Attempt) -> dict[str, Any]:
    """Return what a request asked for, as far as the trail may tell it."""
    if attempt.kind not in ("registry", "people", "experiment"):
        return {}
    told = {name: attempt.fields[name] for name in _TOLD if name in attempt.fields}
    return {name: str(value)[:LONGEST] for name, value in told.items()}
