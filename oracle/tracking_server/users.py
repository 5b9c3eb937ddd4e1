"""The accounts of MLflow's own authentication, as far as we make and ask for them."""

from __future__ import annotations

from typing import Any, Protocol


class Users(Protocol):
    """Accounts by which people come in."""

    def has(self, name: str) -> bool:
        """Return whether there is an account of that name."""
        ...

    def add(self, name: str, password: str) -> None:
        """Make an account."""
        ...


class MlflowUsers:
    """The users of MLflow's authentication, which must have been opened."""

    def __init__(self, kept: Any) -> None:
        self._kept = kept

    def has(self, name: str) -> bool:
        """Return whether there is an account of that name."""
        return bool(self._kept.has_user(name, use_primary=True))

    def add(self, name: str, password: str) -> None:
        """Make an account that is no admin of MLflow: what its owner may do stands in our store."""
        self._kept.create_user(name, password, is_admin=False)
