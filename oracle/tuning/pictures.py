"""Optuna's pictures of a sweep as PNG bytes: parallel coordinates and importance, for each member that was tried. Pure.

One picture for each member, because its hyperparameters are its own: a picture over all of them could show only
which member was tried.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oracle.tuning.proposals import Told, ranges, study_of
from oracle.tuning.space import SEPARATOR, Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

FEWEST = 2
"""Trials with different values that a picture needs."""


WHAT = "log-loss against shipped"


def pictures(first: str, spaces: Mapping[str, Space], told: Sequence[Told], seed: int) -> dict[str, bytes]:
    """Return PNG files by name: `parallel_coordinates/all.png`, and one of each kind per member tried often enough.

    Args:
        first: What a point chooses before anything else.
        spaces: What was searched, by what is chosen first.
        told: The trials; those without a value are left out.
        seed: Of the importances, which are estimated by random forests.
    """
    import matplotlib as mpl

    mpl.use("agg")
    reached = [t for t in told if t.value is not None and not t.failed]
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its own pictures experimental
        from optuna.visualization.matplotlib import plot_parallel_coordinate, plot_param_importances

        if reached:
            choices = [Told({first: t.point[first]}, t.value) for t in reached]
            study = study_of(ranges(first, spaces), choices, seed)
            found["parallel_coordinates/all.png"] = _png(plot_parallel_coordinate, study)
        for which, space in spaces.items():
            own = [one for t in reached if (one := _inside(t, which)).point.keys() == space.keys()]
            if len({t.value for t in own}) < FEWEST:
                continue
            study = study_of(space, own, seed)
            found[f"parallel_coordinates/{which}.png"] = _png(plot_parallel_coordinate, study)
            if any(len({t.point[name] for t in own}) > 1 for name in space):
                found[f"importance/{which}.png"] = _png(plot_param_importances, study)
    return found


def _inside(told: Told, which: str) -> Told:
    """Return a trial as one of this member's own space, under the names that space uses."""
    prefix = which + SEPARATOR
    return Told({n.removeprefix(prefix): v for n, v in told.point.items() if n.startswith(prefix)}, told.value)


def _png(plot: Callable[..., Any], study: Study) -> bytes:
    from matplotlib import pyplot as plt

    plot(study, target=_value, target_name=WHAT)
    figure = plt.gcf()
    figure.set_size_inches(12, 6)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90, bbox_inches="tight")
    plt.close("all")
    return out.getvalue()


def _value(trial: FrozenTrial) -> float:
    return float(trial.values[0])
