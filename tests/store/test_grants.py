"""Two roles on a real PostgreSQL, and all that each tries in raw SQL to get round what it may not do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.errors import BadInput, BadSetting, Unavailable
from oracle.governance.approval import Request, Ruling
from oracle.governance.verification import Anchor, verify
from oracle.store import Grant, Store, Token
from oracle.store.grants import GOVERNED, GROWS, LOGS, TRAIL, Roles, allowed, apply, differences, statements
from oracle.store.tables import METADATA
from tests.governance.chains import NOON, entry
from tests.store.postgres import PostgreSQL
from tests.store.rows import alert, check, experiment, prediction, result, retraining, scoring

ROLES = Roles("oracle_governor", "oracle_app")
REQUEST = Request(
    request_id="q1",
    at=NOON,
    model="oracle",
    version=3,
    label="v1.1.0",
    expected=2,
    requester="ann",
    reason="better",
    expires=NOON.replace(year=2030),
    evidence="{}",
    evidence_digest="d",
)
RULING = Ruling(request_id="q1", step="decided", at=NOON, decision="approved", actor="bea", reason="seen")
TOKEN = Token(
    token_id="t1",
    name="bets",
    secret_hash="h",
    scopes="predict",
    created=NOON,
    created_by="ann",
    expires=NOON.replace(year=2030),
    per_minute=60,
)


@pytest.fixture(scope="module")
def owner(postgres: PostgreSQL) -> Iterator[Store]:
    """The store of its owner, with the two roles granted, and something in it."""
    store = Store(postgres.fresh("oracle_grants"))
    apply(store.database, ROLES)
    store.audit.append(entry(1))
    store.approvals.ask(REQUEST, entry(2))
    store.people.grant(Grant(grant_id="g1", at=NOON, name="ann", roles="scientist", actor="root"), entry(3))
    store.tokens.add(TOKEN, entry(4))
    store.checks.add(check())
    yield store
    store.close()
    with postgres.connect("postgres") as connection:
        connection.execute('DROP DATABASE "oracle_grants" WITH (FORCE)')
        for role in (ROLES.governor, ROLES.app):
            connection.execute(f"DROP ROLE {role}")


def address(postgres: PostgreSQL, role: str) -> str:
    return f"postgresql://{role}@127.0.0.1:{postgres.port}/oracle_grants"


@pytest.fixture(params=["governor", "app"])
def role(request: pytest.FixtureRequest) -> str:
    return str(getattr(ROLES, request.param))


@pytest.fixture
def raw(postgres: PostgreSQL, owner: Store, role: str) -> Iterator[psycopg.Connection]:
    """A client of nobody's but PostgreSQL's own, as the role."""
    with psycopg.connect(address(postgres, role), autocommit=True) as connection:
        yield connection


def refused(raw: psycopg.Connection, statement: str) -> str:
    """Return what the database says to a statement that it must refuse."""
    try:
        done = raw.execute(statement)
    except psycopg.Error as error:
        return str(error)
    pytest.fail(f"{raw.info.user} could {statement!r}: {done.statusmessage}")


ROUND_ABOUT = [
    "UPDATE {t} SET {c} = {c}",
    "DELETE FROM {t}",
    "TRUNCATE {t}",
    "WITH gone AS (DELETE FROM {t} RETURNING *) SELECT count(*) FROM gone",
    "SELECT {c} FROM {t} FOR UPDATE",
    "DROP TABLE {t}",
    "DROP TRIGGER {t}_append_only ON {t}",
    "ALTER TABLE {t} DISABLE TRIGGER ALL",
    "ALTER TABLE {t} DISABLE TRIGGER {t}_append_only",
    "ALTER TABLE {t} RENAME TO {t}_old",
    "ALTER TABLE {t} ADD COLUMN note text",
    "ALTER TABLE {t} OWNER TO CURRENT_USER",
    "CREATE RULE quiet AS ON INSERT TO {t} DO INSTEAD NOTHING",
    "CREATE TRIGGER mine BEFORE INSERT ON {t} EXECUTE FUNCTION {t}_append_only()",
    "CREATE OR REPLACE FUNCTION {t}_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "DROP FUNCTION {t}_append_only() CASCADE",
    "COPY {t} FROM PROGRAM 'true'",
]
ABOVE = [
    "SET session_replication_role = replica",
    "SET SESSION AUTHORIZATION oracle",
    "SET ROLE oracle",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "CREATE ROLE mallory SUPERUSER",
    "GRANT oracle TO CURRENT_USER",
    "CREATE TABLE public.mine (x int)",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TEMPORARY TABLE audit_log (position bigint, hash text)",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION dblink",
    "DROP SCHEMA public CASCADE",
    "UPDATE alembic_version SET version_num = '0005'",
    "DELETE FROM store_versions",
    "UPDATE pg_trigger SET tgenabled = 'D'",
    "DELETE FROM pg_trigger",
    "ALTER SYSTEM SET session_replication_role = replica",
    "ALTER DATABASE oracle_grants SET session_replication_role = replica",
    "DO $$ BEGIN PERFORM set_config('session_replication_role', 'replica', false); END $$",
    "SELECT pg_read_file('/etc/passwd')",
]


@pytest.mark.services
def test_nobody_changes_what_only_grows_nor_gets_rid_of_what_refuses(owner: Store, raw: psycopg.Connection):
    before = owner.audit.head()
    for table in sorted(GROWS):
        column = next(c.name for c in METADATA.tables[table].columns if c.name != "seq")
        for statement in ROUND_ABOUT:
            said = refused(raw, statement.format(t=table, c=column))
            assert "permission denied" in said or "must be" in said or "append-only" in said, said
    for statement in ABOVE:
        refused(raw, statement)
    assert owner.audit.head() == before
    assert verify(owner.audit.walk()).sound
    assert differences(owner.database, ROLES) == ()


@pytest.mark.services
@pytest.mark.parametrize("role", [ROLES.app])
def test_who_serves_can_decide_nothing(postgres: PostgreSQL, owner: Store, raw: psycopg.Connection):
    for table in GOVERNED:
        said = refused(raw, f"INSERT INTO {table} SELECT * FROM {table}")
        assert "permission denied" in said
        said = refused(raw, f"INSERT INTO {table} DEFAULT VALUES ON CONFLICT DO NOTHING")
        assert "permission denied" in said
        said = refused(raw, f"COPY {table} FROM STDIN")
        assert "permission denied" in said
    serving = Store(address(postgres, ROLES.app))
    head = owner.audit.head()
    mine = Grant(grant_id="g2", at=NOON, name="mallory", roles="admin", actor="mallory")
    for attempt in (
        lambda: serving.people.grant(mine, entry(20)),
        lambda: serving.approvals.rule(RULING, entry(21)),
        lambda: serving.tokens.add(TOKEN, entry(22)),
    ):
        with pytest.raises(Unavailable, match="permission denied"):
            attempt()
    assert (owner.audit.head(), owner.people.roles("mallory")) == (head, frozenset())
    serving.close()


@pytest.mark.services
def test_both_do_their_own_work(postgres: PostgreSQL, owner: Store):
    serving, server = Store(address(postgres, ROLES.app)), Store(address(postgres, ROLES.governor))
    for store in (serving, server):
        name = "app" if store is serving else "governor"
        store.predictions.add([prediction(name)])
        store.scorings.add([scoring(f"card of {name}")])
        store.results.add([result(f"race of {name}")])
        store.experiments.start(experiment(name)) if store is serving else None
        store.checks.add(check(f"check of {name}"))
        store.alerts.add(alert(f"alert of {name}"))
        link = store.audit.append(entry(50 + len(name)))
        assert link == owner.audit.get(link.entry.entry_id)
        with store.database.exclusive("promotion"):
            pass
    serving.retrainings.start(retraining())
    assert serving.people.roles("ann") == frozenset({"scientist"})
    assert [token.token_id for token, _ in serving.tokens.all()] == ["t1"]
    assert serving.approvals.get("q1") == REQUEST
    assert server.approvals.rule(RULING, entry(60)) == RULING
    assert verify(serving.audit.walk(), [Anchor(*_head(owner))]).sound
    serving.close(), server.close()


def _head(store: Store) -> tuple[int, str]:
    head = store.audit.head()
    return head.position, head.hash


@pytest.mark.services
def test_a_row_of_the_trail_in_raw_sql_goes_on_at_the_head_or_is_refused(owner: Store, raw: psycopg.Connection):
    columns = "entry_id, at, actor, action, target, outcome, previous, hash"
    for position in (0, 1, 3, 10**9):
        row = f"SELECT {position}, 'forged', at, actor, action, target, outcome, previous, hash FROM audit_log LIMIT 1"
        said = refused(raw, f"INSERT INTO audit_log (position, {columns}) {row}")
        assert "goes on at its head" in said
    assert verify(owner.audit.walk()).sound


@pytest.mark.services
def test_a_superuser_can_do_it_by_removing_the_refusal_and_that_is_seen(postgres: PostgreSQL):
    store = Store(postgres.fresh("oracle_test"))
    apply(store.database, ROLES)
    for n in range(1, 6):
        store.audit.append(entry(n))
    anchor = Anchor(*_head(store))
    with psycopg.connect(str(store.database.shown), autocommit=True) as root:
        root.execute("SET session_replication_role = replica")  # the refusals do not rest there
        for statement in ("UPDATE audit_log SET actor = 'm'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            with pytest.raises(psycopg.Error, match="append-only"):
                root.execute(statement)
        assert differences(store.database, ROLES) == ()
        root.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only")
        root.execute("UPDATE audit_log SET actor = 'mallory' WHERE position = 2")
        root.execute("DROP TRIGGER audit_log_not_emptied ON audit_log")
        root.execute(f"GRANT INSERT ON approval_rulings TO {ROLES.app}")
        root.execute(f"GRANT UPDATE (actor) ON audit_log TO {ROLES.app}")
        root.execute(f"ALTER TABLE promotions OWNER TO {ROLES.governor}")
    assert [(flaw.position, flaw.kind) for flaw in verify(store.audit.walk(), [anchor]).flaws] == [(2, "changed")]
    said = differences(store.database, ROLES)
    assert f"{ROLES.app} may INSERT approval_rulings and should not" in said
    assert f"{ROLES.app} may UPDATE audit_log and should not" in said
    assert f"{ROLES.governor} owns promotions" in said
    assert "the trigger audit_log_append_only of audit_log is switched off, or rests in a session of a replica" in said
    assert "the trigger audit_log_not_emptied of audit_log is gone" in said
    store.close()


@pytest.mark.services
def test_what_the_governor_owned_is_taken_from_it(postgres: PostgreSQL):
    roles = Roles("owning_governor", "owning_app")
    made = postgres.fresh("oracle_test")
    with postgres.connect("oracle_test") as root:
        root.execute("CREATE ROLE owning_governor LOGIN")
        root.execute("ALTER DATABASE oracle_test OWNER TO owning_governor")
        Store(made.replace("//oracle@", "//owning_governor@")).close()
        store = Store(made)
        owned = [said for said in differences(store.database, roles) if "owns" in said]
        assert {"owning_governor owns the database", "owning_governor owns audit_log"} <= set(owned)
        apply(store.database, roles)
        assert differences(store.database, roles) == ()
        with postgres.connect("oracle_test") as raw:
            raw.execute("SET ROLE owning_governor")
            for statement in ("DROP SCHEMA public CASCADE", "DROP TABLE audit_log", "CREATE TABLE mine (x int)"):
                assert "must be owner" in (said := refused(raw, statement)) or "permission denied" in said
        store.close()
        root.execute("DROP OWNED BY owning_governor, owning_app")
        root.execute("DROP ROLE owning_governor, owning_app")


@pytest.mark.services
def test_the_command_prints_applies_and_compares(
    postgres: PostgreSQL, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(output._Result, "claim", classmethod(lambda _: None))
    store = Store(postgres.fresh("oracle_test"))
    store.close()
    monkeypatch.setenv("ORACLE_STORE__URI", str(store.database.shown))
    names = ["--governor", "cmd_governor", "--app", "cmd_app"]

    def call(*words: str) -> tuple[int, Any]:
        code = output.run(app, ["store", "grants", *names, *words, "--json"])
        return code, json.loads(capfd.readouterr().out)

    code, document = call("--check")
    assert (code, document["differences"]) == (10, ["the role cmd_governor is missing", "the role cmd_app is missing"])
    assert call()[1]["applied"] is False
    assert [call("--apply")[0] for _ in range(2)] == [0, 0]
    assert call("--check") == (0, document | {"differences": []})
    with postgres.connect("oracle_test") as connection:
        connection.execute("DROP OWNED BY cmd_governor, cmd_app")
        connection.execute("DROP ROLE cmd_governor, cmd_app")


@pytest.mark.services
def test_who_serves_and_finds_a_store_behind_is_told_what_to_do(postgres: PostgreSQL):
    store = Store(postgres.fresh("oracle_test"))
    apply(store.database, ROLES)
    store.database.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '0006'"))
    store.close()
    with pytest.raises(Unavailable, match=r"permission denied.*next: .*oracle store migrate"):
        Store(f"postgresql://{ROLES.app}@127.0.0.1:{postgres.port}/oracle_test")


def test_every_table_that_only_grows_is_known_to_the_grants(store: Store):
    if store.database.dialect == "sqlite":
        found = "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_no_update'"
    else:
        found = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%_append_only'"
    names = store.database.read(lambda c: c.exec_driver_sql(found.replace("%", "%%")).scalars().all())
    assert set(names) == GROWS == {TRAIL, *GOVERNED, *LOGS}


def test_no_statement_gives_anybody_the_right_to_change_what_only_grows():
    for tables in allowed(Roles()).values():
        assert not any({"UPDATE", "DELETE", "TRUNCATE"} & set(tables[table]) for table in GROWS)
    assert {table for table, rights in allowed(Roles())["app"].items() if "INSERT" not in rights} == {
        *GOVERNED,
        "alembic_version",
        "store_versions",
    }
    text = "\n".join(statements(Roles(), database='odd"name'))
    assert '"odd""name"' in text
    assert "PASSWORD" not in text


@pytest.mark.parametrize("name", ["", "App", "a b", 'a"; DROP', "public", "pg_write_all_data", "ä", "x" * 64])
def test_a_role_has_a_plain_name(name: str):
    with pytest.raises(BadInput, match="no name for a role"):
        Roles(governor=name)
    with pytest.raises(BadInput, match="the two roles are one"):
        Roles("same", "same")


def test_a_file_has_no_roles(tmp_path: Any):
    store = Store(f"sqlite:///{tmp_path / 'oracle.db'}")
    for work in (apply, differences):
        with pytest.raises(BadSetting, match="has no roles"):
            work(store.database, Roles())
    store.close()
