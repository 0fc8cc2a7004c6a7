"""What was told, or is to be, of a customer who was erased: the id is in no table, and the end is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from uuid import UUID

import pytest

from services.alerting import erase_store
from services.alerting.details import Details
from services.alerting.renaming import Erasure
from services.alerting.telling import told_naming_store
from tests.alerting.house import TENANT
from tests.alerting.notifying import TellingHouse, an_alert, receiving
from tests.ingest.erasures import find

PERSON = "person-4711"
NEW = Erasure({PERSON: "erased-1"})


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[TellingHouse]:
    built = TellingHouse(database_url)
    yield built
    await built.database.close()


async def rename(house: TellingHouse, rule_ids: Collection[str] = (), mentioning: Collection[UUID] = ()) -> None:
    async def act() -> None:
        async with house.database.transaction(TENANT) as conn:
            await erase_store.rename(conn, NEW.pseudonyms, rule_ids)
            await told_naming_store.rename_in_routes(conn, NEW)
            await told_naming_store.rename_in_notifications(conn, NEW, rule_ids, mentioning)

    await asyncio.create_task(act())


async def test_a_customer_who_was_erased_is_named_nowhere_and_the_end_is_told(house: TellingHouse):
    async with receiving(statuses=[200, 500]) as receiver:
        await house.put_webhook("hook", receiver)
        picked = {"name": "customer_id", "values": [PERSON, "other"]}
        await house.put_routes({"matchers": [picked], "channelIds": ["hook"], "groupBy": ["customer_id"], "groupWait": "0s"})
        (alert,) = await house.fire(an_alert(PERSON, acknowledged_comment=f"called {PERSON}"))
        await house.tell()
        worse = await house.become(alert, severity=4)
        await house.tell(timedelta(minutes=5))
        assert [s.json["group"] for s in receiver.seen] == [{"customer_id": PERSON}] * 2
        await house.resolve(worse)
        named = {table.split(".")[1] for table in find(house.url, PERSON)}
        assert named >= {"alert", "alert_log", "alert_group", "notification", "route"}
        await rename(house)
        assert find(house.url, PERSON) == {}
        # What was to be sent again is over, and its end is told.
        await house.tell(timedelta(minutes=5))
        await house.tell()
        said = [(s.json["status"], s.json["group"], s.json["alerts"][0]["subjectId"]) for s in receiver.seen[2:]]
        assert said == [("resolved", {"customer_id": "erased-1"}, "erased-1")]
        assert await house.facts.rows("SELECT * FROM alerting.alert_group") == []


async def test_what_to_do_names_no_customer_either(house: TellingHouse):
    todo = Details(description=f"Call {PERSON}, who is Ada.", runbook_url=f"https://wiki.example.com/{PERSON}")
    async with receiving(statuses=[500]) as receiver:
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})
        theirs, other = await house.fire(an_alert(PERSON, details=todo), an_alert("other", rule_id="other", details=todo))
        await house.tell()
        await rename(house, [theirs.rule_id], [other.alert_id])
        await house.tell(timedelta(minutes=5))
        told = {each["subjectId"]: (each["description"], each["runbookUrl"]) for each in receiver.seen[-1].json["alerts"]}
    assert told == {"erased-1": ("", ""), "other": ("Call erased-1, who is Ada.", "https://wiki.example.com/erased-1")}
