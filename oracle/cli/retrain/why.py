"""`oracle retrain why`: what every rule said to an event, and what became of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, emit
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.store import Decision, Store

LAST = 10


def why(
    event: Annotated[str, typer.Argument(help="An event, a retraining, a check, or `latest`.")] = "latest",
    json: Json = False,
) -> None:
    """Say why a retraining was started, or why not, by rule, from what was kept when it was decided."""
    from oracle import store
    from oracle.retraining.why import text

    kept = store.open(load())
    try:
        story = _story(kept, _found(kept, event))
    finally:
        kept.close()
    emit(story, json=json, text=lambda: text(story))


def _found(kept: Store, event: str) -> Decision:
    """Return the last decision that the word means."""
    all_ = kept.retrainings.decisions(most=100_000)
    for decision in all_:
        if event in ("latest", decision.event_id, decision.retraining_id, decision.check_id):
            return decision
    raise BadInput(
        "no decision was made on that",
        value=event,
        allowed=[d.event_id for d in all_[:LAST]] or "no decision was made yet",
        next_step="oracle monitor --once makes one",
    )


def _story(kept: Store, decision: Decision) -> dict[str, Any]:
    import orjson

    from oracle.retraining.why import explained

    check = None if decision.check_id is None else kept.checks.get(decision.check_id)
    retraining = None if decision.retraining_id is None else kept.retrainings.get(decision.retraining_id)
    told: dict[str, Any] | None = None
    if check is not None:
        report = orjson.loads(check.document)
        told = {"check_id": check.check_id, "verdict": check.verdict, "races": check.races}
        told |= {"at": check.at.isoformat(), "causes": report.get("causes") or []}
    steps, started = [], None
    if retraining is not None:
        started = {name: value for name, value in asdict(retraining).items() if name != "cause"}
        for step in kept.retrainings.steps(retraining.retraining_id):
            line = {"step": step.step, "status": step.status, "at": step.at.isoformat(), "seconds": step.seconds}
            steps.append(line | {"document": orjson.loads(step.document)})
    return explained(orjson.loads(decision.causes), told, started, steps)
