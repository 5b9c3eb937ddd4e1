"""A promotion as three records: what was asked for, what was said to it, and what came into service."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

Step = Literal["decided", "used"]
Decision = Literal["approved", "rejected", "withdrawn", "used"]
Kind = Literal["first", "promote", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Somebody asks that a version goes into service."""

    request_id: str
    at: dt.datetime
    model: str
    version: int
    label: str
    """The semantic version."""
    expected: int | None
    """The version in service that the evidence was measured on; None where there was none."""
    requester: str
    reason: str
    expires: dt.datetime
    evidence: str
    """The evidence bundle, as canonical JSON."""
    evidence_digest: str
    """SHA-256 of it."""
    retraining: str | None = None
    """Id of the retraining that asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What was said to a request, or that it was carried out: at most one of each step for a request."""

    request_id: str
    step: Step
    at: dt.datetime
    decision: Decision
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A version came into service."""

    promotion_id: str
    at: dt.datetime
    model: str
    version: int
    label: str
    kind: Kind
    replaced: int | None
    request_id: str | None
    """None for a rollback: the version was approved before."""
    actor: str
    """Who carried it out."""
    approver: str | None
    """Who approved it: a person, or `policy`."""
    document: str
    """What the version is made of, as JSON: facts, package digest, run."""
