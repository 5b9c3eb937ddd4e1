"""What happens at the door to one request: who asks, what it would do, whether it may, and what is written down.

The trail is written ahead: nothing reaches MLflow before the line that tells of it is on the disk, and where it cannot
be written nothing happens. What MLflow then refused, or what an object of the registry became, is a second line.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oracle.errors import OracleError
from oracle.governance.audit import Entry, Outcome
from oracle.governance.roles import Actor
from oracle.store import Store
from oracle.tracking_server.attempt import Asked, Attempt, body_digest, read
from oracle.tracking_server.flood import Flood
from oracle.tracking_server.guard import ALLOWED, State, Verdict, judge
from oracle.tracking_server.identity import Claim, Identity, claimed
from oracle.tracking_server.standing import Standing, asked_for, snapshot

AUDITED = "x-oracle-audited"
"""Header by which our own routes tell the gate that the trail has the act already; it never leaves the server."""
STRANGER = "(unauthenticated)"
CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    413: "INVALID_PARAMETER_VALUE",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's words for the answers of the gate, so that its clients understand them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate says instead of MLflow."""

    status: int
    reason: str

    @property
    def body(self) -> bytes:
        """The answer in the shape of MLflow's errors."""
        return json.dumps({"error_code": CODES[self.status], "message": self.reason}).encode()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What stands over it."""
        told = [("content-type", "application/json"), ("content-length", str(len(self.body)))]
        return [*told, ("www-authenticate", 'Basic realm="mlflow"')] if self.status == 401 else told


@dataclass(frozen=True, slots=True)
class Entered:
    """A request that was let through, and what is still to be written of it."""

    attempt: Attempt
    actor: Actor
    entry_id: str
    before: str | None


class Gate:
    """One per process; safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        standing: Standing,
        identity: Identity,
        *,
        now: Callable[[], dt.datetime],
        new_id: Callable[[], str],
        prefix: str = "",
    ) -> None:
        self._store, self._standing, self._identity = store, standing, identity
        self._now, self._new_id, self.prefix = now, new_id, prefix
        self._flood = Flood()

    def concerns(self, asked: Asked) -> bool:
        """Return whether a request, its body not yet read, has to pass the gate."""
        return read(asked, self.prefix).mutating

    def knock(self, asked: Asked, address: str | None) -> Actor | Answer:
        """Return who asks, before any of the body is read."""
        claim = claimed(asked.headers.get("authorization"))
        try:
            if self._identity.proves(claim):
                assert claim is not None
                return Actor(claim[0], self._store.people.roles(claim[0]), address)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody comes in unproven
            return _unavailable(error)
        return self._stranger(asked, claim, address)

    def _stranger(self, asked: Asked, claim: Claim | None, address: str | None) -> Answer:
        attempt = read(asked, self.prefix)
        answer = Answer(401, "you are not authenticated: name a user of this server and its password")
        if not attempt.mutating:
            return answer
        actor = Actor(f"{STRANGER} {claim[0][:100]}" if claim else STRANGER, address=address)
        return self._refused(attempt, actor, Verdict(403, answer.reason), None) or answer

    def enter(
        self, asked: Asked, actor: Actor, *, ahead: bool = True, digest: str | None = None
    ) -> Entered | Answer | None:
        """Return how a request goes on: let through, answered here, or None where it changes nothing.

        Args:
            asked: The request.
            actor: Who asks.
            ahead: Write the line that tells of it; else it is only judged.
            digest: Of a body that is not in `asked`.
        """
        attempt = read(asked, self.prefix)
        if not attempt.mutating:
            return None
        try:
            state = self._standing.of(attempt) if attempt.fault is None else None
        except Exception as error:  # noqa: BLE001 - nothing is let through that could not be judged
            return _unavailable(error)
        state = state or State(model="")
        verdict = judge(attempt, state, actor)
        before = snapshot(attempt, state)
        if verdict is not ALLOWED:
            return self._refused(attempt, actor, verdict, before) or Answer(verdict.status, verdict.reason or "refused")
        entry_id = self._new_id()
        entered = Entered(attempt, actor, entry_id, before)
        if not ahead or attempt.kind == "ours":
            return entered
        told = asked_for(attempt) | {"body_sha256": digest or body_digest(asked.body)}
        failed = self._write(entered, entry_id, "allowed", None, before, json.dumps({"asked": told}, sort_keys=True))
        return failed or entered

    def leave(self, entered: Entered, status: int, audited: bool = False) -> None:
        """Write down what became of a request that was let through."""
        attempt = entered.attempt
        if attempt.kind == "ours":
            if audited or status < 400:
                return
            self._write(entered, entered.entry_id, _outcome(status), f"answered {status}", None, None)
        elif status >= 400:
            self._write(entered, f"{entered.entry_id}/answer", _outcome(status), f"answered {status}", None, None)
        elif attempt.kind == "registry" and entered.before is not None:
            self._write(entered, f"{entered.entry_id}/answer", "allowed", "done", entered.before, self._after(attempt))

    def _after(self, attempt: Attempt) -> str | None:
        try:
            return snapshot(attempt, self._standing.of(attempt))
        except Exception as error:  # noqa: BLE001 - it is done; what it became can be read later
            _log.error("what %s became could not be read: %s", attempt.target, error)
            return None

    def too_large(self, asked: Asked, actor: Actor, most: int) -> Answer:
        """Return the answer to a body that nobody will read."""
        attempt = read(asked, self.prefix)
        answer = Answer(413, f"the body is larger than {most} bytes")
        return self._refused(attempt, actor, Verdict(400, answer.reason), None) or answer

    def _refused(self, attempt: Attempt, actor: Actor, verdict: Verdict, before: str | None) -> Answer | None:
        """Write down a refusal; return another answer where that could not be done."""
        left_out: int | None = 0
        if actor.name.startswith(STRANGER) or attempt.action.startswith("get "):
            left_out = self._flood.more(f"{actor.address} {actor.name}", self._now())
        if left_out is None:
            return None
        reason = verdict.reason or "refused"
        if left_out:
            reason += f" (and {left_out} more that were not written down)"
        entered = Entered(attempt, actor, self._new_id(), before)
        return self._write(entered, entered.entry_id, "refused", reason, before, None)

    def _write(
        self, of: Entered, entry_id: str, outcome: Outcome, reason: str | None, before: str | None, after: str | None
    ) -> Answer | None:
        entry = Entry(
            entry_id=entry_id,
            at=self._now(),
            actor=of.actor.name,
            address=of.actor.address,
            action=f"mlflow {of.attempt.action}",
            target=of.attempt.target[:1000] or "-",
            outcome=outcome,
            reason=reason,
            before=before,
            after=after,
        )
        try:
            self._store.audit.append(entry)
        except (OracleError, ValueError) as error:
            return _unavailable(error)
        return None


def _unavailable(error: Any) -> Answer:
    _log.error("the gate is shut: %s", error)
    return Answer(
        503, "what guards this server does not answer, and nothing is changed meanwhile: try again in a moment"
    )


def _outcome(status: int) -> Outcome:
    return "refused" if status in (400, 401, 403, 404, 405) else "failed"
