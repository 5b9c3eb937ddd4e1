"""What a training run records: parameters before, metrics after, all under the names of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from oracle import process
from oracle.data.dataset import Summary
from oracle.ensemble.blend import Blend
from oracle.ensemble.fit import Fitted
from oracle.ensemble.honesty import Honesty
from oracle.ensemble.race_model import FEATURE_SET, feature_version
from oracle.ensemble.recipe import Pool
from oracle.features.quality import Quality, quality
from oracle.models.extras import library
from oracle.models.families import FAMILIES
from oracle.ranking.report import Report
from oracle.settings import Settings
from oracle.tracking.catalogue import numbers_of
from oracle.tracking.runs import Recorder
from oracle.training.history import History
from oracle.training.pictures import reliability_picture


def parameters(history: History, settings: Settings) -> dict[str, Any]:
    """Return what is known before anything is fitted, as nested parameters of the catalogue."""
    summary, matrix = history.summary, history.matrix
    return {
        "seed": settings.seed,
        "split": settings.split.model_dump(),
        "evaluation": settings.evaluation.model_dump(),
        "features": {
            "set": FEATURE_SET,
            "version": feature_version(),
            "overround": settings.market.overround,
            "model": {"columns": len(matrix.names)},
        },
        "data": {
            "name": history.name,
            "fingerprint": summary.fingerprint,
            "source": ",".join(sorted(history.frame["source"].unique())),
            "rows": summary.rows,
            "races": summary.races,
            "first_date": str(summary.first_date),
            "last_date": str(summary.last_date),
        },
    }


def record(
    recorder: Recorder, history: History, fitted: Fitted, inference: Mapping[str, float], seconds: float
) -> None:
    """Record what was fitted and how good it is: members, periods, report, data quality, speed and curves."""
    recorder.params(
        {
            "members": ",".join(fitted.members),
            "aggregation": _aggregation(fitted),
            "calibration": {
                "method": fitted.calibration.get("model", fitted.calibration["form"]).method,
                **{f"{who}_method": choice.method for who, choice in fitted.calibration.items()},
                **asdict(fitted.discount),
            },
        }
    )
    recorder.params(
        {
            f"members.{name}": {"family": member.family, **member.hyperparameters()}
            for name, member in fitted.members.items()
        }
    )
    needed = {FAMILIES[member.family].extra for member in fitted.members.values()} - {None}
    recorder.params({"library": {name: library(name).__version__ for name in needed if name}})
    for period, mask in (
        ("train", fitted.split.train),
        ("validation", fitted.split.validation),
        ("test", fitted.split.test),
    ):
        part = history.matrix.take(mask)
        recorder.params(
            {
                f"split.{period}": {
                    "first_date": str(part.dates.min()),
                    "last_date": str(part.dates.max()),
                    "races": len(part),
                    "runners": int(part.offsets[-1]),
                }
            }
        )
    test = fitted.test.as_dict()
    recorder.metrics(numbers_of({"test": test}))
    recorder.metrics(_data_metrics(quality(history.matrix), history.summary))
    recorder.metrics({"ensemble": _ensembles(fitted)})
    recorder.metrics({"inference": dict(inference)})
    recorder.metrics({"training.seconds": seconds, "training.peak_memory_mb": process.peak_memory_mb()})
    for name, reached in fitted.validation.items():
        if isinstance(reached, Report):
            recorder.metrics(
                {
                    f"training.{name}.validation_accuracy": reached.top1,
                    f"training.{name}.validation_ndcg_at_3": reached.ndcg_at_3,
                }
            )
    recorder.metrics({f"training.{name}.seconds": spent for name, spent in fitted.seconds.items()})
    for name, member in fitted.watched.items():
        if member.curve.steps:
            recorder.curve(f"training.{name}.validation_loss", member.curve.loss, member.curve.steps)
            recorder.curve(f"training.{name}.loss", member.curve.training, member.curve.steps)
            best = member.curve.steps[int(np.argmin(member.curve.loss))]
            recorder.metrics(
                {
                    f"training.{name}.best_iteration": best,
                    f"training.{name}.iterations": max(member.curve.steps),
                }
            )
            if "trees" in member.hyperparameters():
                # A forest has converged where more trees only made it worse; at the last step nobody knows.
                recorder.metrics({f"training.{name}.converged": float(best < max(member.curve.steps))})
    recorder.artifact_json("report.json", {"test": test})
    recorder.metrics(
        {f"test.{who}.ece_uncalibrated": curve.ece_before for who, curve in fitted.test.reliability.items()}
    )
    curves = {who: curve.as_dict() for who, curve in fitted.test.reliability.items()}
    choices = {who: choice.as_dict() | choice.calibration.as_dict() for who, choice in fitted.calibration.items()}
    recorder.artifact_json("reliability.json", {"calibration": choices, "test": curves})
    recorder.artifact_text("reliability.html", reliability_picture(fitted.test.reliability))
    recorder.artifact_json("importance.json", {name: member.importance() for name, member in fitted.members.items()})


def calibration_told(fitted: Fitted) -> dict[str, Any]:
    """Return what became of each pool's calibration: the choice, its reason, the test's error before and after."""
    return {
        who: {
            "method": choice.method,
            "reason": choice.reason,
            "ece_before": curve.ece_before if (curve := fitted.test.reliability.get(who)) else None,
            "ece": curve.ece if curve else None,
        }
        for who, choice in fitted.calibration.items()
    }


def record_honesty(recorder: Recorder, found: Honesty) -> None:
    """Record how the score is to be read; before anything is refused, so that a failed run says why."""
    top = found.ceiling
    recorder.metrics(
        {
            **({"test.ceiling.ndcg_at_3": top.ceiling, "test.ceiling.low": top.low} if top else {}),
            **({"test.ceiling.high": top.high, "test.ceiling.own": top.own} if top else {}),
            **({"test.score_to_ceiling": found.score / top.ceiling} if top and found.score is not None else {}),
            **({"test.gain_over_market": found.gain.mean} if found.gain else {}),
            "leak.suspects": float(len(found.scan.suspects)),
            **{f"canaries.{name}.ndcg_at_3": canary.ndcg_at_3 for name, canary in found.canaries.items()},
            **{f"canaries.{name}.chance": canary.chance for name, canary in found.canaries.items()},
        }
    )
    recorder.artifact_json("honesty.json", found.as_dict())


def _data_metrics(found: Quality, summary: Summary) -> dict[str, float]:
    return {
        "data.rows": float(summary.rows),
        "data.races": float(summary.races),
        "data.feature_completeness": found.completeness,
        "data.outlier_percentage": found.outlier_percentage,
        "data.odds_completeness": found.odds_completeness,
        **{f"data.completeness.{name}": share for name, share in found.by_feature.items()},
    }


def _blends(fitted: Fitted) -> dict[str, tuple[Pool, Blend]]:
    blends = {"form": (fitted.recipe.form, fitted.form)}
    return blends | ({"model": (fitted.recipe.market, fitted.market)} if fitted.market else {})


def _aggregation(fitted: Fitted) -> dict[str, Any]:
    return {
        "method": (fitted.market or fitted.form).aggregation,
        **{
            which: {"method": pooled.aggregation, "objective": pool.objective, "weights": pool.weighing}
            for which, (pool, pooled) in _blends(fitted).items()
        },
    }


def _ensembles(fitted: Fitted) -> dict[str, Any]:
    """Return weights, temperature, agreement and contributions of each ensemble."""
    return {
        which: {
            "agreement": fitted.chemistry[which].agreement,
            "top_agreement": fitted.chemistry[which].top_agreement,
            "temperature": 1.0 / pooled.scale,
            "weight": dict(pooled.weights),
            "contribution": {name: asdict(c) for name, c in fitted.chemistry[which].contribution.items()},
        }
        for which, (_, pooled) in _blends(fitted).items()
    }
