"""Where the parts of a running system are, and how they are reached: tracking, serving, the store."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from oracle.settings.policies import Policy


class TrackingSettings(Policy):
    """Where runs and models are recorded."""

    uri: str | None = Field(None, description="MLflow tracking server; by default a SQLite file under home.")
    experiment: str = Field("equine-oracle", min_length=1, description="Name of the MLflow experiment.")
    model_name: str = Field("equine-oracle", min_length=1, description="Name of the registered model.")
    alias: str = Field("production", pattern="^[A-Za-z0-9_-]+$", description="Alias that serving follows.")


ARTIFACT_SCHEMES = ("file", "s3", "sealed+file", "sealed+s3")


class ArtifactSettings(Policy):
    """Where the files of runs and models are kept, and the keys of those that are sealed."""

    uri: str | None = Field(
        None,
        description="Where a new experiment keeps its files where no server decides: `s3://bucket/prefix`, "
        "`file:///path`, or either with `sealed+` before it; by default a folder under home.",
    )
    key: SecretStr | None = Field(
        None, description="Keys of sealed artifacts, the one that seals first; see `oracle artifacts key`."
    )
    key_file: Path | None = Field(
        None, description="File of such keys, mode 0600; by default `artifact.keys` under home, where it is there."
    )

    @field_validator("uri")
    @classmethod
    def _known(cls, uri: str | None) -> str | None:
        if uri is None:
            return None
        parts = urlsplit(uri)
        if parts.scheme not in ARTIFACT_SCHEMES or parts.query or parts.fragment:
            raise ValueError(f"an address that begins with {', '.join(f'{s}://' for s in ARTIFACT_SCHEMES)}")
        if parts.scheme.endswith("s3") != bool(parts.netloc) or parts.username or parts.password:
            raise ValueError("s3 takes a bucket, a file an absolute path with three slashes; neither a password")
        if parts.scheme.endswith("file") and not parts.path.startswith("/"):
            raise ValueError("a file address with an absolute path, such as file:///srv/artifacts")
        if ".." in parts.path.split("/"):
            raise ValueError("an address without ..")
        return uri.rstrip("/")


class ServingSettings(Policy):
    """The HTTP endpoint."""

    host: str = Field("127.0.0.1", description="Address that `oracle serve` binds.")
    port: int = Field(8000, ge=1, le=65535, description="Port that `oracle serve` binds.")
    replicas: int = Field(1, ge=1, description="Number of gateway replicas.")
    max_body_bytes: int = Field(262_144, ge=1024, description="Largest request body accepted.")
    cached: int = Field(4_096, ge=0, description="Cards whose answers a replica keeps for those who ask again.")
    auth: Literal["tokens", "off"] = Field(
        "tokens", description="Who may use the API: holders of tokens, or everybody who reaches it (loopback only)."
    )
    tokens_stale_hours: float = Field(
        24.0, gt=0, description="Hours for which the tokens last read count while the store is away."
    )
    body_seconds: float = Field(10.0, gt=0, description="Seconds within which a request's body has to arrive.")
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
    patience_seconds: float = Field(
        1.0, gt=0, le=60, description="Seconds that an answer waits for the store before it goes to the journal."
    )
    spool_megabytes: int = Field(
        512,
        ge=0,
        description="Room of a replica's journal for what the store cannot take; 0: none, such cards get 503.",
    )


class GovernanceSettings(Policy):
    """Who has to say yes before a model goes into service."""

    approval: Literal["automatic", "four eyes"] = Field(
        "automatic", description="Whether gates that all pass are enough, or somebody other than the requester decides."
    )
    actor: str | None = Field(
        None,
        min_length=1,
        description="Who acts where no server knows it; by default the user of the operating system.",
    )
    expire_hours: float = Field(72.0, gt=0, description="Hours after which a request that nobody decided is void.")


SHORTEST_SECRET = 16
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class AlertSettings(Policy):
    """Who is told of drift, retrainings, verdicts and rollbacks, and how patiently."""

    webhooks: tuple[str, ...] = Field(
        (), description="Addresses that alerts are posted to: https, or http on loopback."
    )
    secret: SecretStr | None = Field(
        None, description="Key of the HMAC-SHA256 signature, 16 characters or more; needed where there is a webhook."
    )
    timeout_seconds: float = Field(5.0, gt=0, le=60, description="Seconds that a webhook has to answer.")
    first_wait_seconds: float = Field(
        30.0, gt=0, description="Seconds from a failed delivery to the next try, doubled each time."
    )
    longest_wait_seconds: float = Field(3600.0, gt=0, description="The longest such pause.")
    attempts: int = Field(24, ge=1, description="Tries after which a delivery is given up until it is asked for again.")
    repeat_hours: float = Field(24.0, gt=0, description="Hours after which a drift that lasts is told again.")

    @field_validator("webhooks")
    @classmethod
    def _safe(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            parts = urlsplit(address)
            if not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and _near(parts.hostname)))):
                raise ValueError("a webhook is an https address, or http on the loopback interface")
            if parts.username or parts.password:
                raise ValueError("a webhook carries no password: the signature says who sends")
        if len(set(addresses)) < len(addresses):
            raise ValueError("a webhook stands there twice")
        return addresses

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.webhooks and (self.secret is None or len(self.secret.get_secret_value()) < SHORTEST_SECRET):
            raise ValueError(
                "webhooks need an alerts.secret of 16 characters: a receiver must be able to tell who sends"
            )
        return self


def _near(host: str) -> bool:
    return host in LOOPBACK
