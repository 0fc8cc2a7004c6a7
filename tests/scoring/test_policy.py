"""Versions of the scoring policy: what is refused, what makes a version, and what every grade is made by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, fields, replace
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from rapport.scoring.v1 import policy_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime.errors import InvalidArgument
from services.scoring import policy_store
from services.scoring.convert_policy import policy_of, policy_to_proto
from services.scoring.policy import (
    CutOffs,
    IndustryPolicy,
    Policy,
    SegmentPolicy,
    TargetSource,
    changed_paths,
    for_industry,
    of_body,
    to_body,
)
from services.scoring.policy_rules import violations
from tests.fix_services import House
from tests.ingest.bad_world import everything
from tests.query.asking import named_fields, reason
from tests.scoring.calling import Stub, newest, serving, update
from tests.scoring.telling import rows, talked

#: Different from the default in every field.
OTHER = Policy(
    quality_weight=0.5,
    conversion_weight=0.3,
    efficiency_weight=0.2,
    satisfaction_share=0.6,
    conversion_rate_share=0.25,
    response_share=0.75,
    conversion_rate_target=12.5,
    revenue_target=99.95,
    response_target_ms=2000.0,
    response_limit_ms=60_000.0,
    escalation_limit=40.0,
    provisional_below=10,
    cut_offs=CutOffs(a_plus=97.5, a=92, b_plus=88, b=77, c_plus=66, c=55),
    target_source=TargetSource.PEER_P75,
    strong_satisfaction=4.25,
    strong_response_ms=5000.0,
    strong_escalation_rate=2.0,
    industries=(
        IndustryPolicy(industry="Dental", conversion_rate_target=50.0),
        IndustryPolicy(industry="legal", quality_weight=0.6, conversion_weight=0.0, efficiency_weight=0.4),
    ),
    segments=SegmentPolicy(
        new_customer_days=14,
        at_risk_below=0.3,
        safe_from=0.3,
        high_value_orders=3,
        high_value_amount=1000.5,
        regular_repeat_days=4,
    ),
)


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Stub]:
    async with serving(house) as served:
        yield served


# --- rules --------------------------------------------------------------------------------------------------------------


def test_the_default_and_one_unlike_it_in_every_field_break_no_rule() -> None:
    default, other = asdict(Policy()), asdict(OTHER)
    assert [name for name in default if name != "version" and default[name] == other[name]] == []
    assert violations(Policy()) == violations(OTHER) == []


def part(**told: Any) -> dict[str, Any]:
    return {"industries": (IndustryPolicy(industry="spa"), IndustryPolicy(industry="x", **told))}


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"quality_weight": 0.5}, ["policy.quality_weight"]),
        ({"quality_weight": 0.4 + 1e-5}, ["policy.quality_weight"]),
        ({"cut_offs": CutOffs(a=95)}, ["policy.cut_offs.a"]),
        ({"cut_offs": CutOffs(c=80)}, ["policy.cut_offs.c"]),
        ({"cut_offs": CutOffs(a=60)}, ["policy.cut_offs.b_plus"]),
        ({"response_target_ms": 300_000.0}, ["policy.response_target_ms"]),
        ({"response_limit_ms": 9_999.0}, ["policy.response_target_ms"]),
        ({"segments": SegmentPolicy(safe_from=0.4)}, ["policy.segments.safe_from"]),
        (part(quality_weight=1.0), ["policy.industries[1].conversion_weight"]),
        (part(quality_weight=0.5, efficiency_weight=0.5), ["policy.industries[1].conversion_weight"]),
        (
            part(quality_weight=0.5, efficiency_weight=0.5, conversion_weight=0.5),
            ["policy.industries[1].quality_weight"],
        ),
        (part(response_target_ms=300_000.0), ["policy.industries[1].response_target_ms"]),
        (part(response_limit_ms=10_000.0), ["policy.industries[1].response_target_ms"]),
        (part(response_limit_ms=50.0, response_target_ms=60.0), ["policy.industries[1].response_target_ms"]),
        (
            {"industries": tuple(IndustryPolicy(industry=name) for name in ("Straße", "b", "STRASSE"))},
            ["policy.industries[2].industry"],
        ),
        (
            {"quality_weight": 0.0, "segments": SegmentPolicy(safe_from=0.1)},
            ["policy.quality_weight", "policy.segments.safe_from"],
        ),
    ],
)
def test_what_makes_no_sense_together_is_told_with_its_path(changes: dict[str, Any], paths: list[str]) -> None:
    assert [v.field for v in violations(replace(Policy(), **changes))] == paths


def test_an_industrys_effective_times_must_fit_even_when_only_the_tenants_change() -> None:
    policy = Policy(industries=(IndustryPolicy(industry="x", response_limit_ms=20_000.0),))
    assert violations(policy) == []
    slower = replace(policy, response_target_ms=20_000.0)
    assert [v.field for v in violations(slower)] == ["policy.industries[0].response_target_ms"]


def test_weights_of_a_third_each_add_up() -> None:
    assert violations(Policy(quality_weight=0.333333, conversion_weight=0.333333, efficiency_weight=0.333334)) == []


# --- what is kept -------------------------------------------------------------------------------------------------------


def test_a_policy_comes_back_from_its_stored_form_and_from_the_contract() -> None:
    for policy in (Policy(), OTHER):
        assert of_body(1, to_body(policy)) == policy
        assert policy_of(policy_to_proto(policy)) == replace(policy, version=1)


def test_a_body_of_an_older_or_newer_program_can_be_read() -> None:
    body = to_body(OTHER) | {"a_field_to_come": 5}
    del body["strong_satisfaction"]
    del body["segments"]["safe_from"]
    found = of_body(7, body)
    assert found == replace(
        OTHER, version=7, strong_satisfaction=4.5, segments=replace(OTHER.segments, safe_from=SegmentPolicy().safe_from)
    )


def test_every_field_has_a_path_of_its_own() -> None:
    paths = changed_paths(Policy(), OTHER)
    nested = {"cut_offs", "segments"}
    expected = {f.name for f in fields(Policy)} - nested - {"version"}
    expected |= {f"cut_offs.{f.name}" for f in fields(CutOffs)} | {f"segments.{f.name}" for f in fields(SegmentPolicy)}
    assert set(paths) == expected
    assert changed_paths(OTHER, replace(OTHER, version=9)) == ()


def test_the_default_is_what_the_contract_says() -> None:
    """The numbers that policy.proto states, each by hand."""
    told = MessageToDict(policy_to_proto(Policy()), preserving_proto_field_name=True)
    assert told == {
        "version": 1, "quality_weight": 0.4, "conversion_weight": 0.35, "efficiency_weight": 0.25,
        "satisfaction_share": 0.7, "conversion_rate_share": 0.5, "response_share": 0.5,
        "conversion_rate_target": 30.0, "revenue_target": 1500.0, "response_target_ms": 10000.0,
        "response_limit_ms": 300000.0, "escalation_limit": 25.0, "provisional_below": 30,
        "cut_offs": {"a_plus": 95.0, "a": 90.0, "b_plus": 85.0, "b": 80.0, "c_plus": 75.0, "c": 70.0},
        "target_source": "TARGET_SOURCE_CONSTANT", "strong_satisfaction": 4.5, "strong_response_ms": 60000.0,
        "strong_escalation_rate": 5.0,
        "segments": {
            "new_customer_days": 30, "at_risk_below": 0.5, "safe_from": 0.6, "high_value_orders": 2, "regular_repeat_days": 2,
        },
    }  # fmt: skip


# --- calls --------------------------------------------------------------------------------------------------------------


async def test_while_nothing_is_stored_there_is_the_default_as_version_1(house: House, stub: Stub) -> None:
    expected = policy_to_proto(Policy())
    assert await newest(stub) == expected
    assert (await stub.GetScoringPolicy(pb.GetScoringPolicyRequest(version=1))).policy == expected
    assert list((await stub.ListScoringPolicies(pb.ListScoringPoliciesRequest())).policies) == [expected]
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await stub.GetScoringPolicy(pb.GetScoringPolicyRequest(version=2))
    assert (missing.value.code(), reason(missing.value)) == (grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND")


async def test_a_change_makes_a_version_and_the_one_before_stays(house: House, stub: Stub) -> None:
    told = {"conversionRateTarget": 20, "segments": {"atRiskBelow": 0.4}, "revenueTarget": 7}
    made = await update(stub, told, "conversion_rate_target", "segments.at_risk_below", comment="as agreed on Monday")
    assert (made.version, made.comment, made.created_by) == (2, "as agreed on Monday", "")
    assert made.created_at.ToJsonString() == "2026-11-20T12:00:00Z"
    assert list(made.changed_paths) == ["conversion_rate_target", "segments.at_risk_below"]
    # What the mask does not name stays.
    assert (made.conversion_rate_target, made.segments.at_risk_below, made.revenue_target) == (20, 0.4, 1500)
    assert await newest(stub) == made
    assert (await stub.GetScoringPolicy(pb.GetScoringPolicyRequest(version=2))).policy == made
    assert (await stub.GetScoringPolicy(pb.GetScoringPolicyRequest(version=1))).policy == policy_to_proto(Policy())


async def test_every_field_is_kept(house: House, stub: Stub) -> None:
    paths = changed_paths(Policy(), OTHER)
    request = pb.UpdateScoringPolicyRequest(policy=policy_to_proto(OTHER))
    request.update_mask.paths.extend(paths)
    await stub.UpdateScoringPolicy(request)
    found = await newest(stub)
    assert policy_of(found) == replace(OTHER, version=2)
    assert tuple(found.changed_paths) == paths


async def test_nothing_that_would_not_change_anything_makes_a_version(house: House, stub: Stub) -> None:
    same = await update(
        stub, {"qualityWeight": 0.4}, "quality_weight", "cut_offs", "segments.high_value_amount", "industries", comment="nothing"
    )
    assert (same.version, same.comment) == (1, "")
    made = await update(stub, {"revenueTarget": 100}, "revenue_target", "revenue_target")
    assert await update(stub, {"revenueTarget": 100}, "revenue_target") == made
    assert rows(house, "SELECT version FROM scoring.policy") == [(2,)]


async def test_what_is_optional_is_cleared_when_it_is_named_and_not_told(house: House, stub: Stub) -> None:
    await update(stub, {"segments": {"highValueAmount": 500}}, "segments.high_value_amount")
    kept = await update(stub, {"segments": {"newCustomerDays": 20}}, "segments.new_customer_days")
    assert (kept.segments.high_value_amount, kept.segments.new_customer_days) == (500, 20)
    cleared = await update(stub, {}, "segments.high_value_amount")
    assert (cleared.segments.HasField("high_value_amount"), cleared.segments.new_customer_days) == (False, 20)
    assert list(cleared.changed_paths) == ["segments.high_value_amount"]


async def test_parts_and_lists_are_replaced_whole(house: House, stub: Stub) -> None:
    two = {"industries": [{"industry": "a", "revenueTarget": 5}, {"industry": "b"}]}
    assert len((await update(stub, two, "industries")).industries) == 2
    one = await update(stub, {"industries": [{"industry": "b"}]}, "industries")
    assert [(p.industry, p.HasField("revenue_target")) for p in one.industries] == [("b", False)]
    assert len((await update(stub, {}, "industries")).industries) == 0
    # A part that is named and not told stays, as its comment says.
    await update(stub, {"cutOffs": {"aPlus": 99}}, "cut_offs.a_plus")
    assert (await update(stub, {}, "cut_offs")).cut_offs.a_plus == 99


REFUSED: list[tuple[dict[str, Any], tuple[str, ...], list[str]]] = [
    ({}, (), ["update_mask"]),
    ({}, ("nothing",), ["update_mask.paths[0]"]),
    ({}, ("quality_weight", "*"), ["update_mask.paths[1]"]),
    ({}, (".quality_weight",), ["update_mask.paths[0]"]),
    ({}, ("segments.",), ["update_mask.paths[0]"]),
    ({}, ("segments.nothing", "cut_offs.d"), ["update_mask.paths[0]", "update_mask.paths[1]"]),
    ({}, ("industries.revenue_target",), ["update_mask.paths[0]"]),
    ({}, ("created_at.seconds",), ["update_mask.paths[0]"]),
    (
        {},
        ("version", "created_at", "created_by", "comment", "changed_paths"),
        [f"update_mask.paths[{i}]" for i in range(5)],
    ),
    ({"qualityWeight": 0.5}, ("quality_weight",), ["policy.quality_weight"]),
    ({"cutOffs": {"a": 95}}, ("cut_offs.a",), ["policy.cut_offs.a"]),
    ({"segments": {"safeFrom": 0.1}}, ("segments.safe_from",), ["policy.segments.safe_from"]),
    ({"revenueTarget": -1}, ("revenue_target",), ["policy.revenue_target"]),
    ({"revenueTarget": "NaN"}, ("revenue_target",), ["policy.revenue_target"]),
    ({"targetSource": 7}, ("target_source",), ["policy.target_source"]),
    ({"industries": [{"industry": ""}]}, ("industries",), ["policy.industries[0].industry"] * 2),  # too short, and of no letter
    ({"industries": [{"industry": "x"}, {"industry": "X"}]}, ("industries",), ["policy.industries[1].industry"]),
    (
        {"industries": [{"industry": "a\0"}, {"industry": "  "}]},
        ("industries",),
        [f"policy.industries[{i}].industry" for i in (0, 1)],
    ),
    ({"industries": [{"industry": str(i)} for i in range(51)]}, ("industries",), ["policy.industries"]),
]


@pytest.mark.parametrize(("told", "paths", "blamed"), REFUSED, ids=[f"{t} {p}" for t, p, _ in REFUSED])
async def test_a_bad_change_is_refused_precisely_and_changes_nothing(
    house: House, stub: Stub, told: dict[str, Any], paths: tuple[str, ...], blamed: list[str]
) -> None:
    policy = ParseDict(told, policy_to_proto(Policy()))
    before = everything(house.url)
    for call, kind in (
        (stub.UpdateScoringPolicy, pb.UpdateScoringPolicyRequest),
        (stub.PreviewScoringPolicy, pb.PreviewScoringPolicyRequest),
    ):
        request = kind(policy=policy)
        request.update_mask.paths.extend(paths)
        request.update_mask.SetInParent()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request)
        assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
        assert named_fields(refused.value) == blamed
    assert everything(house.url) == before


@pytest.mark.parametrize(
    ("told", "path", "blamed"),
    [
        ({}, "conversion_rate_target", "policy.conversion_rate_target"),
        ({}, "segments.at_risk_below", "policy.segments"),
        ({"cutOffs": {"a": 96}}, "cut_offs.a", "policy.cut_offs.a"),
        ({"cutOffs": {"a": 91}}, "cut_offs", "policy.cut_offs.a_plus"),
    ],
)
async def test_of_a_policy_only_what_the_mask_names_is_looked_at(
    house: House, told: dict[str, Any], path: str, blamed: str
) -> None:
    """Asked without the contract's rules for the request: those for the policy hold for what would come of it."""
    request = pb.UpdateScoringPolicyRequest(policy=ParseDict(told, policy_pb2.ScoringPolicy()))
    request.update_mask.paths.append(path)
    with pytest.raises(InvalidArgument) as refused:
        await house.scoring.UpdateScoringPolicy(request, house.caller)
    assert refused.value.violations[0].field == blamed
    good = pb.UpdateScoringPolicyRequest(policy=policy_pb2.ScoringPolicy(conversion_rate_target=20))
    good.update_mask.paths.append("conversion_rate_target")
    made = (await house.scoring.UpdateScoringPolicy(good, house.caller)).policy
    assert (made.version, made.conversion_rate_target, made.revenue_target) == (2, 20, 1500)


async def test_a_change_without_a_policy_is_refused(house: House) -> None:
    request = pb.UpdateScoringPolicyRequest()
    request.update_mask.paths.append("provisional_below")
    with pytest.raises(InvalidArgument) as refused:
        await house.scoring.UpdateScoringPolicy(request, house.caller)
    assert [v.field for v in refused.value.violations] == ["policy"]


async def test_a_comment_must_be_text_that_can_be_kept(house: House, stub: Stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await update(stub, {"revenueTarget": 100}, "revenue_target", comment="because\0")
    assert (refused.value.code(), named_fields(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, ["comment"])
    assert (await update(stub, {"revenueTarget": 100}, "revenue_target", comment="क्‍ष: नया लक्ष्य")).version == 2


async def test_who_read_an_older_version_is_told_so(house: House, stub: Stub) -> None:
    await update(stub, {"revenueTarget": 100}, "revenue_target", expected_version=1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await update(stub, {"revenueTarget": 200}, "revenue_target", expected_version=1)
    assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.ABORTED, "VERSION_CONFLICT")
    assert (await newest(stub)).revenue_target == 100


async def race(house: House, stub: Stub, expected_version: int | None) -> list[int | grpc.StatusCode]:
    """Change the policy eight times at once; return the versions made, and how the others failed."""

    async def one(target: int) -> int | grpc.StatusCode:
        request = pb.UpdateScoringPolicyRequest(policy=policy_to_proto(Policy(revenue_target=target)))
        request.update_mask.paths.append("revenue_target")
        if expected_version is not None:
            request.expected_version = expected_version
        try:
            return int((await stub.UpdateScoringPolicy(request)).policy.version)
        except grpc.aio.AioRpcError as error:
            return error.code()

    return list(await asyncio.gather(*(one(100 + i) for i in range(8))))


async def test_of_those_who_change_one_version_at_once_one_wins(house: House, stub: Stub) -> None:
    found = await race(house, stub, expected_version=1)
    assert sorted(found, key=str) == [2, *[grpc.StatusCode.ABORTED] * 7]
    assert rows(house, "SELECT version FROM scoring.policy") == [(2,)]


async def test_changes_at_once_that_expect_nothing_follow_one_another(house: House, stub: Stub) -> None:
    assert sorted(await race(house, stub, expected_version=None)) == list(range(2, 10))


async def test_without_the_lock_changes_at_once_would_fail(house: House, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the key of the versions lets one through, and the others fail for no reason of theirs."""

    arrived, all_are_there = 0, asyncio.Event()

    async def no_lock(conn: Any) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 8:
            all_are_there.set()
        await all_are_there.wait()

    monkeypatch.setattr(policy_store, "lock_versions", no_lock)
    found = await race(house, stub, expected_version=None)
    assert len([f for f in found if isinstance(f, grpc.StatusCode)]) > 0


async def test_versions_are_listed_page_by_page_down_to_the_default(house: House, stub: Stub) -> None:
    for target in (100, 200, 300, 400):
        await update(stub, {"revenueTarget": target}, "revenue_target")
    pages, token = [], ""
    while not pages or token:
        answer = await stub.ListScoringPolicies(pb.ListScoringPoliciesRequest(page_size=2, page_token=token))
        pages.append([(p.version, p.revenue_target) for p in answer.policies])
        token = answer.next_page_token
    assert pages == [[(5, 400), (4, 300)], [(3, 200), (2, 100)], [(1, 1500)]]
    whole = await stub.ListScoringPolicies(pb.ListScoringPoliciesRequest(page_size=5))
    assert ([p.version for p in whole.policies], whole.next_page_token) == ([5, 4, 3, 2, 1], "")


async def test_a_page_token_that_was_changed_is_refused(house: House, stub: Stub) -> None:
    await update(stub, {"revenueTarget": 100}, "revenue_target")
    token = (await stub.ListScoringPolicies(pb.ListScoringPoliciesRequest(page_size=1))).next_page_token
    assert token
    for bad in (token[:-1] + ("A" if token[-1] != "A" else "B"), "nonsense", house.scoring._pages.sign({"version": 2})):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListScoringPolicies(pb.ListScoringPoliciesRequest(page_token=bad))
        assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")


async def test_grades_are_made_by_the_version_asked_for(house: House, stub: Stub) -> None:
    at = house.clock.now - timedelta(hours=2)
    await talked(house, "c-1", at, "a", "k", customer_satisfaction_score=4.0)
    await house.drain()
    half = {"qualityWeight": 0.8, "conversionWeight": 0.1, "efficiencyWeight": 0.1}
    await update(stub, half, "quality_weight", "conversion_weight", "efficiency_weight")
    answers = [await stub.GradeAgents(pb.GradeAgentsRequest(policy_version=v)) for v in (1, 2, 0)]
    assert [a.policy.version for a in answers] == [a.quality.policy_version for a in answers] == [1, 2, 2]
    first, second, third = (a.grades[0] for a in answers)
    assert second == third
    # Satisfaction 75 and completion 100, without conversions; nothing was answered, so efficiency is the escalation's.
    assert first.score == pytest.approx(0.4 * (0.7 * 75 + 0.3 * 100) + 0.25 * 100)
    assert second.score == pytest.approx(0.8 * (0.7 * 75 + 0.3 * 100) + 0.1 * 100)
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await stub.GradeAgents(pb.GradeAgentsRequest(policy_version=3))
    assert (missing.value.code(), reason(missing.value)) == (grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND")


async def test_another_tenants_policy_is_its_own(house: House, stub: Stub) -> None:
    await update(stub, {"revenueTarget": 100}, "revenue_target")
    async with house.scoring_database.transaction("somebody else") as conn:
        assert (await policy_store.get_newest(conn)).policy == Policy()


def test_an_industrys_part_is_found_whatever_the_letters_case() -> None:
    policy, name = for_industry(OTHER, "dENTAL")
    assert (policy.conversion_rate_target, policy.revenue_target, name) == (50.0, 99.95, "Dental")
    assert for_industry(OTHER, "") == (OTHER, "")
    assert for_industry(OTHER, "Dent") == (OTHER, "")
