"""Every number a user may turn, in one frozen tree: defaults, then oracle.toml, then the environment, then flags.

A number stands on the policy that its consumer takes, and nowhere else. Only the edges (command line, jobs, serving)
call `load`; everything below is handed the policy it needs. Unknown keys are refused, so that a misspelt setting is an
error and never a silent default.
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from oracle.errors import BadSetting


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


class TrackingSettings(Policy):
    """Where runs and models are recorded."""

    uri: str | None = Field(None, description="MLflow tracking server; by default a SQLite file under home.")
    experiment: str = Field("equine-oracle", min_length=1, description="Name of the MLflow experiment.")
    model_name: str = Field("equine-oracle", min_length=1, description="Name of the registered model.")
    alias: str = Field("production", pattern="^[A-Za-z0-9_-]+$", description="Alias that serving follows.")


class ServingSettings(Policy):
    """The HTTP endpoint."""

    host: str = Field("127.0.0.1", description="Address that `oracle serve` binds.")
    port: int = Field(8000, ge=1, le=65535, description="Port that `oracle serve` binds.")
    replicas: int = Field(1, ge=1, description="Number of gateway replicas.")
    max_body_bytes: int = Field(262_144, ge=1024, description="Largest request body accepted.")
    cached: int = Field(4_096, ge=0, description="Cards whose answers a replica keeps for those who ask again.")
    token: SecretStr | None = Field(
        None, description="Token (`Authorization: Bearer`) that all under /v1 but health asks for; off unless set."
    )
    results_token: SecretStr | None = Field(
        None, description="Token for telling results instead; by default `serving.token`."
    )
    pseudonym_key: SecretStr | None = Field(
        None, description="Key under which users are hashed and assigned; by default a file under home, made once."
    )
    challengers: int = Field(1, ge=0, le=8, description="Slots for challengers, each a deployment of its own.")
    treatment_timeout_ms: float = Field(
        250.0, gt=0, description="Milliseconds after which the control answers for a challenger."
    )
    composition: Literal["fused", "distributed"] = Field(
        "fused", description="Members of the control in the gateway's own process, or each in a deployment of its own."
    )
    ingress: Literal["haproxy", "python"] = Field(
        "haproxy", description="What listens for `oracle serve`: HAProxy, or Ray Serve's own proxy, which costs more."
    )


class StoreSettings(Policy):
    """Where predictions, results, events and experiments are kept."""

    uri: SecretStr | None = Field(
        None,
        description="Database: `postgresql://user:password@host/name`, `sqlite:///path`; by default a file under home.",
    )


class Settings(BaseSettings):
    """The whole tree. Environment: ORACLE_HOME, ORACLE_SPLIT__TEST_SHARE, ...; file: oracle.toml or ORACLE_CONFIG."""

    model_config = SettingsConfigDict(
        env_prefix="ORACLE_", env_nested_delimiter="__", frozen=True, extra="forbid", toml_file="oracle.toml"
    )

    home: Path = Field(
        Path("~/.equine-oracle"), description="Folder of everything embedded: MLflow database, artifacts, our store."
    )
    seed: int = Field(7, ge=0, description="Seed of everything random.")
    check: CheckPolicy = CheckPolicy()
    split: SplitPolicy = SplitPolicy()
    evaluation: EvaluationPolicy = EvaluationPolicy()
    calibration: CalibrationPolicy = CalibrationPolicy()
    market: MarketPolicy = MarketPolicy()
    leak: LeakPolicy = LeakPolicy()
    gate: GatePolicy = GatePolicy()
    tracking: TrackingSettings = TrackingSettings()
    store: StoreSettings = StoreSettings()
    serving: ServingSettings = ServingSettings()
    experiment: ExperimentPolicy = ExperimentPolicy()
    guardrails: GuardrailPolicy = GuardrailPolicy()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, strongest first: flags, environment, file."""
        file = Path(os.environ.get("ORACLE_CONFIG", "oracle.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @property
    def root(self) -> Path:
        """The home folder, absolute: workers of a cluster run elsewhere than the caller."""
        return self.home.expanduser().absolute()

    @property
    def tracking_uri(self) -> str:
        """The MLflow address in force."""
        return self.tracking.uri or f"sqlite:///{self.root / 'mlflow.db'}"


BESIDE: frozenset[str] = frozenset({"ORACLE_CONFIG", "ORACLE_TEST_DATA"})
"""Environment names of ours that are no settings: where the file is, and where the tests find real races."""


OF_A_DATABASE: frozenset[str] = frozenset(
    {"ORACLE_BASE", "ORACLE_HOSTNAME", "ORACLE_PATH", "ORACLE_SID", "ORACLE_UNQNAME"}
)
"""Names that a database of the same name puts into the environment: no misspelling of ours."""


def keys() -> Iterator[tuple[str, FieldInfo]]:
    """Yield every key of the tree with its field, such as `split.test_share`, in the order of the tree."""
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Policy):
            yield from ((f"{name}.{inner}", told) for inner, told in kind.model_fields.items())
        else:
            yield name, field


def environment_name(key: str) -> str:
    """Return the environment variable of a key.

    >>> environment_name("split.test_share")
    'ORACLE_SPLIT__TEST_SHARE'
    """
    return "ORACLE_" + key.replace(".", "__").upper()


def load(**flags: Any) -> Settings:
    """Read the settings once, at a process edge.

    Args:
        flags: Values given on the command line, by field name; None means not given.

    Raises:
        BadSetting: a key is unknown or a value impossible; names the key, the value and what is allowed.
    """
    _refuse_unknown_names(os.environ)
    named = os.environ.get("ORACLE_CONFIG")
    if named and not Path(named).is_file():
        raise BadSetting(
            "ORACLE_CONFIG names no file", value=named, next_step="name the settings file, or unset ORACLE_CONFIG"
        )
    try:
        return Settings(**{k: v for k, v in flags.items() if v is not None})
    except ValidationError as error:
        raise _named(error) from error
    except (OSError, ValueError) as error:
        raise BadSetting(
            f"the settings cannot be read: {error}", next_step="mend oracle.toml, or the environment variable named"
        ) from error


def _named(error: ValidationError) -> BadSetting:
    """Return the first fault as one sentence of ours."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown(key, [name for name, _ in keys()])
    return BadSetting(
        f"setting {key}: {first['msg']}",
        value=first.get("input"),
        next_step="see docs/settings.md for every key, its default and its range",
    )


def _refuse_unknown_names(names: Iterable[str]) -> None:
    """Refuse a misspelt variable: pydantic passes over names it does not know, and the default would silently rule."""
    known = {environment_name(key) for key, _ in keys()} | BESIDE | OF_A_DATABASE
    known |= {name.rpartition("__")[0] for name in known if "__" in name}  # a whole group, as JSON
    for name in names:
        if name.upper().startswith("ORACLE_") and name.upper() not in known:
            raise _unknown(name, sorted(known - OF_A_DATABASE))


def _unknown(name: str, known: list[str]) -> BadSetting:
    near = difflib.get_close_matches(name.upper() if name.isupper() else name, known, n=1, cutoff=0.0)
    return BadSetting(
        "no such setting",
        value=name,
        allowed=f"the nearest is {near[0]}",
        next_step="see docs/settings.md for every key, its default and its range",
    )
