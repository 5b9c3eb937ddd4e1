"""Races packed so that thousands of weight vectors can be tried on them: NDCG@3 and log-loss of each, on one core.

A processor compares eight numbers as fast as one where they lie side by side, and a race has neither eight placed
runners nor always the same number of starters. So the vector runs across races: `LANES` races of about equal size make
a block, laid out `[slot][member][race]`, and one instruction does the same slot of several races. Who has something to
gain stands in the first slots, because NDCG asks only how many stand ahead of those. Every vector is tried on a block
while the block is in the nearest cache. Numbers are those of `oracle.ranking.metrics`, ties included (docs/decisions/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from oracle.ensemble import lanes
from oracle.ensemble.lanes import DISCOUNT, LANES, UNROLLED
from oracle.errors import BadInput, NotEnoughData
from oracle.features.matrix import RaceMatrix
from oracle.ranking.outcome import gains, winners
from oracle.ranking.races import Bools, Floats, Ints, as_floats, offsets_of, sum_by_race
from oracle.settings import EvaluationPolicy


@dataclass(frozen=True)
class Packed:
    """Members' scores and results of the races that can be measured, in blocks."""

    kept: Bools
    """bool[R], the races inside: they count under the policy, and every member has a finite score for all runners."""
    members: int
    scores: Floats
    """float64[S, M', LANES], all blocks' slots one after the other; M' is M made even by a member of zeros."""
    absent: Floats
    """float64[S, LANES], 0 for a runner, -inf for an empty slot."""
    first: Ints
    """int64[B], where the slots of each block begin."""
    slots: Ints
    """int64[B], how many they are."""
    judged: Ints
    """int64[B], how many of them may hold a runner with a gain or a share of the win."""
    gain: Floats
    """float64[B, G, LANES], each judged runner's gain over the best DCG its race could have."""
    won: Floats
    """float64[B, G, LANES], each judged runner's share of the win."""
    place: Ints
    """int64[races inside], where block and lane put each of them, in the order they came in."""

    def __len__(self) -> int:
        """Return the number of races inside."""
        return len(self.place)

    def ndcg(self, weights: ArrayLike) -> Floats:
        """Return float64[V], the mean NDCG@3 of each of V weight vectors over the races.

        Args:
            weights: float64[V, M].
        """
        vectors = self._checked(weights)
        out = np.zeros((len(vectors), LANES))
        lanes.sum_ndcg(*self._layout(), self.gain, vectors, self._scratch(), out)
        return np.asarray(out.sum(axis=1) / len(self))

    def ndcg_by_race(self, weights: ArrayLike) -> Floats:
        """Return float64[V, races inside], the NDCG@3 of each weight vector in each race.

        Args:
            weights: float64[V, M]; hand over a few at a time.
        """
        vectors = self._checked(weights)
        out = np.empty((len(vectors), len(self.slots), LANES))
        lanes.ndcg_by_race(*self._layout(), self.gain, vectors, self._scratch(), out)
        return np.asarray(out.reshape(len(vectors), -1)[:, self.place])

    def log_loss(self, weights: ArrayLike, scale: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return float64[V] thrice: mean log-loss of the softmax of scale * sum, its slope and curvature in the scale.

        Args:
            weights: float64[V, M].
            scale: float64[V], positive.
        """
        vectors = self._checked(weights)
        out = np.zeros((3, len(vectors), LANES))
        lanes.sum_log_loss(
            *self._layout(), self.won, vectors, as_floats(np.broadcast_to(scale, len(vectors))), self._scratch(), out
        )
        loss, slope, curvature = out.sum(axis=2) / len(self)
        return loss, slope, curvature

    def log_loss_by_race(self, weights: ArrayLike, scale: ArrayLike) -> Floats:
        """Return float64[V, races inside], the log-loss of each weight vector at its scale in each race."""
        vectors = self._checked(weights)
        out = np.empty((len(vectors), len(self.slots), LANES))
        lanes.log_loss_by_race(
            *self._layout(), self.won, vectors, as_floats(np.broadcast_to(scale, len(vectors))), self._scratch(), out
        )
        return np.asarray(out.reshape(len(vectors), -1)[:, self.place])

    def _checked(self, weights: ArrayLike) -> Floats:
        """Return the vectors with the member of zeros, should there be one."""
        vectors = np.asarray(weights, dtype=np.float64)
        if vectors.ndim != 2 or vectors.shape[1] != self.members or not np.isfinite(vectors).all():
            raise BadInput(
                "weight vectors do not fit the members",
                value=f"an array of shape {vectors.shape}",
                allowed=f"finite numbers, {self.members} in each row",
            )
        padded = np.zeros((len(vectors), self.scores.shape[1]))
        padded[:, : self.members] = vectors
        return padded

    def _layout(self) -> tuple[Floats, Floats, Ints, Ints, Ints]:
        return self.scores, self.absent, self.first, self.slots, self.judged

    def _scratch(self) -> Floats:
        return np.empty((int(self.slots.max()) + lanes.SCRATCH, LANES))


def pack(scores: Sequence[Floats], races: RaceMatrix, evaluation: EvaluationPolicy) -> Packed:
    """Return the races that count and that every member has scored, packed.

    Args:
        scores: float64[N] per member, comparable within the race.
        races: The races with their results.
        evaluation: Which races count and what the places are worth.

    Raises:
        NotEnoughData: no race counts, or none is scored by all members.
    """
    table = np.column_stack(scores) if scores else np.empty((len(races.position), 0))
    gain, won = (f(races.position, races.offsets, evaluation) for f in (gains, winners))
    known = np.isfinite(table).all(axis=1) & ~np.isnan(gain)
    kept: Bools = (sum_by_race(~known, races.offsets) == 0) & (sum_by_race(gain, races.offsets) > 0)
    if not table.shape[1] or not kept.any():
        raise NotEnoughData(
            "no race to try weights on",
            value=f"{len(races)} races, {table.shape[1]} members",
            allowed=f"races with {evaluation.min_finishers} finishers in which every member scores every runner",
        )
    rows, sizes = np.repeat(kept, races.sizes), races.sizes[kept]
    table, gain, won = table[rows], gain[rows], won[rows]
    race = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((-won, -gain, race))
    slot = np.empty(len(race), dtype=np.int64)
    slot[order] = np.arange(len(race)) - np.repeat(offsets_of(sizes)[:-1], sizes)

    place = np.empty(len(sizes), dtype=np.int64)
    place[np.argsort(sizes, kind="stable")] = np.arange(len(sizes))
    block, lane = np.divmod(place, LANES)
    slots = _largest(-(-sizes // UNROLLED) * UNROLLED, block)
    judged = _largest(np.bincount(race, (gain > 0) | (won > 0)).astype(np.int64), block)
    first = offsets_of(slots)[:-1]
    at, of, beside = first[block[race]] + slot, block[race], lane[race]

    even = table.shape[1] + table.shape[1] % 2
    laid = np.zeros((int(slots.sum()), even, LANES))
    laid[at[:, None], np.arange(table.shape[1]), beside[:, None]] = table
    absent = np.full((len(laid), LANES), -np.inf)
    absent[at, beside] = 0.0
    shares = np.zeros((2, len(slots), int(judged.max()), LANES))
    inside = slot < judged[of]
    best = np.bincount(race, gain * np.append(DISCOUNT, 0.0)[np.minimum(slot, len(DISCOUNT))])
    shares[:, of[inside], slot[inside], beside[inside]] = np.stack((gain / best[race], won))[:, inside]
    return Packed(kept, table.shape[1], laid, absent, first, slots, judged, shares[0], shares[1], place)


def _largest(values: Ints, block: Ints) -> Ints:
    out = np.zeros(int(block.max()) + 1, dtype=np.int64)
    np.maximum.at(out, block, values)
    return out
