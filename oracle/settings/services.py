"""Where the parts of a running system are, and how they are reached: tracking, serving, the store."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from oracle.settings.policies import Policy


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
    follow_seconds: float = Field(
        30.0, ge=0, description="Seconds between two looks at which version the alias names; 0: only when told to."
    )
    replay: bool = Field(
        False, description="Let requests tell the time (`X-Oracle-Now`): for `oracle replay` only, never in service."
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
