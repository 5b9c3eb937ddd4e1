"""An upload outlasts a store that is away for a moment, and nothing else."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from oracle.errors import Unavailable
from oracle.tracking import patience
from oracle.tracking.patience import outlast

URI = "http://tracking:5000"


class Store:
    """Fails with each of the errors in turn, then takes what it is given."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.asked = list(errors), 0

    def put(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "taken"


def answered(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "it says"}}, "PutObject")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.01)


def test_a_store_that_is_away_for_a_moment_costs_a_moment():
    store = Store(EndpointConnectionError(endpoint_url=URI), answered("SlowDown"), OSError("Connection refused"))
    assert (outlast(URI, store.put), store.asked) == ("taken", 4)


@pytest.mark.parametrize("error", [answered("AccessDenied"), PermissionError(13, "Permission denied")])
def test_a_refusal_is_told_at_once(error: Exception):
    store = Store(error)
    with pytest.raises(Unavailable, match=r"AccessDenied|Permission denied"):
        outlast(URI, store.put)
    assert store.asked == 1


def test_a_store_that_stays_away_is_told_after_the_patience_with_the_next_step():
    store = Store(*[EndpointConnectionError(endpoint_url=URI)] * 99)
    begun = time.perf_counter()
    with pytest.raises(Unavailable, match=r"Could not connect.*next:"):
        outlast(URI, store.put, seconds=0.1)
    assert time.perf_counter() - begun < 1.0
    assert store.asked > 1


def test_a_fault_of_our_own_is_none_of_the_store():
    with pytest.raises(ZeroDivisionError):
        outlast(URI, Store(ZeroDivisionError()).put)
