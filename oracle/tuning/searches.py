"""The two searches of a sweep: hyperparameters of each member, then how the best of them are weighed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ray import tune

from oracle.ensemble.blend import AGGREGATIONS, STACKING
from oracle.ensemble.recipe import EVEN, FITTED, SHIPPED, SHRUNK, Member, Pool
from oracle.ensemble.weights import LOG_LOSS, OBJECTIVES
from oracle.models import families
from oracle.tuning import on_tune
from oracle.tuning.children import Children
from oracle.tuning.ledger import Ledger, Record
from oracle.tuning.objective import Board, judge_pool
from oracle.tuning.phase import MEMBERS, REFERENCES, Phase, losses
from oracle.tuning.space import SPACES, Choice, Space, point_of, shipped, values_of
from oracle.tuning.trainables import MemberTrial, PoolTrial
from oracle.tuning.verdict import FORM, MODEL, Tried, TriedPool

WEIGHTS = "weights"

NOBODY = "nobody"
"""The value of `leave_out` under which every member stays."""

Show = Callable[[Phase], None]


@dataclass(frozen=True)
class Means:
    """What both searches work with."""

    board: Board
    candidates: Mapping[str, Member]
    """What can answer together, by name; the members of the shipped recipe first."""
    ledger: Ledger
    children: Children
    at_once: int | None
    show: Show


def members(means: Means, spaces: Mapping[str, Space], total: int, seconds: float | None) -> Phase:
    """Return the phase in which members are tried with other hyperparameters, run as far as the time allows.

    Args:
        means: What the search works with.
        spaces: What is searched, by member.
        total: Trials.
        seconds: Time for it; None for no bound.
    """
    made_of = means.candidates

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

    spaces = {answer: pool_space(answer, pool, means.candidates) for answer, pool in pools.items()}

    def config(record: Record, _phase: Phase) -> dict[str, Any]:
        answer, pool = pool_of(record, spaces)
        return {"answer": answer, "pool": asdict(pool)}

    name = f"{WEIGHTS}-{_digest(best)}"
    _withdraw_others(means, name)
    phase = Phase(
        name,
        means.ledger,
        means.children,
        "pool",
        spaces,
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


def pool_space(answer: str, pool: Pool, candidates: Mapping[str, Member]) -> Space:
    """Return the ways of weighing that are tried for a pool: who is in it, what is weighed, and by what."""
    sees = families.FORM if answer == FORM else families.MARKET
    others = [n for n, m in candidates.items() if SPACES[m.family] and families.FAMILIES[m.family].sees == sees]
    hows = (EVEN, *OBJECTIVES, *((SHRUNK,) if pool.weights == SHRUNK else ()))
    space = {"aggregation": Choice(AGGREGATIONS), "weights": Choice(hows)}
    if len(pool.members) > 1:
        space["leave_out"] = Choice((NOBODY, *pool.members))
    if more := [n for n in others if n not in pool.members]:
        space["add"] = Choice((NOBODY, *more))
    return space


def pool_of(record: Record, spaces: Mapping[str, Space]) -> tuple[str, Pool]:
    """Return the answer and the pool that a trial of the second phase tries."""
    answer = str(record.point["pool"])
    values = values_of(answer, spaces[answer], record.point)
    shipped_pool = SHIPPED.form if answer == FORM else SHIPPED.market
    members = [name for name in shipped_pool.members if name != values.get("leave_out")]
    members += [str(values["add"])] if values.get("add", NOBODY) != NOBODY else []
    aggregation, how = str(values["aggregation"]), str(values["weights"])
    if how == SHRUNK and len(members) > 1:
        return answer, Pool(tuple(members), SHRUNK, STACKING)
    if how == EVEN:
        return answer, Pool(tuple(members), EVEN, aggregation)
    by_likelihood = aggregation == STACKING or how == SHRUNK
    return answer, Pool(tuple(members), FITTED, aggregation, LOG_LOSS if by_likelihood else how)


def member_of(record: Record, made_of: Mapping[str, Member], spaces: Mapping[str, Space]) -> Member:
    """Return the member that a trial of the first phase tries."""
    name = str(record.point["member"])
    if record.phase == REFERENCES:
        return made_of[name]
    own = {**made_of[name].hyperparameters, **values_of(name, spaces[name], record.point)}
    return Member(made_of[name].family, own)


def tried(means: Means, records: list[Record], spaces: Mapping[str, Space]) -> list[Tried]:
    """Return the trials of the first phase with their scores, as a verdict takes them."""
    return [
        Tried(str(r.point["member"]), member_of(r, means.candidates, spaces), tuple(losses(r)), means.ledger.scores(r))
        for r in records
    ]


def tried_pools(phase: Phase) -> list[TriedPool]:
    """Return the trials of the second phase that were judged on every fold."""
    whole = [r for r in phase.records if len(r.folds) == phase.folds]
    return [TriedPool(*pool_of(r, phase.spaces), tuple(fold["against_shipped"] for fold in r.folds)) for r in whole]


def _withdraw_others(means: Means, name: str) -> None:
    """Take back the trials that weighed members which are no longer the best: the sweep was given more trials."""
    for folder in means.ledger.folder.glob(f"{WEIGHTS}-*"):
        if folder.name != name:
            means.children.withdraw(folder.name)
            shutil.rmtree(folder)


def _digest(best: Mapping[str, Tried]) -> str:
    """Return a name for these members: other members have other scores, and their trials are other trials."""
    plain = {name: [one.member.family, dict(one.member.hyperparameters)] for name, one in best.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]
