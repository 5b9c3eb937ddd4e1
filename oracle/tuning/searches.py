"""The two searches of a sweep: hyperparameters of each member, then how the best of them are weighed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ray import tune

from oracle.ensemble.blend import AGGREGATIONS, STACKING
from oracle.ensemble.recipe import EVEN, FITTED, SHIPPED, SHRUNK, Member, Pool
from oracle.ensemble.weights import LOG_LOSS, OBJECTIVES
from oracle.tuning import on_tune
from oracle.tuning.children import Children
from oracle.tuning.ledger import Ledger, Record
from oracle.tuning.objective import Board, judge_pool, members_of
from oracle.tuning.phase import MEMBERS, REFERENCES, Phase, losses
from oracle.tuning.space import Choice, Space, point_of, shipped, values_of
from oracle.tuning.trainables import MemberTrial, PoolTrial
from oracle.tuning.verdict import FORM, MODEL, Tried, TriedPool

NOBODY = "nobody"
"""The value of `leave_out` under which every member stays."""

Show = Callable[[Phase], None]


@dataclass(frozen=True)
class Means:
    """What both searches work with."""

    board: Board
    ledger: Ledger
    children: Children
    at_once: int
    show: Show


def members(means: Means, spaces: Mapping[str, Space], total: int, seconds: float | None) -> Phase:
    """Return the phase in which members are tried with other hyperparameters, run as far as the time allows.

    Args:
        means: What the search works with.
        spaces: What is searched, by member.
        total: Trials.
        seconds: Time for it; None for no bound.
    """
    made_of = members_of(SHIPPED, means.board.priced)

    def config(record: Record, phase: Phase) -> dict[str, Any]:
        member = member_of(record, made_of, spaces)
        of = None if record.phase == REFERENCES else phase.shipped_losses(str(record.point["member"]))
        return {"family": member.family, "hyperparameters": dict(member.hyperparameters), "shipped": of}

    phase = Phase(
        MEMBERS,
        means.ledger,
        means.children,
        "member",
        spaces,
        total,
        len(means.board.folds),
        means.board.seed,
        config,
        references=[point_of(name, shipped(member)) for name, member in made_of.items()],
    )
    if phase.remaining:
        trainable = tune.with_parameters(MemberTrial, board=means.board)
        on_tune.run(
            phase, trainable, means.ledger.folder / "tune", seconds=seconds, at_once=means.at_once, show=means.show
        )
    return phase


def weights(means: Means, best: Mapping[str, Tried], total: int, seconds: float | None) -> Phase:
    """Return the phase in which ways of weighing are tried on the cached out-of-fold scores of the best members.

    Args:
        means: What the search works with.
        best: The chosen members by name.
        total: Trials.
        seconds: Time for it; None for no bound.
    """
    light, pools = means.board.without_features(), shipped_pools(means.board)
    scores = {name: one.scores for name, one in best.items()}
    reached = {
        answer: [float(np.nanmean(judge_pool(pool, scores, light, fold))) for fold in range(1, len(light.folds))]
        for answer, pool in pools.items()
    }

    def config(record: Record, _phase: Phase) -> dict[str, Any]:
        answer, pool = pool_of(record)
        return {"answer": answer, "pool": asdict(pool)}

    phase = Phase(
        f"weights-{_digest(best)}",
        means.ledger,
        means.children,
        "pool",
        {answer: pool_space(pool) for answer, pool in pools.items()},
        total,
        len(light.folds) - 1,
        light.seed,
        config,
    )
    if phase.remaining:
        trainable = tune.with_parameters(PoolTrial, board=light, scores=scores, shipped=reached)
        on_tune.run(
            phase, trainable, means.ledger.folder / "tune", seconds=seconds, at_once=means.at_once, show=means.show
        )
    return phase


def shipped_pools(board: Board) -> dict[str, Pool]:
    """Return the shipped pools by answer; without odds only that of form."""
    return {FORM: SHIPPED.form} | ({MODEL: SHIPPED.market} if board.priced else {})


def pool_space(pool: Pool) -> Space:
    """Return the ways of weighing that are tried for a pool."""
    if len(pool.members) < 2:
        return {"aggregation": Choice(AGGREGATIONS)}
    return {
        "aggregation": Choice(AGGREGATIONS),
        "weights": Choice((EVEN, *OBJECTIVES, *((SHRUNK,) if pool.weights == SHRUNK else ()))),
        "leave_out": Choice((NOBODY, *pool.members)),
    }


def pool_of(record: Record) -> tuple[str, Pool]:
    """Return the answer and the pool that a trial of the second phase tries."""
    answer = str(record.point["pool"])
    pool = SHIPPED.form if answer == FORM else SHIPPED.market
    values = values_of(answer, pool_space(pool), record.point)
    left = tuple(name for name in pool.members if name != values.get("leave_out"))
    aggregation, how = str(values["aggregation"]), str(values.get("weights", LOG_LOSS))
    if how == EVEN:
        return answer, Pool(left, EVEN, aggregation)
    if how == SHRUNK:
        # Without what they correct, or alone, corrections are opinions like any other.
        still = len(left) > 1 and left[0] == pool.members[0]
        return answer, Pool(left, SHRUNK if still else FITTED, STACKING)
    return answer, Pool(left, FITTED, aggregation, LOG_LOSS if aggregation == STACKING else how)


def member_of(record: Record, made_of: Mapping[str, Member], spaces: Mapping[str, Space]) -> Member:
    """Return the member that a trial of the first phase tries."""
    name = str(record.point["member"])
    if record.phase == REFERENCES:
        return made_of[name]
    own = {**made_of[name].hyperparameters, **values_of(name, spaces[name], record.point)}
    return Member(made_of[name].family, own)


def tried(ledger: Ledger, records: list[Record], spaces: Mapping[str, Space], board: Board) -> list[Tried]:
    """Return the trials of the first phase with their scores, as a verdict takes them."""
    made_of = members_of(SHIPPED, board.priced)
    return [
        Tried(str(r.point["member"]), member_of(r, made_of, spaces), tuple(losses(r)), ledger.scores(r))
        for r in records
    ]


def tried_pools(phase: Phase) -> list[TriedPool]:
    """Return the trials of the second phase that were judged on every fold."""
    whole = [r for r in phase.records if len(r.folds) == phase.folds]
    return [TriedPool(*pool_of(r), tuple(fold["against_shipped"] for fold in r.folds)) for r in whole]


def _digest(best: Mapping[str, Tried]) -> str:
    """Return a name for these members: other members have other scores, and their trials are other trials."""
    plain = {name: [one.member.family, dict(one.member.hyperparameters)] for name, one in best.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]
