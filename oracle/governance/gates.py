"""May a version go into service by its evidence? Named gates, each with what it saw and what it wants. Pure.

`promote` where every gate passes, `refuse` where one fails, `undecided` where one could not tell: then a person has to.
No gate measures anything: what validation, instant replay and live test said is read as they said it. A rule that could
not tell for want of races is settled by a paired test that says `ship`, since that has seen more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from oracle.governance.approval import Request, Ruling
from oracle.governance.evidence import Subject

Outcome = Literal["promote", "refuse", "undecided"]
Said = Literal["pass", "fail", "not enough evidence"]

OF_ALL = ("canaries", "latency")
OF_A_POOL = ("races", "NDCG@3", "log-loss", "improvement", "slices", "calibration")
"""Rules of a validation: asked once, and of each pool of answers. All of them must have spoken."""
TESTS = ("live_ab", "replay_ab")
"""Paired tests, the stronger first."""


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """When a version may go into service, and who has to say so."""

    approval: Literal["automatic", "four eyes"] = "automatic"
    """Whether gates that all pass are enough, or another person has to approve in any case."""
    expire_hours: float = 72.0
    """How long a request may wait for an answer, and an approval for its promotion."""
    evidence: Literal["not worse", "better"] = "not worse"
    """Whether no harm is enough, or a paired test has to say `ship`."""
    min_ndcg_at_3: float | None = None
    """Floor of NDCG@3 on the test races of the training."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one gate says."""

    gate: str
    outcome: Said
    observed: Any
    required: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"gate": self.gate, "outcome": self.outcome, "observed": self.observed, "required": self.required}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows, gate by gate."""

    outcome: Outcome
    findings: tuple[Finding, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        """The gates that decided, each with what it saw and wants."""
        wanted = {"promote": "pass", "refuse": "fail", "undecided": "not enough evidence"}[self.outcome]
        return tuple(
            f"{f.gate}: {'nothing' if f.observed is None else f.observed}; required: {f.required}"
            for f in self.findings
            if f.outcome == wanted
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"outcome": self.outcome, "gates": [finding.as_dict() for finding in self.findings]}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, what the gates say, and what was said to it so far."""

    request: Request
    verdict: Verdict
    ruling: Ruling | None

    @property
    def approved(self) -> bool:
        """Whether it may be carried out."""
        return self.ruling is not None and self.ruling.decision == "approved"


def verdict_of(evidence: str) -> Verdict:
    """Return what the gates said when somebody asked, as the evidence bundle holds it."""
    told = json.loads(evidence)["gates"]
    return Verdict(told["outcome"], tuple(Finding(**each) for each in told["gates"]))


@dataclass(frozen=True, slots=True)
class _Case:
    subject: Subject
    expected: Subject | None
    measured: Mapping[str, Any]
    policy: PromotionPolicy

    @property
    def test(self) -> tuple[str, str | None]:
        """The strongest paired test that decided something, and its decision."""
        for name in TESTS:
            decision = _of(self.measured, name).get("decision")
            if decision in ("ship", "stop", "unhealthy", "continue"):
                return name, str(decision)
        return "paired test", None


def judge(subject: Subject, expected: Subject | None, measured: Mapping[str, Any], policy: PromotionPolicy) -> Verdict:
    """Return what the gates say.

    Args:
        subject: The version that is to go into service.
        expected: The version in service; None where none is, and then there is nothing to be compared with.
        measured: Documents of `validation`, `replay_ab` and `live_ab`, as far as there are any.
        policy: What is wanted.
    """
    case = _Case(subject, expected, measured, policy)
    findings = tuple(finding for gate in GATES for finding in gate(case))
    said = {finding.outcome for finding in findings}
    outcome: Outcome = "refuse" if "fail" in said else "undecided" if "not enough evidence" in said else "promote"
    return Verdict(outcome, findings)


def _package(case: _Case) -> Iterator[Finding]:
    digest = case.subject.package
    yield Finding("package", "pass" if digest else "fail", digest, "a SHA-256 that what is served is proven against")


def _run(case: _Case) -> Iterator[Finding]:
    status = case.subject.run_status
    yield Finding("run", "pass" if status == "FINISHED" else "fail", status, "a training that came to its end")


def _data(case: _Case) -> Iterator[Finding]:
    data = case.subject.data
    yield Finding("data", "pass" if data else "fail", data, "the fingerprint of what it learned from")


def _floor(case: _Case) -> Iterator[Finding]:
    observed, floor = case.subject.metrics.get("test.model.ndcg_at_3"), case.policy.min_ndcg_at_3
    if floor is None:
        yield Finding("floor", "pass", observed, "none is set (gate.min_ndcg_at_3)")
        return
    said: Said = "not enough evidence" if observed is None else "pass" if observed >= floor else "fail"
    yield Finding("floor", said, observed, f"NDCG@3 of {floor:g} on the test races")


def _comparison(case: _Case) -> Iterator[Finding]:
    """Read the rules of the validation, and miss none."""
    if case.expected is None:
        yield Finding("comparison", "pass", "no version is in service", "nothing to be compared with")
        return
    told = _of(case.measured, "validation")
    if not told:
        yield Finding("comparison", "not enough evidence", None, "both versions on races that neither learned from")
        return
    on = str(told.get("production"))
    same = on in (str(case.expected.version), case.expected.label)
    yield Finding("measured on", "pass" if same else "fail", on, f"version {case.expected.version}, the one in service")
    rules = {str(rule.get("rule")): rule for rule in told.get("rules", ()) if isinstance(rule, Mapping)}
    for name in (*OF_ALL, *(f"{rule} ({pool})" for pool in told.get("pools") or ("form",) for rule in OF_A_POOL)):
        yield _rule(case, name, rules.get(name, {}))


def _rule(case: _Case, name: str, rule: Mapping[str, Any]) -> Finding:
    said, required = rule.get("outcome"), str(rule.get("required") or "the rule of that name passes")
    observed = rule.get("observed") or rule.get("cause")
    if said not in ("pass", "fail") and case.test[1] == "ship":
        return Finding(name, "pass", observed, f"{required}, or a paired test that says ship ({case.test[0]} does)")
    return Finding(name, said if said in ("pass", "fail") else "not enough evidence", observed, required)


def _test(case: _Case) -> Iterator[Finding]:
    """Read the strongest paired test that there was."""
    if case.expected is None:
        return
    name, decision = case.test
    better = case.policy.evidence == "better"
    required = "ship" if better else "ship, or no harm where none was held to its end"
    if decision in ("stop", "unhealthy"):
        said: Said = "fail" if name == "live_ab" or better else _no_harm(case, name)
    elif decision == "ship":
        said = "pass"
    else:
        said = "not enough evidence" if better else "pass"
    yield Finding(name.replace("_", " "), said, decision, required)


def _no_harm(case: _Case, name: str) -> Said:
    """Return whether a replay that says stop shows harm, or only that there is less gain than was hoped for."""
    high = _of(_of(case.measured, name), "accuracy").get("high")
    return "fail" if isinstance(high, int | float) and high < 0.0 else "pass"


def _of(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    told = document.get(name)
    return told if isinstance(told, Mapping) else {}


GATES: tuple[Callable[[_Case], Iterator[Finding]], ...] = (_package, _run, _data, _floor, _comparison, _test)
"""In the order in which they are told."""
