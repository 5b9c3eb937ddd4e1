"""The tokens of the endpoint: what they may do, until when, and the hash by which a secret is known again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from oracle.governance.audit import Entry
from oracle.store.audit import Audit
from oracle.store.database import Database
from oracle.store.governed import TOKEN_CHANGES, TOKENS
from oracle.store.tables import Rows, reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it was made; its secret is nowhere."""

    token_id: str
    name: str
    """What it is for, such as the app that holds it."""
    secret_hash: str
    scopes: str
    """Names of scopes with a space between."""
    created: dt.datetime
    created_by: str
    expires: dt.datetime
    per_minute: int
    """Requests a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChange:
    """The end of a token before its time."""

    token_id: str
    at: dt.datetime
    change: Literal["revoked", "rotated"]
    actor: str
    until: dt.datetime
    """It is good until then: at once over when revoked, after the grace when rotated."""


_COLUMNS, _VALUE = reader(Token, TOKENS)
_CHANGE_COLUMNS, _CHANGE = reader(TokenChange, TOKEN_CHANGES)
_MARK = sa.select(
    sa.select(sa.func.coalesce(sa.func.max(TOKENS.c.seq), 0)).scalar_subquery(),
    sa.select(sa.func.coalesce(sa.func.max(TOKEN_CHANGES.c.seq), 0)).scalar_subquery(),
)


class Tokens:
    """The tokens of a store."""

    def __init__(self, database: Database) -> None:
        self._database, self._audit = database, Audit(database)
        self._rows: Rows[Token] = Rows(TOKENS, database.dialect)
        self._changes: Rows[TokenChange] = Rows(TOKEN_CHANGES, database.dialect)

    def add(self, token: Token, entry: Entry, *, instead_of: TokenChange | None = None) -> bool:
        """Write a token with its audit entry, and the end of the one it replaces, and return whether it is new.

        Raises:
            Unavailable: it could not be written.
        """

        def work(connection: sa.Connection) -> bool:
            self._changes.add(connection, [instead_of] if instead_of else [])
            return bool(self._rows.add(connection, [token]))

        return self._audit.together(entry, work)

    def end(self, change: TokenChange, entry: Entry) -> bool:
        """Write the end of a token with its audit entry, and return whether it is new.

        Raises:
            Unavailable: it could not be written.
        """
        return self._audit.together(entry, lambda connection: bool(self._changes.add(connection, [change])))

    def mark(self) -> tuple[int, int]:
        """Return how far tokens and changes have come, in one cheap query: the same mark, the same tokens.

        Raises:
            Unavailable: the database did not answer.
        """
        tokens, changes = self._database.read(lambda connection: connection.execute(_MARK).one())
        return int(tokens), int(changes)

    def all(self) -> list[tuple[Token, tuple[TokenChange, ...]]]:
        """Return every token with its changes, the first first."""

        def work(connection: sa.Connection) -> tuple[list[Token], list[TokenChange]]:
            tokens = [_VALUE(row) for row in connection.execute(sa.select(*_COLUMNS).order_by(TOKENS.c.seq))]
            ordered = sa.select(*_CHANGE_COLUMNS).order_by(TOKEN_CHANGES.c.seq)
            return tokens, [_CHANGE(row) for row in connection.execute(ordered)]

        tokens, changes = self._database.read(work)
        return [(token, tuple(c for c in changes if c.token_id == token.token_id)) for token in tokens]
