"""The app that Ray Serve runs: arguments validated at the door, a plain class decorated, and nothing else.

`serve run serve_config.yaml`, `serve deploy serve_config.yaml` and `oracle serve` all end in `build`.
"""

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from oracle.serving import http
from oracle.serving.wiring import REPLICA_ENVIRONMENT, GatewayArgs, Wiring, gateway, wire

# Ray looks at the annotation of `build` as an object, so this file does not postpone the evaluation of annotations.


class Replica:
    """One process that answers over HTTP."""

    def __init__(self, wiring: Wiring) -> None:
        self._gateway = gateway(wiring)
        self._max_body_bytes = wiring.settings.serving.max_body_bytes

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP application; Ray asks for it once the replica stands."""
        return http.build(self._gateway, max_body_bytes=self._max_body_bytes)

    def reconfigure(self, user_config: Any) -> None:
        """Follow another version without a restart; a bad one keeps the last good."""
        self._gateway.reconfigure(user_config)


GATEWAY = serve.deployment(
    name="gateway",
    max_ongoing_requests=32,  # far above what one core answers at once: the rest waits in the router, not in a refusal
    ray_actor_options={"num_cpus": 0.5, "runtime_env": {"env_vars": REPLICA_ENVIRONMENT}},
)(serve.ingress()(Replica))
"""The deployment; serve_config.yaml may override its options under the same name."""


def build(args: GatewayArgs) -> Application:
    """Return the application for Ray Serve.

    Args:
        args: The `args` of the application in serve_config.yaml, as a mapping or validated.
    """
    wiring = wire(GatewayArgs.model_validate(args))
    application: Application = GATEWAY.options(num_replicas=wiring.settings.serving.replicas).bind(wiring)
    return application
