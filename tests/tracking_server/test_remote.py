from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from oracle.errors import BadSetting, Refused
from oracle.governance.consent import NoSuchRequest, SelfApproval
from oracle.governance.roles import NotAllowed
from oracle.registry import authority
from oracle.registry.lifecycle import download
from oracle.registry.remote import RemoteAuthority, governs, rebuilt
from oracle.registry.versions import resolve
from oracle.settings import Settings
from oracle.store import embedded
from oracle.tracking.connection import Tracking, connect
from tests.tracking_server.conftest import Governed
from tests.tracking_server.people import PACKAGE, registered
from tests.tracking_server.running import MODEL, PASSWORDS

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def test_an_error_comes_back_as_its_own_class() -> None:
    told = SelfApproval("who asks does not approve", value="pat", next_step="another person").as_dict()
    found = rebuilt(told)
    assert (type(found), found.exit_code, found.as_dict()) == (SelfApproval, 3, told)
    assert str(found) == "who asks does not approve; got 'pat'; next: another person"


def test_an_address_that_is_no_servers_governs_nothing() -> None:
    assert not governs("sqlite:///mlflow.db")


@pytest.fixture
def own(governed: Governed, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, tracking={"uri": governed.served.url})


def acting(monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", who)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORDS.get(who, "wrong-password"))


@pytest.fixture
def as_sam(monkeypatch: pytest.MonkeyPatch, own: Settings) -> Iterator[tuple[Tracking, authority.Authority]]:
    acting(monkeypatch, "sam")
    tracking = connect(own)
    with closing(embedded(own.root)) as store:
        yield tracking, authority.of(own, tracking, store, NOW)


@pytest.mark.services
def test_a_server_that_governs_is_asked(as_sam: tuple[Tracking, authority.Authority]) -> None:
    assert isinstance(as_sam[1], RemoteAuthority)


@pytest.mark.services
def test_who_the_server_does_not_know_is_told_how_to_be_known(
    governed: Governed, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(monkeypatch, "eve")
    with pytest.raises(BadSetting, match="MLFLOW_TRACKING_USERNAME"):
        governs(governed.served.url)


@pytest.mark.services
def test_what_the_server_refuses_is_raised_as_it_would_be_here(
    governed: Governed, as_sam: tuple[Tracking, authority.Authority]
) -> None:
    with pytest.raises(NotAllowed, match="sam may not approve"):
        as_sam[1].approve(governed.waiting, "because")
    with pytest.raises(NoSuchRequest):
        as_sam[1].promote("nothing")


@pytest.mark.services
def test_a_client_of_mlflow_that_goes_round_is_refused_and_told_why(
    governed: Governed, as_sam: tuple[Tracking, authority.Authority]
) -> None:
    from mlflow.exceptions import MlflowException

    tracking = as_sam[0]
    with pytest.raises(MlflowException, match="approved request") as caught:
        tracking.client.set_registered_model_alias(MODEL, "production", governed.fresh.number)
    assert caught.value.error_code == "PERMISSION_DENIED"


@pytest.mark.services
def test_a_version_is_asked_for_approved_served_and_rolled_back_through_the_server(
    governed: Governed, own: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    version = registered(governed.served, "sam", "v1.0.5").number
    acting(monkeypatch, "vera")
    tracking = connect(own)
    found = resolve(tracking, version)
    assert (download(tracking, found, tmp_path / "cache") / "model.txt").read_bytes() == PACKAGE
    acting(monkeypatch, "sam")
    asked = _authority(own).request(int(version), reason="newer")
    request = asked.request.request_id
    assert (asked.approved, asked.request.requester, resolve(tracking, version).lifecycle) == (False, "sam", "staging")
    with pytest.raises(Refused):
        _authority(own).promote(request)
    acting(monkeypatch, "ann")
    before = _serving(own)
    ruling = _authority(own).approve(request, "it is good")
    assert (ruling.actor, ruling.decision) == ("ann", "approved")
    promotion = _authority(own).promote(request)
    assert (promotion.version, promotion.replaced, promotion.approver) == (int(version), before, "ann")
    assert _serving(own) == int(version)
    back = _authority(own).rollback(reason="it was better before")
    assert (back.version, _serving(own)) == (before, before)
    told = [(e.actor, e.action) for e in governed.served.entries() if e.outcome == "allowed"]
    for line in (("sam", "request"), ("ann", "approve"), ("ann", "promote"), ("ann", "rollback")):
        assert line in told
    assert governed.served.unbroken()


def _authority(own: Settings) -> authority.Authority:
    return RemoteAuthority(connect(own))


def _serving(own: Settings) -> int:
    return resolve(connect(own)).number


@pytest.mark.services
def test_people_are_made_held_and_let_go(governed: Governed, own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    acting(monkeypatch, "root")
    remote = RemoteAuthority(connect(own))
    grant, password = remote.person("zoe", ("scientist", "approver"))
    assert (grant.roles, len(password or "") >= 12) == ("approver scientist", True)
    served = governed.served

    def tries(path: str, body: object, secret: str | None = password) -> httpx.Response:
        return httpx.post(f"{served.url}/{path}", json=body, auth=("zoe", secret or ""), timeout=60)

    assert tries("api/2.0/mlflow/experiments/create", {"name": "of zoe"}).status_code == 200
    refused = tries("api/2.0/oracle/approve", {"request_id": governed.waiting, "reason": "x", "x": 1})
    assert refused.status_code == 400

    reset = {"username": "zoe", "password": "another-password"}
    assert served.call("root", "PATCH", "api/2.0/mlflow/users/update-password", reset).status_code == 200
    assert tries("api/2.0/mlflow/experiments/create", {"name": "x"}).status_code == 401
    held = tries("api/2.0/oracle/approve", {"request_id": governed.waiting, "reason": "x"}, "another-password")
    assert (held.status_code, "root set the password of zoe" in held.text) == (403, True)
    assert any(e.actor == "root" and e.action == "mlflow user.password" and e.target == "zoe" for e in served.entries())
    assert not any("another-password" in str(e) or (password or "-") in str(e) for e in served.entries())

    remote.person("zoe", ())
    assert tries("api/2.0/mlflow/experiments/create", {"name": "y"}, "another-password").status_code == 403
    assert remote.head().position == served.position


@pytest.mark.services
def test_whom_the_requester_made_an_approver_does_not_approve(governed: Governed) -> None:
    served, people = governed.served, "api/2.0/oracle/people"
    wish = {"name": "ada", "roles": ["admin", "scientist"], "password": "a" * 12}
    served.done("root", "POST", people, wish)
    puppet = {"name": "pup", "roles": ["approver"], "password": "p" * 12}
    assert httpx.post(f"{served.url}/{people}", json=puppet, auth=("ada", "a" * 12), timeout=60).status_code == 200
    fresh = {"version": int(governed.fresh.number), "reason": "x"}
    asked = httpx.post(f"{served.url}/api/2.0/oracle/request", json=fresh, auth=("ada", "a" * 12), timeout=60)
    request = asked.json()["done"]["request"]["request_id"]
    said = {"request_id": request, "reason": "x"}
    answer = httpx.post(f"{served.url}/api/2.0/oracle/approve", json=said, auth=("pup", "p" * 12), timeout=60)
    assert (answer.status_code, "holds the role by ada, who asks" in answer.text) == (403, True)
