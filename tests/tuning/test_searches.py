"""The second search: whatever is proposed is a pool that can be weighed."""

from __future__ import annotations

import pytest

from oracle.ensemble.recipe import SHIPPED
from oracle.tuning.ledger import Record
from oracle.tuning.proposals import Told, propose
from oracle.tuning.searches import pool_of, pool_space
from oracle.tuning.space import candidates, point_of
from oracle.tuning.verdict import FORM, MODEL

CANDIDATES = candidates(SHIPPED, priced=True)
SPACES = {FORM: pool_space(FORM, SHIPPED.form, CANDIDATES), MODEL: pool_space(MODEL, SHIPPED.market, CANDIDATES)}


def test_every_way_of_weighing_that_is_proposed_can_be_weighed() -> None:
    told: list[Told] = []
    for _ in range(60):
        told.append(Told(propose("pool", SPACES, told, 3), 0.0))
    for one in told:
        answer, pool = pool_of(Record("weights", 0, dict(one.point)), SPACES)
        assert answer == one.point["pool"]
        assert pool.members
        assert set(pool.members) <= set(CANDIDATES)


@pytest.mark.parametrize("answer", SPACES)
def test_members_can_leave_and_families_that_the_recipe_lacks_can_join(answer: str) -> None:
    shipped = SHIPPED.form if answer == FORM else SHIPPED.market
    values = {"aggregation": "rank", "weights": "even", "leave_out": shipped.members[0]}
    if answer == FORM:
        values["add"] = "rank_xendcg"
    point = {"pool": answer, **{n: v for n, v in point_of(answer, values).items() if n != "member"}}
    _, pool = pool_of(Record("weights", 0, point), SPACES)
    assert shipped.members[0] not in pool.members
    assert ("rank_xendcg" in pool.members) == (answer == FORM)
    assert (pool.aggregation, pool.weights) == ("rank", "even")
