"""`oracle tokens` and what stands behind it: who may, what is kept, and that a secret is shown once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.errors import BadInput, BadSetting, OracleError, Unavailable
from oracle.governance.access import Known, Snapshot, recognise, snapshot
from oracle.governance.roles import Actor, NotAllowed
from oracle.serving.access import Access, FromStore, Unauthorised
from oracle.serving.issue import Issuer, NameTaken, NoSuchToken, TokenEnded
from oracle.serving.turned_away import MOST_KEYS, TurnedAway, Who
from oracle.serving.wiring import check_place
from oracle.settings import ServingSettings
from oracle.store import Store, embedded
from tests.serving.knocking import ADMIN, Digits

NOON = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    store = embedded(tmp_path)
    yield store
    store.close()


@pytest.fixture
def at(kept: Store) -> Callable[..., Issuer]:
    random = Digits()
    return lambda moment=NOON, actor=ADMIN: Issuer(kept, actor, moment, random)


def good(kept: Store, text: str, moment: dt.datetime) -> bool:
    found = recognise(snapshot(kept.tokens.all()), text.encode(), moment.timestamp())
    return isinstance(found, Known)


def test_a_token_is_good_until_its_end_and_only_its_hash_is_kept(
    kept: Store, at: Callable[..., Issuer], tmp_path: Path
):
    made = at().create("app", ["predict"], days=2)
    assert good(kept, made.text, NOON)
    assert good(kept, made.text, NOON + 2 * DAY - HOUR)
    assert not good(kept, made.text, NOON + 2 * DAY)
    secret = made.text.split("_")[2]
    assert secret not in repr(made) + str(at().everything())
    kept.close()
    assert not [file for file in tmp_path.iterdir() if secret.encode() in file.read_bytes()]


def test_a_name_that_is_in_use_is_refused_until_it_is_free(at: Callable[..., Issuer]):
    made = at().create("app", ["predict"], days=2)
    with pytest.raises(NameTaken):
        at(NOON + DAY).create("app", ["events"])
    at(NOON + DAY).revoke(made.token.token_id)
    assert at(NOON + DAY).create("app", ["events"])


def test_rotation_gives_another_secret_and_the_old_one_a_grace(kept: Store, at: Callable[..., Issuer]):
    old = at().create("app", ["predict", "events"], days=10, per_minute=7)
    new = at(NOON + DAY).rotate(old.token.token_id, grace=HOUR)
    assert (new.token.name, new.token.scopes, new.token.per_minute) == ("app", "predict events", 7)
    assert new.token.expires == NOON + 11 * DAY
    for moment, expected in ((NOON + DAY, (True, True)), (NOON + DAY + HOUR, (False, True))):
        assert (good(kept, old.text, moment), good(kept, new.text, moment)) == expected
    with pytest.raises(TokenEnded):
        at(NOON + DAY).rotate(old.token.token_id)
    assert [each.state for each in at(NOON + DAY).everything()] == ["good", "rotated"]


def test_a_grace_makes_no_token_last_longer(kept: Store, at: Callable[..., Issuer]):
    old = at().create("app", ["predict"], days=1)
    at(NOON + 23 * HOUR).rotate(old.token.token_id, grace=10 * DAY)
    assert not good(kept, old.text, NOON + DAY)


def test_a_revoked_token_is_over_also_in_its_grace_and_stays_so(kept: Store, at: Callable[..., Issuer]):
    old = at().create("app", ["predict"])
    at().rotate(old.token.token_id)
    assert at(NOON + HOUR).revoke(old.token.token_id).state == "revoked"
    assert not good(kept, old.text, NOON + HOUR)
    position = kept.audit.head().position
    assert at(NOON + 2 * HOUR).revoke(old.token.token_id).ends == NOON + HOUR
    assert kept.audit.head().position == position


@pytest.mark.parametrize("roles", [(), ("viewer",), ("scientist", "approver")])
def test_nobody_but_an_admin_may_and_each_refusal_is_told_of(
    kept: Store, at: Callable[..., Issuer], roles: tuple[str, ...]
):
    made = at().create("app", ["predict"])
    eve = Actor("eve", frozenset(roles))  # type: ignore[arg-type]
    issuer = at(actor=eve)
    for act in (
        lambda: issuer.create("mine", ["admin"]),
        lambda: issuer.revoke(made.token.token_id),
        lambda: issuer.rotate(made.token.token_id),
        issuer.everything,
    ):
        with pytest.raises(NotAllowed):
            act()
    told = [(link.entry.actor, link.entry.action, link.entry.outcome) for link in kept.audit.links()]
    refused = [("eve", f"{verb} token", "refused") for verb in ("create", "revoke", "rotate")]
    assert told == [("ann", "create token", "allowed"), *refused]
    assert good(kept, made.text, NOON)
    assert len(kept.tokens.all()) == 1


@pytest.mark.parametrize(
    ("name", "scopes", "how"),
    [
        ("", ["predict"], {}),
        ("x" * 65, ["predict"], {}),
        ("two\nlines", ["predict"], {}),
        ("app", [], {}),
        ("app", ["*"], {}),
        ("app", ["predict"], {"days": 0}),
        ("app", ["predict"], {"days": float("nan")}),
        ("app", ["predict"], {"days": 1e9}),
        ("app", ["predict"], {"per_minute": 0}),
        ("app", ["predict"], {"per_minute": -5}),
    ],
)
def test_an_impossible_token_is_refused(at: Callable[..., Issuer], name: str, scopes: list[str], how: dict[str, float]):
    with pytest.raises(BadInput):
        at().create(name, scopes, **how)


def test_a_whole_token_in_place_of_its_id_is_not_repeated(at: Callable[..., Issuer]):
    made = at().create("app", ["predict"])
    for act in (at().revoke, at().rotate):
        with pytest.raises(NoSuchToken) as caught:
            act(made.text)
        assert "eo_" not in str(caught.value)


def test_the_snapshot_follows_the_store_and_outlives_it(kept: Store, at: Callable[..., Issuer]):
    made, clock = at().create("app", ["predict"], days=2), [0.0]
    away: list[OracleError] = []
    follow = FromStore(kept)

    def read() -> Snapshot:
        if away:
            raise away[0]
        return follow()

    moment = [NOON]
    access = Access(read, stale_seconds=100, now=lambda: moment[0].timestamp(), seconds=lambda: clock[0])
    token = made.text.encode()
    with pytest.raises(Unavailable):
        access.admit("/", token, "predict")
    access.refresh()
    assert access.admit("/", token, "predict").name == "app"
    away.append(Unavailable("away"))
    clock[0] = 99.0
    access.refresh()
    assert access.trouble
    assert access.admit("/", token, "predict")
    moment[0] = NOON + 2 * DAY
    with pytest.raises(Unauthorised):
        access.admit("/", token, "predict")
    clock[0] = 101.0
    with pytest.raises(Unavailable, match="too long"):
        access.admit("/", token, "predict")
    away.clear()
    moment[0] = NOON
    access.refresh()
    at().revoke(made.token.token_id)
    assert access.admit("/", token, "predict")
    access.refresh()
    with pytest.raises(Unauthorised):
        access.admit("/", token, "predict")


def test_without_a_token_the_health_says_which_command_makes_one(kept: Store):
    access = Access(FromStore(kept))
    assert "not read" in access.said
    access.refresh()
    assert "oracle tokens create" in access.said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", None])
def test_off_is_for_the_loopback_interface_only(host: str | None):
    with pytest.raises(BadSetting, match="loopback"):
        check_place(ServingSettings(auth="off"), host)
    check_place(ServingSettings(), host)
    check_place(ServingSettings(auth="off"), "127.0.0.1")


def test_those_turned_away_are_told_of_by_the_minute_a_bounded_number_and_again_after_an_outage(kept: Store):
    moment, broken = [NOON], [True]

    def append(entry: object) -> None:
        if broken[0]:
            raise Unavailable("away")
        kept.audit.append(entry)  # type: ignore[arg-type]

    away = TurnedAway(append, replica="r", now=lambda: moment[0])
    for n in range(MOST_KEYS + 50):
        away.note(Who("Unauthorised: none", "nobody", f"10.0.0.{n}", "GET /v1/models"))
        away.note(Who("Unauthorised: none", "nobody", "10.0.0.0", "GET /v1/models"))
    away.flush()
    moment[0] = NOON + dt.timedelta(minutes=1)
    with pytest.raises(Unavailable):
        away.flush()
    broken[0] = False
    away.flush()
    away.flush(whole=True)
    told = [link.entry for link in kept.audit.links(most=1000)]
    counts = {(each.actor, each.address): json.loads(each.after or "{}")["requests"] for each in told}
    assert len(told) == MOST_KEYS + 1
    assert counts["nobody", "10.0.0.0"] == MOST_KEYS + 51
    assert counts["others", None] == 50
    assert sum(counts.values()) == 2 * (MOST_KEYS + 50)


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = output.run(app, ["tokens", *words])
    said = capfd.readouterr()
    return code, said.out, said.err


@pytest.mark.usefixtures("oracle_home")
def test_the_commands_from_the_first_token_to_its_end(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(output._Result, "claim", classmethod(lambda _: None))
    code, text, notes = run(capfd, "create", "app", "--scope", "predict", "--scope", "events")
    assert code == 0
    assert text.startswith("eo_")
    assert text.count("\n") == 1
    assert "eo_" not in notes
    listed = json.loads(run(capfd, "list", "--json")[1])["tokens"]
    assert [(each["name"], each["scopes"], each["state"]) for each in listed] == [
        ("app", ["predict", "events"], "good")
    ]
    assert text.split("_")[2].strip() not in json.dumps(listed)
    made = json.loads(run(capfd, "rotate", listed[0]["id"], "--grace-hours", "1", "--json")[1])
    assert made["token"].startswith(f"eo_{made['id']}_")
    assert json.loads(run(capfd, "revoke", made["id"], "--json")[1])["state"] == "revoked"
    assert run(capfd, "rotate", made["id"])[0] == 3
    assert run(capfd, "revoke", "none")[0] == 2
    assert run(capfd, "create", "app2", "--scope", "all")[0] == 2
    assert "rotated" in run(capfd, "list")[1]
