"""How a model version is born: registered by a training, numbered, and downloaded and proven to serve.

A version never changes once it is registered; what changes is which version an alias points to. Here it gets its
package, its facts, its semantic version and the alias of that name; a training's newest version also the alias
`candidate`. Where it stands in its life, and what serving follows, is moved by the authority alone
(`oracle.registry.authority`).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from oracle.errors import OracleError, UntrustedPackage
from oracle.race import RaceCard
from oracle.registry import mlmodel
from oracle.registry.content import content_digest, prove
from oracle.registry.versioning import ModelFacts, SemVer, bump
from oracle.registry.versions import (
    CANDIDATE,
    DIGEST,
    FACTS,
    HEADLINE,
    RETRAINING,
    SEMVER,
    ModelVersion,
    resolve,
    versions,
)
from oracle.tracking.connection import Tracking, reaching
from oracle.tracking.patience import outlast


def register(
    tracking: Tracking,
    package: Path,
    example: RaceCard,
    facts: ModelFacts,
    run_id: str,
    retraining: str | None = None,
) -> ModelVersion:
    """Register a saved package as the next version, numbered by what changed, and return it.

    What a retraining made is registered once: a version is born with the retraining's id, and where a process was
    killed half-way, the next one completes the version that is there and makes no second one.

    Args:
        tracking: The registry.
        package: Folder that the model was saved to; it is copied.
        example: A real card, for those who want to see what goes in.
        facts: What the model is made of.
        run_id: The run that made it. Its headline metrics are copied to the version.
        retraining: Id of the retraining that made it.

    Raises:
        UnreadableFile: there is no package.
        Unavailable: the registry does not answer.
    """
    known = None if retraining is None else staged(tracking, retraining)
    if known is None:
        tags = _tags(tracking, package, facts, run_id) | ({} if retraining is None else {RETRAINING: retraining})
        known = resolve(tracking, _create(tracking, package, example, run_id, tags))
    semver = known.semver or _give_semver(tracking, known.number, facts)
    _point(tracking, semver.alias, known.number)
    if retraining is None:
        _point(tracking, CANDIDATE, known.number)
    return resolve(tracking, known.number)


def staged(tracking: Tracking, retraining: str) -> ModelVersion | None:
    """Return the version that a retraining made, or None."""
    return next((version for version in versions(tracking) if version.retraining == retraining), None)


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
            next_step="oracle model list names them",
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
