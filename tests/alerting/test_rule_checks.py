"""Rules whose parts do not fit each other are refused, and every field that does not fit is named."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import rule_pb2 as pb

from tests.alerting.house import House, failure_of
from tests.alerting.rules import DAY_S, rule


async def fields_refused(call) -> list[str]:
    """Return the field paths with which a call is refused as an INVALID_RULE."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    assert failure_of(error.value)[:2] == ("INVALID_ARGUMENT", "INVALID_RULE")
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in rpc_status.from_call(error.value).details)
    return [violation.field for violation in request.field_violations]


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({"measure": "happiness"}, ["rule.measure"]),
        ({"measure": "latestSatisfaction"}, ["rule.subject_kind"]),
        ({"target": pb.Target()}, ["rule.target"]),
        ({"absence": pb.Absence(), "fire_at": 6}, ["rule.absence"]),
        ({"burn_rate": pb.BurnRate(objective=99)}, ["rule.burn_rate"]),
        ({"anomaly": pb.Anomaly(), "window": 28 * DAY_S}, ["rule.anomaly"]),
        ({"measure": "totalConversations", "anomaly": pb.Anomaly(), "fire_at": 5, "window": DAY_S // 2}, ["rule.window"]),
        ({"measure": "totalConversations", "absence": pb.Absence(), "fire_at": 7 * 24}, ["rule.fire_at"]),
        ({"measure": "totalConversations", "absence": pb.Absence(), "fire_at": 6, "comparison": 2}, ["rule.comparison"]),
        (
            {
                "measure": "escalationRate",
                "burn_rate": pb.BurnRate(objective=99, short_window=Duration(seconds=DAY_S)),
                "fire_at": 6,
            },
            ["rule.burn_rate.short_window"],
        ),
        ({"measure": "escalationRate", "burn_rate": pb.BurnRate(objective=99), "fire_at": 0}, ["rule.fire_at"]),
        ({"subject_kind": alert_pb2.SUBJECT_KIND_TENANT, "subject_ids": ["me"]}, ["rule.subject_ids"]),
        ({"window": Duration(seconds=DAY_S, nanos=1)}, ["rule.window"]),
        ({"change": pb.Change(weeks=8), "window": Duration(seconds=DAY_S // 2)}, ["rule.window"]),
        ({"measure": "totalConversations", "absence": pb.Absence(), "fire_at": 6, "min_samples": 2}, ["rule.min_samples"]),
        (
            {"measure": "totalRevenue", "target": pb.Target(), "fire_at": 90, "comparison": 2, "no_data": pb.NO_DATA_WRONG},
            ["rule.no_data"],
        ),
        (
            {"measure": "totalConversations", "anomaly": pb.Anomaly(), "fire_at": 5, "clear_at": 6, "window": 28 * DAY_S},
            ["rule.clear_at"],
        ),
        ({"measure": "latestSatisfaction", "subject_kind": 2, "no_data": pb.NO_DATA_WRONG}, ["rule.no_data"]),
        ({"measure": "totalConversations", "comparison": 2, "fire_at": 5, "min_samples": 2}, ["rule.min_samples"]),
        ({"measure": "receivedFacts", "subject_kind": 6, "min_samples": 2}, ["rule.min_samples"]),
    ],
)
async def test_what_does_not_fit_together_is_refused_with_its_fields(house: House, said, fields):
    async with house.stub() as stub:
        assert await fields_refused(stub.PutRule(pb.PutRuleRequest(rule=rule(**said)))) == fields
        rules = (await stub.ListRules(pb.ListRulesRequest())).rules
    assert "slow" not in [version.rule.rule_id for version in rules]


@pytest.mark.parametrize(
    "said",
    [
        {"measure": "totalConversations", "comparison": 2, "fire_at": 5, "min_samples": 1},
        {"measure": "totalConversations", "comparison": 2, "fire_at": -50, "min_samples": 40, "change": pb.Change()},
        {"measure": "totalRevenue", "fire_at": 50, "min_samples": 40},
    ],
)
async def test_facts_are_asked_for_where_a_value_rests_on_them(house: House, said):
    async with house.stub() as stub:
        assert (await stub.PutRule(pb.PutRuleRequest(rule=rule(**({"window": 7 * DAY_S} | said))))).version.rule.version == 1
