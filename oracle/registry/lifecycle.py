"""The life of a model version: registered by a training, promoted by moving an alias, downloaded and proven to serve.

A version never changes once it is registered; what changes is which version an alias points to. Serving follows one
alias. The first model of a registry is given that alias, because there is nothing it could be worse than; every later
one becomes a candidate and waits to be promoted. One that a retraining made is staged under the retraining's id, so
that whoever goes on with the retraining finds it again. The tag `lifecycle` tells where a version stands.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from oracle.errors import BadInput, OracleError, UntrustedPackage
from oracle.race import RaceCard
from oracle.registry import mlmodel
from oracle.registry.content import content_digest, prove
from oracle.registry.versioning import ModelFacts, SemVer, bump, is_semver
from oracle.registry.versions import (
    ARCHIVED,
    DIGEST,
    FACTS,
    HEADLINE,
    LIFECYCLE,
    PRODUCTION,
    REASON,
    RETRAINING,
    SEMVER,
    STAGING,
    ModelVersion,
    resolve,
    versions,
)
from oracle.tracking.connection import Tracking, reaching
from oracle.tracking.patience import outlast

CANDIDATE = "candidate"
"""Alias of the newest version that is not yet in use."""


def register(
    tracking: Tracking, package: Path, example: RaceCard, facts: ModelFacts, run_id: str, *, promote: bool = False
) -> ModelVersion:
    """Register a saved package as the next version, numbered by what changed, and return it.

    Args:
        tracking: The registry.
        package: Folder that the model was saved to; it is copied.
        example: A real card, for those who want to see what goes in.
        facts: What the model is made of.
        run_id: The run that made it. Its headline metrics are copied to the version.
        promote: Point the serving alias at it even if that alias points at another version.

    Raises:
        UnreadableFile: there is no package.
        Unavailable: the registry does not answer.
    """
    number = _create(tracking, package, example, run_id, _tags(tracking, package, facts, run_id))
    semver = _give_semver(tracking, number, facts)
    _point(tracking, semver.alias, number)
    served = any(tracking.alias in version.aliases for version in versions(tracking))
    if promote or not served:
        return _promote(tracking, number)
    _point(tracking, CANDIDATE, number)
    return resolve(tracking, number)


def stage(
    tracking: Tracking, package: Path, example: RaceCard, facts: ModelFacts, run_id: str, retraining: str
) -> ModelVersion:
    """Register what a retraining made under the alias `staging`, once, and return it.

    A version is born with the id of its retraining: where a process was killed half-way, the next one completes the
    version that is there and makes no second one.

    Args:
        tracking: The registry.
        package: Folder that the model was saved to; it is copied.
        example: A real card, for those who want to see what goes in.
        facts: What the model is made of.
        run_id: The run that made it.
        retraining: Id of the retraining.

    Raises:
        UnreadableFile: there is no package.
        Unavailable: the registry does not answer.
    """
    known = staged(tracking, retraining)
    if known is None:
        tags = _tags(tracking, package, facts, run_id) | {RETRAINING: retraining, LIFECYCLE: STAGING}
        number = _create(tracking, package, example, run_id, tags)
        known = resolve(tracking, number)
    semver = known.semver or _give_semver(tracking, known.number, facts)
    _point(tracking, semver.alias, known.number)
    _point(tracking, STAGING, known.number)
    return resolve(tracking, known.number)


def staged(tracking: Tracking, retraining: str) -> ModelVersion | None:
    """Return the version that a retraining made, or None."""
    return next((version for version in versions(tracking) if version.retraining == retraining), None)


def mark(tracking: Tracking, version: ModelVersion, lifecycle: str, reason: str) -> None:
    """Say where a version stands in its life, and why; one that waits no more loses the aliases of those who do."""
    with reaching(tracking.uri):
        for tag, value in ((REASON, reason), (LIFECYCLE, lifecycle)):
            tracking.client.set_model_version_tag(tracking.model_name, str(version.number), tag, value)
        for alias in {STAGING, CANDIDATE} & set(version.aliases) if lifecycle != STAGING else ():
            tracking.client.delete_registered_model_alias(tracking.model_name, alias)


def _tags(tracking: Tracking, package: Path, facts: ModelFacts, run_id: str) -> dict[str, str]:
    with reaching(tracking.uri):
        metrics = tracking.client.get_run(run_id).data.metrics
    return {
        FACTS: facts.to_json(),
        DIGEST: content_digest(package),
        "features": facts.features,
        "data_fingerprint": facts.data,
        "git_commit": facts.code,
        **{name: repr(metrics[name]) for name in HEADLINE if name in metrics},
    }


def _create(tracking: Tracking, package: Path, example: RaceCard, run_id: str, tags: dict[str, str]) -> int:
    """Upload the MLflow model and make a version of it; return the version's number."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    client = tracking.client
    with reaching(tracking.uri), tempfile.TemporaryDirectory(prefix="oracle-model-") as scratch:
        logged = client.create_logged_model(tracking.experiment_id, tracking.model_name, run_id, model_type="ensemble")
        folder = Path(scratch) / "model"
        try:
            meta = Model(artifact_path=logged.artifact_location, model_uuid=logged.model_id, run_id=run_id)
            meta.model_id = logged.model_id
            mlmodel.write(folder, package, example, meta)
            outlast(tracking.uri, lambda: client.log_model_artifacts(logged.model_id, str(folder)))
        except BaseException:
            client.finalize_logged_model(logged.model_id, "FAILED")
            raise
        client.finalize_logged_model(logged.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
        _ensure_model(tracking)
        made = client.create_model_version(
            tracking.model_name, logged.artifact_location, run_id, tags, model_id=logged.model_id
        )
    return int(made.version)


def _ensure_model(tracking: Tracking) -> None:
    from mlflow.exceptions import MlflowException

    try:
        tracking.client.create_registered_model(
            tracking.model_name, description="Ranked and calibrated race predictions; see the tags of each version."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _give_semver(tracking: Tracking, number: int, facts: ModelFacts) -> SemVer:
    """Number the version by the highest one there is.

    Registries have no transaction for this, so two trainings that end together may choose the same number. Each looks
    again after it has chosen, and the later version steps aside.
    """
    earlier = [version for version in versions(tracking) if version.semver and version.number < number]
    highest = max(earlier, key=lambda v: (v.semver, v.number), default=None)
    chosen = bump(highest.semver, highest.facts, facts) if highest else bump(None, None, facts)
    while True:
        with reaching(tracking.uri):
            tracking.client.set_model_version_tag(tracking.model_name, str(number), SEMVER, str(chosen))
        taken = {version.semver for version in versions(tracking) if version.semver and version.number < number}
        if chosen not in taken:
            return chosen
        chosen = max(taken).next_patch()


def _point(tracking: Tracking, alias: str, number: int) -> None:
    with reaching(tracking.uri):
        tracking.client.set_registered_model_alias(tracking.model_name, alias, str(number))


def promote(tracking: Tracking, wanted: str | int, alias: str | None = None) -> ModelVersion:
    """Point an alias at a version and return the version. A version that goes into service is no candidate any more.

    Args:
        tracking: The registry.
        wanted: Number, semantic version or alias of the version.
        alias: The alias to move; by default the one that serving follows.

    Raises:
        NoSuchModel: there is no such version.
        BadInput: the alias is the name of a version, and would lie about another.
    """
    alias = alias or tracking.alias
    if is_semver(alias):
        raise BadInput(
            "an alias that is a version number cannot be moved",
            value=alias,
            allowed=f"{tracking.alias}, {CANDIDATE}, or a word of your own",
        )
    version = resolve(tracking, wanted)
    if alias == tracking.alias:
        return _promote(tracking, version.number)
    _point(tracking, alias, version.number)
    return resolve(tracking, version.number)


def _promote(tracking: Tracking, number: int) -> ModelVersion:
    """Let serving follow a version, and say of both, it and the one before, where they stand now."""
    before = [v for v in versions(tracking) if tracking.alias in v.aliases and v.number != number]
    _point(tracking, tracking.alias, number)
    version = resolve(tracking, number)
    mark(tracking, version, PRODUCTION, "in service")
    for old in before:
        mark(tracking, old, ARCHIVED, f"{version.label} took its place")
    return resolve(tracking, number)


def download(tracking: Tracking, version: ModelVersion, cache: Path) -> Path:
    """Return a local folder with the version's package, proven to be what was registered.

    Folders are kept in the cache under their digest and proven again on every call, since a cache is as easy to
    tamper with as a store. One that no longer proves itself is fetched anew.

    Raises:
        UntrustedPackage: the registry holds no digest for the version, or the store's package does not match it.
        Unavailable: the artifact store does not answer.
    """
    if version.digest is None:
        raise UntrustedPackage(
            "the version was registered without a digest",
            value=version.label,
            allowed="versions that oracle train registered",
            next_step="oracle models lists them",
        )
    kept = cache / version.digest
    if _proven(kept, version.digest):
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as scratch:
        fetched = _fetch(tracking, version, Path(scratch))
        prove(fetched, version.digest)
        if kept.exists() and not _proven(kept, version.digest):
            kept.rename(Path(scratch) / "spoilt")
        try:
            fetched.rename(kept)
        except OSError:  # another process put the same package there first
            prove(kept, version.digest)
    return kept


def _proven(folder: Path, digest: str) -> bool:
    try:
        prove(folder, digest)
    except OracleError:
        return False
    return True


def _fetch(tracking: Tracking, version: ModelVersion, scratch: Path) -> Path:
    from mlflow.artifacts import download_artifacts

    with reaching(tracking.uri):
        source = tracking.client.get_model_version_download_uri(version.name, str(version.number))
        found = download_artifacts(
            artifact_uri=f"{source.rstrip('/')}/{mlmodel.PACKAGE}", dst_path=str(scratch), tracking_uri=tracking.uri
        )
    fetched = scratch / "fetched"
    shutil.move(found, fetched)
    return fetched
