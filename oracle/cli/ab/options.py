"""Options that several commands of `oracle ab` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from oracle.experiment.sizing import Question
    from oracle.settings import ExperimentPolicy

Mean = Annotated[float, typer.Option(help="Mean NDCG@3 of the control, 0 to 1; `oracle ab replay` measures it.")]
Sd = Annotated[float, typer.Option(help="Standard deviation of NDCG@3 over races; `oracle ab replay` measures it.")]
Effect = Annotated[float | None, typer.Option(help="Improvement wanted, as a share of the mean; default: the setting.")]
Alpha = Annotated[float | None, typer.Option(help="Two-sided chance of a false alarm; default: the setting.")]
Power = Annotated[float | None, typer.Option(help="Chance of seeing the effect; default: the setting.")]


def question(
    policy: ExperimentPolicy, mean: float, sd: float, effect: float | None, alpha: float | None, power: float | None
) -> Question:
    """Return what is to be found out; what was not said comes from the settings."""
    from oracle.experiment.sizing import Question

    return Question(
        mean,
        sd,
        policy.effect if effect is None else effect,
        policy.alpha if alpha is None else alpha,
        policy.power if power is None else power,
    )
