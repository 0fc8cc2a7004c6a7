"""ScoreCustomers: by the tenant's own models and policy, each of which it names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.insight.v1 import vocabulary_pb2
from rapport.scoring.v1 import model_pb2, policy_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime.errors import NotFound
from services.scoring import lifetime
from services.scoring.lifetime import GammaGamma, Mbg
from services.scoring.scores import CHURN_WEEKS
from tests.fix_services import House
from tests.scoring.clientele import Clientele
from tests.scoring.telling import rows, settled, talked

OWN = Mbg(r=1.4, alpha=2.5, a=0.6, b=6.0)


async def scores(house: House, *ids: str) -> pb.ScoreCustomersResponse:
    return await house.scoring.ScoreCustomers(pb.ScoreCustomersRequest(customer_ids=ids), house.caller)


@pytest.fixture
def clientele(house: House) -> Clientele:
    made = Clientele(house)
    made.simulate(120, OWN, seed=3)
    made.add("k-1", [100, 80, 20, 10], {90: 40.0, 50: 80.0, 5: 60.0})
    made.write()
    return made


async def test_the_version_cited_reproduces_the_numbers(house: House, clientele: Clientele) -> None:
    await house.scoring.FitModels(pb.FitModelsRequest(), house.caller)
    (told,) = (await scores(house, "k-1")).scores
    report = (await house.scoring.GetModelReport(pb.GetModelReportRequest(version=told.model_version), house.caller)).report

    def events(m: model_pb2.EventModel) -> Mbg:
        return Mbg(m.r, m.alpha, m.a, m.b)

    def weeks(days: int) -> Any:
        return np.array([days / 7])

    values, mean = report.order_values, report.order_values.mean_order
    money, repeats, total = GammaGamma(values.p, values.q, values.v), np.array([2.0]), np.array([140 / mean])
    visits = (np.array([6.0]), weeks(95), weeks(100))
    assert told.p_alive == pytest.approx(lifetime.p_alive(events(report.engagement), *visits)[0])
    assert told.churn_risk == pytest.approx(lifetime.churn_risk(events(report.engagement), *visits, CHURN_WEEKS)[0])
    orders = lifetime.discounted_events(events(report.orders), np.array([2.0]), weeks(85), weeks(90))[0]
    worth = lifetime.expected_order_value(money, repeats, total)[0]
    assert told.predicted_lifetime_value == pytest.approx(report.orders_scale * orders * worth * mean)
    exceeds = lifetime.next_order_exceeds(money, repeats, total, np.array([60 / mean]))[0]
    assert told.upsell_potential == pytest.approx((1 - told.churn_risk) * exceeds)
    assert (told.model_version, told.repeat_days, told.last_engaged) == (1, 6, "2026-11-15")


async def test_new_models_hold_at_once_and_older_ones_no_more(house: House, clientele: Clientele) -> None:
    (before,) = (await scores(house, "k-1")).scores
    await house.scoring.FitModels(pb.FitModelsRequest(), house.caller)
    (after,) = (await scores(house, "k-1")).scores
    assert (before.model_version, after.model_version) == (0, 1)
    assert before.p_alive != after.p_alive
    assert before.predicted_lifetime_value != after.predicted_lifetime_value


async def test_unknown_ones_are_named_by_their_place_or_left_out(house: House, clientele: Clientele) -> None:
    with pytest.raises(NotFound) as caught:
        await scores(house, "k-1", "nobody", "s-1", "no one")
    assert [each.field for each in caught.value.violations] == ["customer_ids[1]", "customer_ids[3]"]
    request = pb.ScoreCustomersRequest(customer_ids=["k-1", "nobody", "s-1"], skip_unknown=True)
    answer = await house.scoring.ScoreCustomers(request, house.caller)
    assert ([each.customer_id for each in answer.scores], answer.quality.n) == (["k-1", "s-1"], 2)


async def test_scores_come_in_the_order_asked_for(house: House, clientele: Clientele) -> None:
    ids = ["s-7", "k-1", "s-1", "s-100"]
    answer = await scores(house, *ids)
    assert [s.customer_id for s in answer.scores] == ids
    assert (answer.quality.n, answer.quality.policy_version) == (4, 1)
    for one in answer.scores:
        assert (await scores(house, one.customer_id)).scores[0] == one
    with pytest.raises(NotFound):
        await scores(house, "k-1", "nobody")


async def test_since_when_is_what_the_sweeps_found(house: House, clientele: Clientele) -> None:
    (before,) = (await scores(house, "k-1")).scores
    assert not before.HasField("segment_since")
    assert not before.HasField("upsell_percentile")
    swept = house.clock.now
    await house.sweeper.go_round()
    house.clock.advance(days=1)
    await house.sweeper.go_round()
    (after,) = (await scores(house, "k-1")).scores
    assert after.segment_since.ToDatetime() == swept.replace(tzinfo=None)
    assert 0 <= after.upsell_percentile <= 100
    # Time alone has made another segment of it since, which no sweep has found yet.
    house.clock.advance(days=400)
    (later,) = (await scores(house, "k-1")).scores
    assert later.segment == vocabulary_pb2.CustomerSegment.at_risk
    assert not later.HasField("segment_since")


async def test_a_policy_holds_at_once(house: House, clientele: Clientele) -> None:
    (before,) = (await scores(house, "k-1")).scores
    change = pb.UpdateScoringPolicyRequest(
        policy=policy_pb2.ScoringPolicy(segments=policy_pb2.SegmentPolicy(new_customer_days=200, regular_repeat_days=50))
    )
    change.update_mask.paths.extend(["segments.new_customer_days", "segments.regular_repeat_days"])
    await house.scoring.UpdateScoringPolicy(change, house.caller)
    answer = await scores(house, "k-1")
    (after,) = answer.scores
    assert (before.segment, before.policy_version) == (vocabulary_pb2.CustomerSegment.regular, 1)
    assert (after.segment, after.policy_version, answer.quality.policy_version) == (
        vocabulary_pb2.CustomerSegment.occasional, 2, 2,
    )  # fmt: skip
    assert after.segment_reason == "came back on 6 days, fewer than 50"


async def test_an_erased_customer_leaves_no_score_and_no_transition(house: House) -> None:
    now = house.clock.now
    for number, customer in enumerate(("k-1", "k-2") * 3):
        await talked(house, f"c-{number}", now - timedelta(days=7 * number), "a-1", customer)
    await settled(house)
    await house.sweeper.go_round()
    kept = "SELECT DISTINCT customer_id FROM scoring.{} ORDER BY 1"
    tables = ("customer_score", "segment_transition", "customer_state")
    assert [rows(house, kept.format(t)) for t in tables] == [[("k-1",), ("k-2",)]] * 3
    await house.ingest.EraseCustomer(ParseDict({"customerId": "k-1"}, ingest_pb.EraseCustomerRequest()), house.caller)
    await settled(house)
    assert [rows(house, kept.format(t)) for t in tables] == [[("k-2",)]] * 3
    # No later sweep brings it back.
    house.clock.advance(days=1)
    await house.sweeper.go_round()
    assert [rows(house, kept.format(t)) for t in tables] == [[("k-2",)]] * 3
