"""The replay as one picture (SVG): how good each was, how far ahead the maintained one is, and what happened when."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle.ranking.races import Floats
from oracle.replay.outcome import Outcome
from oracle.replay.timeline import Event, Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (9.6, 7.6)
MAINTAINED, FROZEN, MARKET, ALARM, GOOD, BAD = "#1f77b4", "#5b6770", "#9a8c4d", "#d08c2f", "#2e7d4f", "#b5542b"
LANES: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    ("promoted", ("promoted",)),
    ("rejected, failed", ("rejected", "failed")),
    ("live test", ("test",)),
    ("retraining", ("retraining",)),
    ("drift alarm", ("alarm",)),
)
COLOURS: dict[Kind, str] = {
    "alarm": ALARM,
    "retraining": MAINTAINED,
    "test": MAINTAINED,
    "promoted": GOOD,
    "rejected": BAD,
    "failed": BAD,
}
PARTS = 28
"""Points of a line of means: about a quarter each over seven years."""


def picture(found: Outcome, events: Sequence[Event]) -> str:
    """Return the time line as SVG, from its `<svg` on."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    means, ahead, happened = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2.4, 1.8]})
    for axes in (means, ahead, happened):
        axes.spines[["top", "right"]].set_visible(False)
    _means(means, found)
    _ahead(ahead, found)
    _happened(happened, events)
    for event in events:
        if event.kind == "promoted":
            for axes in (means, ahead):
                axes.axvline(_day(event.at), color=GOOD, linewidth=0.8, linestyle="--")
    written = io.StringIO()
    with rc_context({"svg.hashsalt": "replay"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    return text[text.index("<svg") :]


def _day(at: dt.datetime) -> np.datetime64:
    return np.datetime64(at.replace(tzinfo=None), "D")


def _means(axes: Axes, found: Outcome) -> None:
    where = np.flatnonzero(found.both)
    lines = (
        ("market", found.market, MARKET),
        ("frozen", found.frozen, FROZEN),
        ("maintained", found.served, MAINTAINED),
    )
    for name, line, colour in lines:
        points = [
            (found.matrix.dates[part[len(part) // 2]], float(np.nanmean(line.ndcg[part])))
            for part in np.array_split(where, min(PARTS, max(len(where) // 20, 1)))
            if part.size and not np.isnan(line.ndcg[part]).all()
        ]
        if points:
            days, values = zip(*points, strict=True)
            axes.plot(np.array(days), values, color=colour, marker=".", label=name)
    axes.set_ylabel("NDCG@3")
    if where.size:
        axes.legend(loc="upper left", frameon=False, ncols=3)


def _ahead(axes: Axes, found: Outcome) -> None:
    where = found.both
    days = found.matrix.dates[where]
    for name, gap, colour in (
        ("NDCG@3", found.served.ndcg[where] - found.frozen.ndcg[where], MAINTAINED),
        ("log-loss saved", found.frozen.loss[where] - found.served.loss[where], FROZEN),
    ):
        axes.plot(days, np.cumsum(_known(gap)), color=colour, label=name)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set_ylabel("maintained - frozen,\nsum over races")
    axes.legend(loc="upper left", frameon=False, ncols=2)


def _known(values: Floats) -> Floats:
    return np.where(np.isnan(values), 0.0, values)


def _happened(axes: Axes, events: Sequence[Event]) -> None:
    for lane, (_, kinds) in enumerate(LANES):
        for event in events:
            if event.kind in kinds:
                _mark(axes, lane, event)
    names: list[Any] = [name for name, _ in LANES]
    axes.set_yticks(range(len(LANES)), names)
    axes.set_ylim(-0.7, len(LANES) - 0.3)


def _mark(axes: Axes, lane: int, event: Event) -> None:
    colour = COLOURS[event.kind]
    if event.kind == "test":
        ends = [_day(event.at), _day(event.until or event.at)]
        axes.plot(np.array(ends), [lane, lane], color=colour, linewidth=5, solid_capstyle="butt")
    else:
        axes.plot(np.array([_day(event.at)]), [lane], color=colour, marker="|", markersize=11, markeredgewidth=1.5)
