"""`oracle model show` and `resolve`: everything of one version, and which version a name means."""

from __future__ import annotations

from typing import Any

from oracle.cli.model.options import Version, desk
from oracle.cli.output import Json, emit


def show(version: Version = "production", json: Json = False) -> None:
    """Show one version: what it is made of, its metrics, who asked for it, what was said, and when it served."""
    from oracle.registry import life
    from oracle.registry.versions import resolve

    with desk() as own:
        found = resolve(own.tracking, version)
        asked = [(r, said) for r, said in own.requests()[::-1] if (r.model, r.version) == (found.name, found.number)]
        document = life.of_version(own.tracking, found, own.promotions(), asked, own.store.experiments.all())
    emit(document, json=json, text=lambda: _text(document))


def resolved(version: Version, json: Json = False) -> None:
    """Say which version a semantic version, an alias or a number means; exit code 2 where there is none."""
    from oracle.registry import acts
    from oracle.registry.versions import resolve

    with desk() as own:
        found = resolve(own.tracking, version)
        document = {
            "asked": version,
            "version": found.number,
            "semver": None if found.semver is None else str(found.semver),
            "aliases": list(found.aliases),
            "stage": acts.stands(own.tracking, found),
            "uri": found.uri,
            "package_sha256": found.digest,
        }
    emit(document, json=json, text=lambda: f"{document['version']} ({found.label}, {document['stage']}): {found.uri}")


def _text(told: dict[str, Any]) -> str:
    lines = [
        f"version {told['version']} ({told['semver'] or 'no semantic version'}) is {told['stage']}"
        + (f": {told['stage_reason']}" if told["stage_reason"] else ""),
        f"  aliases   {', '.join(told['aliases']) or '-'}",
        f"  created   {told['created']} by run {told['run_id'] or '-'} ({told['run_status'] or 'not there any more'})",
        f"  made of   {', '.join(told['families'] or ['-'])}; features {told['features']}; code {told['git_commit']}",
        f"  data      {told['data_fingerprint']}",
        f"  package   {told['package_sha256']}",
    ]
    lines += [f"  {name:<40} {value:.4f}" for name, value in told["metrics"].items() if name.startswith("test.model.")]
    for request in told["requests"]:
        said = request["decided"]
        lines.append(
            f"request {request['request']} of {request['requested']['by']} at {request['requested']['at'][:19]}:"
            f" {request['requested']['reason']}; gates: {request['gates']};"
            + (f" {said['decision']} by {said['by']}: {said['reason']}" if said else " nobody has answered")
        )
    for served in told["in_service"]:
        lines.append(
            f"in service from {served['in_service_from']} to {served['in_service_until'] or 'now'}"
            f" ({served['kind']}, carried out by {served['carried_out_by']})"
        )
    lines += [f"experiment {e['name']}: {e['status']}" for e in told["experiments"]]
    return "\n".join(lines if told["requests"] or told["in_service"] else [*lines, "nothing is on record of its life"])
