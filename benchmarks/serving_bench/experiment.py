"""Starts a test of another version against the production version, as `oracle ab start` does, but one nothing ends.

    python -m benchmarks.serving_bench.experiment

At 64 connections on a busy machine a challenger's latency may well breach a guardrail, which would end the test and
with it what is to be measured; here the guardrails wait for more predictions than will ever come.
"""

from __future__ import annotations

import datetime as dt
import sys

from oracle import settings, store
from oracle.experiment.plan import Plan
from oracle.registry.versions import resolve, versions
from oracle.settings import GuardrailPolicy
from oracle.store import Experiment
from oracle.tracking.connection import connect

NAME, SHARE, NEVER = "benchmark", 0.1, 1_000_000_000


def main() -> int:
    """Start it; 0 once it is in the store."""
    found = settings.load()
    tracking = connect(found)
    control = resolve(tracking).number
    others = [version.number for version in versions(tracking) if version.number != control]
    if not others:
        sys.stderr.write("only one version is registered: there is nothing to test against it\n")
        return 3
    plan = Plan(
        name=NAME,
        control=str(control),
        treatments=(str(others[-1]),),
        shares=(SHARE,),
        mean=0.55,
        sd=0.27,
        guardrails=GuardrailPolicy(min_predictions=NEVER, min_races=NEVER),
        started_at=dt.datetime.now(dt.UTC),
    )
    store.open(found).experiments.start(
        Experiment(
            name=plan.name,
            plan=plan.as_json(),
            fingerprint=plan.fingerprint,
            control=plan.control,
            treatments=(("treatment", plan.treatments[0]),),
            shares=plan.shares,
            started_at=plan.started_at,
            actor="benchmark",
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
