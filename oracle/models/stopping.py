"""Where a forest stops: the number of trees with the lowest log-loss on validation, among a few, after scaling.

Log-loss, because differences in NDCG over a thousand races are mostly noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oracle.features.matrix import RaceMatrix
from oracle.models.ranker import Curve, FittedRanker, scale_of, validation_loss
from oracle.ranking.races import Floats

CHECKPOINTS = 8
"""Numbers of trees compared on validation, evenly spaced up to the largest."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The number of trees to keep, the scale of their scores, and what was seen on the way."""

    trees: int
    scale: float
    curve: Curve


def checkpoints(most: int) -> list[int]:
    """Return the numbers of trees to compare.

    >>> checkpoints(480)[:2], checkpoints(3)
    ([60, 120], [1, 2, 3])
    """
    return sorted({max(1, round(most * (i + 1) / CHECKPOINTS)) for i in range(CHECKPOINTS)})


def stop(
    steps: Sequence[int],
    learned: Sequence[Floats],
    held_out: Sequence[Floats],
    train: RaceMatrix,
    validation: RaceMatrix,
    base: FittedRanker | None,
) -> Stop:
    """Return where to stop.

    Args:
        steps: The numbers of trees.
        learned: After each of them, float64[N] raw scores of the training races, without those of `base`.
        held_out: The same of the validation races.
        train: The training races.
        validation: The validation races.
        base: What the forest corrects. A correction is already on the scale of what it corrects, and keeps it.
    """
    under, over = (0.0, 0.0) if base is None else (base.score(train), base.score(validation))
    scales, told, losses = [], [], []
    for seen, raw in zip(learned, held_out, strict=True):
        scale = scale_of(raw, validation) if base is None else 1.0
        scales.append(scale)
        told.append(validation_loss(seen * scale + under, train))
        losses.append(validation_loss(raw * scale + over, validation))
    best = int(np.argmin(losses))
    return Stop(steps[best], scales[best], Curve(tuple(steps), tuple(losses), tuple(told)))
