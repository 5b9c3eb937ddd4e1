from __future__ import annotations

import pytest

from tests.tracking_server.conftest import Governed

pytestmark = pytest.mark.services


def test_the_allowed_way_leads_into_service(governed: Governed) -> None:
    world = governed.served.world()
    aliases = {each["alias"]: each["version"] for each in world["model"]["aliases"]}
    _first, second, *later = world["promotions"]  # other tests of this server promote and roll back, too
    assert second.version == int(governed.production.number)
    assert [p.approver for p in world["promotions"][:2]] == ["ann", "ann"]
    assert int(aliases["production"]) == [second, *later][-1].version


def test_the_first_admin_is_the_one_that_the_server_was_set_up_with(governed: Governed) -> None:
    assert governed.served.entries()[0].target == "people/root"
