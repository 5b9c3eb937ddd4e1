"""Roles: what each may do, and that a refusal says who could."""

from __future__ import annotations

import pytest

from oracle.errors import BadInput
from oracle.governance.roles import MAY, ROLES, Actor, NotAllowed, may, roles_of


def test_everybody_with_a_role_may_read_and_a_stranger_may_not():
    assert all(may({role}, "read") for role in ROLES)
    assert not may((), "read")


@pytest.mark.parametrize(
    ("action", "role"),
    [("request", "scientist"), ("approve", "approver"), ("people", "admin"), ("rollback", "approver")],
)
def test_each_duty_has_one_role_and_an_admin_is_none_of_the_others(action, role):
    assert [each for each in ROLES if action in MAY[each]] == [role]


def test_a_refusal_names_the_roles_that_would_do():
    with pytest.raises(NotAllowed, match=r"ann may not approve.*allowed: approver.*oracle people add ann"):
        Actor("ann", frozenset({"scientist", "admin"})).require("approve")
    Actor("bea", frozenset({"approver"})).require("approve")


def test_a_role_that_is_none_is_refused():
    assert roles_of(["admin", "viewer"]) == {"admin", "viewer"}
    with pytest.raises(BadInput, match="root"):
        roles_of(["root"])
