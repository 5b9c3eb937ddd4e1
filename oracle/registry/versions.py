"""Which versions of the model there are, and which one somebody means.

A version can be asked for by its number in the registry (`3`), its semantic version (`v1.2.0`), an alias
(`production`), or as `latest`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from oracle.errors import NoSuchModel, OracleError
from oracle.registry.versioning import ModelFacts, SemVer, is_semver, parse
from oracle.tracking.connection import Tracking, reaching

SEMVER, FACTS, DIGEST = "semver", "facts", "package_sha256"
"""Tags of a version that the registry works with."""

LIFECYCLE, REASON, RETRAINING = "lifecycle", "lifecycle_reason", "retraining"
"""Tags that say where a version stands in its life, why, and the retraining that made it."""

STAGING, PRODUCTION, ARCHIVED, REJECTED = "staging", "production", "archived", "rejected"
"""What `lifecycle` may be: waiting to prove itself, in service, replaced, found wanting."""

CANDIDATE = "candidate"
"""Alias of the newest version that a training registered and that is not yet in use."""

HEADLINE = ("test.model.ndcg_at_3", "test.model.pseudo_r2")
"""Metrics of the run that are copied to the version, so that a list of versions is one question and not hundreds."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version."""

    name: str
    number: int
    created: dt.datetime
    run_id: str
    aliases: tuple[str, ...]
    semver: SemVer | None
    """None for a version that somebody else registered under this name."""
    digest: str | None
    """SHA-256 of the package; None as above, and then it cannot be proven."""
    facts: ModelFacts | None
    metrics: dict[str, float]
    """The headline metrics, as far as the run has them."""
    lifecycle: str | None = None
    """staging, production, archived or rejected; None for one that waits outside of any retraining."""
    reason: str | None = None
    """Why it is archived or rejected."""
    retraining: str | None = None
    """Id of the retraining that made it."""

    @property
    def label(self) -> str:
        """How people call it: its semantic version where it has one, else its number."""
        return str(self.semver) if self.semver else str(self.number)

    @property
    def uri(self) -> str:
        """The address to give to `mlflow.pyfunc.load_model`."""
        return f"models:/{self.name}/{self.number}"


def versions(tracking: Tracking) -> list[ModelVersion]:
    """Return all registered versions, oldest first; none where nothing was ever registered."""
    aliases = _aliases(tracking)
    found, token = [], None
    while True:
        with reaching(tracking.uri):
            page = tracking.client.search_model_versions(f"name='{tracking.model_name}'", page_token=token)
        found += [_version(entry, aliases) for entry in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda v: v.number)


def _aliases(tracking: Tracking) -> dict[str, list[str]]:
    """Return the aliases of each version number; searching for versions leaves them out."""
    from mlflow.exceptions import MlflowException

    with reaching(tracking.uri):
        try:
            model = tracking.client.get_registered_model(tracking.model_name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
    by_number: dict[str, list[str]] = {}
    for alias, number in sorted(model.aliases.items()):
        by_number.setdefault(str(number), []).append(alias)
    return by_number


def _version(entry: object, aliases: dict[str, list[str]]) -> ModelVersion:
    tags: dict[str, str] = entry.tags  # type: ignore[attr-defined]  # an entity of MLflow, which has no types
    semver, facts = tags.get(SEMVER), tags.get(FACTS)
    return ModelVersion(
        name=entry.name,  # type: ignore[attr-defined]
        number=int(entry.version),  # type: ignore[attr-defined]
        created=dt.datetime.fromtimestamp(entry.creation_timestamp / 1000, dt.UTC),  # type: ignore[attr-defined]
        run_id=entry.run_id or "",  # type: ignore[attr-defined]
        aliases=tuple(aliases.get(str(entry.version), ())),  # type: ignore[attr-defined]
        semver=parse(semver) if semver and is_semver(semver) else None,
        digest=tags.get(DIGEST),
        facts=_facts(facts),
        metrics={name: float(tags[name]) for name in HEADLINE if name in tags},
        lifecycle=tags.get(LIFECYCLE),
        reason=tags.get(REASON),
        retraining=tags.get(RETRAINING),
    )


def _facts(text: str | None) -> ModelFacts | None:
    try:
        return ModelFacts.from_json(text) if text else None
    except ValueError:  # kept by another release: unknown, which is what None says
        return None


def resolve(tracking: Tracking, wanted: str | int | None = None) -> ModelVersion:
    """Return the version that is meant.

    Args:
        tracking: The registry.
        wanted: Number, semantic version, alias or `latest`; by default the alias that serving follows.

    Raises:
        NoSuchModel: there is none; names those there are and the next step.
    """
    asked = str(wanted if wanted is not None else tracking.alias)
    known = versions(tracking)
    for version in known:
        if asked in version.aliases or asked == str(version.number):
            return version
    if asked == "latest" and known:
        return known[-1]
    if is_semver(asked):
        for version in known:
            if version.semver == parse(asked):
                return version
    raise missing(tracking, asked, known)


def serving(tracking: Tracking) -> ModelVersion | None:
    """Return the version that serving follows, or None."""
    return next((version for version in versions(tracking) if tracking.alias in version.aliases), None)


def missing(tracking: Tracking, asked: str, known: list[ModelVersion]) -> OracleError:
    """Return the error that says which versions there are instead."""
    if not known:
        return NoSuchModel(
            f"no version of the model {tracking.model_name} is registered yet",
            value=asked,
            next_step="oracle train --data DATASET trains and registers the first one",
        )
    newest = known[-10:][::-1]
    listed = ", ".join(f"{v.label} ({'; '.join((str(v.number), *v.aliases))})" for v in newest)
    return NoSuchModel(
        f"the model {tracking.model_name} has no such version",
        value=asked,
        allowed=listed + (f" and {len(known) - 10} older ones" if len(known) > 10 else ""),
        next_step="oracle model list names them; oracle train registers a new one",
    )
