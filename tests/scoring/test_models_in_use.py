"""The models in use are kept in memory: read once, and never in the place of others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rapport.scoring.v1 import scoring_service_pb2 as pb
from sqlalchemy.exc import NoResultFound

from services.runtime.tenancy import set_tenant
from services.scoring import model_store, modelling, refitting
from services.scoring.lifetime import Mbg
from tests.fix_services import House
from tests.scoring.clientele import Clientele
from tests.storage.sending import recording


@pytest.fixture
def clientele(house: House) -> Clientele:
    made = Clientele(house)
    made.simulate(200, Mbg(), seed=5)
    made.write()
    return made


async def scored(house: House, customer: str = "s-1") -> pb.CustomerScore:
    answer = await house.scoring.ScoreCustomers(pb.ScoreCustomersRequest(customer_ids=[customer]), house.caller)
    return answer.scores[0]


async def test_a_version_is_read_once_and_the_next_one_is_seen_at_once(house: House, clientele: Clientele) -> None:
    by_default = await scored(house)
    fitted = await refitting.fit(house.scoring_database, house.clock.now)
    await put(house, fitted)
    first = await scored(house)
    with recording() as sent:
        again = await scored(house)
    # Only which version is the newest is read again.
    read = [s.statement for s in sent if "scoring.model" in s.statement]
    assert len(read) == 1
    assert "scoring.model.version" in read[0]
    assert "scoring.model.body" not in read[0]
    # Somebody else makes a version, as another worker does: what is kept in memory must not stand in for it.
    engagement = replace(fitted.engagement, params=replace(fitted.engagement.params, alpha=1.0))
    await put(house, replace(fitted, engagement=engagement))
    second = await scored(house)
    assert [s.model_version for s in (by_default, first, again, second)] == [0, 1, 1, 2]
    assert by_default.p_alive != first.p_alive == again.p_alive != second.p_alive


async def test_versions_in_memory_are_bounded_and_told_apart_by_tenant(house: House, clientele: Clientele) -> None:
    fitted = await refitting.fit(house.scoring_database, house.clock.now)
    await put(house, fitted)
    known = model_store.ModelsInUse(most=1)
    newest = model_store.Newest(1, house.clock.now)
    async with house.scoring_database.snapshot() as conn:
        mine = await known.get(conn, newest, "USD")
        with recording() as sent:
            assert await known.get(conn, newest, "USD") == mine
        assert not sent
        set_tenant("another")
        # Another tenant's version of the same number is not this one.
        with recording() as sent, pytest.raises(NoResultFound):
            await known.get(conn, newest, "USD")
        assert len(sent) == 1
        set_tenant("default")
        # The same number fitted at another moment is another version: a database may have been put back.
        await known.get(conn, replace(newest, fitted_at=house.clock.now + timedelta(days=1)), "USD")
        with recording() as sent:
            await known.get(conn, newest, "USD")
        assert len(sent) == 1


async def put(house: House, fitted: modelling.Fitted) -> None:
    async with house.scoring_database.transaction() as conn:
        await model_store.put_models(conn, fitted, house.clock.now)
