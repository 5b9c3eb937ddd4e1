"""Hyperparameters by name: what a sweep proposes and a recipe holds, checked against the policy that takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from oracle.errors import BadInput

Value = float | int | str | tuple[float, ...]
Hyperparameters = Mapping[str, Value]

P = TypeVar("P")


def changed(policy: P, hyperparameters: Hyperparameters) -> P:
    """Return the policy with some of its numbers replaced, each of the kind it was.

    >>> from oracle.models.gbdt import TreePolicy
    >>> changed(TreePolicy(), {"leaves": 31.0}).leaves
    31

    Raises:
        BadInput: the policy has no such number, or it is of another kind.
    """
    own: dict[str, Any] = {f.name: getattr(policy, f.name) for f in fields(policy)}  # type: ignore[arg-type]
    unknown = sorted(set(hyperparameters) - set(own))
    if unknown:
        raise BadInput("no such hyperparameter", value=unknown[0], allowed=own or "none")
    return replace(policy, **{name: _as(own[name], name, value) for name, value in hyperparameters.items()})  # type: ignore[type-var]


def _as(own: Any, name: str, value: Any) -> Value:
    """Return the value in the kind of the number it replaces: recipes and sweeps know floats and lists only."""
    try:
        if isinstance(own, tuple):
            return tuple(float(v) for v in (value if isinstance(value, list | tuple) else (value,)))
        if isinstance(own, int) and float(value) != int(value):
            raise ValueError("not a whole number")
        return type(own)(value)  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        raise BadInput(f"hyperparameter {name}: {error}", value=value, allowed=f"like {own!r}") from error
