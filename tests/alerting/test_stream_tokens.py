"""Which resume tokens a stream takes, and what it tells those whose token it does not take."""

from __future__ import annotations

import base64
from datetime import timedelta

from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting.retention import LOG_KEPT, Retention
from tests.alerting.house import House, Reader

HIGH = pb.WatchAlertsRequest(filter=alert_pb2.AlertFilter(severities=[3]))
AGENTS_ONLY = pb.WatchAlertsRequest(filter=alert_pb2.AlertFilter(types=[1]))


async def test_a_stream_from_now_has_no_snapshot_and_can_be_resumed_at_once(house: House):
    await house.score("c", 1)
    async with house.stub() as stub:
        first = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(now=True)))
        created = await first.next()
        first.cancel()
        await house.score("c", 2)
        second = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=created.resume_token)))
        assert [m.revision for m in await second.events(1)] == [2]


def altered(token: str) -> str:
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[-5] ^= 1
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


async def test_a_token_that_was_changed_or_is_of_another_filter_is_refused(house: House):
    async with house.stub() as stub:
        token = (await Reader(stub.WatchAlerts(HIGH)).begin())[-1].resume_token
        for request in (
            pb.WatchAlertsRequest(filter=HIGH.filter, resume_token=altered(token)),
            pb.WatchAlertsRequest(filter=AGENTS_ONLY.filter, resume_token=token),
            pb.WatchAlertsRequest(resume_token="nonsense"),
        ):
            refused = await Reader(stub.WatchAlerts(request)).failure()
            assert refused == ("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", {})
        accepted = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(filter=HIGH.filter, resume_token=token)))
        assert (await accepted.next()).WhichOneof("body") == "created"


async def test_a_token_of_another_tenant_is_refused(house: House):
    async with house.stub() as stub:
        token = house.streams._signer.sign({"r": 0, "e": "e"}, "other", "")
        refused = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token))).failure()
        assert refused == ("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", {})


async def test_a_token_is_good_until_what_follows_it_is_deleted(house: House):
    async with house.stub() as stub:
        first = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        tokens = [(await first.begin())[-1].resume_token]
        for score in (1, 2, 1):
            await house.score("c", score)
            tokens.append((await first.events(1))[0].resume_token)
            house.clock.move(timedelta(hours=12))
        house.clock.move(LOG_KEPT - timedelta(hours=12))
        await Retention(house.database, house.clock).delete_old()
        # Revisions 1 and 2 are gone: whoever has 2 misses nothing.
        for token in tokens[:2]:
            refused = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token))).failure()
            assert refused == ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", {"first_available_revision": "3"})
        again = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=tokens[2])))
        assert [m.revision for m in await again.events(1)] == [3]
        snapshot = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest())).begin()
        assert [e.alert.customer_id for m in snapshot for e in m.events.events] == ["c"]


async def test_tokens_of_a_log_that_was_restored_are_refused_and_open_streams_end(house: House):
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        token = (await reader.begin())[-1].resume_token
        await house.facts.rows("UPDATE alerting.log_head SET epoch = 'restored'")
        again = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token)))
        for stream in (again, reader):
            assert await stream.failure() == ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", {"first_available_revision": "1"})


async def test_a_token_ahead_of_the_log_is_refused(house: House):
    await house.score("c", 1)
    async with house.stub() as stub:
        token = (await Reader(stub.WatchAlerts(pb.WatchAlertsRequest())).begin())[-1].resume_token
        await house.facts.rows("UPDATE alerting.log_head SET revision = 0")
        refused = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token))).failure()
        assert refused[:2] == ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED")
