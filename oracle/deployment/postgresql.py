"""PostgreSQL: a server of our own on the loopback interface, its roles and its databases.

Roles: `mlflow` owns the databases of MLflow and of its users. `keeper` owns our store, which it upgrades; `governor`
decides in it, `app` uses it. Each proves itself with a password (SCRAM); the server sees only its digest, so that none
can reach its log. PostgreSQL refuses to run as root: started by root it runs as the user `postgres`, else as ourselves.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from oracle.deployment.part import Site
from oracle.deployment.processes import Command
from oracle.errors import Unavailable
from oracle.store import grants
from oracle.store.database import Database
from oracle.store.migrations import migrate

SUPERUSER = "operator"
DATABASES = {"mlflow": "mlflow", "mlflow_users": "mlflow", "oracle": "keeper"}
"""Database: its owner."""


def programs() -> Path:
    """Return the folder of PostgreSQL's programs: on the path, or where Debian keeps them.

    Raises:
        Unavailable: PostgreSQL is not installed.
    """
    found = shutil.which("initdb")
    here = Path(found).resolve().parent if found else None
    here = here or max((p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    if here is None:
        raise Unavailable(
            "PostgreSQL is not installed: neither initdb on the path nor /usr/lib/postgresql",
            next_step="install it: apt-get install postgresql",
        )
    return here


class PostgreSQL:
    """The database server."""

    name, title = "postgresql", "PostgreSQL"
    ports: Sequence[str] = ("postgresql",)
    seconds = 60.0
    signals: Sequence[tuple[int, float]] = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0))

    def __init__(self, site: Site) -> None:
        self._site = site
        self._programs = programs()

    @property
    def data(self) -> Path:
        """Folder of the data; outside the home only where the user of the server cannot reach into the home."""
        return Path(self._site.ledger.folders.get("postgresql") or self._site.places.database)

    def prepare(self) -> None:
        """Make the data folder: under another name first, so that one cut short is never taken for a whole one."""
        if self._user is not None and "postgresql" not in self._site.ledger.folders:
            self._site.ledger.folders["postgresql"] = str(self._reachable())
            self._site.ledger.save()
        if (self.data / "PG_VERSION").exists():
            return
        fresh = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", prefix="oracle-") as password:
            password.write(self._site.passwords.postgresql)
            password.flush()
            self._give(Path(password.name))
            fresh.mkdir(mode=0o700, parents=True)
            self._give(fresh)
            words = ["-D", str(fresh), "-U", SUPERUSER, "-A", "scram-sha-256", "--pwfile", password.name]
            self._run("initdb", *words, "-E", "UTF8", "--locale=C")
        fresh.rename(self.data)

    def command(self) -> Command:
        """Return how the server is started: in the foreground, without a socket file, on the loopback interface."""
        told = {"listen_addresses": "127.0.0.1", "port": self._site.port("postgresql"), "unix_socket_directories": ""}
        options = [word for name, value in told.items() for word in ("-c", f"{name}={value}")]
        return Command(
            [str(self._programs / "postgres"), "-D", str(self.data), *options], {}, Path("/"), user=self._user
        )

    def lacking(self) -> str | None:
        """Return None once the server lets its superuser in."""
        try:
            with self._connected("postgres"):
                return None
        except psycopg.OperationalError as error:
            return str(error).strip().splitlines()[-1]

    def furnish(self) -> None:
        """Make roles and databases, bring the tables of our store up to date, and say who may do what in them."""
        passwords = self._site.passwords
        with self._connected("postgres") as connection:
            for role in ("mlflow", "keeper", "governor", "app"):
                _role(connection, role, str(getattr(passwords, role)))
            for database, owner in DATABASES.items():
                _database(connection, database, owner)
        ours = Database(self._site.database("keeper", passwords.keeper, "oracle"))
        try:
            migrate(ours)
            if grants.differences(ours, grants.Roles()):
                grants.apply(ours, grants.Roles())
        finally:
            ours.close()

    def clear(self) -> None:
        """Leave the data where it is."""

    @property
    def _user(self) -> str | None:
        """Whom the server runs as."""
        if os.getuid():
            return None
        try:
            return pwd.getpwnam("postgres").pw_name
        except KeyError as error:
            raise Unavailable(
                "PostgreSQL does not run as root, and there is no user postgres to run it as",
                next_step="install Debian's package (apt-get install postgresql), or run this as another user",
            ) from error

    def _reachable(self) -> Path:
        """Return the folder under home where the user of the server may go there, else one under that user's home."""
        home = self._site.places.home
        asked = subprocess.run(["test", "-x", str(home)], user=self._user, extra_groups=[], cwd="/", check=False)
        if asked.returncode == 0:
            return self._site.places.database
        return Path(pwd.getpwnam(str(self._user)).pw_dir) / f"equine-oracle-{self._site.passwords.label[:8].lower()}"

    def _give(self, path: Path) -> None:
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            user=self._user,
            extra_groups=[] if self._user else None,
            cwd="/",
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"{program} failed: {done.stderr.strip().splitlines()[-1:]}", value=self.data)

    def _connected(self, database: str) -> contextlib.closing[psycopg.Connection]:
        address = self._site.database(SUPERUSER, self._site.passwords.postgresql, database)
        return contextlib.closing(psycopg.connect(address, autocommit=True, connect_timeout=5))


def _role(connection: psycopg.Connection, role: str, password: str) -> None:
    """Make the role, or give it its password again."""
    digest = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = sql.SQL("ALTER" if there else "CREATE")
    connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), sql.Literal(digest)))


def _database(connection: psycopg.Connection, database: str, owner: str) -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone() is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(owner))
        )
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
