"""From the arguments of the app and the settings of the machine to a gateway that stands.

All that a replica needs is decided once, where the app is built, and handed over as absolute values: a replica runs in
another process, in another folder, maybe on another machine. Knows no Ray, so that the command line answers offline
with the same gateway.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from oracle import settings, store
from oracle.errors import BadInput, BadSetting, Unavailable
from oracle.serving.clock import Clock
from oracle.serving.gateway import Gateway
from oracle.serving.kit import Kit
from oracle.serving.registered import Registered
from oracle.serving.version import Target
from oracle.settings import LOOPBACK, ServingSettings, Settings
from oracle.store import Store

REPLICA_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""One thread per replica: two cost seven times the processor time as soon as requests overlap."""

BRIEFLY = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "AWS_MAX_ATTEMPTS": "2"}
"""How MLflow and S3 are asked while serving: by default they are tried again for minutes; what is away is better told,
and asked again later. What the environment says otherwise stays."""


PATIENCE = {"RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60"}
"""Ray kills a proxy that is not ready in five seconds, which a busy machine needs for its imports alone."""

KEY_FILE = "pseudonym.key"
SPOOL = "spool"
"""Folder under home for what waits while something is away."""
SILENCE = 10.0
"""Seconds after which a PostgreSQL that takes a question of serving and says nothing is given up."""


class GatewayArgs(BaseModel):
    """The `args` of the application in serve_config.yaml. What is left out comes from the settings of the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    home: Path | None = Field(None, description="Home folder; default: ORACLE_HOME, oracle.toml, ~/.equine-oracle.")
    tracking_uri: str | None = Field(
        None, min_length=1, description="MLflow address; default: the database under home."
    )
    model_name: str | None = Field(None, min_length=1, description="Name of the registered model.")
    alias: Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")] | None = Field(None, description="Alias to follow.")
    model_version: str | int | None = Field(None, description="Answer with this version, whatever the alias says.")
    replicas: int | None = Field(None, ge=1, description="Number of replicas.")
    max_body_bytes: int | None = Field(None, ge=1024, description="Largest request body accepted.")
    challengers: int | None = Field(None, ge=0, le=8, description="Slots for challengers.")
    treatment_timeout_ms: float | None = Field(None, gt=0, description="Milliseconds a challenger has.")
    composition: Literal["fused", "distributed"] | None = Field(None, description="Where members are scored.")


@dataclass(frozen=True, slots=True)
class Wiring:
    """All that a gateway needs."""

    settings: Settings
    """With an absolute home and an explicit tracking address."""
    target: Target
    key: bytes = b""
    """Key of pseudonyms and of assignment; empty where nobody is assigned."""


def wire(args: GatewayArgs) -> Wiring:
    """Return what the arguments, and where they are silent the settings of this machine, mean.

    Raises:
        BadSetting: a setting is unknown or impossible.
    """
    tracking = {"uri": args.tracking_uri, "model_name": args.model_name, "alias": args.alias}
    serving = {
        name: getattr(args, name)
        for name in ("replicas", "max_body_bytes", "challengers", "treatment_timeout_ms", "composition")
    }
    found = settings.load(home=args.home, tracking=_given(tracking), serving=_given(serving))
    explicit = found.tracking.model_copy(update={"uri": found.tracking_uri})
    return Wiring(
        found.model_copy(update={"home": found.root, "tracking": explicit}), Target(version=args.model_version)
    )


def with_key(wiring: Wiring) -> Wiring:
    """Return the same with the key of pseudonyms: the setting's, or the one in a file under home, made once.

    Raises:
        Unavailable: the file cannot be made or read.
    """
    given = _shown(wiring.settings.serving.pseudonym_key)
    secret = given.encode() if given is not None else _kept_key(wiring.settings.root / KEY_FILE)
    return Wiring(wiring.settings, wiring.target, key_of(secret))


def key_of(secret: bytes) -> bytes:
    """Return the key that a secret stands for."""
    return hashlib.blake2b(secret, digest_size=32).digest()


def known_key(settings: Settings) -> bytes:
    """Return the key of pseudonyms that is in use, and never make one.

    Raises:
        BadInput: there is none here.
    """
    given, file = _shown(settings.serving.pseudonym_key), settings.root / KEY_FILE
    if given is not None:
        return key_of(given.encode())
    if not file.is_file():
        raise BadInput(
            "the key that users are known by is not here, so nobody can be found",
            value=file,
            next_step="run it where the app is served, or set ORACLE_SERVING__PSEUDONYM_KEY as it is there",
        )
    return key_of(file.read_bytes().strip())


def _kept_key(file: Path) -> bytes:
    """Return the key in the file, which is made where it is missing; nobody ever reads half a key."""
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f"{file.name}.{os.getpid()}")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:  # noqa: PTH123
                out.write(secrets.token_hex(32))
            try:
                os.link(fresh, file)
            except FileExistsError:
                pass  # somebody else was first: theirs counts
            finally:
                fresh.unlink()
        return file.read_bytes().strip()
    except OSError as error:
        raise Unavailable(
            f"the key of pseudonyms cannot be kept: {error.strerror}",
            value=file,
            next_step="make the home folder writable, or set ORACLE_SERVING__PSEUDONYM_KEY",
        ) from error


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def ask_briefly() -> None:
    """Have this process wait for MLflow and S3 no longer than serving can; both read it from the environment."""
    for name, value in BRIEFLY.items():
        os.environ.setdefault(name, value)


def opened(wiring: Wiring) -> Store:
    """Return our store for a process that serves: one that this machine has met before may be away when it begins.

    A store that was never met has to answer, so that a misspelt address is told at once.

    Raises:
        Unavailable: it does not answer, and never did.
    """
    address = str(_shown(wiring.settings.store.uri))
    name = hashlib.blake2b(address.encode(), key=wiring.key, digest_size=8).hexdigest()
    met = wiring.settings.root / SPOOL / f"store-{name}.met"
    found = store.open(wiring.settings, silence=SILENCE, later=met.exists())
    if found.made:
        with contextlib.suppress(OSError):
            met.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            met.touch(mode=0o600)
    return found


def gateway(wiring: Wiring, kit: Kit | None = None, clock: Clock | None = None) -> Gateway:
    """Return a gateway with its model loaded, or one that knows why there is none.

    Args:
        wiring: All that it needs.
        kit: What it works with besides.
        clock: The clock of its process; by default the machine's.

    Raises:
        Unavailable: our store cannot be opened.
    """
    source = Registered(wiring.settings, wiring.key)
    kept = opened(wiring) if kit is not None and kit.spool is not None else store.open(wiring.settings)
    return Gateway(source, kept, wiring.target, kit=kit, now=clock or Clock())


def behind_haproxy() -> bool:
    """Tell whether HAProxy stands before the replicas of this Ray: the switch is in the environment of all of them."""
    return os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"


def check_place(serving: ServingSettings, host: str | None) -> None:
    """Return silently if the app may listen there.

    Args:
        serving: How the access is kept.
        host: Address that it listens on; None where it cannot be told.

    Raises:
        BadSetting: everybody is let in, and others than this machine might come.
    """
    if serving.auth == "off" and host not in LOOPBACK:
        raise BadSetting(
            "without tokens the API may listen on the loopback interface only",
            value=f"serving.auth = off, host {host or 'unknown'}",
            allowed=f"serving.auth = tokens, or host {', '.join(LOOPBACK)}",
            next_step="unset ORACLE_SERVING__AUTH and make a token (oracle tokens create), or mend the host: "
            "serving.host for `oracle serve`, http_options.host in serve_config.yaml",
        )


def ray_environment(address: str | None) -> dict[str, str]:
    """Return the environment under which Ray is to be imported: it reads how to authenticate at that moment only.

    A Ray of our own gets a token that only its processes know, because its ports are open to everybody on the machine.
    For one that is joined the environment decides, and a token file left by another run must not.
    """
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    joined = {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled")}
    return {**REPLICA_ENVIRONMENT, **PATIENCE, "RAY_USAGE_STATS_ENABLED": "0", **(joined if address else own)}
