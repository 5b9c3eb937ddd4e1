"""Who holds which roles: the last grant of a name counts, and none is ever taken out of the log."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from oracle.errors import BadInput
from oracle.governance.audit import Entry
from oracle.governance.privacy import certain
from oracle.governance.roles import Role, roles_of
from oracle.store.audit import Audit
from oracle.store.database import Database
from oracle.store.governed import GRANTS
from oracle.store.tables import Rows, reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """From that moment on, a name holds these roles and no others."""

    grant_id: str
    at: dt.datetime
    name: str
    roles: str
    """Names of roles with a space between; empty for somebody who left."""
    actor: str
    """Who granted them."""

    @property
    def held(self) -> frozenset[Role]:
        """The roles."""
        return roles_of(self.roles.split())


_COLUMNS, _VALUE = reader(Grant, GRANTS)


class People:
    """The grants of a store."""

    def __init__(self, database: Database) -> None:
        self._database, self._audit = database, Audit(database)
        self._rows: Rows[Grant] = Rows(GRANTS, database.dialect)

    def grant(self, grant: Grant, entry: Entry) -> bool:
        """Write a grant with its audit entry, and return whether it is new.

        Whoever holds a role is named in records that stay, so the name has to be that of an account.

        Raises:
            BadInput: the name is an e-mail address or something else that is personal.
            Unavailable: it could not be written.
        """
        if certain(grant.name):
            raise BadInput(
                "a person who acts is named in records that nobody can change, and this name is personal data",
                allowed="the name of an account, such as anna",
            )
        return self._audit.together(entry, lambda connection: bool(self._rows.add(connection, [grant])))

    def roles(self, name: str) -> frozenset[Role]:
        """Return the roles that a name holds now; none for a stranger."""
        latest = sa.select(*_COLUMNS).where(GRANTS.c.name == name).order_by(GRANTS.c.seq.desc()).limit(1)
        found = self._read(latest)
        return found[0].held if found else frozenset()

    def all(self) -> dict[str, Grant]:
        """Return the grant that counts for each name, in the order of the names."""
        latest = {grant.name: grant for grant in self._read(sa.select(*_COLUMNS).order_by(GRANTS.c.seq))}
        return dict(sorted(latest.items()))

    def anybody(self) -> bool:
        """Return whether anybody was ever granted anything."""
        return bool(self._read(sa.select(*_COLUMNS).limit(1)))

    def _read(self, wanted: sa.Select[tuple[object, ...]]) -> list[Grant]:
        return [_VALUE(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]
