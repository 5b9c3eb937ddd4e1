"""The report of a test: plain values for machines, a text for a terminal, and one HTML page that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.experiment import pictures
from oracle.experiment.arms import Difference, NoResult
from oracle.experiment.observed import Observed
from oracle.experiment.plan import Plan
from oracle.experiment.verdict import Verdict

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:.6em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}
.decision{display:inline-block;padding:.2em .8em;border-radius:.3em;font-weight:600;color:#fff;background:#5b6770}
.ship{background:#2b7a3f}.stop{background:#b5542b}.unhealthy{background:#a11d33}svg{max-width:100%;height:auto}
code{font-size:.9em}"""


@dataclass(frozen=True)
class Challenge:
    """One challenger with what was seen of it and what follows."""

    arm: str
    version: str
    seen: Observed
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "arm": self.arm,
            "version": self.version,
            "predictions": self.seen.predictions,
            "foreign_predictions": self.seen.foreign,
            "races_not_counted": self.seen.unscored,
            "failures": self.seen.treatment.failures,
            **self.verdict.as_dict(),
        }


def document(plan: Plan, status: str, challenges: Sequence[Challenge], log: Sequence[Mapping[str, Any]] = ()) -> Any:
    """Return the whole report as plain values.

    Args:
        plan: As it was frozen.
        status: Of the experiment: running, stopped, ...
        challenges: Each challenger.
        log: What was done to the test, in order.
    """
    return {
        "experiment": plan.name,
        "mode": plan.mode,
        "status": status,
        "control": plan.control,
        "plan": plan.model_dump(mode="json"),
        "fingerprint": plan.fingerprint,
        "planned_races": plan.size.races,
        "planned_races_anytime": plan.size.races_anytime,
        "challengers": [each.as_dict() for each in challenges],
        "changes": [dict(each) for each in log],
    }


def text(plan: Plan, status: str, challenges: Sequence[Challenge]) -> str:
    """Return the report as a person reads it in a terminal."""
    size = plan.size
    lines = [
        f"{plan.name} ({status}): control {plan.control}, planned {size.races:,} races ({size.races_anytime:,} anytime)"
    ]
    for each in challenges:
        a = each.verdict.accuracy
        lines.append(f"{each.arm}, version {each.version}: {each.verdict.label}")
        lines += [f"  {cause}" for cause in each.verdict.causes]
        if a.difference is not None:
            lines.append(
                f"  NDCG@3 {a.treatment:.4f} against {a.control:.4f}: {a.difference:+.4f} [{a.low:+.4f}, {a.high:+.4f}]"
            )
        measured = "".join(f", {n} {v:.3f}" for n, v in (("sd", a.sd), ("rho", a.rho)) if v is not None)
        lines.append(f"  {a.races:,} races, {a.decisive:,} decisive{measured}; {each.seen.predictions:,} predictions")
        lines += [f"  {found.name:<14}{found.state:<22}{found.cause}" for found in each.verdict.health]
        lines += [f"  {name:<14}{_compared(found)}" for name, found in each.verdict.arms.items()]
    return "\n".join(lines)


def _compared(found: Difference | NoResult) -> str:
    if isinstance(found, NoResult):
        return f"no result: {found.reason}"
    bounds = f"[{found.low:+.4g}, {found.high:+.4g}]"
    arms = f"{found.treatment:.4g} against {found.control:.4g}"
    return f"{arms}: {found.difference:+.4g} {bounds}, {sum(found.users):,} users"


def page(plan: Plan, status: str, challenges: Sequence[Challenge], log: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the report as one HTML page: styles and pictures are inside, and every value is escaped."""
    parts = [
        f"<h1>{_e(plan.name)}: {_e(plan.control)} against {_e(', '.join(plan.treatments))}</h1>",
        f"<p>{_e(status)}, started {plan.started_at:%Y-%m-%d %H:%M %Z}; plan <code>{plan.fingerprint[:16]}</code></p>",
    ]
    for each in challenges:
        parts += _challenge(plan, each)
    if log:
        names = list(log[0])
        parts += ["<h2>What was done</h2>", table(names, [[str(row.get(name, "")) for name in names] for row in log])]
    title = f"<title>{_e(plan.name)}</title><style>{STYLE}</style>"
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8">{title}</head>'
    return f"{head}<body>{''.join(parts)}</body></html>"


def _challenge(plan: Plan, each: Challenge) -> list[str]:
    v, a = each.verdict, each.verdict.accuracy
    numbers = [
        ("races scored by both, with a result", f"{a.races:,}"),
        ("of these decisive", f"{a.decisive:,}"),
        ("NDCG@3 of the control", _n(a.control)),
        ("NDCG@3 of the treatment", _n(a.treatment)),
        ("difference", _n(a.difference, "+.4f")),
        ("confidence sequence (betting)", f"[{a.low:+.4f}, {a.high:+.4f}]"),
        ("asymptotic sequence", _pair(a.asymptotic)),
        ("asymptotic sequence by meeting", f"{_pair(a.by_meeting)} in {a.meetings:,} meetings"),
        ("design effect of meetings", _n(a.design_effect, ".2f")),
        ("sd, rho", f"{_n(a.sd)}, {_n(a.rho, '.3f')}"),
        ("planned races, one look / anytime", f"{plan.size.races:,} / {plan.size.races_anytime:,}"),
    ]
    arms = [[name, _compared(found)] for name, found in v.arms.items()]
    return [
        f"<h2>{_e(each.arm)}: version {_e(each.version)}</h2>",
        f'<p><span class="decision {v.decision}">{_e(v.label)}</span></p>',
        "<ul>" + "".join(f"<li>{_e(cause)}</li>" for cause in v.causes) + "</ul>",
        table(["accuracy", ""], [list(pair) for pair in numbers]),
        pictures.confidence_over_time(v, plan),
        "<h2>Decisive races</h2>",
        pictures.decisive_races(each.seen),
        "<h2>Health</h2>",
        table(["check", "state", "cause"], [[f.name, f.state, f.cause] for f in v.health]),
        "<h2>Latency</h2>",
        pictures.latencies(each.seen),
        *(["<h2>Users</h2>", table(["metric", "treatment against control"], arms)] if arms else []),
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of a page, every value escaped."""
    top = "".join(f"<th>{_e(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _e(value: str) -> str:
    return html.escape(str(value))


def _n(value: float | None, form: str = ".4f") -> str:
    return "-" if value is None else format(value, form)


def _pair(pair: tuple[float, float] | None) -> str:
    return "-" if pair is None else f"[{pair[0]:+.4f}, {pair[1]:+.4f}]"
