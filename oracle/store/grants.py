"""Who may do what in the store on PostgreSQL: two roles, and an owner that only sets up and upgrades.

`governor` is the MLflow server's and the administrators': it decides. `app` is that of all that serves and works: it
appends to the audit trail and reads what was decided, and can decide nothing. Neither owns a table, and neither may
change, delete or empty a row of a table that only grows. The statements are values: printed for an administrator, or
carried out in one transaction; what is granted in truth is read back and compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from oracle.errors import BadInput, BadSetting
from oracle.store import governed
from oracle.store.database import Database
from oracle.store.tables import METADATA

TRAIL = governed.AUDIT.name
GOVERNED = tuple(
    table.name
    for table in (
        *(governed.REQUESTS, governed.RULINGS, governed.PROMOTIONS),
        *(governed.GRANTS, governed.TOKENS, governed.TOKEN_CHANGES),
    )
)
"""What is decided: only the governor writes it."""
LOGS = ("experiment_changes", "drift_checks", "retraining_decisions", "retraining_steps", "alerts")
"""What else only grows."""
VERSIONS = ("alembic_version", "store_versions")
"""How far the tables have come: only their owner writes it."""
GROWS = frozenset({TRAIL, *GOVERNED, *LOGS})
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of the two roles."""

    governor: str = "governor"
    app: str = "app"

    def __post_init__(self) -> None:
        for name in (self.governor, self.app):
            if not NAME.fullmatch(name) or name.startswith("pg_") or name == "public":
                raise BadInput("no name for a role", value=name, allowed="small letters, digits and _ such as governor")
        if self.governor == self.app:
            raise BadInput("the two roles are one", value=self.app, next_step="name two: --governor, --app")


def allowed(roles: Roles) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return, for each role and each table of the store, what it may do; whatever is not here it may not."""
    tables = (*(table.name for table in METADATA.sorted_tables), *VERSIONS)
    return {
        roles.governor: {table: _governor(table) for table in tables},
        roles.app: {table: _app(table) for table in tables},
    }


def _governor(table: str) -> tuple[str, ...]:
    if table in VERSIONS:
        return ("SELECT",)
    return ("SELECT", "INSERT") if table in GROWS else ("SELECT", "INSERT", "UPDATE", "DELETE")


def _app(table: str) -> tuple[str, ...]:
    return ("SELECT",) if table in GOVERNED else _governor(table)


def statements(roles: Roles, *, database: str, schema: str = "public") -> tuple[str, ...]:
    """Return what makes it so, for the owner of the tables to run in one transaction; running it again changes nothing.

    A role that is missing is made, and may log in; its password is for the administrator to set, in no statement here.
    """
    both = f"{roles.governor}, {roles.app}"
    made = tuple(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN"
        f" CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS; END IF; END $$"
        for name in (roles.governor, roles.app)
    )
    granted = tuple(
        f"GRANT {', '.join(rights)} ON TABLE {_quoted(schema)}.{_quoted(table)} TO {role}"
        for role, tables in allowed(roles).items()
        for table, rights in tables.items()
    )
    return (
        *made,
        f"REVOKE CREATE ON SCHEMA {_quoted(schema)} FROM PUBLIC, {both}",
        f"REVOKE CREATE, TEMPORARY ON DATABASE {_quoted(database)} FROM PUBLIC, {both}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {_quoted(schema)} FROM PUBLIC, {both}",
        f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {both}",
        f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {both}",
        *granted,
    )


def apply(database: Database, roles: Roles) -> tuple[str, ...]:
    """Carry the statements out, all or none, and return them.

    Raises:
        BadSetting: the store is a file of SQLite, which has no roles.
        Unavailable: the database does not answer, or does not let this role grant.
    """
    done = planned(database, roles)

    def work(connection: sa.Connection) -> None:
        for statement in done:
            connection.exec_driver_sql(statement)

    database.write(work, in_order=True)
    return done


def planned(database: Database, roles: Roles) -> tuple[str, ...]:
    """Return the statements for this database; what a role owns is taken from it first: an owner may do everything.

    Raises:
        BadSetting: the store is a file of SQLite, which has no roles.
    """
    if database.dialect != "postgresql":
        raise BadSetting(
            "a file of SQLite has no roles: whoever may write it may do everything",
            value=database.shown,
            next_step="take PostgreSQL: store.uri (ORACLE_STORE__URI)",
        )

    def asked(connection: sa.Connection) -> tuple[str, ...]:
        name, schema = connection.exec_driver_sql("SELECT current_database(), current_schema()").one()
        taken = connection.execute(_TAKEN, {"roles": [roles.governor, roles.app]}).scalars().all()
        return (*taken, *statements(roles, database=name, schema=schema))

    return database.read(asked)


def differences(database: Database, roles: Roles) -> tuple[str, ...]:
    """Return where what is granted is not what should be, each as a sentence; none if all is well.

    Raises:
        BadSetting: the store is a file of SQLite, which has no roles.
        Unavailable: the database does not answer.
    """
    planned(database, roles)
    return database.read(lambda connection: tuple(_differences(connection, roles)))


_ROLE = sa.text("SELECT rolsuper, rolcreaterole, rolbypassrls, rolreplication FROM pg_roles WHERE rolname = :role")
_MEMBER = sa.text(
    "SELECT rolname FROM pg_roles WHERE rolname <> :role AND NOT rolsuper AND pg_has_role(:role, oid, 'MEMBER')"
)
_OWNED = sa.text(
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
    " AND pg_has_role(:role, relowner, 'MEMBER')"
    " UNION ALL SELECT 'the database' FROM pg_database WHERE datname = current_database()"
    " AND pg_has_role(:role, datdba, 'MEMBER')"
    " UNION ALL SELECT 'the function ' || proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
    " AND pg_has_role(:role, proowner, 'MEMBER') ORDER BY 1"
)
_HELD = sa.text(
    "SELECT relname, privilege FROM pg_class CROSS JOIN unnest(CAST(:privileges AS text[])) AS privilege"
    " WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = current_schema()::regnamespace"
    " AND (has_table_privilege(:role, oid, privilege)"
    " OR (privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')"
    " AND has_any_column_privilege(:role, oid, privilege)))"
)
_TAKEN = sa.text(
    "WITH theirs AS (SELECT oid FROM pg_roles WHERE rolname = ANY(:roles)),"
    " here AS (SELECT current_schema()::regnamespace AS oid) "
    "SELECT 'ALTER ' || what || ' OWNER TO CURRENT_USER' FROM ("
    " SELECT 1 AS turn, 'DATABASE ' || quote_ident(datname) AS what, datdba AS owner FROM pg_database"
    "  WHERE datname = current_database()"
    " UNION ALL SELECT 2, 'SCHEMA ' || quote_ident(nspname), nspowner FROM pg_namespace WHERE oid = (TABLE here)"
    " UNION ALL SELECT 3, 'TABLE ' || oid::regclass, relowner FROM pg_class"
    "  WHERE relkind IN ('r', 'p') AND relnamespace = (TABLE here)"
    " UNION ALL SELECT 4, 'FUNCTION ' || oid::regprocedure, proowner FROM pg_proc WHERE pronamespace = (TABLE here)"
    ") AS owned WHERE owner IN (TABLE theirs) ORDER BY turn, what"
)
_REFUSALS = sa.text(
    "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
    " WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
)


def _differences(connection: sa.Connection, roles: Roles) -> Iterator[str]:
    for role, wanted in allowed(roles).items():
        yield from _of_role(connection, role, wanted)
    there = {(table, name): state for table, name, state in connection.execute(_REFUSALS).all()}
    needed = {(table, f"{table}_{what}") for table in sorted(GROWS) for what in ("append_only", "not_emptied")}
    for table, name in sorted(needed | {(TRAIL, f"{TRAIL}_chained")}):
        state = there.get((table, name))
        if state is None:
            yield f"the trigger {name} of {table} is gone"
        elif state != "A":
            yield f"the trigger {name} of {table} is switched off, or rests in a session of a replica"


def _of_role(connection: sa.Connection, role: str, wanted: dict[str, tuple[str, ...]]) -> Iterator[str]:
    powers = connection.execute(_ROLE, {"role": role}).first()
    if powers is None:
        yield f"the role {role} is missing"
        return
    for power, name in zip(powers, ("a superuser", "a maker of roles", "above row security", "a replica"), strict=True):
        if power:
            yield f"{role} is {name}"
    yield from (f"{role} is a member of {other}" for other in connection.execute(_MEMBER, {"role": role}).scalars())
    yield from (f"{role} owns {table}" for table in connection.execute(_OWNED, {"role": role}).scalars())
    held = set(map(tuple, connection.execute(_HELD, {"role": role, "privileges": list(PRIVILEGES)}).all()))
    should = {(table, right) for table, rights in wanted.items() for right in rights}
    yield from (f"{role} may {right} {table} and should not" for table, right in sorted(held - should))
    yield from (f"{role} may not {right} {table} and should" for table, right in sorted(should - held))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
