"""Attempts on the served API: every one refused, counted in the audit trail, and the chain unbroken."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI

from oracle.governance.audit import GENESIS, digest
from oracle.serving.addresses import NOWHERE, address
from oracle.serving.gateway import Gateway
from oracle.serving.messages import RefusalMessage
from tests.serving.conftest import World
from tests.serving.knocking import Knocking, Told, knocking

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, standing: Gateway, app: FastAPI) -> Iterator[Knocking]:
    with knocking(tmp_path_factory.mktemp("door"), standing, app, body_seconds=0.05) as found:
        yield found


@dataclass(frozen=True)
class Attack:
    status: int
    kind: str
    """Of the refusal."""
    reason: str
    """In the audit trail."""
    do: Callable[[Knocking], Told]


def wrong(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def stranger(cause: str, do: Callable[[Knocking], Told]) -> Attack:
    return Attack(401, "Unauthorised", f"Unauthorised: {cause}", do)


def revoked(house: Knocking) -> str:
    made = house.token("predict")
    house.issuer().revoke(made.token.token_id)
    house.refresh()
    return made.text


def replayed(house: Knocking) -> Told:
    """A request that was answered is sent again, byte by byte, after its token was revoked."""
    made = house.token("predict")
    assert house.ask("GET", "/v1/models", made.text).status == 200
    house.issuer().revoke(made.token.token_id)
    house.refresh()
    return house.ask("GET", "/v1/models", made.text)


def rotated(house: Knocking) -> str:
    made = house.token("predict", at=NOW - 3 * DAY)
    house.issuer(NOW - 2 * DAY).rotate(made.token.token_id, grace=DAY)
    house.refresh()
    return made.text


def evading(house: Knocking, header: str) -> Told:
    """The limit of a token is used up, and then the same token is written another way."""
    made = house.token("predict", per_minute=1)
    assert house.ask("GET", "/v1/models", made.text).status == 200
    return house.ask("GET", "/v1/models", headers=[("authorization", header.format(made.text, made.text.upper()))])


def scoped(method: str, path: str, *scopes: str, body: bytes = b"{}") -> Attack:
    return Attack(403, "Forbidden", "Forbidden", lambda h: h.ask(method, path, h.token(*scopes).text, body))


def nowhere(method: str, path: str, *, status: int = 404, headers: Any = ()) -> Attack:
    """With a token for events, an address written another way is no way to another scope."""
    return Attack(
        status,
        "NoSuchAddress",
        "NoSuchAddress",
        lambda h: h.ask(method, path, h.token("events").text, b"{}", headers=headers),
    )


def twice(house: Knocking, *order: bool) -> Told:
    made = house.token("predict")
    told = [("authorization", f"Bearer {made.text if good else wrong(made.text)}") for good in order]
    return house.ask("GET", "/v1/models", headers=told)


ATTACKS: dict[str, Attack] = {
    "no token": stranger("none", lambda h: h.ask("POST", "/v1/predict", None, b"{}")),
    "no token for what is not there": stranger("none", lambda h: h.ask("GET", "/v1/nothing")),
    "wrong scheme": stranger(
        "malformed",
        lambda h: h.ask("GET", "/v1/models", headers=[("authorization", f"Basic {h.token('predict').text}")]),
    ),
    "the bare token": stranger(
        "malformed", lambda h: h.ask("GET", "/v1/models", headers=[("authorization", h.token("predict").text)])
    ),
    "truncated": stranger("malformed", lambda h: h.ask("GET", "/v1/models", h.token("predict").text[:-1])),
    "wrong secret": stranger("wrong secret", lambda h: h.ask("GET", "/v1/models", wrong(h.token("predict").text))),
    "unknown id": stranger("unknown", lambda h: h.ask("GET", "/v1/models", f"eo_{'e' * 12}_{'1' * 64}")),
    "the secret of another token": stranger(
        "wrong secret",
        lambda h: h.ask("GET", "/v1/models", h.token("predict").text[:15] + h.token("admin").text[15:]),
    ),
    "the hash in place of the secret": stranger(
        "wrong secret",
        lambda h: (lambda t: h.ask("GET", "/v1/models", f"eo_{t.token_id}_{t.secret_hash}"))(h.token("predict").token),
    ),
    "expired": stranger(
        "expired", lambda h: h.ask("GET", "/v1/models", h.token("predict", at=NOW - 2 * DAY, days=1).text)
    ),
    "revoked": stranger("revoked", lambda h: h.ask("GET", "/v1/models", revoked(h))),
    "revoked, at the health": stranger("revoked", lambda h: h.ask("GET", "/v1/health", revoked(h))),
    "replayed after it was revoked": stranger("revoked", replayed),
    "rotated, after the grace": stranger("rotated", lambda h: h.ask("GET", "/v1/models", rotated(h))),
    "token in the query": stranger(
        "none", lambda h: h.ask("GET", "/v1/models", query=f"token={h.token('predict').text}".encode())
    ),
    "token in a cookie": stranger(
        "none", lambda h: h.ask("GET", "/v1/models", headers=[("cookie", f"token={h.token('predict').text}")])
    ),
    "a good and a bad Authorization": stranger("twice", lambda h: twice(h, True, False)),
    "a bad and a good Authorization": stranger("twice", lambda h: twice(h, False, True)),
    "predict tells results": scoped("POST", "/v1/results", "predict"),
    "events tells results": scoped("POST", "/v1/results", "events"),
    "results asks for predictions": scoped("POST", "/v1/predict", "results"),
    "events reads a prediction": scoped("GET", "/v1/predictions/17", "events", body=b""),
    "admin asks for predictions": scoped("POST", "/v1/predict", "admin"),
    "all but admin reads lineage": scoped("GET", "/v1/races/1/lineage", "predict", "results", "events", body=b""),
    "two slashes": nowhere("POST", "//v1/results"),
    "two slashes inside": nowhere("POST", "/v1//results"),
    "slash at the end": nowhere("POST", "/v1/results/"),
    "a dot": nowhere("POST", "/v1/./results"),
    "up and down again": nowhere("POST", "/v1/events/../results"),
    "capitals": nowhere("POST", "/V1/RESULTS"),
    "a parameter": nowhere("POST", "/v1/results;x=1"),
    "encoded twice": nowhere("POST", "/v1/%72esults"),
    "zero byte": nowhere("POST", "/v1/results\0"),
    "decoded once it is the address, with its scope": scoped("POST", "/v1/results", "events"),
    "HEAD": nowhere("HEAD", "/v1/models", status=405),
    "OPTIONS": nowhere("OPTIONS", "/v1/results", status=405),
    "PUT": nowhere("PUT", "/v1/results", status=405),
    "method override": nowhere("GET", "/v1/results", status=405, headers=[("x-http-method-override", "POST")]),
    "X-Oracle-Now": Attack(
        422,
        "ToldTheTime",
        "ToldTheTime",
        lambda h: h.ask(
            "POST", "/v1/predict", h.token("predict").text, b"{}", headers=[("x-oracle-now", "2018-01-01T00:00:00Z")]
        ),
    ),
    "limit, the scheme in capitals": Attack(429, "RateLimited", "RateLimited", lambda h: evading(h, "BEARER {0}")),
    "limit, the token in capitals": stranger("malformed", lambda h: evading(h, "Bearer {1}")),
    "limit, a space more": stranger("malformed", lambda h: evading(h, "Bearer  {0}")),
    "limit, a space behind": stranger("malformed", lambda h: evading(h, "Bearer {0} ")),
    "limit, a tab": stranger("malformed", lambda h: evading(h, "Bearer\t{0}")),
    "too many headers": Attack(
        431,
        "HeadersTooLarge",
        "HeadersTooLarge",
        lambda h: h.ask("GET", "/v1/models", h.token("predict").text, headers=[(f"x-{n}", "1") for n in range(80)]),
    ),
    "too long a header": Attack(
        431,
        "HeadersTooLarge",
        "HeadersTooLarge",
        lambda h: h.ask("GET", "/v1/health", headers=[("x-padding", "x" * 9000)]),
    ),
    "too long a path": Attack(
        414, "AddressTooLong", "AddressTooLong", lambda h: h.ask("GET", f"/v1/predictions/{'1' * 2000}")
    ),
    "too long a query": Attack(
        414, "AddressTooLong", "AddressTooLong", lambda h: h.ask("POST", "/v1/predict", query=b"top=" + b"1" * 2000)
    ),
    "too large a card": Attack(
        413,
        "TooLarge",
        "TooLarge",
        lambda h: h.ask("POST", "/v1/predict", h.token("predict").text, b" " * 300_000),
    ),
    "too large a list, by what it says": Attack(
        413,
        "TooLarge",
        "TooLarge",
        lambda h: h.ask("POST", "/v1/results", h.token("results").text, headers=[("content-length", "9999999")]),
    ),
    "too large a list, by what it sends": Attack(
        413,
        "TooLarge",
        "TooLarge",
        lambda h: h.ask("POST", "/v1/events", h.token("events").text, b" " * 5_000_000),
    ),
    "a body where none is read": Attack(
        413,
        "TooLarge",
        "TooLarge",
        lambda h: h.ask("GET", "/v1/models", h.token("predict").text, headers=[("transfer-encoding", "chunked")]),
    ),
    "a card that never comes": Attack(
        408, "TooSlow", "TooSlow", lambda h: h.ask("POST", "/v1/predict", h.token("predict").text, never=True)
    ),
    "a list that never comes": Attack(
        408, "TooSlow", "TooSlow", lambda h: h.ask("POST", "/v1/results", h.token("results").text, never=True)
    ),
}


def test_every_attempt_is_refused_told_nothing_and_counted_and_the_chain_is_unbroken(house: Knocking):
    expected: Counter[str] = Counter()
    for name, attack in ATTACKS.items():
        told = attack.do(house)
        assert (told.status, told.kind) == (attack.status, attack.kind), name
        assert RefusalMessage.model_validate_json(told.body).errors, name
        assert b"eo_" not in told.body, name
        expected[attack.reason] += 1
    counted: Counter[str] = Counter()
    for (reason, _, _), count in house.refusals().items():
        counted[reason] += count
    assert counted == expected
    assert sum(counted.values()) == len(ATTACKS) > 40
    links = house.store.audit.links(most=100_000)
    assert [link.position for link in links] == list(range(1, len(links) + 1))
    for link, before in zip(links, [GENESIS, *(link.hash for link in links)], strict=False):
        assert link.previous == before
        assert link.hash == digest(link.position, before, link.entry)


def test_nobody_can_tell_one_stranger_from_another(house: Knocking):
    ways = [attack.do(house) for attack in ATTACKS.values() if attack.kind == "Unauthorised"]
    told = {(each.status, each.headers["www-authenticate"], each.body) for each in ways if b"/v1/models" in each.body}
    assert len(told) == 1


def test_the_right_token_opens_its_own_addresses(house: Knocking, world: World):
    predict = house.token("predict").text
    answer = house.ask("POST", "/v1/predict", predict, world.body)
    assert answer.status == 200
    assert house.ask("GET", "/v1/models", predict).status == 200
    assert house.ask("POST", "/v1/results", house.token("results").text, b"{}").kind != "Forbidden"
    assert house.ask("POST", "/v1/events", house.token("events").text, b"{}").kind != "Forbidden"
    both = house.token("results", "events").text
    assert {house.ask("POST", f"/v1/{path}", both, b"{}").status for path in ("results", "events")} == {422}


def test_the_public_pages_are_open_and_the_health_tells_strangers_little(house: Knocking):
    for path in ("/docs", "/openapi.json"):
        assert house.ask("GET", path).status == 200
    stranger = house.ask("GET", "/v1/health")
    assert (stranger.status, stranger.body) == (200, b'{"status":"ok","access":"tokens"}')
    assert house.ask("GET", "/v1/health", house.token("predict").text).body == stranger.body
    assert b"routing" in house.ask("GET", "/v1/health", house.token("admin").text).body


def test_a_limit_is_each_tokens_own_and_says_how_long_to_wait(house: Knocking):
    greedy, other = (house.token("predict", per_minute=2).text for _ in range(2))
    told = [house.ask("GET", "/v1/models", greedy) for _ in range(4)]
    assert [each.status for each in told] == [200, 200, 429, 429]
    assert 25 <= int(told[-1].headers["retry-after"]) <= 31
    assert house.ask("GET", "/v1/models", other).status == 200


def test_a_rotated_token_shares_the_limit_with_the_one_it_was_rotated_to(house: Knocking):
    old = house.token("predict", per_minute=2)
    new = house.issuer().rotate(old.token.token_id)
    house.refresh()
    told = [house.ask("GET", "/v1/models", each.text).status for each in (old, new, old, new)]
    assert told == [200, 200, 429, 429]


def test_a_flood_costs_one_entry_a_minute_and_stray_ids_make_no_entries_of_their_own(house: Knocking):
    house.refusals()
    before = house.store.audit.head().position
    for n in range(300):
        house.ask("GET", f"/v1/{n}", f"eo_{n:012x}_{'0' * 64}")
        house.ask("GET", f"/v1/predictions/{n}")
    house.refusals()
    assert house.store.audit.head().position - before <= 8  # a minute may end in between


def test_a_handed_in_moment_and_peer_count_where_haproxy_wrote_them_only(house: Knocking):
    house.ask("GET", "/v1/models", headers=[("x-oracle-peer", "6.6.6.6")])
    house.refusals()
    assert {link.entry.address for link in house.store.audit.links(most=100_000)} <= {None, "10.0.0.9"}


def test_every_route_of_the_application_has_its_scope(app: FastAPI):
    listed = {(verb, route.path) for route in app.routes for verb in route.methods}  # type: ignore[attr-defined]
    stray = {(verb, path) for verb, path in listed if address(verb, path.replace("{", "")) is NOWHERE}
    assert stray <= {("HEAD", "/openapi.json")}, "place them in oracle/serving/addresses.py"
