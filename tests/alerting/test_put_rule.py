"""Rules are put, changed, deleted and listed, and what does not fit together is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import rule_pb2 as pb

from services.alerting.defaults import DEFAULT_RULES
from services.alerting.rule_versions import MOST_RULES
from tests.alerting.house import House, failure_of
from tests.alerting.rules import DAY_S, rule

DEFAULTS = sorted(each.rule_id for added in DEFAULT_RULES for each in added)


async def put(stub, message: pb.Rule, **other) -> pb.RuleVersion:
    return (await stub.PutRule(pb.PutRuleRequest(rule=message, **other))).version


async def listed(stub) -> list[str]:
    return [v.rule.rule_id for v in (await stub.ListRules(pb.ListRulesRequest())).rules]


async def refused(call) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return failure_of(error.value)[:2]


async def test_a_rule_comes_back_as_it_was_put(house: House):
    said = rule(
        clear_at=20_000,
        window=7 * DAY_S,
        for_duration=3600,
        keep_firing_for=1800,
        min_samples=5,
        no_data=pb.NO_DATA_UNCHANGED,
        subject_ids=["a", "b"],
        labels={"team": "blue"},
        disabled=True,
        inhibits=[alert_pb2.Matcher(name="type", values=["revenue", "system"], negated=True)],
        change=pb.Change(weeks=2),
        description="Call them.\nThen tell Ada.",
        runbook_url="https://wiki.example.com/slow?a=1#now",
    )
    async with house.stub() as stub:
        version = await put(stub, said, author="me", comment="because")
        again = {v.rule.rule_id: v for v in (await stub.ListRules(pb.ListRulesRequest())).rules}["slow"]
    assert version == again
    assert (version.author, version.comment, version.deleted) == ("me", "because", False)
    assert version.put_time.ToDatetime(UTC) == house.clock.now
    said.version = 1
    assert version.rule == said


async def test_what_a_rule_was_not_told_is_told_as_it_is_by_default(house: House):
    async with house.stub() as stub:
        told = (await put(stub, rule())).rule
    assert (told.window, told.for_duration, told.min_samples) == (Duration(seconds=DAY_S), Duration(), 1)
    assert (told.no_data, told.WhichOneof("condition"), told.HasField("clear_at")) == (pb.NO_DATA_RIGHT, "threshold", False)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (rule(change=pb.Change()), pb.Rule(change=pb.Change(weeks=4))),
        (
            rule(measure="totalRevenue", subject_kind=3, fire_at=90, comparison=2, target=pb.Target()),
            pb.Rule(target=pb.Target(from_day=3)),
        ),
        (
            rule(measure="totalRevenue", subject_kind=3, fire_at=90, comparison=2, target=pb.Target(from_day=0)),
            pb.Rule(target=pb.Target(from_day=0)),
        ),
        (
            rule(measure="totalConversations", fire_at=6, absence=pb.Absence()),
            pb.Rule(absence=pb.Absence(expected_within=Duration(seconds=7 * DAY_S))),
        ),
        (
            rule(measure="escalationRate", fire_at=6, burn_rate=pb.BurnRate(objective=95)),
            pb.Rule(burn_rate=pb.BurnRate(objective=95)),
        ),
        (
            rule(measure="totalConversations", fire_at=5, window=28 * DAY_S, anomaly=pb.Anomaly()),
            pb.Rule(anomaly=pb.Anomaly(allowance=0.5)),
        ),
    ],
)
async def test_conditions_come_back_with_their_defaults(house: House, said, told):
    async with house.stub() as stub:
        kept = (await put(stub, said)).rule
    name = told.WhichOneof("condition")
    assert getattr(kept, name) == getattr(told, name)


async def test_every_tenant_begins_with_the_defaults_even_before_anything_was_evaluated(house: House):
    async with house.stub() as stub:
        assert await listed(stub) == DEFAULTS
        versions = (await stub.ListRuleVersions(pb.ListRuleVersionsRequest(rule_id=DEFAULTS[0]))).versions
        assert [(v.rule.version, v.author) for v in versions] == [(1, "")]
        await stub.DeleteRule(pb.DeleteRuleRequest(rule_id=DEFAULTS[0], expected_version=1))
        assert await listed(stub) == DEFAULTS[1:]
        await house.evaluate()
        assert await listed(stub) == DEFAULTS[1:], "what was deleted is not given again"
        changed = await put(stub, rule(DEFAULTS[1]), expected_version=1)
    assert changed.rule.version == 2


async def test_versions_are_kept_through_deletion_and_come_newest_first(house: House):
    async with house.stub() as stub:
        await put(stub, rule(), author="one")
        house.clock.move(timedelta(minutes=1))
        await put(stub, rule(fire_at=1), author="two")
        await stub.DeleteRule(pb.DeleteRuleRequest(rule_id="slow", author="three", comment="over"))
        again = await put(stub, rule(fire_at=2), author="four", expected_version=0)
        versions = (await stub.ListRuleVersions(pb.ListRuleVersionsRequest(rule_id="slow"))).versions
    assert again.rule.version == 4
    assert [(v.rule.version, v.rule.fire_at, v.author, v.deleted) for v in versions] == [
        (4, 2, "four", False),
        (3, 1, "three", True),
        (2, 1, "two", False),
        (1, 30_000, "one", False),
    ]
    assert versions[0] == again


async def test_who_read_another_version_is_refused_and_changes_nothing(house: House):
    conflict = ("ABORTED", "VERSION_CONFLICT")
    async with house.stub() as stub:
        assert await refused(put(stub, rule(), expected_version=1)) == conflict
        await put(stub, rule(), expected_version=0)
        assert await refused(put(stub, rule(fire_at=1), expected_version=0)) == conflict
        await put(stub, rule(fire_at=2), expected_version=1)
        assert await refused(put(stub, rule(fire_at=3), expected_version=1)) == conflict
        assert await refused(stub.DeleteRule(pb.DeleteRuleRequest(rule_id="slow", expected_version=1))) == conflict
        versions = (await stub.ListRuleVersions(pb.ListRuleVersionsRequest(rule_id="slow"))).versions
    assert [v.rule.fire_at for v in versions] == [2, 30_000]


async def test_of_many_who_change_a_rule_at_once_one_wins(house: House):
    async with house.stub() as stub:
        await put(stub, rule())
        puts = [put(stub, rule(fire_at=i), expected_version=1) for i in range(8)]
        answers = await asyncio.gather(*puts, return_exceptions=True)
        versions = (await stub.ListRuleVersions(pb.ListRuleVersionsRequest(rule_id="slow"))).versions
    won = [a for a in answers if isinstance(a, pb.RuleVersion)]
    lost = [failure_of(a)[1] for a in answers if isinstance(a, grpc.aio.AioRpcError)]
    assert (len(won), lost) == (1, ["VERSION_CONFLICT"] * 7)
    assert [v.rule.version for v in versions] == [2, 1]


async def test_many_who_do_not_care_for_versions_all_put_one_each(house: House):
    async with house.stub() as stub:
        answers = await asyncio.gather(*[put(stub, rule(fire_at=i)) for i in range(8)])
    assert sorted(a.rule.version for a in answers) == list(range(1, 9))


async def test_a_rule_that_is_not_there_is_not_found(house: House):
    missing = ("NOT_FOUND", "RULE_NOT_FOUND")
    async with house.stub() as stub:
        assert await refused(stub.DeleteRule(pb.DeleteRuleRequest(rule_id="none"))) == missing
        assert await refused(stub.DeleteRule(pb.DeleteRuleRequest(rule_id="none", expected_version=0))) == missing
        assert await refused(stub.ListRuleVersions(pb.ListRuleVersionsRequest(rule_id="none"))) == missing
        await put(stub, rule())
        await stub.DeleteRule(pb.DeleteRuleRequest(rule_id="slow"))
        assert await refused(stub.DeleteRule(pb.DeleteRuleRequest(rule_id="slow"))) == missing


async def test_there_may_be_so_many_rules_and_no_more(house: House):
    async with house.stub() as stub:
        await put(stub, rule("first"))
        await house.facts.rows(
            "INSERT INTO alerting.rule (tenant_id, rule_id, version, body, author, comment, put_at)"
            " SELECT tenant_id, 'r' || n, 1, body, '', '', put_at FROM alerting.rule, generate_series(1, %s) AS n"
            " WHERE rule_id = 'first'",
            MOST_RULES - 1 - len(DEFAULTS),
        )
        assert len(await listed(stub)) == MOST_RULES
        assert await refused(put(stub, rule("more"))) == ("RESOURCE_EXHAUSTED", "TOO_MANY")
        await put(stub, rule("first", fire_at=1))
        await stub.DeleteRule(pb.DeleteRuleRequest(rule_id="r1"))
        await put(stub, rule("more"))
        assert len(await listed(stub)) == MOST_RULES


async def test_a_rule_is_evaluated_at_once(house: House):
    await house.facts.conversation("slow", house.clock(), agent="a", response_ms=20_000)
    await house.evaluate()
    async with house.stub() as stub:
        await put(stub, rule(fire_at=10_000))
        await house.evaluate()
        assert await open_alerts(house) == ["slow"]
        await put(stub, rule(fire_at=20_000))
        await house.evaluate()
        assert await open_alerts(house) == []
        await put(stub, rule(fire_at=10_000))
        await house.evaluate()
        await put(stub, rule(fire_at=10_000, disabled=True))
        await house.evaluate()
        assert await open_alerts(house) == [], "a rule that rests has no open alerts"
        assert "slow" in await listed(stub)
        await put(stub, rule(fire_at=10_000))
        await house.evaluate()
        await stub.DeleteRule(pb.DeleteRuleRequest(rule_id="slow"))
        await house.evaluate()
        assert await open_alerts(house) == []


async def open_alerts(house: House) -> list[str]:
    rows = await house.facts.rows("SELECT rule_id FROM alerting.alert WHERE resolved_at IS NULL AND rule_id = 'slow'")
    return [rule_id for (rule_id,) in rows]


async def test_another_tenants_rules_are_not_there(house: House):
    async with house.stub() as stub:
        await put(stub, rule())
        await house.facts.rows("UPDATE alerting.rule SET tenant_id = 'other' WHERE rule_id = 'slow'")
        await house.facts.rows("UPDATE alerting.rule_version SET tenant_id = 'other' WHERE rule_id = 'slow'")
        assert "slow" not in await listed(stub)
        assert await refused(stub.DeleteRule(pb.DeleteRuleRequest(rule_id="slow"))) == ("NOT_FOUND", "RULE_NOT_FOUND")
        assert (await put(stub, rule(), expected_version=0)).rule.version == 1


async def test_what_can_be_measured_is_told_and_is_what_rules_may_measure(house: House):
    async with house.stub() as stub:
        measures = (await stub.ListAlertMeasures(pb.ListAlertMeasuresRequest())).measures
    assert [m.name for m in measures] == sorted(m.name for m in measures)
    by_name = {m.name: m for m in measures}
    assert list(by_name["latestSatisfaction"].subject_kinds) == [alert_pb2.SUBJECT_KIND_CUSTOMER]
    assert "target" in by_name["totalRevenue"].conditions
    assert all(m.description and m.unit and m.subject_kinds and m.conditions for m in measures)
