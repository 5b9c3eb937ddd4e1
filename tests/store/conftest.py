"""The store on both databases: SQLite in a file by default, a real PostgreSQL where services are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.store import Store
from tests.store.postgres import PostgreSQL, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'oracle.db'}"
    return request.getfixturevalue("postgres").fresh("oracle_test")


@pytest.fixture
def opened(address: str) -> Iterator[Callable[..., Store]]:
    """What opens a store at the address; all are closed in the end."""
    stores: list[Store] = []

    def open_it(**given: float) -> Store:
        stores.append(Store(address, **given))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., Store]) -> Store:
    return opened()
