"""The compiled loops over packed races: `LANES` races side by side, one instruction for the same slot of several.

Every inner loop runs over the lanes, its length known to the compiler, with nothing in it but arithmetic and choices:
that is what becomes vector instructions. Layout and meaning of the arrays are those of `oracle.ensemble.packed`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from oracle.compiled import compiled
from oracle.ranking.metrics import SMALLEST_PROBABILITY
from oracle.ranking.races import Floats, Ints

LANES = 32
"""Races side by side. With 8 more than half of the speed is lost to loops that are set up and left again; 64 would gain
a tenth on many races and waste more of the last block on few."""
UNROLLED = 4
"""Slots compared in one pass; blocks are padded to whole passes."""
DISCOUNT = 1.0 / np.log2(np.arange(2, 5))
"""float64[3], the discounts of the first three ranks."""
FIRST, SECOND, THIRD = (float(d) for d in DISCOUNT)
SCRATCH = 7
"""Rows of lanes that the kernels need beside the utilities."""
LEAST_EXPONENT = -40.0
"""A runner of 4e-18 of the favourite's chance adds nothing to a sum of doubles: exponents are cut there."""
SQUARINGS = 8
"""exp(x) is taken as exp(x / 2**8) to the power of 2**8: a short series and eight squarings vectorise, exp does not.
The error is below 1e-13 of the sum over a race."""
STEP = 2.0**-SQUARINGS
C2, C3, C4, C5, C6, C7 = (1.0 / n for n in (2, 6, 24, 120, 720, 5040))
WORST = -float(np.log(SMALLEST_PROBABILITY))
"""Loss of a winner without any chance, as in `oracle.ranking.metrics`."""


@njit(inline="always")
def _blend(scores: Floats, absent: Floats, begin: int, slots: int, vector: Floats, utility: Floats) -> None:
    """Set utility[slot][lane] to the weighted sum of a block, added in the order of the members."""
    for j in range(slots):
        to, empty = utility[j], absent[begin + j]
        a, b = scores[begin + j, 0], scores[begin + j, 1]
        v, w = vector[0], vector[1]
        for lane in range(LANES):
            to[lane] = empty[lane] + (v * a[lane] + w * b[lane])
        for m in range(2, vector.size, 2):
            a, b = scores[begin + j, m], scores[begin + j, m + 1]
            v, w = vector[m], vector[m + 1]
            for lane in range(LANES):
                to[lane] = (to[lane] + v * a[lane]) + w * b[lane]


@njit(inline="always")
def _ndcg(utility: Floats, slots: int, gain: Floats, judged: int, ahead: Floats, level: Floats, out: Floats) -> None:
    """Set out[lane] to the NDCG@3 of each race of a block; ahead and level are scratch.

    `ahead` counts who has more, `level` who has as much or more, the runner included: the ranks between are the
    runner's with equal chance. Without a tie there is one such rank, and the quotient is its discount.
    """
    for lane in range(LANES):
        out[lane] = 0.0
    for g in range(judged):
        own, share = utility[g], gain[g]
        for lane in range(LANES):
            ahead[lane] = 0.0
            level[lane] = 0.0
        for j in range(0, slots, UNROLLED):
            a, b, c, d = utility[j], utility[j + 1], utility[j + 2], utility[j + 3]
            for lane in range(LANES):
                u = own[lane]
                ahead[lane] += (
                    (1.0 if a[lane] > u else 0.0)
                    + (1.0 if b[lane] > u else 0.0)
                    + (1.0 if c[lane] > u else 0.0)
                    + (1.0 if d[lane] > u else 0.0)
                )
                level[lane] += (
                    (1.0 if a[lane] >= u else 0.0)
                    + (1.0 if b[lane] >= u else 0.0)
                    + (1.0 if c[lane] >= u else 0.0)
                    + (1.0 if d[lane] >= u else 0.0)
                )
        for lane in range(LANES):
            p, q = ahead[lane], level[lane]
            reached = (FIRST if q >= 1.0 else 0.0) + (SECOND if q >= 2.0 else 0.0) + (THIRD if q >= 3.0 else 0.0)
            missed = (FIRST if p >= 1.0 else 0.0) + (SECOND if p >= 2.0 else 0.0) + (THIRD if p >= 3.0 else 0.0)
            out[lane] += share[lane] * ((reached - missed) / (q - p))


@njit(inline="always")
def _log_loss(
    utility: Floats,
    slots: int,
    won: Floats,
    judged: int,
    scale: float,
    moments: Floats,
    loss: Floats,
    slope: Floats,
    curvature: Floats,
) -> None:
    """Set loss, slope and curvature in the scale of each race of a block; moments[4][lane] is scratch.

    With u the utility less the best one, and S0, S1, S2 the sums of exp(scale * u) times 1, u and u**2: the loss is
    log S0 - scale * u(winner), its slope S1 / S0 - u(winner), its curvature S2 / S0 - (S1 / S0)**2.
    """
    top, s0, s1, s2 = moments[0], moments[1], moments[2], moments[3]
    for lane in range(LANES):
        top[lane] = utility[0, lane]
        s0[lane] = 0.0
        s1[lane] = 0.0
        s2[lane] = 0.0
    for j in range(1, slots):
        row = utility[j]
        for lane in range(LANES):
            top[lane] = row[lane] if row[lane] > top[lane] else top[lane]
    for j in range(slots):
        row = utility[j]
        for lane in range(LANES):
            x = scale * (row[lane] - top[lane])
            x = x if x > LEAST_EXPONENT else LEAST_EXPONENT  # an empty slot, too, and a lane without a race
            y = x * STEP
            e = 1.0 + y * (1.0 + y * (C2 + y * (C3 + y * (C4 + y * (C5 + y * (C6 + y * C7))))))
            for _ in range(SQUARINGS):
                e = e * e
            s0[lane] += e
            s1[lane] += e * x
            s2[lane] += e * x * x
    for lane in range(LANES):
        mean = s1[lane] / s0[lane]
        filled = 1.0 if top[lane] > -np.inf else 0.0
        loss[lane] = 0.0
        slope[lane] = filled * mean / scale
        curvature[lane] = filled * (s2[lane] / s0[lane] - mean * mean) / (scale * scale)
        s0[lane] = np.log(s0[lane])
    for g in range(judged):
        row, share = utility[g], won[g]
        for lane in range(LANES):
            if share[lane] > 0.0:
                gap = row[lane] - top[lane]
                loss[lane] += share[lane] * min(s0[lane] - scale * gap, WORST)
                slope[lane] -= share[lane] * gap


# Numba's own division looks for zeros one by one; NumPy's vectorises. No fused multiply-add where scores are compared:
# it would part runners whose scores tie in `Blend.utility`.
@compiled(error_model="numpy")
def sum_ndcg(
    scores: Floats,
    absent: Floats,
    first: Ints,
    slots: Ints,
    judged: Ints,
    gain: Floats,
    vectors: Floats,
    scratch: Floats,
    out: Floats,
) -> None:
    """Add to out[V][LANES] the NDCG@3 of all races in each lane, for each vector."""
    n = scratch.shape[0]
    ahead, level, found = scratch[n - 1], scratch[n - 2], scratch[n - 3]
    for b in range(slots.size):
        for v in range(vectors.shape[0]):
            _blend(scores, absent, first[b], slots[b], vectors[v], scratch)
            _ndcg(scratch, slots[b], gain[b], judged[b], ahead, level, found)
            total = out[v]
            for lane in range(LANES):
                total[lane] += found[lane]


@compiled(error_model="numpy")
def ndcg_by_race(
    scores: Floats,
    absent: Floats,
    first: Ints,
    slots: Ints,
    judged: Ints,
    gain: Floats,
    vectors: Floats,
    scratch: Floats,
    out: Floats,
) -> None:
    """Set out[V][B][LANES] to the NDCG@3 of each race, for each vector."""
    n = scratch.shape[0]
    for b in range(slots.size):
        for v in range(vectors.shape[0]):
            _blend(scores, absent, first[b], slots[b], vectors[v], scratch)
            _ndcg(scratch, slots[b], gain[b], judged[b], scratch[n - 1], scratch[n - 2], out[v, b])


@compiled(error_model="numpy", fastmath={"contract"})
def sum_log_loss(
    scores: Floats,
    absent: Floats,
    first: Ints,
    slots: Ints,
    judged: Ints,
    won: Floats,
    vectors: Floats,
    scale: Floats,
    scratch: Floats,
    out: Floats,
) -> None:
    """Add to out[3][V][LANES] loss, slope and curvature of all races in each lane, for each vector."""
    n = scratch.shape[0]
    moments, loss, slope, curvature = scratch[n - 7 : n - 3], scratch[n - 3], scratch[n - 2], scratch[n - 1]
    for b in range(slots.size):
        for v in range(vectors.shape[0]):
            _blend(scores, absent, first[b], slots[b], vectors[v], scratch)
            _log_loss(scratch, slots[b], won[b], judged[b], scale[v], moments, loss, slope, curvature)
            for lane in range(LANES):
                out[0, v, lane] += loss[lane]
                out[1, v, lane] += slope[lane]
                out[2, v, lane] += curvature[lane]


@compiled(error_model="numpy", fastmath={"contract"})
def log_loss_by_race(
    scores: Floats,
    absent: Floats,
    first: Ints,
    slots: Ints,
    judged: Ints,
    won: Floats,
    vectors: Floats,
    scale: Floats,
    scratch: Floats,
    out: Floats,
) -> None:
    """Set out[V][B][LANES] to the log-loss of each race, for each vector."""
    n = scratch.shape[0]
    moments, slope, curvature = scratch[n - 7 : n - 3], scratch[n - 2], scratch[n - 1]
    for b in range(slots.size):
        for v in range(vectors.shape[0]):
            _blend(scores, absent, first[b], slots[b], vectors[v], scratch)
            _log_loss(scratch, slots[b], won[b], judged[b], scale[v], moments, out[v, b], slope, curvature)
