"""The tree of all settings and how it is read: defaults, then oracle.toml, then the environment, then flags."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from oracle.errors import BadSetting
from oracle.settings.policies import (
    CalibrationPolicy,
    CandidatePolicy,
    CheckPolicy,
    DriftPolicy,
    EvaluationPolicy,
    ExperimentPolicy,
    GatePolicy,
    GuardrailPolicy,
    LeakPolicy,
    MarketPolicy,
    Policy,
    RetrainingPolicy,
    SplitPolicy,
)
from oracle.settings.services import (
    AlertSettings,
    ArtifactSettings,
    GovernanceSettings,
    ServingSettings,
    StoreSettings,
    TrackingSettings,
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
    artifacts: ArtifactSettings = ArtifactSettings()
    store: StoreSettings = StoreSettings()
    serving: ServingSettings = ServingSettings()
    experiment: ExperimentPolicy = ExperimentPolicy()
    guardrails: GuardrailPolicy = GuardrailPolicy()
    candidate: CandidatePolicy = CandidatePolicy()
    retraining: RetrainingPolicy = RetrainingPolicy()
    alerts: AlertSettings = AlertSettings()
    drift: DriftPolicy = DriftPolicy()
    governance: GovernanceSettings = GovernanceSettings()

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
        value=_may_be_shown(key, first.get("input")),
        next_step="see docs/settings.md for every key, its default and its range",
    )


def _may_be_shown(key: str, value: object) -> object:
    """Return a value as an error may repeat it: a secret not at all, nor a whole group that may hold one."""
    field = dict(keys()).get(key)
    if field is None or "SecretStr" in str(field.annotation) or not isinstance(value, str | int | float | bool):
        return None
    return re.sub(r"(?<=://)[^/@]*@", "", value) if isinstance(value, str) else value


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
