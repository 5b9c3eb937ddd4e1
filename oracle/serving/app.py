"""The app that Ray Serve runs: arguments validated at the door, plain classes decorated, and nothing else.

`serve run serve_config.yaml`, `serve deploy serve_config.yaml` and `oracle serve` all end in `build`.
"""

from collections.abc import Sequence
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve import Application
from ray.serve.context import _get_global_client  # there is no public way to http_options
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from oracle.ensemble.race_model import RaceModel
from oracle.experiment.assignment import arm_names
from oracle.features.matrix import RaceMatrix
from oracle.race import RaceCard
from oracle.ranking.races import Floats
from oracle.serving.challenger import Ask, Fallback, Reply
from oracle.serving.door import Door
from oracle.serving.exporter import Exporter
from oracle.serving.members import AskMember
from oracle.serving.registered import Registered
from oracle.serving.replicas import ChallengerProcess, GatewayProcess, MemberProcess
from oracle.serving.version import Target
from oracle.serving.wiring import REPLICA_ENVIRONMENT, GatewayArgs, Wiring, check_place, wire, with_key

# Ray looks at the annotation of `build` as an object, so this file does not postpone the evaluation of annotations.

CONNECTIONS_LOST = ("AioRpcError", "ActorDiedError", "ActorUnavailableError", "ConnectionError")


class Replica:
    """One process that answers over HTTP."""

    def __init__(
        self,
        wiring: Wiring,
        challengers: dict[str, DeploymentHandle[Any]],
        members: dict[str, DeploymentHandle[Any]],
    ) -> None:
        check_place(wiring.settings.serving, _host())
        replica = serve.get_replica_context().replica_id.unique_id
        self._process = GatewayProcess(
            wiring,
            {arm: _asked(handle) for arm, handle in challengers.items()},
            cause=cause,
            export=Exporter(replica),
            replica=replica,
            peers=lambda: serve.get_replica_context().world_size,
            members={name: _scored(handle) for name, handle in members.items()},
        )

    def __serve_build_asgi_app__(self) -> Door:
        """Return the HTTP application; Ray asks for it once the replica stands."""
        return self._process.app

    async def reconfigure(self, user_config: Any) -> None:
        """Follow another routing without a restart; a bad one keeps the last good."""
        await self._process.reconfigure(user_config)

    def __del__(self) -> None:
        """Write what was handed in before the process ends."""
        if hasattr(self, "_process"):
            self._process.close()


def _host() -> str | None:
    """Return the address that this Serve listens on; None where there is no Serve (yet)."""
    client = _get_global_client(raise_if_no_controller_running=False) if ray.is_initialized() else None
    return None if client is None else str(client.http_config.host)


def _asked(handle: DeploymentHandle[Any]) -> Ask:
    async def ask(cards: Sequence[RaceCard], target: Target, form: int) -> Reply | None:
        told: Reply | None = await handle.score.remote(list(cards), target, form)
        return told

    return ask


def _scored(handle: DeploymentHandle[Any]) -> AskMember:
    async def ask(matrix: RaceMatrix, version: str) -> Floats | None:
        told: Floats | None = await handle.score.remote(matrix, version)
        return told

    return ask


def cause(error: BaseException) -> Fallback:
    """Return what kind of failure of a challenger an exception is."""
    if isinstance(error, RayTaskError):
        return "error"
    if isinstance(error, RayActorError | DeploymentUnavailableError) or type(error).__name__ in CONNECTIONS_LOST:
        return "dead"
    return "error"


def _options(cpus: float) -> dict[str, Any]:
    """Return what a replica runs with; cores are a reservation and no limit, small enough to fit beside a training."""
    return {"num_cpus": cpus, "runtime_env": {"env_vars": REPLICA_ENVIRONMENT}}


# Far more requests than one core answers at once: the rest waits in the replica, not in a refusal.
GATEWAY = serve.deployment(name="gateway", max_ongoing_requests=256, ray_actor_options=_options(0.5))(
    serve.ingress()(Replica)
)
"""The ingress with the control; serve_config.yaml may override its options under the same name."""

CHALLENGER = serve.deployment(max_ongoing_requests=64, ray_actor_options=_options(0.25))(ChallengerProcess)
"""A challenger; each has the name of its arm."""

MEMBER = serve.deployment(max_ongoing_requests=256, ray_actor_options=_options(0.1))(MemberProcess)
"""A member of the control, where `composition` is distributed; each is called `member-` and its own name."""


def build(args: GatewayArgs) -> Application:
    """Return the application for Ray Serve.

    Args:
        args: The `args` of the application in serve_config.yaml, as a mapping or validated.
    """
    return application(args)


def application(args: GatewayArgs, challenger: serve.Deployment = CHALLENGER) -> Application:
    """Return the application with challengers of the given kind.

    Args:
        args: As for `build`.
        challenger: The deployment of a challenger, without its name.
    """
    wiring = with_key(wire(GatewayArgs.model_validate(args)))
    serving = wiring.settings.serving
    if (host := _host()) is not None:  # here it is said at once; each replica looks again
        check_place(serving, host)
    arms = {arm: challenger.options(name=arm).bind(wiring, arm) for arm in arm_names(serving.challengers)}
    members = {name: MEMBER.options(name=f"member-{name}").bind(wiring, name) for name in _members(wiring)}
    bound: Application = GATEWAY.options(num_replicas=serving.replicas).bind(wiring, arms, members)
    return bound


def _members(wiring: Wiring) -> tuple[str, ...]:
    """Return the members that get deployments of their own: those with a weight in the version that is in force now."""
    if wiring.settings.serving.composition == "fused":
        return ()
    model = Registered(wiring.settings).load(wiring.target, in_force=None).model
    if not isinstance(model, RaceModel):
        return ()
    used = {**model.form.used, **(model.market.used if model.market else {})}
    return tuple(name for name in model.members if name in used)
