"""Pictures of a test as SVG: the confidence sequence over time, decisive races, the arms' latency. Pure."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle.experiment.observed import Observed
from oracle.experiment.plan import Plan
from oracle.experiment.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (7.2, 3.4)
CONTROL, TREATMENT, DECIDED = "#5b6770", "#1f77b4", "#b5542b"


def confidence_over_time(verdict: Verdict, plan: Plan) -> str:
    """Return the confidence sequence of the difference in NDCG@3 at the end of each day, as SVG."""
    figure, axes = figure_of()
    steps, days = verdict.accuracy.sequence, np.array(verdict.accuracy.days)
    seen = np.isfinite(steps.estimate)
    wanted = plan.question.difference
    if seen.any():
        axes.fill_between(days[seen], steps.low[seen], steps.high[seen], color=TREATMENT, alpha=0.2, step="post")
        axes.plot(days[seen], steps.estimate[seen], color=TREATMENT, drawstyle="steps-post", label="difference so far")
        # The first days' bounds reach from -1 to 1 and would hide everything after them.
        reach = 3.0 * max(wanted, float(np.median(steps.high[seen] - steps.low[seen])) / 2.0)
        axes.set_ylim(-reach, reach)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.axhline(wanted, color=DECIDED, linewidth=0.8, linestyle="--", label=f"wanted, {wanted:+.4f}")
    axes.set(xlabel="days since the first result", ylabel="NDCG@3, treatment - control")
    axes.legend(loc="upper right", frameon=False)
    return svg_of(figure, "sequence")


def decisive_races(seen: Observed) -> str:
    """Return how many races the treatment ranked better, worse and alike, by the size of the difference, as SVG."""
    figure, axes = figure_of()
    differences = seen.races.difference[seen.races.decisive]
    if differences.size:
        axes.hist(differences, bins=np.linspace(-1, 1, 81).tolist(), color=TREATMENT)
        reach = min(1.0, 1.1 * float(np.abs(differences).max()))
        axes.set_xlim(-reach, reach)
    axes.axvline(0.0, color="black", linewidth=0.8)
    alike = len(seen.races) - differences.size
    axes.set(xlabel=f"NDCG@3, treatment - control ({alike:,} races alike are left out)", ylabel="races")
    return svg_of(figure, "decisive")


def latencies(seen: Observed) -> str:
    """Return the share of requests answered within a time, by arm, as SVG."""
    figure, axes = figure_of()
    for name, arm, colour in (("control", seen.control, CONTROL), ("treatment", seen.treatment, TREATMENT)):
        values = np.sort(arm.latencies_ms)
        if values.size:
            axes.step(values, np.arange(1, values.size + 1) / values.size, color=colour, label=name)
    axes.axhline(0.95, color="black", linewidth=0.8, linestyle=":")
    if seen.control.latencies_ms.size or seen.treatment.latencies_ms.size:
        axes.set_xscale("log")
        axes.legend(loc="lower right", frameon=False)
    axes.set(xlabel="milliseconds", ylabel="share of requests answered")
    return svg_of(figure, "latency")


def figure_of() -> tuple[Any, Axes]:
    """Return an empty picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def svg_of(figure: Any, salt: str) -> str:
    """Return the picture from its `<svg` on: without the prologue that only a file of its own may have.

    The salt makes its inner names its own on a page of several, and the same each time.
    """
    from matplotlib import rc_context

    written = io.StringIO()
    with rc_context({"svg.hashsalt": salt}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    return text[text.index("<svg") :]
