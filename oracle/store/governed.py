"""The tables of governance: the audit trail, requests and rulings, promotions, roles, tokens. All of them only grow."""

from __future__ import annotations

import sqlalchemy as sa

from oracle.store.tables import METADATA, document, numbered, text, when, words

AUDIT = sa.Table(
    "audit_log",
    METADATA,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    text("entry_id"),
    when("at"),
    text("actor"),
    text("address", needed=False),
    text("action"),
    text("target"),
    text("outcome"),
    text("reason", needed=False),
    text("before", needed=False),
    text("after", needed=False),
    text("previous"),
    text("hash"),
    sa.Index("audit_log_by_entry", "entry_id", unique=True),
    sa.Index("audit_log_by_time", "at"),
)
REQUESTS = sa.Table(
    "approval_requests",
    METADATA,
    numbered(),
    text("request_id"),
    when("at"),
    text("model"),
    sa.Column("version", sa.BigInteger, nullable=False),
    text("label"),
    sa.Column("expected", sa.BigInteger, nullable=True),
    text("requester"),
    words("reason"),
    when("expires"),
    text("evidence"),
    text("evidence_digest"),
    text("retraining", needed=False),
    sa.Index("approval_requests_by_id", "request_id", unique=True),
    sa.Index("approval_requests_by_version", "model", "version"),
)
RULINGS = sa.Table(
    "approval_rulings",
    METADATA,
    numbered(),
    text("request_id"),
    text("step"),
    when("at"),
    text("decision"),
    text("actor"),
    words("reason"),
    sa.Index("approval_rulings_by_request", "request_id", "step", unique=True),
)
PROMOTIONS = sa.Table(
    "promotions",
    METADATA,
    numbered(),
    text("promotion_id"),
    when("at"),
    text("model"),
    sa.Column("version", sa.BigInteger, nullable=False),
    text("label"),
    text("kind"),
    sa.Column("replaced", sa.BigInteger, nullable=True),
    text("request_id", needed=False),
    text("actor"),
    text("approver", needed=False),
    document("document"),
    sa.Index("promotions_by_id", "promotion_id", unique=True),
    sa.Index("promotions_by_time", "model", "at"),
)
GRANTS = sa.Table(
    "role_grants",
    METADATA,
    numbered(),
    text("grant_id"),
    when("at"),
    text("name"),
    text("roles"),
    text("actor"),
    sa.Index("role_grants_by_id", "grant_id", unique=True),
    sa.Index("role_grants_by_name", "name", "seq"),
)
TOKENS = sa.Table(
    "api_tokens",
    METADATA,
    numbered(),
    text("token_id"),
    words("name"),
    text("secret_hash"),
    text("scopes"),
    when("created"),
    text("created_by"),
    when("expires"),
    sa.Column("per_minute", sa.BigInteger, nullable=False),
    sa.Index("api_tokens_by_id", "token_id", unique=True),
)
TOKEN_CHANGES = sa.Table(
    "api_token_changes",
    METADATA,
    numbered(),
    text("token_id"),
    when("at"),
    text("change"),
    text("actor"),
    when("until"),
    sa.Index("api_token_changes_by_token", "token_id", "change", unique=True),
)
