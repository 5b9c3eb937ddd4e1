"""The app with a challenger that does on certain cards what a broken model may do; only tests import it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

from ray import serve
from ray.serve import Application

from oracle.race import RaceCard
from oracle.serving.app import application
from oracle.serving.challenger import Reply
from oracle.serving.replicas import ChallengerProcess
from oracle.serving.version import Target
from oracle.serving.wiring import GatewayArgs

TROUBLE = {"raise", "hang", "kill"}


class Broken(ChallengerProcess):
    """Raises, hangs or kills its process where a card's race name says so."""

    async def score(self, cards: Sequence[RaceCard], target: Target, form: int = 0) -> Reply | None:
        """Answer, or do not."""
        for card in cards:
            if card.race_name == "raise":
                raise ZeroDivisionError
            if card.race_name == "hang":
                await asyncio.sleep(3600)
            if card.race_name == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        return await super().score(cards, target, form)


def build(args: dict[str, object]) -> Application:
    """Return the application with a challenger that breaks."""
    broken = serve.deployment(max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.5})(Broken)
    return application(GatewayArgs.model_validate(args), broken)
