"""Every number a user may turn, in one frozen tree: defaults, then oracle.toml, then the environment, then flags.

A number stands on the policy that its consumer takes, and nowhere else. Only the edges (command line, jobs, serving)
call `load`; everything below is handed the policy it needs. Unknown keys are refused, so that a misspelt setting is an
error and never a silent default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
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


class EvaluationPolicy(Policy):
    """Which races count in a report, and what is relevant in them."""

    min_finishers: int = Field(4, ge=2, description="Races with fewer finishers are left out: ranking three is easy.")
    relevance: tuple[float, ...] = Field(
        (3.0, 2.0, 1.0), description="Relevance of first, second, third; the gain is 2**relevance - 1."
    )
    calibration_bins: int = Field(20, ge=2, description="Equal-count bins of the expected calibration error.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples (of whole meetings) behind an interval.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of an interval.")


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


class Settings(BaseSettings):
    """The whole tree. Environment: ORACLE_HOME, ORACLE_SPLIT__TEST_SHARE, ...; file: oracle.toml or ORACLE_CONFIG."""

    model_config = SettingsConfigDict(
        env_prefix="ORACLE_", env_nested_delimiter="__", frozen=True, extra="forbid", toml_file="oracle.toml"
    )

    home: Path = Field(
        Path("~/.equine-oracle"), description="Folder of everything embedded: MLflow database, artifacts, our store."
    )
    seed: int = Field(7, ge=0, description="Seed of everything random.")
    split: SplitPolicy = SplitPolicy()
    evaluation: EvaluationPolicy = EvaluationPolicy()
    tracking: TrackingSettings = TrackingSettings()
    serving: ServingSettings = ServingSettings()

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


def load(**flags: Any) -> Settings:
    """Read the settings once, at a process edge.

    Args:
        flags: Values given on the command line, by field name; None means not given.

    Raises:
        BadSetting: a key is unknown or a value impossible; names the key, the value and what is allowed.
    """
    try:
        return Settings(**{k: v for k, v in flags.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadSetting(
            f"setting {'.'.join(str(p) for p in first['loc'])}: {first['msg']}",
            value=first.get("input"),
            next_step="see docs/settings.md for every key, its default and its range",
        ) from error
    except (OSError, ValueError) as error:
        raise BadSetting(f"oracle.toml cannot be read: {error}", next_step="mend or remove the file") from error
