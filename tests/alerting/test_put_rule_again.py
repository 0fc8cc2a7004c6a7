"""A rule that is put again as it is makes no version, whoever puts it and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rapport.alerting.v1 import rule_pb2 as pb

from services.alerting.defaults import DEFAULT_RULES
from services.alerting.rule_versions import RuleVersion
from tests.alerting.house import House
from tests.alerting.people import refused
from tests.alerting.rules import DAY_S, rule

CONFLICT = ("ABORTED", "VERSION_CONFLICT")


async def put(stub: Any, message: pb.Rule, **other: Any) -> pb.RuleVersion:
    version: pb.RuleVersion = (await stub.PutRule(pb.PutRuleRequest(rule=message, **other))).version
    return version


async def versions_of(stub: Any, rule_id: str = "slow") -> list[pb.RuleVersion]:
    return list((await stub.ListRuleVersions(pb.ListRuleVersionsRequest(rule_id=rule_id))).versions)


async def test_what_says_the_same_is_answered_with_the_version_that_is_there(house: House):
    async with house.stub() as stub:
        first = await put(stub, rule(labels={"team": "a", "tier": "b"}, subject_ids=["a", "b"]), author="ada", comment="new")
        house.clock.move(timedelta(minutes=1))
        # What was told by default says the same as what was not told, and the version that is told is never read.
        same = rule(labels={"tier": "b", "team": "a"}, subject_ids=["b", "a"], window=DAY_S, min_samples=1, version=9)
        assert await put(stub, same, author="ben", comment="again") == first
        assert await put(stub, first.rule, expected_version=1) == first
        assert await versions_of(stub) == [first]


@pytest.mark.parametrize("different", [{"description": "d"}, {"runbook_url": "https://x/"}, {"fire_at": 1}, {"disabled": True}])
async def test_what_says_something_else_is_a_version(house: House, different: dict[str, Any]):
    async with house.stub() as stub:
        await put(stub, rule())
        assert (await put(stub, rule(**different))).rule.version == 2
        # What was said before the newest version is said anew.
        assert (await put(stub, rule())).rule.version == 3
        assert [v.rule.description for v in await versions_of(stub)][1:] == [different.get("description", ""), ""]


async def test_who_read_another_version_is_refused_though_nothing_would_change(house: House):
    async with house.stub() as stub:
        await put(stub, rule())
        assert await refused(put(stub, rule(), expected_version=0)) == CONFLICT
        assert await refused(put(stub, rule(), expected_version=2)) == CONFLICT
        assert len(await versions_of(stub)) == 1


async def test_what_was_deleted_is_put_anew_though_it_says_the_same(house: House):
    async with house.stub() as stub:
        await put(stub, rule())
        await stub.DeleteRule(pb.DeleteRuleRequest(rule_id="slow"))
        assert (await put(stub, rule())).rule.version == 3
        assert [v.deleted for v in await versions_of(stub)] == [False, True, False]


async def test_a_default_that_is_put_as_it_is_stays_as_it_was_given(house: House):
    async with house.stub() as stub:
        (given,) = await versions_of(stub, "agent-grade-d")
        assert (await put(stub, given.rule, author="ada")).author == ""
        (still,) = await versions_of(stub, "agent-grade-d")
    assert (still.rule, still.author) == (given.rule, "")


def test_a_rule_says_what_it_says_whatever_its_version():
    for each in (each for added in DEFAULT_RULES for each in added):
        assert RuleVersion(each).says(each)


@pytest.mark.parametrize("url", ["wiki/slow", "ftp://x/", "https://a b/", "javascript:alert(1)", "https://x/\x7f", "https://"])
async def test_what_is_no_address_is_refused(house: House, url: str):
    async with house.stub() as stub:
        assert await refused(put(stub, rule(runbook_url=url))) == ("INVALID_ARGUMENT", "INVALID_FIELDS")
