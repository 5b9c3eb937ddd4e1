"""A promotion that a person asks for: measured like a retraining's where there are races for it, and then asked for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from oracle.ensemble.race_model import RaceModel
from oracle.errors import NotEnoughData
from oracle.governance.approval import Promotion
from oracle.governance.gates import Asked
from oracle.progress import Progress
from oracle.registry.authority import Authority
from oracle.registry.lifecycle import download
from oracle.registry.subject import subject_of
from oracle.registry.versions import ModelVersion, serving
from oracle.retraining.measuring import compared
from oracle.settings import Settings
from oracle.store import Store
from oracle.tracking.connection import Tracking
from oracle.training.history import History, read


@dataclass(frozen=True)
class Promoted:
    """What came of asking."""

    asked: Asked
    promotion: Promotion | None
    """None where the request waits for somebody's yes."""
    unmeasured: str | None = None
    """Why the version was not compared with the one in service; None where it was."""


def promote(
    authority: Authority, version: int, reason: str, measured: dict[str, Any] | None, unmeasured: str | None = None
) -> Promoted:
    """Ask for a version and, where that is enough, carry it out.

    Args:
        authority: Who moves it.
        version: Which.
        reason: Why.
        measured: What was measured; None for what stands in a request that is there already.
        unmeasured: Why nothing was.

    Raises:
        Refused: a gate fails, or the version cannot be promoted; see `oracle.registry.local.LocalAuthority`.
    """
    asked = authority.request(version, reason=reason, measured=measured)
    done = authority.promote(asked.request.request_id) if asked.approved else None
    return Promoted(asked, done, unmeasured)


def measure(
    settings: Settings, tracking: Tracking, store: Store, version: ModelVersion, data: str, progress: Progress
) -> tuple[dict[str, Any] | None, str | None]:
    """Return what a version did beside the one in service, or None and why it was not measured.

    Both answer the races of a dataset that neither learned from. A training whose canaries knew anything is not
    registered at all: what its run holds of them is what scored like chance.

    Args:
        settings: The tree in force.
        tracking: The registry.
        store: Where the answers of the version in service stand.
        version: The version.
        data: Path of the dataset.
        progress: Told of each long loop.

    Raises:
        NoSuchDataset: there is no dataset at the path.
        UntrustedPackage: one of the two is not what was registered.
    """
    now = serving(tracking)
    if now is None or now.number == version.number:
        return None, "no other version is in service"
    production, candidate = (
        RaceModel.load(download(tracking, each, settings.root / "models")) for each in (now, version)
    )
    kept: dict[str, History] = {}

    def histories(overround: str) -> History:
        if overround not in kept:
            kept[overround] = read(data, progress, overround)
        return kept[overround]

    metrics = subject_of(tracking, version).metrics
    canaries = {name.split(".")[1]: True for name in metrics if name.startswith("canaries.")}
    through = max(production.about.trained_through, candidate.about.trained_through)
    try:
        histories(candidate.about.overround).unseen(through, "no race is left that neither version learned from", "")
    except NotEnoughData as error:
        return None, f"{error.what}: the dataset ends {error.value}, they learned from races until {through}"
    _, found = compared(settings, store, production, candidate, histories, canaries)
    return {"validation": {**found, "production": str(now.number)}}, None


def waits(promoted: Promoted, now: dt.datetime) -> str:
    """Return, in one sentence, what a request waits for."""
    request, verdict = promoted.asked.request, promoted.asked.verdict
    hours = (request.expires - now).total_seconds() / 3600
    why = "; ".join(verdict.causes) if verdict.outcome == "undecided" else "every gate passes"
    return f"request {request.request_id} waits for an approver other than {request.requester}, {hours:.0f} h: {why}"
