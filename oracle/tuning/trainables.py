"""The trials as Ray Tune runs them: one step is one fold. Actors are reused, the races lie in the object store once.

A trial knows neither MLflow nor the sweep's folder. It reports, and the driver keeps: inside a trial MLflow's address
is a throw-away, and a killed driver's actors must not write after it is gone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ray import tune

from oracle.ensemble.recipe import Member, Pool
from oracle.ranking.races import Floats
from oracle.tuning.objective import Board, against, judge, judge_pool

THREADS = 1
"""Threads of a fit, and processors of the trial that it runs in: the one is pinned to the other."""


class MemberTrial(tune.Trainable):
    """Fits a member with certain hyperparameters on one fold after the other."""

    def setup(self, config: dict[str, Any], board: Board) -> None:  # type: ignore[override]  # with_parameters
        """Take the races; called once for each actor."""
        self.board = board
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in the same actor, after the folds that it has been judged on before."""
        self.member = Member(new_config["family"], dict(new_config["hyperparameters"]))
        self.shipped: Sequence[float] | None = new_config["shipped"]
        self.losses: list[float] = list(new_config["losses"])
        return True

    def step(self) -> dict[str, Any]:
        """Judge the next fold."""
        fold, began = len(self.losses), time.perf_counter()
        judged = judge(self.member, self.board, fold, THREADS)
        self.losses.append(judged.log_loss)
        shipped = self.losses if self.shipped is None else self.shipped
        return {
            "fold": fold,
            "folds": fold + 1,
            "value": against(self.losses, shipped),
            "scores": judged.scores,
            "measured": {
                "log_loss": judged.log_loss,
                "against_shipped": judged.log_loss - shipped[fold],
                "ndcg_at_3": judged.ndcg_at_3,
                "pseudo_r2": judged.pseudo_r2,
                "races": float(judged.races),
                "seconds": time.perf_counter() - began,
            },
            "done": fold + 1 == len(self.board.folds),
        }


class PoolTrial(tune.Trainable):
    """Weighs members on the folds before, by their cached out-of-fold scores, and judges them on each fold in turn."""

    def setup(  # type: ignore[override]  # with_parameters
        self,
        config: dict[str, Any],
        board: Board,
        scores: Mapping[str, Sequence[Floats]],
        shipped: Mapping[str, Sequence[float]],
    ) -> None:
        """Take results, scores and what the shipped pools reach; called once for each actor."""
        self.board, self.scores, self.all_shipped = board, scores, shipped
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in the same actor."""
        self.pool = Pool(**new_config["pool"])
        self.shipped = self.all_shipped[new_config["answer"]]
        self.losses: list[float] = list(new_config["losses"])
        return True

    def step(self) -> dict[str, Any]:
        """Judge the next fold that has folds before it."""
        step, began = len(self.losses), time.perf_counter()
        loss = float(np.nanmean(judge_pool(self.pool, self.scores, self.board, step + 1)))
        self.losses.append(loss)
        return {
            "fold": step,
            "folds": step + 1,
            "value": against(self.losses, self.shipped),
            "scores": None,
            "measured": {
                "log_loss": loss,
                "against_shipped": loss - self.shipped[step],
                "races": float(self.board.where(self.board.judged(step + 1)).sum()),
                "seconds": time.perf_counter() - began,
            },
            "done": step + 2 == len(self.board.folds),
        }
