"""The one way a loop is compiled here: kept on disk where there is room for it, compiled anew where there is not.

Numba keeps what it compiled beside the source, else in the user's own cache, and where it may write to neither it
refuses to load the module at all. An installation that nobody may write to has to serve all the same: there each
process compiles for itself, once, before the first card (`RaceModel.warm`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator that compiles a function.

    Args:
        options: Numba's own, such as `error_model`.
    """

    def compile_(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # "no locator available": nowhere to keep it
            return njit(**options)(function)

    return compile_
