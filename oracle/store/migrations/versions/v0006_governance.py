"""Governance: the audit trail, approvals, promotions, roles and tokens, all of which only grow."""

from __future__ import annotations

from oracle.store.migrations.words import append_only, run

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    """CREATE TABLE audit_log (
        position BIGINT NOT NULL PRIMARY KEY, entry_id TEXT NOT NULL, at {moment} NOT NULL, actor TEXT NOT NULL,
        address TEXT, action TEXT NOT NULL, target TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT, before TEXT,
        after TEXT, previous TEXT NOT NULL, hash TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX audit_log_by_entry ON audit_log (entry_id)",
    "CREATE INDEX audit_log_by_time ON audit_log (at)",
    """CREATE TABLE approval_requests (
        seq {seq}, request_id TEXT NOT NULL, at {moment} NOT NULL, model TEXT NOT NULL, version BIGINT NOT NULL,
        label TEXT NOT NULL, expected BIGINT, requester TEXT NOT NULL, reason TEXT NOT NULL, expires {moment} NOT NULL,
        evidence TEXT NOT NULL, evidence_digest TEXT NOT NULL, retraining TEXT)""",
    "CREATE UNIQUE INDEX approval_requests_by_id ON approval_requests (request_id)",
    "CREATE INDEX approval_requests_by_version ON approval_requests (model, version)",
    """CREATE TABLE approval_rulings (
        seq {seq}, request_id TEXT NOT NULL, step TEXT NOT NULL, at {moment} NOT NULL, decision TEXT NOT NULL,
        actor TEXT NOT NULL, reason TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX approval_rulings_by_request ON approval_rulings (request_id, step)",
    """CREATE TABLE promotions (
        seq {seq}, promotion_id TEXT NOT NULL, at {moment} NOT NULL, model TEXT NOT NULL, version BIGINT NOT NULL,
        label TEXT NOT NULL, kind TEXT NOT NULL, replaced BIGINT, request_id TEXT, actor TEXT NOT NULL, approver TEXT,
        document TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX promotions_by_id ON promotions (promotion_id)",
    "CREATE INDEX promotions_by_time ON promotions (model, at)",
    """CREATE TABLE role_grants (
        seq {seq}, grant_id TEXT NOT NULL, at {moment} NOT NULL, name TEXT NOT NULL, roles TEXT NOT NULL,
        actor TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX role_grants_by_id ON role_grants (grant_id)",
    "CREATE INDEX role_grants_by_name ON role_grants (name, seq)",
    """CREATE TABLE api_tokens (
        seq {seq}, token_id TEXT NOT NULL, name TEXT NOT NULL, secret_hash TEXT NOT NULL, scopes TEXT NOT NULL,
        created {moment} NOT NULL, created_by TEXT NOT NULL, expires {moment} NOT NULL, per_minute BIGINT NOT NULL)""",
    "CREATE UNIQUE INDEX api_tokens_by_id ON api_tokens (token_id)",
    """CREATE TABLE api_token_changes (
        seq {seq}, token_id TEXT NOT NULL, at {moment} NOT NULL, change TEXT NOT NULL, actor TEXT NOT NULL,
        until {moment} NOT NULL)""",
    "CREATE UNIQUE INDEX api_token_changes_by_token ON api_token_changes (token_id, change)",
)
LOGS = (
    "audit_log",
    "approval_requests",
    "approval_rulings",
    "promotions",
    "role_grants",
    "api_tokens",
    "api_token_changes",
)


def upgrade() -> None:
    """Make them."""
    run(*STATEMENTS, *append_only(*LOGS))
