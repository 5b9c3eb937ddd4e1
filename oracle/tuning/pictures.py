"""Optuna's pictures of a sweep as PNG bytes: parallel coordinates and importance, for each member that was tried. Pure.

One picture for each member, because its hyperparameters are its own: a picture over all of them could show only
which member was tried.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oracle.tuning.proposals import Told, study_of
from oracle.tuning.space import SEPARATOR, Space

if TYPE_CHECKING:
    from optuna import Study

FEWEST = 2
"""Trials with different values that a picture needs."""


def pictures(first: str, spaces: Mapping[str, Space], told: Sequence[Told], seed: int) -> dict[str, bytes]:
    """Return PNG files by name: `parallel_coordinates/all.png`, and one of each kind per member tried often enough."""
    import matplotlib as mpl

    mpl.use("agg")
    reached = [t for t in told if t.value is not None and not t.failed]
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its own pictures experimental
        from optuna.visualization.matplotlib import plot_parallel_coordinate, plot_param_importances

        if reached:
            whole = [Told({first: t.point[first]}, t.value) for t in reached]
            found["parallel_coordinates/all.png"] = _png(plot_parallel_coordinate, study_of(first, spaces, whole, seed))
        for which, space in spaces.items():
            own = [Told(_only(t, which), t.value) for t in reached if t.point[first] == which]
            own = [t for t in own if len(t.point) == len(space)]
            if len({t.value for t in own}) < FEWEST or len(space) < 1:
                continue
            study = study_of(first, spaces, own, seed)
            found[f"parallel_coordinates/{which}.png"] = _png(plot_parallel_coordinate, study)
            if any(len({t.point[name] for t in own}) > 1 for name in own[0].point):
                found[f"importance/{which}.png"] = _png(plot_param_importances, study)
    return found


def _only(told: Told, which: str) -> dict[str, Any]:
    return {n: v for n, v in told.point.items() if n.startswith(which + SEPARATOR)}


def _png(plot: Callable[..., Any], study: Study) -> bytes:
    from matplotlib import pyplot as plt

    plot(study)
    figure = plt.gcf()
    figure.set_size_inches(12, 6)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90, bbox_inches="tight")
    plt.close("all")
    return out.getvalue()
