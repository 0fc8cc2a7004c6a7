"""What could not be counted is listed in words, and counts right once it is tried again: once, in the newest state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.scoring.v1 import scoring_service_pb2 as pb
from sqlalchemy.exc import DBAPIError

from services.runtime import deadlines
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument
from services.runtime.failures import as_service_error
from services.runtime.tenancy import set_tenant
from services.scoring import draining, erasing, facts_store, quarantine_store, retrying
from services.scoring.quarantine import Quarantined
from services.storage.reading import ConsistencyTokens
from tests.fix_services import KEYS, House
from tests.scoring.telling import happened, rows, settled, talked
from tests.until import until


class Poison:
    """Makes counting fail while it names what a batch must not hold."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.error: Exception = ValueError("a value that nobody may be told")

    def on(self, real: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def poisoned(conn: Any, changes: Any, *more: Any) -> None:
            await real(conn, changes, *more)  # it fails half-way: all of it has to be undone
            if any(c.entity_id in self.ids for c in changes):
                raise self.error

        return poisoned


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    made = Poison()
    monkeypatch.setattr(draining, "count", made.on(draining.count))
    monkeypatch.setattr(erasing, "erase", made.on(erasing.erase))
    return made


async def talk(house: House, *conversations: str, **more: Any) -> None:
    for name in conversations:
        await talked(house, name, house.clock.now - timedelta(hours=1), more.pop("agent", "a"), "k", **more)


async def listed(house: House, **asked: Any) -> pb.ListQuarantineResponse:
    return await house.scoring.ListQuarantine(pb.ListQuarantineRequest(**asked), house.caller)


async def retried(house: House, *ids: int) -> pb.RetryQuarantineResponse:
    return await house.scoring.RetryQuarantine(pb.RetryQuarantineRequest(change_ids=ids), house.caller)


async def conversations(house: House) -> dict[str, int]:
    """Return how many conversations each agent's grade rests on."""
    answer = await house.scoring.GradeAgents(pb.GradeAgentsRequest(), house.caller)
    return {g.agent_id: g.n for g in answer.grades if g.n}


async def test_what_was_mended_counts_once_it_is_tried_again(house: House, poison: Poison) -> None:
    poison.ids = {"c-1"}
    await talk(house, "c-0", "c-1", "c-2")
    await house.drain()
    (aside,) = (await listed(house)).changes
    assert (aside.kind, aside.entity_id, aside.error, aside.attempts) == ("conversation", "c-1", "ValueError", 1)
    assert aside.change_id > 0
    assert aside.HasField("recorded_at")
    assert aside.HasField("quarantined_at")
    assert await conversations(house) == {"a": 2}
    poison.ids = set()
    answer = await retried(house, aside.change_id)
    assert answer == pb.RetryQuarantineResponse(counted=1)
    assert await conversations(house) == {"a": 3}
    assert house.differences() == []
    assert await retried(house, aside.change_id) == pb.RetryQuarantineResponse(unknown=[aside.change_id])


async def test_what_still_fails_stays_with_its_newest_error_and_changes_nothing(house: House, poison: Poison) -> None:
    poison.ids = {"c-1", "c-2"}
    await talk(house, "c-0", "c-1", "c-2")
    await house.drain()
    poison.ids, poison.error = {"c-2"}, psycopg.errors.NumericValueOutOfRange()
    answer = await retried(house)
    assert (answer.counted, [(f.entity_id, f.error, f.attempts) for f in answer.failed]) == (
        1, [("c-2", "NumericValueOutOfRange", 2)],
    )  # fmt: skip
    poison.error = DBAPIError("SELECT", None, psycopg.errors.NumericValueOutOfRange())
    answer = await retried(house)
    assert [(f.entity_id, f.error, f.attempts) for f in answer.failed] == [("c-2", "SQLSTATE 22003", 3)]
    assert list((await listed(house)).changes) == list(answer.failed)
    assert await conversations(house) == {"a": 2}


async def test_a_retry_that_keeps_what_a_failed_count_did_would_be_found_out(
    house: House, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    poison.ids = {"c-1"}
    await talk(house, "c-1")
    await house.drain()

    async def swallowed(conn: Any, changes: Any, now: Any) -> None:
        with suppress(draining.UncountableError):
            await draining.count_taken(conn, changes, now)

    monkeypatch.setattr(retrying, "count_taken", swallowed)
    await retried(house)
    assert await conversations(house) == {"a": 1}


async def test_a_token_is_refused_until_its_change_is_counted(house: House, poison: Poison) -> None:
    poison.ids = {"c-0"}
    await talk(house, "c-0")
    ((change_id,),) = rows(house, "SELECT change_id FROM ingest.change")
    await house.drain()
    asked = pb.GradeAgentsRequest(consistency_token=ConsistencyTokens(KEYS).issue(change_id, change_id))
    with pytest.raises(FailedPrecondition) as refused:
        await house.scoring.GradeAgents(asked, house.caller)
    assert refused.value.reason == "CHANGE_QUARANTINED"
    poison.ids = set()
    assert (await retried(house)).counted == 1
    assert [(g.agent_id, g.n) for g in (await house.scoring.GradeAgents(asked, house.caller)).grades] == [("a", 1)]


@pytest.mark.parametrize("retried_before_the_next", [True, False])
async def test_a_fact_that_changed_again_counts_in_its_newest_state_once(
    house: House, poison: Poison, retried_before_the_next: bool
) -> None:
    poison.ids = {"c-0"}
    await talk(house, "c-0", agent="first")
    await house.drain()
    poison.ids = set()
    await talk(house, "c-0", agent="second")
    if retried_before_the_next:
        assert (await retried(house)).counted == 1
        assert await conversations(house) == {"second": 1}
        await house.drain()
    else:
        await house.drain()
        assert await conversations(house) == {"second": 1}
        assert (await retried(house)).counted == 1
    assert await conversations(house) == {"second": 1}
    assert house.differences() == []


async def test_what_only_time_changes_is_counted_again_too(house: House, poison: Poison) -> None:
    await happened(house, "cart_activity", {"cart_id": "cart", "action": "CART_ACTION_CREATED"}, house.clock.now, agent="a")
    await settled(house)
    house.clock.advance(hours=25)
    poison.ids = {"cart"}
    await house.drain()
    (aside,) = (await listed(house)).changes
    assert (aside.change_id, aside.kind, aside.entity_id) == (-1, "cart", "cart")
    poison.ids = set()
    assert (await retried(house, -1)).counted == 1
    assert house.differences() == []


async def test_an_erasure_is_caught_up_on(house: House, poison: Poison) -> None:
    await talk(house, "c-0")
    await settled(house)
    await house.ingest.EraseCustomer(ingest_pb.EraseCustomerRequest(customer_id="k"), house.caller)
    poison.ids = {"k", "c-0"}
    await house.drain()
    assert {c.kind for c in (await listed(house)).changes} == {"erased_customer", "erased_conversation"}
    assert rows(house, "SELECT customer_id FROM scoring.contribution") == [("k",)]
    poison.ids = set()
    answer = await retried(house)
    assert (answer.counted, len(answer.failed), len((await listed(house)).changes)) == (2, 0, 0)
    for table in ("contribution", "customer_state", "customer_day"):
        assert rows(house, f"SELECT customer_id FROM scoring.{table}") == []
    assert await conversations(house) == {"a": 1}
    assert house.differences() == []


def test_every_kind_of_change_has_a_word() -> None:
    def word(kind: int) -> str:
        return Quarantined(1, kind, "", None, "", None, 1).word  # type: ignore[arg-type]  # no matter when

    plain = {word(kind) for kind in (*range(facts_store.CONVERSATION, facts_store.EVENT + 1), facts_store.LEFT)}
    assert plain == {"conversation", "transaction", "appointment", "agent", "customer", "cart", "follow_up", "event"}
    erased = {word(kind) for kind in (*erasing._CONTRIBUTED, erasing._CUSTOMER)}
    assert erased == {f"erased_{one}" for one in plain - {"agent"}}


async def test_pages_follow_one_another_and_belong_to_the_tenant(house: House, poison: Poison) -> None:
    poison.ids = {f"c-{n}" for n in range(5)}
    await talk(house, *sorted(poison.ids))
    await house.drain()
    found, token = [], ""
    for expected in (2, 2, 1):
        answer = await listed(house, page_size=2, page_token=token)
        assert len(answer.changes) == expected
        found += [c.entity_id for c in answer.changes]
        token = answer.next_page_token
    assert (found, token) == (sorted(poison.ids), "")
    token = (await listed(house, page_size=2)).next_page_token
    set_tenant("other")
    assert len((await listed(house)).changes) == 0
    with pytest.raises(InvalidArgument) as refused:
        await listed(house, page_token=token)
    assert (refused.value.reason, refused.value.violations[0].field) == ("INVALID_PAGE_TOKEN", "page_token")


async def test_another_tenants_changes_are_unknown(house: House, poison: Poison) -> None:
    poison.ids = {"c-0"}
    await talk(house, "c-0")
    await house.drain()
    ((change_id,),) = rows(house, "SELECT change_id FROM scoring.quarantine")
    poison.ids = set()
    set_tenant("other")
    assert await retried(house, change_id, 7) == pb.RetryQuarantineResponse(unknown=[change_id, 7])
    assert await retried(house) == pb.RetryQuarantineResponse()
    set_tenant("default")
    assert (await retried(house, 7, change_id)).counted == 1


async def test_two_retries_at_once_count_once(house: House, poison: Poison) -> None:
    poison.ids = {"c-0"}
    await talk(house, "c-0")
    await house.drain()
    poison.ids = set()
    both = await asyncio.gather(retried(house), retried(house))
    assert [len(answer.failed) for answer in both] == [0, 0]
    assert await conversations(house) == {"a": 1}
    assert house.differences() == []


async def blocked(house: House) -> None:
    """Return once somebody waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await until(lambda: rows(house, waiting) != [(0,)])


async def test_a_retry_waits_for_whoever_counts_the_tenant(house: House, poison: Poison) -> None:
    poison.ids = {"c-0"}
    await talk(house, "c-0")
    await house.drain()
    poison.ids = set()
    with psycopg.connect(house.url) as conn:
        conn.execute("SELECT FROM scoring.progress WHERE tenant_id = 'default' FOR UPDATE")
        waiting = asyncio.create_task(retried(house))
        await blocked(house)
        assert not waiting.done()
        conn.rollback()
        assert (await waiting).counted == 1
    assert house.differences() == []


async def test_a_retry_waits_no_longer_than_its_caller(house: House, poison: Poison) -> None:
    poison.ids = {"c-0"}
    await talk(house, "c-0")
    await house.drain()
    poison.ids = set()

    async def hurried() -> pb.RetryQuarantineResponse:
        deadlines.begin(0.5)
        return await retried(house)

    with psycopg.connect(house.url) as conn:
        conn.execute("SELECT FROM scoring.progress WHERE tenant_id = 'default' FOR UPDATE")
        with pytest.raises(DBAPIError) as late:
            await asyncio.create_task(hurried())
        assert isinstance(as_service_error(late.value), DeadlineExceeded)
    (aside,) = (await listed(house)).changes
    assert aside.attempts == 1


async def test_a_database_that_is_away_is_no_attempt(house: House, poison: Poison) -> None:
    poison.ids = {"c-0"}
    await talk(house, "c-0")
    await house.drain()
    poison.error = DBAPIError("SELECT", None, psycopg.OperationalError("server closed the connection unexpectedly"))
    with pytest.raises(DBAPIError):
        await retried(house)
    (aside,) = (await listed(house)).changes
    assert (aside.attempts, aside.error) == (1, "ValueError")
    assert await quarantine_of(house) == ["c-0"]


async def quarantine_of(house: House) -> list[str]:
    async with house.scoring_database.transaction() as conn:
        return [q.entity_id for q in await quarantine_store.list_quarantined(conn, None, 10)]
