"""A comparison of two versions to be read: a text for a terminal, and one HTML page that needs nothing else. Pure."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

from oracle.experiment import pictures
from oracle.experiment.report import STYLE, table
from oracle.ranking.report import Difference, NoResult
from oracle.registry.compare import Comparison, Paired, Pool, Row, Side, Slice

FEATURES = 15
"""Most important features that are shown; the document names all."""
SLICES = 12
METRICS = ("ndcg_at_3", "pseudo_r2", "log_loss", "mrr", "top1", "ece")
"""Of the recorded metrics those in the text, by the end of their names; the page and the document have all."""


_DECIMAL = re.compile(r"-?\d*\.\d{5,}(e-?\d+)?")


def text(found: Comparison) -> str:
    """Return what a person reads in a terminal."""
    lines = [f"A  {_of(found.a)}", f"B  {_of(found.b)}", ""]
    if found.step:
        differing = ", ".join(row.name for row in found.facts if row.differs) or "nothing"
        lines += [f"made otherwise: {differing}; by the rule of version numbers a {found.step} step", ""]
    changed = [row for row in found.parameters if row.differs]
    lines += _aligned(f"parameters that differ, {len(changed)} of {len(found.parameters)}", changed[:30])
    if len(changed) > 30:
        lines.append(f"  and {len(changed) - 30} more: --json or --html")
    recorded = [r for r in found.metrics if r.name.startswith("test.model.") and r.name.endswith(METRICS)]
    lines += _aligned("metrics, each of its own test", recorded)
    for pool in found.pools:
        lines += ["", *_of_pool(pool, found)]
    lines += _aligned("latency of a card, milliseconds, in turns in one process", found.latency)
    lines += _aligned("importance, share", found.importance[:FEATURES])
    return "\n".join([*lines, "", *(f"note: {note}" for note in found.notes)]).rstrip()


def _of(side: Side) -> str:
    extra = [
        *(alias for alias in side.aliases if not alias.startswith("v")),
        *([side.lifecycle] if side.lifecycle else []),
    ]
    told = f" ({', '.join(dict.fromkeys(extra))})" if extra else ""
    return f"{side.version}, number {side.number}{told}, of {side.created[:16]}, learned through {side.trained_through}"


def _aligned(title: str, rows: Iterable[Row]) -> list[str]:
    shown = [(row.name, _v(row.a), _v(row.b)) for row in rows]
    if not shown:
        return []
    widths = [max(len(cell[i]) for cell in (*shown, ("", "A", "B"))) for i in range(3)]
    lines = [f"  {n:<{widths[0]}}  {a:>{widths[1]}}  {b:>{widths[2]}}" for n, a, b in (("", "A", "B"), *shown)]
    return [title, *lines, ""]


def _of_pool(pool: Pool, found: Comparison) -> list[str]:
    head = f"{pool.pool} pool: {pool.races:,} races in {pool.meetings:,} meetings that neither learned from"
    lines = [f"{head} ({found.races['first_date']} to {found.races['last_date']})"]
    lines += [f"  {each.name:<10} {_compared(each)}" for each in pool.paired]
    lines.append(f"  {'ece':<10} A {pool.ece[0]:.4f}  B {pool.ece[1]:.4f}")
    for each in _strongest(pool.slices):
        lines.append(f"    {each.name} {each.value}, {each.races:,} races: log-loss {_compared(each.paired[1])}")
    return lines


def _strongest(slices: Sequence[Slice]) -> list[Slice]:
    """Return the slices in which the log-loss differs most for its error, those first where it differs surely."""

    def distance(each: Slice) -> float:
        gap = each.paired[1].difference
        return -abs(gap.mean) / gap.standard_error if isinstance(gap, Difference) and gap.standard_error else 0.0

    return sorted(slices, key=distance)[:SLICES]


def _compared(each: Paired) -> str:
    told = f"A {each.a:.4f}  B {each.b:.4f}"
    gap = each.difference
    if isinstance(gap, NoResult):
        return f"{told}  no interval: {gap.reason}"
    return f"{told}  B - A {gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"


def _v(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    word = str(value)
    if _DECIMAL.fullmatch(word):
        return _v(float(word))
    return word if len(word) <= 40 else f"{word[:37]}..."


def page(found: Comparison) -> str:
    """Return the comparison as one HTML page: styles and pictures are inside, and every value is escaped."""
    title = f"{found.a.version} beside {found.b.version}"
    parts = [f"<h1>{html.escape(title)}</h1>", _sides(found)]
    if found.step:
        parts.append(f"<p>By the rule of version numbers B is a <b>{found.step}</b> step from A.</p>")
    parts += [f"<p>{html.escape(note)}</p>" for note in found.notes]
    for pool in found.pools:
        parts += _pool_parts(pool, found)
    if found.latency:
        parts += ["<h2>Latency of a card, milliseconds</h2>", _rows(found.latency)]
    if found.importance:
        parts += ["<h2>Importance of features</h2>", _importance(found.importance[:FEATURES]), _rows(found.importance)]
    parts += ["<h2>Made of</h2>", _rows(found.facts, mark=True)]
    parts += ["<h2>Recorded metrics, each of its own test</h2>", _rows(found.metrics)]
    parts += ["<h2>Parameters</h2>", _rows(found.parameters, mark=True)]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _sides(found: Comparison) -> str:
    names = ("number", "created", "lifecycle", "aliases", "trained_through", "run_id")
    rows = [[name.replace("_", " "), *(_told(getattr(s, name)) for s in (found.a, found.b))] for name in names]
    return table(["", f"A: {found.a.version}", f"B: {found.b.version}"], rows)


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value or "-")


def _rows(rows: Sequence[Row], *, mark: bool = False) -> str:
    head = ["", "A", "B", *([""] if mark else [])]
    return table(head, [[r.name, _v(r.a), _v(r.b), *(["differs" if r.differs else ""] if mark else [])] for r in rows])


def _pool_parts(pool: Pool, found: Comparison) -> list[str]:
    races = f"{pool.races:,} races in {pool.meetings:,} meetings"
    slices = [[e.name, e.value, f"{e.races:,}", *(_compared(p) for p in e.paired)] for e in pool.slices]
    return [
        f"<h2>The {html.escape(pool.pool)} pool on the same races</h2>",
        f"<p>{races}, {found.races['first_date']} to {found.races['last_date']}; neither learned from them.</p>",
        table(["", "B - A, interval by meeting"], [[each.name, _compared(each)] for each in pool.paired]),
        table(["calibration", "A", "B"], [["ece", *(f"{value:.4f}" for value in pool.ece)]]),
        _reliability(pool),
        *([table(["slice", "", "races", "NDCG@3", "log-loss"], slices)] if slices else []),
    ]


def _reliability(pool: Pool) -> str:
    """Return the reliability curves of both in one picture, as SVG."""
    figure, axes = pictures.figure_of()
    reach = 0.05
    colours = (pictures.CONTROL, pictures.TREATMENT)
    for name, rows, colour in zip(("A", "B"), pool.reliability, colours, strict=True):
        at, rate = [row.forecast for row in rows], [row.rate for row in rows]
        axes.plot(at, rate, marker="o", markersize=3, color=colour, label=name)
        reach = max([reach, *at, *rate])
    axes.plot([0, reach], [0, reach], color="black", linewidth=0.8, linestyle=":")
    axes.set(xlabel="win probability that was given", ylabel="share that won")
    axes.legend(loc="upper left", frameon=False)
    return pictures.svg_of(figure, f"reliability-{pool.pool}")


def _importance(rows: Sequence[Row]) -> str:
    """Return the shares of the most important features side by side, as SVG."""
    figure, axes = pictures.figure_of()
    figure.set_size_inches(7.2, 0.8 + 0.24 * len(rows))
    shown = list(rows)[::-1]
    for shift, side, colour in ((0.2, "a", pictures.CONTROL), (-0.2, "b", pictures.TREATMENT)):
        places = [at + shift for at in range(len(shown))]
        axes.barh(places, [getattr(r, side) or 0.0 for r in shown], height=0.38, color=colour, label=side.upper())
    axes.set_yticks(range(len(shown)), [row.name for row in shown])
    axes.set(xlabel="share")
    axes.legend(loc="lower right", frameon=False)
    return pictures.svg_of(figure, "importance")
