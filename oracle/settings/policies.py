"""The policies: frozen bundles of numbers, each taken whole by the one consumer it is named for."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Policy(BaseModel):
    """A frozen bundle of numbers that one consumer takes whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitPolicy(Policy):
    """How history is cut, by date and in whole races, into training, validation and test."""

    test_share: float = Field(
        0.2, gt=0, lt=1, description="Share of the race dates, the latest ones, kept for the test."
    )
    validation_share: float = Field(
        0.15, gt=0, lt=1, description="Share of the dates before the test on which members stop, blend and calibrate."
    )
    purge_days: int = Field(
        0, ge=0, description="Days left out between two periods, for features that look further than the off."
    )


class CheckPolicy(Policy):
    """What is possible in racing; anything outside is a slip of a key or a unit.

    A row outside a limit is quarantined, except for ratings: a figure somebody wrote after the race is emptied and
    counted, for one wrong figure must not cost a true result.
    """

    weight_kg: tuple[float, float] = Field((35.0, 90.0), description="Lightest and heaviest weight carried.")
    body_weight_kg: tuple[float, float] = Field((200.0, 800.0), description="Lightest and heaviest horse.")
    age: tuple[int, int] = Field((1, 25), description="Youngest and oldest runner, years.")
    distance_m: tuple[int, int] = Field((200, 12_000), description="Shortest and longest race, metres.")
    speed_m_s: tuple[float, float] = Field((4.0, 22.0), description="Slowest and fastest mean speed of a finisher.")
    rating: tuple[float, float] = Field(
        (0.0, 250.0), description="Lowest and highest speed and performance rating; others are emptied and counted."
    )
    highest_odds: float = Field(10_000.0, gt=1, description="Longest decimal odds.")
    largest_field: int = Field(60, ge=2, description="Most runners, and so the highest position.")
    earliest: dt.date = Field(dt.date(1750, 1, 1), description="First possible date of a race.")
    future_days: int = Field(1, ge=0, description="Days after now that a result may be dated (time zones).")
    most_lost: float = Field(
        0.5, gt=0, le=1, description="A race that lost a larger share of its starters to the quarantine is left out."
    )

    @field_validator("weight_kg", "body_weight_kg", "age", "distance_m", "speed_m_s", "rating")
    @classmethod
    def _lower_first(cls, pair: tuple[float, float]) -> tuple[float, float]:
        if pair[0] > pair[1]:
            raise ValueError("the lower limit stands first")
        return pair


class EvaluationPolicy(Policy):
    """Which races count in a report, and what is relevant in them."""

    min_finishers: int = Field(4, ge=2, description="Races with fewer finishers are left out: ranking three is easy.")
    relevance: tuple[float, ...] = Field(
        (3.0, 2.0, 1.0), description="Relevance of first, second, third; the gain is 2**relevance - 1."
    )
    calibration_bins: int = Field(20, ge=2, description="Equal-count bins of the expected calibration error.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples (of whole meetings) behind an interval.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of an interval.")


class CalibrationPolicy(Policy):
    """How win probabilities are calibrated, on the validation dates."""

    method: Literal["auto", "none", "power", "isotonic"] = Field(
        "auto",
        description="Kind of calibration; `auto` takes the simplest that held-out days do not tell from the best.",
    )
    folds: int = Field(5, ge=2, description="Blocks of days that `auto` fits and judges on in turn.")


class MarketPolicy(Policy):
    """How odds become probabilities."""

    overround: Literal["multiplicative", "power", "shin"] = Field(
        "multiplicative", description="How the margin is taken out of the odds; a model keeps the one it learned with."
    )


class LeakPolicy(Policy):
    """What an honest number may do, and what only one that knew the result does; docs/metrics.md has the measurements.

    `..._over_form` holds where a history has no odds: form leaves more unsaid than a market does.
    """

    gain: float = Field(
        0.005, gt=0, description="Pseudo-R2 that a model or a single column may add to the fitted market on final odds."
    )
    gain_over_form: float = Field(0.12, gt=0, description="The same for a column where the expectation is form.")
    own: float = Field(0.3, gt=0, lt=1, description="Correlation of a column with its own race's surprise.")
    own_over_form: float = Field(0.4, gt=0, lt=1, description="The same where the expectation is form.")
    next: float = Field(0.2, gt=0, lt=1, description="Correlation of a column with the surprise of the next race.")
    moves: float = Field(
        0.2, gt=0, lt=1, description="Correlation of a column's change along a career with its own race's surprise."
    )
    moves_over_form: float = Field(0.28, gt=0, lt=1, description="The same where the expectation is form.")
    closeness: float = Field(
        0.5, gt=0, lt=1, description="Share of chance's distance that a constant of an owner keeps from its results."
    )
    closeness_errors: float = Field(3.0, gt=0, description="Standard errors by which it must be nearer than chance.")
    missing: float = Field(0.4, gt=0, lt=1, description="Correlation of being missing with not finishing.")
    chance: float = Field(0.001, gt=0, lt=1, description="Chance of one false suspect among all columns looked at.")
    old_results: float = Field(
        2.0, ge=0, description="Times the gain of earlier results alone that is added to what a gain may be."
    )
    old_results_at_most: float = Field(0.05, ge=0, description="The most that is added for it.")
    errors: float = Field(3.0, gt=0, description="Standard errors by which a model must be beyond a limit.")


class GatePolicy(Policy):
    """What a training must reach to be registered."""

    min_ndcg_at_3: float | None = Field(
        None, gt=0, lt=1, description="NDCG@3 on the test that a model must reach; off unless set."
    )


class GuardrailPolicy(Policy):
    """What a challenger on live traffic may not do; a breach rolls it back by itself."""

    alpha: float = Field(
        0.001, gt=0, lt=0.5, description="Chance that a harmless challenger is ever rolled back, each."
    )
    min_predictions: int = Field(
        100, ge=1, description="Predictions of the challenger before latency and failures count."
    )
    max_failure_rate: float = Field(
        0.01, gt=0, lt=1, description="Share of its requests that the control may have to answer in its place."
    )
    max_p95_ratio: float = Field(1.5, ge=1, description="Its 95th percentile of latency, times the control's.")
    p95_slack_ms: float = Field(5.0, ge=0, description="Milliseconds added to that limit, so that noise is no breach.")
    min_races: int = Field(100, ge=2, description="Races with results before the calibration counts.")
    max_log_loss_increase: float = Field(
        0.01, ge=0, description="Nats of log-loss that it may surely lose to the control."
    )


class ExperimentPolicy(Policy):
    """How two versions are tested on live traffic; frozen into the plan when a test starts."""

    effect: float = Field(
        0.01, gt=0, lt=1, description="Improvement of NDCG@3 wanted, as a share of the control's mean."
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="Chance of a false alarm over all looks and all challengers.")
    power: float = Field(0.8, gt=0, lt=1, description="Chance of seeing the effect in the planned time.")
    share: float = Field(0.1, gt=0, lt=1, description="Share of the units that a challenger answers.")
    min_days: float = Field(7.0, ge=0, description="Days before a verdict, or min_predictions, see floors.")
    min_predictions: int = Field(1000, ge=0, description="Predictions before a verdict, or min_days, see floors.")
    floors: Literal["either", "both"] = Field(
        "either", description="Whether one of min_days and min_predictions must be reached, or both."
    )
    max_days: float = Field(180.0, gt=0, description="Days after which a test without a decision ends.")
    sample_ratio_p: float = Field(0.001, gt=0, lt=0.5, description="Sample-ratio p below which nothing is decided.")


class CandidatePolicy(Policy):
    """How a retraining makes a candidate, what the candidate must show, and how it gets into service."""

    data: str | None = Field(
        None, description="Dataset that a retraining begins with: a folder, or s3://bucket/prefix."
    )
    holdout_days: int = Field(
        60, ge=1, description="Latest days that the candidate does not learn from, and is judged on."
    )
    holdout_share: float = Field(0.25, gt=0, lt=1, description="Most of the race dates that the holdout may take.")
    trials: int = Field(0, ge=0, description="Trials of a sweep before the training; 0 keeps the recipe in service.")
    sweep_seconds: float | None = Field(None, gt=0, description="Time for that sweep; no bound unless set.")
    pools: Literal["served", "form", "market", "both"] = Field(
        "served", description="Answers that are judged: those that are served now, form, with the market, or both."
    )
    min_races: int = Field(100, ge=10, description="Holdout races that neither version learned from, at least.")
    min_meetings: int = Field(10, ge=2, description="Meetings that these races are of, at least.")
    ndcg_margin: float = Field(0.02, ge=0, description="NDCG@3 that the candidate may lose at the most.")
    log_loss_margin: float = Field(0.02, ge=0, description="Nats of log-loss that it may lose at the most.")
    improvement: Literal["likely", "sure"] = Field(
        "likely", description="Better in the mean, or with an interval that excludes 0, in log-loss or NDCG@3."
    )
    slice_margin: float = Field(0.1, ge=0, description="Nats that a slice of the races may surely lose at the most.")
    slice_races: int = Field(50, ge=10, description="Races of a slice that is judged, at least.")
    max_ece: float = Field(0.05, gt=0, lt=1, description="Calibration error that is allowed to any candidate.")
    ece_slack: float = Field(0.01, ge=0, description="Calibration error above the production's that is allowed.")
    max_latency_ms: float = Field(100.0, gt=0, description="95th percentile of the time that one card may take.")
    evidence: Literal["not worse", "better"] = Field(
        "not worse", description="What must be shown where no live test is held: no harm, or a verdict that says ship."
    )
    live: Literal["if possible", "always", "never"] = Field(
        "if possible", description="Live test: where it can end in its time, in any case, or never."
    )
    share: float = Field(0.1, gt=0, lt=1, description="Share of the units that the candidate answers in a live test.")
    test_days: float = Field(60.0, gt=0, description="Days for a live test, and for the wait until one can begin.")
    max_attempts: int = Field(10, ge=1, description="Times that a step is begun before the retraining is given up.")


class RetrainingPolicy(Policy):
    """When a model is trained anew by itself, and what holds that back."""

    on: tuple[Literal["data", "prediction", "concept", "outcome"], ...] = Field(
        ("data", "prediction", "concept", "outcome"),
        description="Kinds of drift that start a retraining; the others are alarms only.",
    )
    data_share: float = Field(
        0.25, ge=0, le=1, description="Share of the measured columns that must drift before data drift starts one."
    )
    every_days: float | None = Field(
        None, gt=0, description="Days after which a training is due anyway; off unless set."
    )
    new_races: int | None = Field(
        None, ge=1, description="Races with results since the last training that make a new one due; off unless set."
    )
    min_new_races: int = Field(
        100, ge=0, description="Races with results since the last training below which none starts: nothing is new."
    )
    cooldown_days: float = Field(7.0, ge=0, description="Days from the start and from the end of one to the next.")
    per_week: int = Field(2, ge=1, description="Retrainings started within any seven days.")
    attempts: int = Field(3, ge=1, description="Jobs submitted for one retraining before it counts as failed.")
    patience_hours: float = Field(
        6.0, gt=0, description="Hours that a job may run; one that runs longer is stopped and submitted again."
    )


class DriftPolicy(Policy):
    """When two windows of racing differ so much that somebody should be told.

    Two things must come together: the difference is no accident (`alpha`, over races that are not independent), and it
    is large enough to matter (the floors). docs/drift.md has the measurements behind the defaults.
    """

    alpha: float = Field(
        0.05, gt=0, lt=0.5, description="False discovery rate over features; level of each other test of a check."
    )
    cluster: Literal["race", "meeting", "day"] = Field(
        "day", description="What is taken as independent: races, meetings, or all the racing of a day."
    )
    ks: float = Field(0.09, ge=0, le=1, description="Distance of two numeric columns (KS) from which it matters.")
    psi: float = Field(0.1, ge=0, description="PSI of a categorical column from which it matters.")
    missing: float = Field(0.05, ge=0, le=1, description="Change of a column's missing share from which it matters.")
    ignore: tuple[str, ...] = Field(
        (), description="Columns that are measured and never judged, such as prize money that rises every year."
    )
    min_rows: int = Field(200, ge=2, description="Rows a window needs; with fewer nothing could be measured.")
    min_races: int = Field(100, ge=2, description="Races with results a window needs for concept and outcome.")
    min_clusters: int = Field(8, ge=2, description="Races or meetings a window needs: their scatter is the yardstick.")
    min_months: int = Field(
        6, ge=3, description="Months a reference needs before their scatter is a yardstick for its columns too."
    )
    ndcg_drop: float = Field(
        0.02, gt=0, lt=1, description="Fall of NDCG@3 that is decay, as a share of the reference's mean."
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of the intervals of a check.")
    prediction: float = Field(0.1, ge=0, description="PSI of the predictions from which it matters.")
    outcome: float = Field(0.05, ge=0, description="PSI of a distribution of results from which it matters.")
    strike_rate: float = Field(
        0.05, ge=0, lt=1, description="Change of the favourites' wins beyond their odds from which it matters."
    )
    times: float = Field(0.01, ge=0, lt=1, description="Relative change of winning times from which it matters.")
    season_weeks: int = Field(
        2, ge=0, le=26, description="Weeks added on either side of the same weeks of earlier years."
    )
