"""Whether an attempt may go on to MLflow: three answers' worth of rules in one list, each with its reason. Pure.

Roles decide who may write at all. Beyond roles stands what nobody may do by MLflow's own routes, admins included: move
what serving follows, say where a version stands in its life, or change what a version was judged by. Those who may do
that ask for it by our own routes, which keep the rules of promotion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from oracle.governance.roles import Actor, may
from oracle.registry.versioning import FIRST, is_semver, parse
from oracle.tracking_server.attempt import Attempt, folded

LIFECYCLE_TAGS = frozenset({"lifecycle", "lifecycle_reason"})
SEMVER = "semver"
FACT_TAGS = frozenset(
    {"facts", "package_sha256", "retraining", "features", "data_fingerprint", "git_commit"}
    | {"test.model.ndcg_at_3", "test.model.pseudo_r2"}
)
"""What a version says of itself: told when it is registered, and never afterwards."""
STAGES_OF_LIFE = frozenset({"staging", "production", "archived"})
"""From here on a version, its run and its files stand still."""
KEPT_ALIASES = ("production", "staging")
FREE_ALIAS = "candidate"
"""The one alias that a registering training moves by itself: it promises nothing."""


@dataclass(frozen=True, slots=True)
class Version:
    """What the judgement needs to know of a version of the governed model."""

    number: int
    run_id: str = ""
    model_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How things stand at the moment of an attempt."""

    model: str
    """Name of the governed model."""
    alias: str = "production"
    """The alias that serving follows."""
    versions: Mapping[int, Version] = field(default_factory=dict)
    experiments: frozenset[str] = frozenset()
    """Ids of the experiments that hold a run of the governed model, and of the house's own."""
    running: frozenset[str] = frozenset()
    """Runs that have not ended, as far as the attempt is about them."""

    @property
    def aliases(self) -> dict[str, int]:
        """Where each alias of the governed model points to."""
        return {alias: version.number for version in self.versions.values() for alias in version.aliases}

    def frozen(self, version: Version) -> bool:
        """Return whether a version stands still."""
        kept = {*KEPT_ALIASES, self.alias}
        return version.tags.get("lifecycle") in STAGES_OF_LIFE or bool(kept & version.aliases)

    @property
    def frozen_runs(self) -> frozenset[str]:
        """The runs behind versions that stand still."""
        return frozenset(v.run_id for v in self.versions.values() if v.run_id and self.frozen(v))

    @property
    def registered_models(self) -> frozenset[str]:
        """The logged models of which a version was made: what is registered does not change any more."""
        return frozenset(v.model_id for v in self.versions.values() if v.model_id)


Status = Literal[200, 400, 403]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said to an attempt: an HTTP status, and why."""

    status: Status
    reason: str | None = None

    @property
    def allowed(self) -> bool:
        """Whether MLflow may see it."""
        return self.status == 200


ALLOWED = Verdict(200)


def judge(attempt: Attempt, state: State, actor: Actor) -> Verdict:
    """Return what is said to an attempt of an authenticated actor.

    Args:
        attempt: What the request would do.
        state: How things stand; only what is about the governed model matters.
        actor: Who asks, with the roles of our own store.
    """
    if attempt.fault:
        return Verdict(400, attempt.fault)
    if attempt.kind == "closed":
        return Verdict(403, "this part of MLflow is closed on a governed server")
    if attempt.kind is None:
        return Verdict(403, "no such change is known here, and what is not known is refused")
    if attempt.kind == "ours":
        return ALLOWED  # the authority behind the route judges, and records it
    reason = _of_roles(attempt, actor) or _RULES[attempt.kind](attempt, state)
    return Verdict(403, reason) if reason else ALLOWED


def _of_roles(attempt: Attempt, actor: Actor) -> str | None:
    if attempt.kind == "people":
        if attempt.action == "user.password" and attempt.text("username") == actor.name:
            return None  # MLflow asks for the old one
        return None if may(actor.roles, "people") else f"{actor.name} may not say who is who: that is an admin's"
    if may(actor.roles, "track"):
        return None
    held = ", ".join(sorted(actor.roles)) or "no role"
    return f"{actor.name} ({held}) may not write: that is a scientist's"


def _track(attempt: Attempt, state: State) -> str | None:
    frozen = attempt.logged_models & state.registered_models
    if frozen and attempt.action != "run.log-inputs":
        return f"the logged model {sorted(frozen)[0]} is registered: what was measured of it stands"
    if attempt.action == "run.create":
        return None
    if not attempt.run:
        return "no run is named"
    if attempt.run not in state.frozen_runs or _is_ending(attempt, state):
        return None
    return f"the run {attempt.run} stands behind a version that is staged or was in service: it stands still"


def _is_ending(attempt: Attempt, state: State) -> bool:
    """Return whether a run that is still open is closed, and nothing else."""
    return (
        attempt.action == "run.update"
        and attempt.run in state.running
        and set(attempt.fields) <= {"run_id", "run_uuid", "status", "end_time"}
        and attempt.text("status") in ("FINISHED", "FAILED", "KILLED")
    )


def _logged_model(attempt: Attempt, state: State) -> str | None:
    frozen = attempt.logged_models & state.registered_models
    if attempt.action == "logged-model.create" or not frozen:
        return None
    return f"the logged model {sorted(frozen)[0]} is registered: it stands still"


def _experiment(attempt: Attempt, state: State) -> str | None:
    if attempt.action == "experiment.create":
        if attempt.text("artifact_location"):
            return "the server says where artifacts are kept"
        return None
    if (
        attempt.action in ("experiment.delete", "experiment.update")
        and attempt.text("experiment_id") in state.experiments
    ):
        return "the experiment holds runs of the governed model: it is neither renamed nor deleted"
    return None


_RUN, _MODEL = re.compile(r"[0-9a-f]{32}"), re.compile(r"m-[0-9a-f]{32}")


def _artifact(attempt: Attempt, state: State) -> str | None:
    if attempt.action == "artifact.upload":
        if attempt.run in state.frozen_runs:
            return f"the run {attempt.run} stands behind a version that is staged or was in service: it stands still"
        return None if attempt.run and attempt.path else "no run and path are named"
    parts = attempt.path.split("/")
    if len(parts) < 3 or not parts[0].isascii() or not parts[0].isdigit():
        return "this is no place of a run or of a logged model"
    if parts[1] == "models" and _MODEL.fullmatch(parts[2]) and parts[3:4] == ["artifacts"]:
        return (
            f"the files of {parts[2]} are registered: they stand still" if parts[2] in state.registered_models else None
        )
    if _RUN.fullmatch(parts[1]) and parts[2] == "artifacts":
        if parts[1] in state.frozen_runs:
            return f"the run {parts[1]} stands behind a version that is staged or was in service: it stands still"
        return None
    return "this is no place of a run or of a logged model"


def _registry(attempt: Attempt, state: State) -> str | None:
    if attempt.action == "version.transition-stage":
        return "the stages of MLflow move nothing here: ask by oracle model promote"
    name, becomes = attempt.text("name"), attempt.text("new_name")
    governed = folded(state.model)
    if becomes and folded(becomes) == governed:
        return f"the name is too near to {state.model}, which is governed"
    if folded(name) != governed:
        return None
    if name != state.model:
        return f"the name is too near to {state.model}, which is governed"
    rule = _GOVERNED.get(attempt.action)
    return rule(attempt, state) if rule else f"nobody may do that to {state.model}"


def _create_model(attempt: Attempt, _state: State) -> str | None:
    return "the governed model carries no tags" if attempt.tags else None


def _create_version(attempt: Attempt, _state: State) -> str | None:
    forged = [key for key in attempt.tags if folded(key) in _folded(LIFECYCLE_TAGS | {SEMVER})]
    if forged:
        return f"a version is not born with the tag {forged[0]}: it is given one"
    run, model, source = attempt.run, attempt.text("model_id"), attempt.text("source")
    if not _RUN.fullmatch(run) or not _MODEL.fullmatch(model):
        return "a version names the run and the logged model that it was made by"
    place = rf"mlflow-artifacts:(//[^/]+)?/[0-9]+/models/{model}/artifacts"
    named = source == f"models:/{model}" or re.fullmatch(place, source)
    return None if named else f"the source is not of the logged model {model}"


def _folded(words: frozenset[str]) -> frozenset[str]:
    return frozenset(folded(word) for word in words)


def _version_of(attempt: Attempt, state: State) -> Version | str:
    """Return the version that is meant, or why there is none to change."""
    text = attempt.text("version")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        return "a version is named by its number"
    found = state.versions.get(int(text))
    return found or f"there is no version {text}"


def _still(attempt: Attempt, state: State) -> str | None:
    version = _version_of(attempt, state)
    if isinstance(version, str):
        return version
    if state.frozen(version):
        return f"version {version.number} is staged, in service or was: it stands still"
    return None


def _set_tag(attempt: Attempt, state: State) -> str | None:
    version = _version_of(attempt, state)
    if isinstance(version, str):
        return version
    key = folded(attempt.text("key"))
    if key in _folded(LIFECYCLE_TAGS):
        return "where a version stands in its life is said by an approved request: oracle model promote"
    if key in _folded(FACT_TAGS):
        return "what a version says of itself is said when it is registered"
    if state.frozen(version):
        return f"version {version.number} is staged, in service or was: it stands still"
    if key != folded(SEMVER):
        return None
    return _numbering(attempt, state, version)


def _numbering(attempt: Attempt, state: State, version: Version) -> str | None:
    """Say why a new version may not be given this number; the training that registers it gives the next one."""
    value = attempt.text("value")
    if attempt.action != "version.set-tag" or attempt.text("key") != SEMVER or not is_semver(value):
        return "a semantic version is v{major}.{minor}.{patch}, and stays"
    given = version.tags.get(SEMVER)
    if given and is_semver(given) and parse(given).alias in state.aliases:
        return f"version {version.number} is {given} already, and stays so"
    wanted = parse(value)
    others = [v.tags[SEMVER] for v in state.versions.values() if v.number != version.number and SEMVER in v.tags]
    taken = [parse(text) for text in others if is_semver(text)]
    if not taken and wanted != FIRST:
        return f"the first version is {FIRST}"
    if taken and wanted not in {
        s for known in taken for s in (known.next_major(), known.next_minor(), known.next_patch())
    }:
        return f"{value} does not follow on any version there is"
    return f"{value} is another version's number" if value in others and parse(value).alias in state.aliases else None


def _set_alias(attempt: Attempt, state: State) -> str | None:
    alias = attempt.text("alias")
    near = {folded(word) for word in (*KEPT_ALIASES, state.alias)}
    if folded(alias) in near:
        return f"the alias {alias} is moved by an approved request only: oracle model promote, oracle model approve"
    if attempt.action == "alias.delete":
        return None if alias == FREE_ALIAS or alias not in state.aliases else f"the alias {alias} stands"
    version = _version_of(attempt, state)
    if isinstance(version, str):
        return version
    if alias in state.aliases and alias != FREE_ALIAS:
        return None if state.aliases[alias] == version.number else f"the alias {alias} stands"
    if state.frozen(version):
        return f"version {version.number} is staged, in service or was: it stands still"
    if is_semver(alias) and version.tags.get(SEMVER) != str(parse(alias)):
        return f"version {version.number} is not {alias}"
    return None


def _delete_version(attempt: Attempt, state: State) -> str | None:
    version = _version_of(attempt, state)
    if isinstance(version, str):
        return version
    if SEMVER in version.tags or version.aliases:
        return f"version {version.number} has a number that others may know: it stays"
    return _still(attempt, state)


Rule = Callable[[Attempt, State], str | None]

_GOVERNED: Mapping[str, Rule] = {
    "model.create": _create_model,
    "alias.set": _set_alias,
    "alias.delete": _set_alias,
    "version.create": _create_version,
    "version.set-tag": _set_tag,
    "version.delete-tag": _set_tag,
    "version.update": _still,
    "version.delete": _delete_version,
}
"""What may be done to the governed model by MLflow's own routes, under which conditions; nothing else may."""


def _people(attempt: Attempt, _state: State) -> str | None:
    if attempt.action in ("user.create", "user.password", "user.admin", "user.delete") and not attempt.text("username"):
        return "nobody is named"
    return None


_RULES: Mapping[str, Rule] = {
    "track": _track,
    "logged model": _logged_model,
    "experiment": _experiment,
    "artifact": _artifact,
    "registry": _registry,
    "people": _people,
}
