"""Every metric and parameter that a run may record, declared once: name, unit, direction and meaning.

A dashboard, a promotion gate and a comparison of two runs all depend on names; a name that is spelt in two ways is a
metric that silently went missing. So the recorder asks this catalogue, and a name that is not declared is refused.
Names may hold placeholders such as `{who}`, since members are open-ended. This module is pure; `docs/tracking.md`
holds its table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from oracle.tracking.entries import PLACEHOLDERS, Direction, Group, Metric, Parameter, find

_UP, _DOWN = Direction.UP, Direction.DOWN


def _performance() -> Iterator[Metric]:
    measures: tuple[tuple[str, Direction, str, str], ...] = (
        ("ndcg_at_3", _UP, "0..1", "Normalised discounted cumulative gain of the first three places."),
        ("ndcg_at_5", _UP, "0..1", "The same for the first five places."),
        ("mrr", _UP, "0..1", "Mean reciprocal rank of the winner."),
        ("map", _UP, "0..1", "Mean average precision of the placed horses."),
        ("top1", _UP, "share", "Share of races whose favourite of the model won."),
        ("pseudo_r2", _UP, "0..1", "McFadden's pseudo-R2 of the win probabilities against a uniform race."),
        ("log_loss", _DOWN, "nats", "Mean negative log-likelihood of the winner."),
        ("brier", _DOWN, "0..2", "Mean squared error of the win probabilities, summed over the race."),
        ("ece", _DOWN, "0..1", "Expected calibration error of the win probabilities."),
    )
    for name, direction, unit, meaning in measures:
        yield Metric(f"{{period}}.{{who}}.{name}", Group.PERFORMANCE, meaning, unit, direction)
    group = Group.PERFORMANCE
    yield Metric("{period}.{who}.ndcg_at_3_error", group, "Standard error of `ndcg_at_3` over races.", "0..1", _DOWN)
    yield Metric("{period}.{who}.ece_uncalibrated", group, "`ece` before the calibration was applied.", "0..1", _DOWN)
    yield Metric("{period}.{who}.races", group, "Races that its numbers are of.", "races")
    yield Metric("{period}.{who}.unscored", group, "Races in which it gave a runner no score.", "races", _DOWN)
    yield Metric("{period}.races", group, "Races that were counted in the report.", "races")
    yield Metric("{period}.runners", group, "Runners in those races.", "runners")
    yield Metric("test.ceiling.ndcg_at_3", group, "What an all-knowing predictor is likely to score.", "0..1")
    yield Metric("test.ceiling.low", group, "The same at the least hidden part that the results show.", "0..1")
    yield Metric("test.ceiling.high", group, "The same at the most; above it is a leak.", "0..1")
    yield Metric("test.ceiling.own", group, "What the strengths that are known expect of themselves.", "0..1")
    yield Metric("test.score_to_ceiling", group, "`test.model.ndcg_at_3` over the ceiling.", "share", _UP)
    yield Metric("test.gain_over_market", group, "Pseudo-R2 that the model adds to the fitted market.", "0..1", _UP)
    yield Metric("canaries.{canary}.ndcg_at_3", group, "NDCG@3 of a model that cannot know anything.", "0..1")
    yield Metric("canaries.{canary}.chance", group, "NDCG@3 of drawing lots in the same races.", "0..1")
    yield Metric("leak.suspects", group, "Features that knew the result.", "features", _DOWN)


def _training() -> Iterator[Metric]:
    group = Group.TRAINING
    yield Metric("training.{member}.loss", group, "Training loss, a curve over iterations.", "the member's own", _DOWN)
    yield Metric(
        "training.{member}.validation_loss", group, "The same on the validation dates.", "the member's own", _DOWN
    )
    yield Metric(
        "training.{member}.validation_ndcg_at_3", group, "NDCG@3 on the validation dates, a curve.", "0..1", _UP
    )
    yield Metric(
        "training.{member}.validation_accuracy", group, "Share of validation races whose top pick won.", "share", _UP
    )
    yield Metric("training.{member}.iterations", group, "Iterations run (trees, optimiser steps).", "iterations")
    yield Metric("training.{member}.best_iteration", group, "Iteration that was kept.", "iterations")
    yield Metric(
        "training.{member}.converged", group, "1 where it stopped by its own rule, 0 at its limit.", "0 or 1", _UP
    )
    yield Metric("training.{member}.seconds", group, "Wall-clock time of its fits, the refit included.", "s", _DOWN)
    yield Metric("training.seconds", group, "Wall-clock time of the whole training, features included.", "s", _DOWN)
    yield Metric("training.peak_memory_mb", group, "Largest resident memory of the process.", "MB", _DOWN)


def _data() -> Iterator[Metric]:
    group = Group.DATA
    yield Metric("data.rows", group, "Runner rows of the dataset.", "rows")
    yield Metric("data.races", group, "Races of the dataset.", "races")
    yield Metric("data.dates", group, "Race dates of the dataset.", "dates")
    yield Metric("data.rows_quarantined", group, "Rows that ingestion set aside.", "rows", _DOWN)
    yield Metric("data.races_left_out", group, "Races with too few finishers or no result.", "races", _DOWN)
    yield Metric("data.feature_completeness", group, "Share of feature cells that hold a value.", "share", _UP)
    yield Metric("data.completeness.{feature}", group, "The same for one feature.", "share", _UP)
    yield Metric(
        "data.outlier_percentage", group, "Feature cells beyond the outlier fences, of those that hold a value.", "%"
    )
    yield Metric("data.odds_completeness", group, "Share of starters that have odds.", "share", _UP)


def _ensemble() -> Iterator[Metric]:
    group = Group.ENSEMBLE
    yield Metric(
        "ensemble.{ensemble}.agreement", group, "Mean rank correlation between members, within races.", "-1..1"
    )
    yield Metric(
        "ensemble.{ensemble}.top_agreement", group, "Share of races in which all members pick the same horse.", "share"
    )
    yield Metric("ensemble.{ensemble}.weight.{member}", group, "Weight of the member in the blend.", "1")
    yield Metric(
        "ensemble.{ensemble}.contribution.{member}.log_loss",
        group,
        "By how much log-loss on validation rises without the member, the others weighed anew.",
        "nats",
        _UP,
    )
    yield Metric(
        "ensemble.{ensemble}.contribution.{member}.ndcg_at_3",
        group,
        "By how much NDCG@3 on validation falls without the member, the others weighed anew.",
        "-1..1",
        _UP,
    )
    yield Metric(
        "ensemble.{ensemble}.temperature", group, "What the weighted sum is divided by before the softmax.", "1"
    )


def _inference() -> Iterator[Metric]:
    group = Group.INFERENCE
    for percentile in (50, 95, 99):
        name, meaning = f"inference.latency_ms_p{percentile}", f"Time of one card, percentile {percentile}."
        yield Metric(name, group, meaning, "ms", _DOWN)
    yield Metric("inference.throughput", group, "Cards answered per second by one process.", "cards/s", _UP)
    yield Metric("inference.load_seconds", group, "Time to load and verify the package.", "s", _DOWN)
    yield Metric("inference.package_mb", group, "Size of the package on disk.", "MB", _DOWN)


def _sweep() -> Iterator[Metric]:
    group = Group.SWEEP
    yield Metric("fold.log_loss", group, "Log-loss on the fold, a curve over the folds.", "nats", _DOWN)
    yield Metric("fold.ndcg_at_3", group, "NDCG@3 on the fold, a curve.", "0..1", _UP)
    yield Metric("fold.pseudo_r2", group, "Pseudo-R2 on the fold, a curve.", "0..1", _UP)
    yield Metric("fold.races", group, "Races judged in the fold, a curve.", "races")
    yield Metric("fold.seconds", group, "Wall-clock time of the fold, a curve.", "s", _DOWN)
    yield Metric(
        "fold.against_shipped",
        group,
        "Log-loss minus that of the shipped defaults on the fold, a curve.",
        "nats",
        _DOWN,
    )
    yield Metric("trial.against_shipped", group, "Its mean over the folds: what the search lowers.", "nats", _DOWN)
    yield Metric("trial.folds", group, "Folds judged before the trial ended.", "folds")
    yield Metric("trial.seconds", group, "Wall-clock time of all its folds.", "s", _DOWN)
    yield Metric("sweep.trials", group, "Trials that ended, whatever their end.", "trials")
    yield Metric("sweep.stopped_early", group, "Trials that were stopped after a poor fold.", "trials")
    yield Metric("sweep.failed", group, "Trials that failed.", "trials", _DOWN)
    yield Metric("sweep.seconds", group, "Wall-clock time of the sweep since it was last started.", "s", _DOWN)
    yield Metric("sweep.shipped.{member}.log_loss", group, "Log-loss of a shipped member, a curve over folds.", "nats")
    yield Metric(
        "sweep.{judged}.{ensemble}.difference",
        group,
        "Log-loss of the tuned recipe minus the shipped one.",
        "nats",
        _DOWN,
    )
    yield Metric("sweep.{judged}.{ensemble}.low", group, "Lower end of its interval over meetings.", "nats", _DOWN)
    yield Metric("sweep.{judged}.{ensemble}.high", group, "Upper end of its interval.", "nats", _DOWN)
    yield Metric("sweep.{judged}.{ensemble}.races", group, "Races it was measured on.", "races")


METRICS: tuple[Metric, ...] = (*_performance(), *_training(), *_data(), *_ensemble(), *_inference(), *_sweep())
"""Every metric, in the order of the docs."""


PARAMETERS: tuple[Parameter, ...] = tuple(
    Parameter(name, group, meaning)
    for group, rows in (
        (
            Group.SPLIT,
            {
                "split.{setting}": "Setting of the split by date, such as `test_share`, `purge_days`.",
                "split.{span}.first_date": "First race date of the period.",
                "split.{span}.last_date": "Last race date of the period.",
                "split.{span}.races": "Races in the period.",
                "split.{span}.runners": "Runners in the period.",
                "evaluation.{setting}": "Setting of the report: which races count, relevance of the places.",
            },
        ),
        (
            Group.FEATURES,
            {
                "features.set": "Feature sets that were built, joined by commas.",
                "features.version": "Version of the feature registry; part of what a package is checked against.",
                "features.overround": "How the margin was taken out of the odds.",
                "features.{ensemble}.columns": "Number of feature columns the ensemble sees.",
            },
        ),
        (
            Group.MEMBERS,
            {
                "members": "Names of the members, joined by commas.",
                "members.{member}.family": "Family of the member, such as `lambdarank`.",
                "members.{member}.{setting}": "Hyperparameter of the member.",
            },
        ),
        (
            Group.ENSEMBLE,
            {
                "aggregation.method": "What of the members is weighed, in the ensemble that answers with odds.",
                "aggregation.{ensemble}.method": "The same of each ensemble, such as `log_linear`, `rank`.",
                "aggregation.{ensemble}.objective": "What fitted weights are best at, such as `log_loss`.",
                "aggregation.{ensemble}.weights": "How weights came about: `even`, `given`, `shrunk`, `fitted by ...`.",
                "calibration.method": "Calibration of the shipped answer: `none`, `power` or `isotonic`.",
                "calibration.{setting}": "Setting of the calibration.",
            },
        ),
        (
            Group.DATA,
            {
                "data.name": "Last part of the dataset's path; the whole path would tell of the machine, not the data.",
                "data.fingerprint": "Hash of what the dataset says.",
                "data.source": "Raw layouts the rows came from, joined by commas.",
                "data.rows": "Runner rows.",
                "data.races": "Races.",
                "data.first_date": "First race date.",
                "data.last_date": "Last race date.",
            },
        ),
        (
            Group.SWEEP,
            {
                "trial.phase": "`members` (hyperparameters) or `weights` (how members are pooled).",
                "trial.number": "Number of the trial within its phase.",
                "trial.member": "Member that a trial of the phase `members` tried other hyperparameters of.",
                "trial.pool": "Answer that a trial of the phase `weights` pooled: `form` or `model`.",
                "pool.{setting}": "Setting of the pool that a trial of the phase `weights` judged.",
                "sweep.{setting}": "Setting of the sweep: families, folds, first share, reduction.",
            },
        ),
        (
            Group.PROVENANCE,
            {
                "seed": "Seed of everything random.",
                "git.commit": "Commit of the code, or `unknown` outside a working copy.",
                "git.dirty": "`true` where the working copy differed from that commit.",
                "code.version": "Version of the installed package `equine-oracle`.",
                "python.version": "Version of the interpreter.",
                "library.{package}": "Version of a library that decides the result.",
            },
        ),
    )
    for name, meaning in rows.items()
)
"""Every parameter, in the order of the docs."""


def metric(name: str) -> Metric:
    """Return the metric that a concrete name belongs to.

    >>> metric("test.members.lambdarank.ndcg_at_3").direction
    <Direction.UP: 'up'>

    Raises:
        Undeclared: no metric covers the name; names the nearest ones.
    """
    return find(METRICS, name, "metric")


def parameter(name: str) -> Parameter:
    """Return the parameter that a concrete name belongs to.

    Raises:
        Undeclared: no parameter covers the name; names the nearest ones.
    """
    return find(PARAMETERS, name, "parameter")


def flatten(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return the leaves of nested mappings under their dotted names, as reports and settings are nested.

    >>> flatten({"test": {"model": {"mrr": 0.5}, "races": 9}})
    {'test.model.mrr': 0.5, 'test.races': 9}
    """
    leaves: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def numbers_of(tree: Mapping[str, object]) -> dict[str, object]:
    """Return the leaves of a report that are metrics: its numbers, and None where a metric could not be measured.

    Words, such as dates and reasons, are left out; the whole report belongs into an artifact.

    >>> numbers_of({"test": {"first_date": "2026-01-01", "races": 9, "form": {"ece": None}, "market": None}})
    {'test.races': 9, 'test.form.ece': None}
    """
    return {
        name: value
        for name, value in flatten(tree).items()
        if isinstance(value, int | float) or (value is None and any(m.covers(name) for m in METRICS))
    }


def table() -> str:
    """Return the catalogue as the Markdown that `docs/tracking.md` holds between its two markers."""
    lines = ["### Metrics", ""]
    for group in Group:
        rows = [m for m in METRICS if m.group is group]
        if rows:
            lines += [f"**{group.value}**", "", "| name | unit | better | meaning |", "|---|---|---|---|"]
            lines += [f"| `{m.name}` | {m.unit} | {m.direction.value} | {m.meaning} |" for m in rows]
            lines.append("")
    lines += ["### Parameters", "", "| name | group | meaning |", "|---|---|---|"]
    lines += [f"| `{p.name}` | {p.group.value} | {p.meaning} |" for p in PARAMETERS]
    lines += ["", "### Placeholders", "", "| placeholder | stands for |", "|---|---|"]
    lines += [f"| `{{{name}}}` | {meaning} |" for name, (_, meaning) in PLACEHOLDERS.items()]
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- catalogue: begin -->\n", "<!-- catalogue: end -->\n"


def renewed(page: str) -> str:
    """Return the docs page with the table between its two markers written again."""
    head, _, rest = page.partition(BEGIN)
    return head + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    import sys

    sys.stdout.write(renewed(sys.stdin.read()))
