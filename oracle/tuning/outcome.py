"""What a sweep ends with: the document a command prints, the files of its folder, and what its MLflow run holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oracle.ensemble.recipe import Recipe
from oracle.ranking.report import Difference, NoResult
from oracle.settings import EvaluationPolicy
from oracle.tracking.catalogue import numbers_of
from oracle.tracking.runs import Recorder
from oracle.tuning.final import OnTest, differences
from oracle.tuning.ledger import Ledger, Record, State
from oracle.tuning.objective import FoldPolicy
from oracle.tuning.phase import Phase
from oracle.tuning.pictures import pictures
from oracle.tuning.proposals import Told
from oracle.tuning.space import Space
from oracle.tuning.verdict import FORM, MODEL, Comparison, Verdict, recommended

RECIPE, TUNED, OUTCOME = "recipe.json", "tuned.json", "outcome.json"


@dataclass(frozen=True)
class Found:
    """Everything both searches and the comparison found."""

    first: Phase
    second: Phase | None
    tuned: Recipe
    shipped: Recipe
    compared: Mapping[str, Comparison]
    evaluation: EvaluationPolicy
    hindsight: Mapping[str, Difference | NoResult] = field(default_factory=dict)
    """The gain on the folds that the tuned recipe was chosen by: flattered, and said to be."""
    on_test: Mapping[str, OnTest] = field(default_factory=dict)
    """`tuned` and `shipped`; empty where nothing could be compared."""

    @property
    def recommended(self) -> Recipe:
        """The recipe to train with: tuned where it is better out of fold, unless the test says that it is worse."""
        worse = {a for a, gap in _on_test(self).items() if not isinstance(gap, NoResult) and gap.low > 0}
        verdicts = {a: c.verdict for a, c in self.compared.items() if a not in worse}
        return recommended(self.shipped, self.tuned, verdicts)

    @property
    def records(self) -> list[Record]:
        """Every trial of both searches."""
        return [*self.first.records, *(self.second.records if self.second else ())]


def unmeasured(first: Phase, shipped: Recipe, evaluation: EvaluationPolicy) -> Found:
    """Return what a sweep ends with whose time was up before there was anything to compare with."""
    nothing = Comparison(Verdict.UNDECIDED, "the time was up before the shipped members were measured", None)
    return Found(first, None, shipped, shipped, {FORM: nothing, MODEL: nothing}, evaluation)


def describe(
    recorder: Recorder, parameters: Mapping[str, Any], spaces: Mapping[str, Space], policy: FoldPolicy
) -> None:
    """Record what the sweep was begun with; a sweep that is resumed keeps what it has."""
    if "sweep.folds" in recorder.tracking.client.get_run(recorder.run_id).data.params:
        return
    recorder.params(parameters)
    recorder.params({"sweep": {"members": ",".join(spaces), "first_share": policy.first_share, "folds": policy.folds}})


def document(found: Found, folder: Path, run_id: str, seconds: float) -> dict[str, Any]:
    """Return what `oracle tune --json` prints."""
    records = found.records
    asked = found.first.total + (found.second.total if found.second else 0)
    done = [r for r in records if r.ended]
    tests = {name: one.report for name, one in found.on_test.items()}
    return {
        "sweep": str(folder),
        "run_id": run_id,
        "complete": found.second is not None and len(done) >= asked,
        "trials": {
            "asked": asked,
            "done": len(done),
            "stopped_early": sum(r.state is State.STOPPED_EARLY for r in done),
            "failed": sum(r.state is State.FAILED for r in done),
            "unfinished": len(records) - len(done),
        },
        "verdict": {answer: one.as_dict() for answer, one in found.compared.items()},
        "in_hindsight": {answer: _plain(gap) for answer, gap in found.hindsight.items()},
        "best": _best(found.first),
        "recipe": str(folder / RECIPE),
        "recommends": "shipped" if found.recommended == found.shipped else "tuned",
        "tuned": found.tuned.as_dict(),
        "test": {**tests, "difference": {a: _plain(d) for a, d in _on_test(found).items()}} if tests else None,
        "search_seconds": {
            "members": round(found.first.seconds, 1),
            "weights": round(found.second.seconds, 1) if found.second else 0.0,
        },
        "seconds": round(seconds, 1),
    }


def record(
    recorder: Recorder, ledger: Ledger, found: Found, document: Mapping[str, Any], spaces: Mapping[str, Space]
) -> None:
    """Write the files of the sweep's folder, and keep them and its numbers in its run."""
    files = [
        ledger.write(RECIPE, found.recommended.as_dict()),
        ledger.write(TUNED, found.tuned.as_dict()),
        ledger.write("trials.json", [asdict(r) for r in found.records]),
        ledger.write_bytes("trials.csv", _csv(found.records)),
    ]
    told = [Told(r.point, 0.0) for r in found.first.shipped if found.first.is_inside(r.point)]
    told += [Told(r.point, r.value, r.state is State.FAILED) for r in found.first.records if r.ended]
    drawn = pictures("member", spaces, told, found.first.seed)
    pngs = {name: ledger.write_bytes(f"plots/{name}", png) for name, png in drawn.items()}
    for file in files:
        recorder.artifact_file(file)
    for name, file in pngs.items():
        recorder.artifact_file(file, str(Path("plots", name).parent))
    recorder.artifact_json(OUTCOME, document)
    trials = document["trials"]
    recorder.metrics(
        {
            "sweep.trials": trials["done"],
            "sweep.stopped_early": trials["stopped_early"],
            "sweep.failed": trials["failed"],
            "sweep.seconds": document["seconds"],
        }
    )
    for reference in found.first.shipped:
        name = f"sweep.shipped.{reference.point['member']}.log_loss"
        recorder.curve(name, [fold["log_loss"] for fold in reference.folds])
    walked = {answer: one.difference for answer, one in found.compared.items()}
    for judged, gaps in (("folds", walked), ("hindsight", found.hindsight), ("test", _on_test(found))):
        for answer, gap in gaps.items():
            if gap is not None and not isinstance(gap, NoResult):
                numbers = {"difference": gap.mean, "low": gap.low, "high": gap.high, "races": gap.races}
                recorder.metrics({f"sweep.{judged}.{answer}": numbers})
    if found.on_test:
        recorder.metrics(numbers_of({"test": found.on_test["tuned"].report}))
    recorder.tags(
        {
            "complete": str(document["complete"]).lower(),
            "recommends": document["recommends"],
            **{f"verdict.{answer}": str(one.verdict) for answer, one in found.compared.items()},
        }
    )


def _on_test(found: Found) -> dict[str, Any]:
    if not found.on_test:
        return {}
    return dict(differences(found.on_test["tuned"], found.on_test["shipped"], found.first.seed, found.evaluation))


def _plain(gap: Any) -> dict[str, Any]:
    plain: dict[str, Any] = gap.as_dict()
    return plain


def _best(phase: Phase) -> dict[str, Any]:
    """Return the best finished trial of each member, where it is better than what is shipped."""
    best: dict[str, Any] = {}
    for one in sorted(phase.records, key=lambda r: r.value or 0.0, reverse=True):
        if one.state is State.FINISHED and one.value is not None and one.value < 0:
            values = {n.partition("/")[2]: v for n, v in one.point.items() if "/" in n}
            best[str(one.point["member"])] = {
                "trial": one.number,
                "against_shipped": one.value,
                "hyperparameters": values,
            }
    return best


def _csv(records: list[Record]) -> bytes:
    """Return every trial as one row: phase, number, state, value, folds, seconds, then what was tried."""
    points = list(dict.fromkeys(name for r in records for name in r.point))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["phase", "number", "state", "against_shipped", "folds", "seconds", *points])
    for r in records:
        cells = [r.phase, r.number, str(r.state), r.value, len(r.folds), round(r.seconds, 2)]
        writer.writerow([*cells, *(r.point.get(name, "") for name in points)])
    return out.getvalue().encode()
