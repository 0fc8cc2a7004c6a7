"""Exporting a customer: everything that is held about the person, nothing of anybody else, as one JSON document."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import grpc
import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import exporting
from services.ingest.held_store import TABLES
from services.runtime.tenancy import set_tenant
from services.storage import schema
from tests.alerting.house import House as AlertingHouse
from tests.facts import Facts
from tests.fix_services import House
from tests.ingest.erasures import PERSON, TRACES, document_of, everything
from tests.ingest.test_erasing import EVENTS, OTHER_TALK, TALK, erase, request, tell
from tests.ingest.test_ingest_calls import told
from tests.scoring.test_rollups import record

#: Where work waits, and tombstones: not what is held about people, and empty of them before long.
QUEUES = {"ingest.change", "scoring.touched", "scoring.quarantine", "scoring.due"}


async def export(ingest: Any, customer: str = PERSON) -> list[Any]:
    return [piece async for piece in ingest.ExportCustomer(pb.ExportCustomerRequest(customer_id=customer))]


async def test_it_holds_every_row_that_is_about_the_person(house: House, ingest: Any) -> None:
    alerting = AlertingHouse(house.url)
    alerting.clock.now = house.clock()
    await tell(house)
    await house.sweeper.go_round()
    await alerting.evaluate()
    await alerting.database.close()
    document = document_of(await export(ingest))
    assert document["customer_id"] == PERSON
    assert document["customer"][0]["email"] == "ada@nobody.example"
    assert len(document["event"]) == len(EVENTS)
    assert document["alert"][0]["subject_id"] == document["alert_log"][0]["after"]["subject_id"] == PERSON
    # Whatever table holds a trace of the person, the document has as many rows of it; the payments' tables hold those of all.
    names = {t.fullname: t.name for t in TABLES}
    for table, rows in everything(house.url, "default").items():
        about = sum(any(trace in row for trace in TRACES) for row in rows)
        if about and table not in QUEUES:
            assert len(document[names[table]]) >= about, table
    told_of_others = json.dumps(document)
    assert "Somebody Else" not in told_of_others
    assert "payment-of-other" not in told_of_others


async def test_what_is_exported_is_what_an_erasure_deletes(house: House, ingest: Any) -> None:
    facts, order = Facts(11), random.Random(11)
    await record(house, facts, order, rounds=12)
    for customer in (f"customer-{n}" for n in range(6)):
        document = document_of(await export(ingest, customer))
        erased = await erase(house, customer)
        assert (len(document["conversation"]), len(document["event"])) == (erased.conversations, erased.events)
        await house.drain()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await export(ingest, customer)
        assert told(refused.value)[:2] == ("NOT_FOUND", "CUSTOMER_NOT_FOUND")


async def test_much_comes_in_pieces_page_by_page(house: House, ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", 7)
    talks = [TALK | {"conversationId": f"c-{n:03}", "tags": ["ä" * 60] * 20} for n in range(100)]
    await ingest.BatchRecordConversations(request(pb.BatchRecordConversationsRequest, conversations=talks))
    pieces = await export(ingest)
    assert len(pieces) > 1
    assert {piece.content_type for piece in pieces} == {"application/json"}
    assert max(len(piece.data) for piece in pieces) <= exporting.PIECE
    assert [c["conversation_id"] for c in document_of(pieces)["conversation"]] == [f"c-{n:03}" for n in range(100)]


async def test_another_tenants_customer_of_the_same_name_is_not_in_it(house: House, ingest: Any) -> None:
    async def of_neighbour() -> None:
        set_tenant("neighbour")
        await tell(house)

    await asyncio.create_task(of_neighbour())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await export(ingest)
    assert told(refused.value)[:2] == ("NOT_FOUND", "CUSTOMER_NOT_FOUND")
    await ingest.BatchRecordConversations(request(pb.BatchRecordConversationsRequest, conversations=[TALK, OTHER_TALK]))
    document = document_of(await export(ingest))
    assert (len(document["conversation"]), document["event"]) == (1, [])


def test_every_column_that_names_a_customer_is_known() -> None:
    """A table that is made later and calls its customers something else has to be thought of."""
    naming = {t.fullname for t in schema.metadata.sorted_tables if {"customer_id", "subject_id"} & set(t.c.keys())}
    assert naming - {t.fullname for t in TABLES} == {"scoring.touched"}


async def test_tables_of_the_database_are_those_of_the_schema(house: House) -> None:
    with psycopg.connect(house.url) as conn:
        stored = conn.execute(
            "SELECT DISTINCT table_schema || '.' || table_name FROM information_schema.columns "
            "WHERE column_name IN ('customer_id', 'subject_id') AND table_schema IN ('ingest', 'scoring', 'alerting')"
        ).fetchall()
    assert {name for (name,) in stored} == {t.fullname for t in TABLES if t not in {schema.alert_log, schema.act}} | {
        "scoring.touched"
    }
