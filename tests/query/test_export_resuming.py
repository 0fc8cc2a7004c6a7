"""Exports that are cut go on: nothing is lost and nothing doubled, whatever is recorded between."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from rapport.query.v1 import export_pb2

from services.query import export_pages, exporting
from services.query.export_tokens import token as token_of
from services.query.exporting import Course
from services.runtime.tenancy import set_tenant
from tests.query.asking import named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.exports import D, F, data, export, read, tokens
from tests.query.rows import NOW, Rows, ago

COUNT = 40


@pytest.fixture
def few(service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Forty conversations with even numbers, and pages of six."""
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 6)
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 6)
    for number in range(0, 2 * COUNT, 2):
        rows.conversation(f"c{number:03}", ago(days=1), recorded_at=ago(hours=1), tags=[f"tag {number}"])
        rows.contribution(f"c{number:03}", ago(days=1))
    return rows


def ids(file: bytes, written_as: int = F.csv) -> list[str]:
    return [row["conversation_id"] for row in read(file, D.conversations, written_as)]


@pytest.mark.parametrize("written_as", [F.csv, F.arrow])
@pytest.mark.parametrize("goes_on_as", [F.csv, F.arrow, F.parquet])
async def test_the_rest_follows_each_token_in_any_format(service: Service, few: Rows, written_as: int, goes_on_as: int) -> None:
    whole = await export(service, format=written_as)
    everything = ids(data(whole), written_as)
    assert len(everything) == len(set(everything)) == COUNT
    cuts = tokens(whole)
    assert len(cuts) == COUNT // 6
    for place, token in cuts:
        before = ids(data(whole[:place]), written_as)
        rest = ids(data(await export(service, format=goes_on_as, token=token)), goes_on_as)
        assert before + rest == everything
        assert len(before) == whole[place - 1].rows


async def test_nothing_is_lost_or_doubled_while_facts_change_between(service: Service, few: Rows) -> None:
    whole = await export(service)
    place, token = tokens(whole)[2]
    before = ids(data(whole[:place]))
    # What is new comes before and behind the cut, and what was told and what was not is recorded anew, and moves in time.
    for number in range(1, 2 * COUNT, 2):
        few.conversation(f"c{number:03}", ago(days=2), recorded_at=NOW)
    few.conn.execute(
        "UPDATE ingest.conversation SET start_time = start_time - interval '9 days', revision = 2, recorded_at = %s", [NOW]
    )
    resumed = await export(service, token=token)
    rest = ids(data(resumed))
    stored = {f"c{number:03}" for number in range(0, 2 * COUNT, 2)}
    assert stored <= {*before, *rest}
    assert not {*before} & {*rest}
    assert len(rest) == len(set(rest))
    # Everything that was changed meanwhile comes with what has changed since the export began, not since it went on.
    changed = ids(data(await export(service, token=resumed[-1].token)))
    assert sorted(changed) == [f"c{number:03}" for number in range(2 * COUNT)]


async def test_what_has_gone_between_is_no_harm(service: Service, few: Rows) -> None:
    whole = await export(service)
    place, token = tokens(whole)[1]
    last = ids(data(whole[:place]))[-1]
    few.conn.execute("DELETE FROM ingest.conversation WHERE conversation_id <= %s", [last])
    assert ids(data(await export(service, token=token))) == [f"c{n:03}" for n in range(0, 2 * COUNT, 2) if f"c{n:03}" > last]


async def test_a_cut_stream_of_arrow_can_be_read(service: Service, few: Rows) -> None:
    whole = await export(service, format=F.arrow)
    place, _ = tokens(whole)[0]
    assert ids(data(whole[:place]), F.arrow) == [f"c{n:03}" for n in range(0, 12, 2)]


async def test_a_parquet_file_carries_no_token_before_its_end(service: Service, few: Rows) -> None:
    whole = await export(service, format=F.parquet)
    assert tokens(whole) == []
    assert whole[-1].token


async def test_every_dataset_goes_on(service: Service, few: Rows) -> None:
    """Keys of several columns, too: of days and platforms, of sources and events."""
    for number in range(20):
        few.counts(f"a{number % 3}", ago(days=number // 2), platform=1 + number % 2, n=1)
        few.money(f"a{number % 4}", ago(days=number // 2), "5.5")
        few.customer(f"k{number}", None, None)
    for dataset in (D.agent_days, D.customer_scores):
        whole = await export(service, dataset)
        everything = read(data(whole), dataset)
        assert len(tokens(whole)) >= 3
        for place, token in tokens(whole):
            rest = read(data(await export(service, dataset, token=token)), dataset)
            assert read(data(whole[:place]), dataset) + rest == everything


async def test_a_token_is_of_its_export_only(service: Service, few: Rows) -> None:
    at = stamp(ago(days=30))
    whole = await export(service, start_time=at)
    set_tenant("another")
    question = export_pb2.ExportRequest(dataset=D.conversations, start_time=at)
    of_another_tenant = token_of(service.servicer._pages.signer, question, Course())
    good = tokens(whole)[0][1]
    for token, fields in (
        (good, {}),
        (good, {"start_time": stamp(ago(days=30) + timedelta(seconds=1))}),
        (good, {"start_time": at, "end_time": stamp(NOW)}),
        (good, {"start_time": at, "dataset": D.costs}),
        (whole[-1].token, {}),
        (good[:-1] + ("A" if good[-1] != "A" else "B"), {"start_time": at}),
        ("nonsense", {"start_time": at}),
        (of_another_tenant, {"start_time": at}),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await export(service, **{"token": token, **fields})
        assert (failed.value.code(), reason(failed.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_EXPORT_TOKEN")
        assert named_fields(failed.value) == ["token"]
    # The control: as it was given it is taken.
    await export(service, token=good, start_time=at)


async def test_tokens_are_short_enough_to_hand_back(service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent's days have the longest tokens: numbers of every group of agents, twice, and a key."""
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 60)
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 60)
    service.now = NOW + timedelta(microseconds=123_456)
    # As long as ids may be, of letters outside the basic plane, which take most room.
    names = [chr(0x10400 + number) * 128 for number in range(80)] + [chr(0x1F600 + number) * 128 for number in range(220)]
    for name in names:
        rows.agent(name, revision=2**31)
        rows.counts(name, ago(days=1), n=1)
    first = await export(service, D.agent_days)
    rows.conn.execute("UPDATE scoring.agent_state SET revision = revision + 7")
    second = await export(service, D.agent_days, token=first[-1].token)
    told = [*tokens(first), *tokens(second)]
    assert len(told) == 2 * (len(names) // 60)
    assert 1000 < max(len(each) for _, each in told) <= 4096
    # They do go on: of the changes, too, of which each agent's is one.
    for place, token in tokens(second):
        before, rest = (
            read(data(each), D.agent_days) for each in (second[:place], await export(service, D.agent_days, token=token))
        )
        assert sorted(row["agent_id"] for row in before + rest) == sorted(names)
    assert read(data(await export(service, D.agent_days, token=second[-1].token)), D.agent_days) == []


async def test_changes_that_go_on_are_those_of_the_same_agents(
    service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever moves after an export began is for the next one, however often this one goes on."""
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 1)
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 1)
    for number in range(6):
        rows.agent(f"agent-{number}")
        rows.counts(f"agent-{number}", ago(days=1), n=1)

    async def changed(token: str) -> tuple[list[str], export_pb2.ExportResponse, str]:
        found = await export(service, D.agent_days, token=token)
        after_one = next((each.token for each in found if each.rows == 1), "")
        return [row["agent_id"] for row in read(data(found), D.agent_days)], found[-1], after_one

    _, last, _ = await changed("")
    for name in ("agent-1", "agent-4"):
        rows.touch(name)
    both, following, after_one = await changed(last.token)
    assert both == ["agent-1", "agent-4"]
    rows.touch("agent-3")
    assert (await changed(after_one))[0] == ["agent-4"]
    # What has moved since comes with what follows, told by the stream that went on as by the one that did not.
    assert (await changed(following.token))[0] == ["agent-3"]
    assert (await changed((await changed(after_one))[1].token))[0] == ["agent-3"]
