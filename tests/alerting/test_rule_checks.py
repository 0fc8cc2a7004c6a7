"""Rules whose parts do not fit each other are refused, and every field that does not fit is named."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import rule_pb2 as pb

from services.alerting import rule_checks
from services.alerting.convert_rule import rule_from_proto
from services.alerting.defaults import DEFAULT_RULES
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
    ("said", "sentence"),
    [
        ({"measure": "escalationRate", "fire_at": 600}, "less than 100: escalationRate is never more"),
        ({"measure": "escalationRate", "fire_at": 100}, "less than 100: "),
        ({"measure": "escalationRate", "fire_at": -1}, "at least 0: escalationRate is never less"),
        ({"measure": "conversionRate", "comparison": 2, "fire_at": 0}, "more than 0: conversionRate is never less"),
        ({"measure": "conversionRate", "comparison": 2, "fire_at": 100.5}, "at most 100: conversionRate is never more"),
        ({"measure": "totalConversations", "comparison": 2, "fire_at": 0}, "more than 0: "),
        ({"measure": "totalConversations", "comparison": 2, "fire_at": -5}, "more than 0: "),
        ({"measure": "totalConversations", "fire_at": -5}, "at least 0: "),
        ({"fire_at": -1}, "at least 0: averageResponseTime is never less"),
        ({"measure": "latestSatisfaction", "subject_kind": 2, "comparison": 2, "fire_at": 1}, "more than 1: "),
        ({"measure": "latestSatisfaction", "subject_kind": 2, "fire_at": 5, "no_data": 2}, "less than 5: "),
        ({"measure": "grade", "comparison": 2, "fire_at": 7.5}, "at most 7: "),
        ({"measure": "totalConversations", "comparison": 2, "fire_at": -100, "change": pb.Change()}, "more than -100: change is"),
        ({"measure": "escalationRate", "fire_at": 14.4, "burn_rate": pb.BurnRate(objective=95)}, None),
        ({"measure": "escalationRate", "fire_at": 14.4, "burn_rate": pb.BurnRate(objective=90)}, "less than 10: burn_rate is"),
        # What can be.
        ({"measure": "escalationRate", "fire_at": 99.9}, None),
        ({"measure": "escalationRate", "fire_at": 0}, None),
        ({"measure": "conversionRate", "comparison": 2, "fire_at": 100}, None),
        ({"measure": "totalConversations", "fire_at": 0}, None),
        ({"measure": "conversionRate", "fire_at": 600, "change": pb.Change()}, None),
        # Money may have come back.
        ({"measure": "totalRevenue", "comparison": 2, "fire_at": -100}, None),
        ({"measure": "totalRevenue", "comparison": 2, "fire_at": -150, "change": pb.Change()}, None),
        # Want of a value alone is wrong.
        ({"measure": "conversionRate", "comparison": 2, "fire_at": 0, "no_data": pb.NO_DATA_WRONG}, None),
        ({"measure": "conversionRate", "comparison": 2, "fire_at": 101, "no_data": pb.NO_DATA_WRONG}, "at most 100: "),
    ],
)  # fmt: skip
def test_what_can_never_be_is_refused_with_a_sentence(said, sentence):
    found = rule_checks.violations(rule_from_proto(rule(**({"window": 7 * DAY_S} | said))))
    if sentence is None:
        assert found == []
    else:
        assert [each.field for each in found] == ["rule.fire_at"]
        assert found[0].description.startswith(f"must be {sentence}")


def test_a_rule_that_would_never_fire_is_told_from_one_that_always_would():
    never, always = rule(measure="escalationRate", fire_at=600), rule(measure="escalationRate", fire_at=-1)
    found = [rule_checks.violations(rule_from_proto(each))[0].description for each in (never, always)]
    assert found == [
        "must be less than 100: escalationRate is never more, and the rule would never fire",
        "must be at least 0: escalationRate is never less, and the rule would always fire",
    ]


def test_the_rules_that_every_tenant_begins_with_fit():
    assert [rule_checks.violations(each) for added in DEFAULT_RULES for each in added if rule_checks.violations(each)] == []


@pytest.mark.parametrize("name", ["rule_id", "type", "severity", "subject_kind", "subject_id", "agent_id", "customer_id"])
async def test_labels_that_would_never_be_matched_are_refused(house: House, name: str):
    async with house.stub() as stub:
        put = stub.PutRule(pb.PutRuleRequest(rule=rule(labels={name: "x", "team": "a"})))
        assert await fields_refused(put) == [f'rule.labels["{name}"]']


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


async def test_what_a_rule_explains_is_named_by_words_that_there_are(house: House):
    inhibits = [alert_pb2.Matcher(name="team", values=["any"]), alert_pb2.Matcher(name="severity", values=["urgent"])]
    async with house.stub() as stub:
        put = stub.PutRule(pb.PutRuleRequest(rule=rule(inhibits=inhibits)))
        assert await fields_refused(put) == ["rule.inhibits[1].values"]
