"""A replay told: as one document, as text, as a page with the picture. Pure."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child,td.text{text-align:left}svg{max-width:100%;height:auto}"""
WHO = ("maintained", "frozen", "market")
NUMBERS = ("ndcg_at_3", "log_loss", "pseudo_r2")


def text(told: Mapping[str, Any]) -> str:
    """Return the document of a replay as a person reads it in a terminal."""
    ahead, leak, played = told["ahead"], told["leak"], told["played"]
    lines = [
        f"{told['first_date']} to {told['last_date']}: {leak['races']:,} races served,"
        f" {played['looks']:,} looks of the monitor, in {told['seconds']['total']:.0f} s",
        _row("", [f"{who} {name}" for name in ("NDCG@3", "R2") for who in WHO], 17),
        *(
            _row(p["period"], [_cell(p[who], n) for n in ("ndcg_at_3", "pseudo_r2") for who in WHO], 17)
            for p in told["periods"]
        ),
        "maintained - frozen: "
        + ", ".join(
            f"{name} {_gap(ahead[key])}" for name, key in (("NDCG@3", "ndcg_at_3"), ("log-loss", "log_loss_saved"))
        ),
        *(f"{e['at'][:10]}  {e['kind']:<11}{e['what'][:120]}" for e in told["events"] if e["kind"] != "alarm"),
        f"{told['alarms']:,} alarms of {told['checks']:,} checks; {len(told['retrainings'])} retrainings,"
        f" {told['promotions']} promotions; memory {told['peak_memory_mb']:.0f} MB at most",
        f"leak check: {leak['equal']:,} of {leak['races']:,} races were served with the features of a training",
        *(f"trouble: {each}" for each in told["trouble"][:5]),
    ]
    return "\n".join(lines)


def _row(name: str, cells: Sequence[str], width: int) -> str:
    return f"{name:<9}" + "".join(f"{cell:>{width + 1}}" for cell in cells)


def _cell(numbers: Mapping[str, float] | None, name: str) -> str:
    return "-" if numbers is None else f"{numbers[name]:.4f}"


def _gap(found: Mapping[str, Any]) -> str:
    if found["mean"] is None:
        return str(found["reason"])
    return f"{found['mean']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"


def page(told: Mapping[str, Any], picture: str) -> str:
    """Return the document as one HTML page: style and picture are inside, and every value is escaped."""
    ahead, leak = told["ahead"], told["leak"]
    numbers = [
        [p["period"], f"{p['races']:,}", *(_cell(p[w], n) for n in NUMBERS for w in WHO)] for p in told["periods"]
    ]
    head = ["period", "races", *(f"{w} {n}" for n in NUMBERS for w in WHO)]
    events = [[e["at"][:10], e["kind"], e["what"]] for e in told["events"]]
    spent = [[name, f"{value:.1f}"] for name, value in told["seconds"].items()]
    body = [
        f"<h1>Replay of {_e(told['first_date'])} to {_e(told['last_date'])}</h1>",
        f"<p>{leak['races']:,} races, {len(told['retrainings'])} retrainings, {told['promotions']} promotions. The"
        f" maintained system less the one frozen at the start: NDCG@3 {_gap(ahead['ndcg_at_3'])}, log-loss saved"
        f" {_gap(ahead['log_loss_saved'])} (intervals by meeting).</p>",
        f"<p>Leak check: {leak['equal']:,} of {leak['races']:,} races were served with exactly the features that a"
        " training reads of them.</p>",
        picture,
        "<h2>What happened</h2>",
        _table(["date", "what", "why"], events),
        "<h2>Over time</h2>",
        _table(head, numbers),
        "<h2>Seconds</h2>",
        _table(["phase", "seconds"], spent),
    ]
    title = f"<title>Replay</title><style>{_STYLE}</style>"
    top = f'<!doctype html><html lang="en"><head><meta charset="utf-8">{title}</head>'
    return f"{top}<body>{''.join(body)}</body></html>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{_e(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f'<td class="text">{_e(c)}</td>' for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _e(value: object) -> str:
    return html.escape(str(value))
