"""Pictures of a training run, drawn as SVG inside one HTML page that needs nothing else: MLflow's own pages show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from oracle.ranking.calibration import ReliabilityBin
from oracle.ranking.choice import Reliability

SIDE, MARGIN = 360, 56
TOP = 0.6
"""Largest probability that is drawn: hardly a bin of races lies above it."""
BEFORE, AFTER = "#b0b0b0", "#1f5fa8"


def reliability_picture(curves: Mapping[str, Reliability]) -> str:
    """Return an HTML page with one panel per answer: win probability across, wins per runner up.

    Points on the diagonal mean what they say. Each is a bin of about equally many runners; its bar is two standard
    errors long to either side.
    """
    panels = "".join(_panel(at, who, curve) for at, (who, curve) in enumerate(sorted(curves.items())))
    width, height = len(curves) * (SIDE + MARGIN) + MARGIN, SIDE + 2 * MARGIN
    return (
        '<!doctype html><meta charset="utf-8"><title>Reliability on the test dates</title>'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
        f' font-size="12"><rect width="100%" height="100%" fill="white"/>{panels}</svg>\n'
    )


def _panel(at: int, who: str, curve: Reliability) -> str:
    ticks = "".join(_tick(value / 10) for value in range(7))
    title = f"{who}: ECE {curve.ece_before:.4f} before, {curve.ece:.4f} after, {curve.races:,} races"
    return (
        f'<g transform="translate({MARGIN + at * (SIDE + MARGIN)},{MARGIN})">'
        f'<text x="0" y="-24" font-weight="bold">{escape(title)}</text>'
        f'<text x="0" y="-8" fill="{BEFORE}">before</text><text x="50" y="-8" fill="{AFTER}">after calibration</text>'
        f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="black"/>{ticks}'
        f'<line x1="0" y1="{SIDE}" x2="{SIDE}" y2="0" stroke="black" stroke-dasharray="4"/>'
        f"{_points(curve.before, BEFORE)}{_points(curve.after, AFTER)}"
        f'<text x="{SIDE / 2}" y="{SIDE + 36}" text-anchor="middle">win probability</text></g>'
    )


def _tick(value: float) -> str:
    x, y = _place(value, value)
    return (
        f'<text x="{x:.0f}" y="{SIDE + 16}" text-anchor="middle">{value:g}</text>'
        f'<text x="-6" y="{y + 4:.0f}" text-anchor="end">{value:g}</text>'
    )


def _points(bins: Iterable[ReliabilityBin], colour: str) -> str:
    drawn = []
    for one in bins:
        x, y = _place(one.forecast, one.rate)
        error = 2.0 * (one.rate * (1.0 - one.rate) / max(one.runners, 1)) ** 0.5
        low, high = _place(0.0, one.rate - error)[1], _place(0.0, one.rate + error)[1]
        drawn.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
        )
    return "".join(drawn)


def _place(across: float, up: float) -> tuple[float, float]:
    """Return the pixel of a point, kept inside the panel."""
    inside = [min(max(value, 0.0), TOP) / TOP for value in (across, up)]
    return SIDE * inside[0], SIDE * (1.0 - inside[1])
