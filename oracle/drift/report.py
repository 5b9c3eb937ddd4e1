"""The report of a check: a text for a terminal, the alarm and its causes first, and one HTML page. Pure."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from oracle.drift import pictures
from oracle.drift.verdict import Report, Window
from oracle.drift.words import Part, Verdict

CAUSES = 8
"""Causes that a terminal shows; the page and the document have them all."""
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:.6em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}svg{max-width:100%;height:auto}
.verdict{display:inline-block;padding:.1em .7em;border-radius:.3em;font-weight:600;color:#fff;background:#5b6770}
.drift{background:#a11d33}.calm{background:#2b7a3f}"""
_CLASS = {Verdict.DRIFT: "drift", Verdict.NO_DRIFT: "calm", Verdict.UNMEASURED: ""}


def text(report: Report) -> str:
    """Return the report as a person reads it in a terminal."""
    drifted = [name for name, part in report.parts.items() if part.verdict is Verdict.DRIFT]
    unseen = [name for name, part in report.parts.items() if part.verdict is Verdict.UNMEASURED]
    lines = [f"{report.verdict}{': ' + ', '.join(drifted) if drifted else ''}"]
    if report.verdict is Verdict.NO_DRIFT and unseen:
        lines[0] += f" in what could be measured; not measured: {', '.join(unseen)}"
    lines += [f"  {i}. {_cause(cause)}" for i, cause in enumerate(report.causes[:CAUSES], start=1)]
    if len(report.causes) > CAUSES:
        lines.append(f"  and {len(report.causes) - CAUSES} more")
    lines += [f"{name:<11}{part.verdict:<18}{part.cause}" for name, part in report.parts.items()]
    expected = _expected(report.parts["concept"])
    if expected:
        lines.append(f"{'expected':<11}{expected}")
    if report.alarm and report.mix:
        lines.append(f"{'mix':<11}" + ", ".join(_moved(each) for each in report.mix[:4]))
    lines += [f"{'reference':<11}{_window(report.reference)}", f"{'current':<11}{_window(report.current)}"]
    lines += [f"{'note':<11}{note}" for note in report.notes]
    return "\n".join(lines)


def _cause(cause: Mapping[str, Any]) -> str:
    name = f"{cause['feature']} {cause['level']}" if "level" in cause else str(cause["feature"])
    told = str(cause["cause"]).removeprefix(f"{cause.get('level')}: ")
    return f"{name} ({cause['part']}, {cause['share']:.0%}): {told}"


def _moved(each: Mapping[str, Any]) -> str:
    return f"{each['feature']} {each['level']} {each['reference']:.0%} -> {each['current']:.0%}"


def _window(window: Window) -> str:
    races = f", {window.races:,} races in {window.meetings:,} meetings" if window.races else ""
    days = f", {window.first} to {window.last}" if window.first else ""
    return f"{window.rows:,} rows{races}{days}"


def _expected(concept: Part) -> str | None:
    """Return what the model expected of itself, and what came of it, in one sentence."""
    found = concept.found.get("expected")
    if not found:
        return None
    said = f"NDCG@3 of {found['foreseen']:.4f} on {found['races']:,} races, by the model's own probabilities"
    beyond = found.get("beyond_reference")
    if beyond is None:
        return f"{said}; too few results to check it"
    return (
        f"{said}; where results are in {found['observed']:.4f} against {found['expected_of_these']:.4f}, "
        f"{beyond['difference']:+.4f} [{beyond['low']:+.4f}, {beyond['high']:+.4f}] beyond the reference's gap"
    )


def page(report: Report) -> str:
    """Return the report as one HTML page: styles and pictures are inside, and every value is escaped."""
    causes = [
        [cause["part"], cause["feature"], cause.get("level", ""), f"{cause['share']:.0%}", cause["cause"]]
        for cause in report.causes
    ]
    windows = [["reference", _window(report.reference)], ["current", _window(report.current)]]
    parts = [
        f"<h1>Drift check {_badge(report.verdict)}</h1>",
        _table(["window", ""], windows),
        *(["<h2>Causes</h2>", _table(["part", "what", "", "share", "seen"], causes)] if causes else []),
        "<h2>Parts</h2>",
        _table(["part", "verdict", "cause"], [[n, str(p.verdict), p.cause] for n, p in report.parts.items()]),
        *_concept(report.parts["concept"]),
        *_distributions(report),
        *_features(report),
        *_mix(report),
        "".join(f"<p>{_e(note)}</p>" for note in report.notes),
    ]
    title = f"<title>Drift check: {report.verdict}</title><style>{_STYLE}</style>"
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8">{title}</head>'
    return f"{head}<body>{''.join(parts)}</body></html>"


def _concept(part: Part) -> list[str]:
    falls = pictures.falls_of(part)
    expected = _expected(part)
    return [
        *(["<h2>NDCG@3 against the reference</h2>", pictures.falls(falls)] if falls else []),
        *([f"<p>Expected: {_e(expected)}.</p>"] if expected else []),
    ]


def _distributions(report: Report) -> list[str]:
    out = []
    for part in ("prediction", "outcome"):
        for name, found in report.parts[part].found.items():
            if isinstance(found, Mapping) and "labels" in found:
                told = f"PSI {found['psi']:.3f}, p {found['adjusted_p_value']:.2g}"
                out += [f"<h2>{_e(part)}: {_e(name)} ({told})</h2>", pictures.distribution(name, found)]
    return out


def _features(report: Report) -> list[str]:
    if not report.features:
        return []
    ordered = sorted(report.features.items(), key=lambda item: -item[1].strength)
    rows = [[name, str(f.verdict), f.cause, _n(f.q_value, ".2g")] for name, f in ordered]
    strengths = [(name, f.strength, f.drifted) for name, f in ordered]
    return [
        "<h2>Columns</h2>",
        pictures.columns(strengths),
        _table(["column", "verdict", "seen", "q"], rows),
    ]


def _mix(report: Report) -> list[str]:
    rows = [[m["feature"], m["level"], f"{m['reference']:.1%}", f"{m['current']:.1%}"] for m in report.mix]
    return ["<h2>Mix of races</h2>", _table(["", "", "reference", "current"], rows)] if rows else []


def _badge(verdict: Verdict) -> str:
    return f'<span class="verdict {_CLASS[verdict]}">{verdict}</span>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{_e(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _e(value: object) -> str:
    return html.escape(str(value))


def _n(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
