"""Options that several commands of `oracle ab` share."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from oracle.experiment.sizing import Question
    from oracle.settings import ExperimentPolicy

Mean = Annotated[float, typer.Option(help="Mean NDCG@3 of the control, 0 to 1; `oracle ab replay` measures it.")]
Sd = Annotated[float, typer.Option(help="Standard deviation of NDCG@3 over races; `oracle ab replay` measures it.")]
Effect = Annotated[float | None, typer.Option(help="Improvement wanted, as a share of the mean; default: the setting.")]
Alpha = Annotated[float | None, typer.Option(help="Two-sided chance of a false alarm; default: the setting.")]
Experiment = Annotated[str | None, typer.Argument(help="Name of the test; default: the one that runs.")]
Actor = Annotated[str | None, typer.Option(help="Who does it, for the log; default: the user of this machine.")]
Power = Annotated[float | None, typer.Option(help="Chance of seeing the effect; default: the setting.")]


def acting(actor: str | None) -> str:
    """Return who acts: the name given, or the user of this machine."""
    return actor or getpass.getuser()


def question(
    policy: ExperimentPolicy, mean: float, sd: float, effect: float | None, alpha: float | None, power: float | None
) -> Question:
    """Return what is to be found out; what was not said comes from the settings."""
    from oracle.errors import BadInput
    from oracle.experiment.sizing import Question

    most = (mean * (1.0 - mean)) ** 0.5 if 0.0 < mean < 1.0 else 1.0
    if most < sd < 1.0:
        raise BadInput("sd is not possible with that mean", value=sd, allowed=f"up to {most:.3f}")
    return Question(
        mean,
        sd,
        policy.effect if effect is None else effect,
        policy.alpha if alpha is None else alpha,
        policy.power if power is None else power,
    )
