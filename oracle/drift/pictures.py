"""Pictures of a check as SVG: the columns against their floor, distributions side by side, the fall of NDCG@3. Pure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle.drift.words import Part

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 7.2
REFERENCE, CURRENT, DRIFTED = "#5b6770", "#1f77b4", "#a11d33"
COLUMNS = 24
"""Columns shown, the strongest."""


def columns(strengths: Sequence[tuple[str, float, bool]]) -> str:
    """Return how far each column is, in units of the floor from which it matters, as SVG.

    Args:
        strengths: Name, distance in floors and whether it drifted; the strongest first.
    """
    shown = list(strengths)[:COLUMNS][::-1]
    figure, axes = _figure(0.7 + 0.2 * len(shown))
    colours = [DRIFTED if drifted else REFERENCE for _, _, drifted in shown]
    axes.barh([name for name, _, _ in shown], [min(strength, 10.0) for _, strength, _ in shown], color=colours)
    axes.axvline(1.0, color="black", linewidth=0.8, linestyle="--")
    axes.set(xlabel="distance, in floors (dashed: where it begins to matter)")
    return _svg(figure, "columns")


def distribution(name: str, found: Mapping[str, Any]) -> str:
    """Return two distributions side by side, as SVG."""
    figure, axes = _figure(2.4)
    at = np.arange(len(found["labels"]))
    for offset, window, colour in ((-0.2, "reference", REFERENCE), (0.2, "current", CURRENT)):
        axes.bar(at + offset, found[window], width=0.4, color=colour, label=window)
    axes.set_xticks(at, [label.replace(" to ", "\nto ") for label in found["labels"]], fontsize=8)
    axes.set(ylabel="share")
    axes.legend(frameon=False)
    return _svg(figure, f"distribution-{name}")


def falls_of(part: Part) -> list[tuple[str, Mapping[str, float]]]:
    """Return the falls of NDCG@3 that a concept part has measured, by what they are measured against."""
    found = part.found
    out: list[tuple[str, Mapping[str, float]]] = [("NDCG@3", found)] if "drop" in found else []
    market = found.get("market")
    return [*out, ("against the market", market["behind_market"])] if market else out


def falls(measured: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """Return each fall with its interval, as SVG."""
    figure, axes = _figure(0.9 + 0.4 * len(measured))
    for i, (_, fall) in enumerate(measured):
        axes.plot([fall["low"], fall["high"]], [i, i], color=CURRENT, linewidth=2)
        axes.plot([fall["drop"]], [i], "o", color=CURRENT)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(measured)), [name for name, _ in measured])
    axes.set_ylim(-0.6, len(measured) - 0.4)
    axes.set(xlabel="fall, as a share of the reference's NDCG@3 (right of 0 is worse)")
    return _svg(figure, "falls")


def _figure(height: float) -> tuple[Any, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Any, salt: str) -> str:
    """Return the picture from its `<svg` on; the salt keeps its inner names apart from those of others on a page."""
    from matplotlib import rc_context

    written = io.StringIO()
    with rc_context({"svg.hashsalt": salt}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    return text[text.index("<svg") :]
