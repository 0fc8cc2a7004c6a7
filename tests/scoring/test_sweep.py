"""The daily sweep: everybody's score and segment as of the tenant's day, once, and each move with its reason."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from rapport.insight.v1 import vocabulary_pb2
from rapport.scoring.v1 import policy_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring import customer_store, queue_store, score_store, segments, sweeping
from services.scoring.lifetime import Mbg
from tests.fix_services import House
from tests.scoring.clientele import Clientele
from tests.scoring.telling import rows

OWN = Mbg(r=1.4, alpha=2.5, a=0.6, b=6.0)
AT_RISK = vocabulary_pb2.CustomerSegment.at_risk
REGULAR = vocabulary_pb2.CustomerSegment.regular
HIGH_VALUE = vocabulary_pb2.CustomerSegment.high_value
KEPT = ("customer_score", "segment_transition", "customer_state", "customer_sweep")


async def sweep(house: House) -> None:
    """Sweep as the sweeper does, whether or not the day has been swept."""
    async with house.scoring_database.transaction() as conn:
        await queue_store.wait_for_lease(conn)
        await sweeping.sweep(conn, house.clock.now)


def kept(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that a sweep writes, with which transaction wrote it."""
    return {table: rows(house, f"SELECT t.xmin::text, t.* FROM scoring.{table} t ORDER BY t::text") for table in KEPT}


def segments_of(house: House) -> dict[str, int]:
    return dict(rows(house, "SELECT customer_id, segment FROM scoring.customer_state WHERE segment IS NOT NULL"))


async def update(house: House, policy: policy_pb2.SegmentPolicy, *paths: str) -> int:
    """Change the policy of segments and return its version."""
    request = pb.UpdateScoringPolicyRequest(policy=policy_pb2.ScoringPolicy(segments=policy))
    request.update_mask.paths.extend(f"segments.{path}" for path in paths)
    return (await house.scoring.UpdateScoringPolicy(request, house.caller)).policy.version


@pytest.fixture
def crowd(house: House) -> Clientele:
    made = Clientele(house)
    made.simulate(200, OWN, seed=11)
    made.write()
    return made


async def test_two_sweeps_on_one_day_write_nothing_new(house: House, crowd: Clientele) -> None:
    await sweep(house)
    first = kept(house)
    assert len(first["customer_score"]) == len(first["segment_transition"]) == 200
    house.clock.advance(hours=1)
    await sweep(house)
    assert kept(house) == first
    # The control: a day later what was foretold is another day's.
    house.clock.advance(days=1)
    await sweep(house)
    assert len(rows(house, "SELECT FROM scoring.customer_score WHERE scored_on = '2026-11-21'")) == 200


async def test_a_transition_is_written_only_when_the_segment_changes(house: House, crowd: Clientele) -> None:
    await sweep(house)
    before = segments_of(house)
    assert set(before.values()) >= {1, 2, 3, 4}
    house.clock.advance(days=20)
    await sweep(house)
    after = segments_of(house)
    moved = {c for c in after if after[c] != before[c]}
    assert 0 < len(moved) < 100
    found = rows(house, "SELECT customer_id, previous, segment, reason FROM scoring.segment_transition WHERE at > '2026-12-01'")
    assert {(c, previous, segment) for c, previous, segment, _ in found} == {(c, before[c], after[c]) for c in moved}
    assert all(reason for *_, reason in found)
    ((since,),) = rows(house, "SELECT count(*) FROM scoring.customer_state WHERE segment_since > '2026-12-01'")
    assert since == len(moved)


async def test_what_is_stored_is_what_is_answered(house: House, crowd: Clientele) -> None:
    await house.scoring.FitModels(pb.FitModelsRequest(), house.caller)
    await sweep(house)
    ids = [f"s-{i}" for i in range(200)]
    answer = await house.scoring.ScoreCustomers(pb.ScoreCustomersRequest(customer_ids=ids), house.caller)
    stored = {
        customer: row
        for customer, *row in rows(
            house,
            "SELECT customer_id, churn_risk, p_alive, upsell_potential, predicted_value, model_version, policy_version "
            "FROM scoring.customer_score",
        )
    }
    segment = segments_of(house)
    reasons = dict(rows(house, "SELECT customer_id, reason FROM scoring.segment_transition"))
    for s in answer.scores:
        upsell, value = (getattr(s, n) if s.HasField(n) else None for n in ("upsell_potential", "predicted_lifetime_value"))
        assert stored[s.customer_id] == [s.churn_risk, s.p_alive, upsell, value, 1, 1]
        assert (s.segment, s.segment_reason) == (segment[s.customer_id], reasons[s.customer_id])


async def test_the_size_of_the_parts_does_not_matter(house: House, crowd: Clientele, monkeypatch: pytest.MonkeyPatch) -> None:
    await sweep(house)
    whole = {table: [row[1:] for row in found] for table, found in kept(house).items()}
    with psycopg.connect(house.url) as conn:
        conn.execute("TRUNCATE scoring.customer_score, scoring.segment_transition, scoring.customer_sweep")
        conn.execute("UPDATE scoring.customer_state SET segment = NULL, segment_since = NULL")
    monkeypatch.setattr(sweeping, "_AT_ONCE", 7)
    await sweep(house)
    assert {table: [row[1:] for row in found] for table, found in kept(house).items()} == whole


async def test_hysteresis_reads_the_stored_segment(house: House) -> None:
    """The control: without a gap the same customer goes to and fro."""
    made = Clientele(house)
    made.add("k-1", [60, 53, 46, 39, 32])
    made.write()
    await sweep(house)
    asked = pb.ScoreCustomersRequest(customer_ids=["k-1"])
    p_alive = (await house.scoring.ScoreCustomers(asked, house.caller)).scores[0].p_alive

    async def moves(safe_from: float) -> list[int]:
        """Let the border pass over the customer and back again, twice, and return the segments found."""
        found = []
        for below in (p_alive + 0.01, p_alive - 0.01) * 2:
            policy = policy_pb2.SegmentPolicy(at_risk_below=below, safe_from=max(safe_from, below))
            await update(house, policy, "at_risk_below", "safe_from")
            house.clock.advance(seconds=1)
            await sweep(house)
            found.append(segments_of(house)["k-1"])
        return found

    assert await moves(p_alive + 0.05) == [AT_RISK] * 4
    noted = "SELECT count(*) FROM scoring.segment_transition WHERE segment = 2"
    assert rows(house, noted) == [(1,)]
    assert await moves(0) == [AT_RISK, REGULAR] * 2
    assert rows(house, noted) == [(2,)]


async def test_a_tenant_with_few_customers_may_set_the_amount_itself(house: House) -> None:
    made = Clientele(house)
    made.add("buyer", [], {70: 500.0, 40: 500.0, 5: 500.0})
    made.write()
    await sweep(house)
    assert segments_of(house) == {"buyer": REGULAR}
    version = await update(house, policy_pb2.SegmentPolicy(high_value_amount=100.0), "high_value_amount")
    # At once for who asks, and from the next sweep on for what is stored.
    asked = pb.ScoreCustomersRequest(customer_ids=["buyer"])
    (score,) = (await house.scoring.ScoreCustomers(asked, house.caller)).scores
    assert (score.segment, score.policy_version, score.HasField("segment_since")) == (HIGH_VALUE, version, False)
    assert segments_of(house) == {"buyer": REGULAR}
    house.clock.advance(days=1)
    await sweep(house)
    assert segments_of(house) == {"buyer": HIGH_VALUE}
    assert rows(house, "SELECT policy_version, scored_on::text FROM scoring.customer_score") == [(version, "2026-11-21")]
    ((reason,),) = rows(house, "SELECT reason FROM scoring.segment_transition WHERE segment = 3")
    assert reason.startswith("3 orders and a predicted value of ")
    assert reason.endswith(", at least 100.00")


async def test_from_30_customers_on_the_best_tenth_decides(house: House) -> None:
    made = Clientele(house)
    for i in range(29):
        made.add(f"k-{i}", [], {60: 10.0 + i, 30: 10.0 + i, 2: 10.0 + i})
    made.add("new", [], {3: 9999.0, 2: 9999.0})
    made.write()
    await update(house, policy_pb2.SegmentPolicy(high_value_amount=1.0), "high_value_amount")
    await sweep(house)
    assert list(segments_of(house).values()).count(HIGH_VALUE) == 29
    made.add("k-29", [], {60: 39.0, 30: 39.0, 2: 39.0})
    made.write()
    await sweep(house)
    found = segments_of(house)
    assert {c for c, segment in found.items() if segment == HIGH_VALUE} == {"k-27", "k-28", "k-29"}
    assert found["new"] == vocabulary_pb2.CustomerSegment.new_customer
    assert rows(house, "SELECT returning_customers, version FROM scoring.customer_sweep") == [(30, 2)]


async def test_a_day_is_the_tenants(house: House, crowd: Clientele) -> None:
    with psycopg.connect(house.url) as conn:
        conn.execute(
            "INSERT INTO ingest.tenant_settings (tenant_id, reporting_currency, time_zone, attribution_window_days, version, "
            "updated_at) VALUES ('default', 'USD', 'Pacific/Kiritimati', 7, 1, now())"
        )
    await sweep(house)  # at noon in UTC
    assert rows(house, "SELECT DISTINCT scored_on::text FROM scoring.customer_score") == [("2026-11-21",)]
    assert rows(house, "SELECT swept_on::text FROM scoring.progress") == [("2026-11-21",)]


async def test_who_never_engaged_after_all_has_neither_score_nor_segment(house: House) -> None:
    made = Clientele(house)
    made.add("k-1", [50, 40])
    made.add("k-2", [50, 40])
    made.write()
    await sweep(house)
    # What the worker leaves when the facts are corrected: the customer stays known.
    with psycopg.connect(house.url) as conn:
        conn.execute("DELETE FROM scoring.customer_day WHERE customer_id = 'k-1'")
        conn.execute(
            "UPDATE scoring.customer_state SET engagement_days = 0, first_day = NULL, last_day = NULL WHERE customer_id = 'k-1'"
        )
    house.clock.advance(days=1)
    await sweep(house)
    assert rows(house, "SELECT customer_id FROM scoring.customer_score") == [("k-2",)]
    assert set(segments_of(house)) == {"k-2"}
    assert rows(house, "SELECT segment_since FROM scoring.customer_state WHERE customer_id = 'k-1'") == [(None,)]
    assert len(rows(house, "SELECT FROM scoring.segment_transition WHERE customer_id = 'k-1'")) == 1


async def test_a_sweep_that_fails_leaves_everything(house: House, crowd: Clientele, monkeypatch: pytest.MonkeyPatch) -> None:
    await sweep(house)
    before = kept(house)
    house.clock.advance(days=1)

    async def fails(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(score_store, "put_moves", fails)
    with pytest.raises(ZeroDivisionError):
        await sweep(house)
    assert kept(house) == before
    async with house.scoring_database.transaction() as conn:
        assert await sweeping.is_due(conn, house.clock.now)


async def test_rescoring_on_demand_does_not_stand_for_the_daily_sweep(house: House, crowd: Clientele) -> None:
    await house.scoring.FitModels(pb.FitModelsRequest(), house.caller)
    assert len(rows(house, "SELECT FROM scoring.customer_score WHERE model_version = 1")) == 200
    async with house.scoring_database.transaction() as conn:
        assert await sweeping.is_due(conn, house.clock.now)


async def test_thresholds_are_those_of_the_values_stored(house: House, crowd: Clientele) -> None:
    await sweep(house)
    query = (
        "SELECT percentile_cont(ARRAY[0.9, 0.5]) WITHIN GROUP (ORDER BY c.predicted_value), count(*) "
        "FROM scoring.customer_score c JOIN scoring.customer_state s USING (tenant_id, customer_id) "
        "WHERE (s.first_day <= '2026-10-21' OR s.engagement_days > 2) AND c.predicted_value IS NOT NULL"
    )
    (((tenth, median), _),) = rows(house, query)
    async with house.scoring_database.snapshot() as conn:
        found = await customer_store.get_sweep(conn)
    assert found.thresholds.clv_p90 == pytest.approx(tenth)
    assert found.thresholds.clv_median == pytest.approx(median)
    assert found.thresholds.returning_customers >= segments.ENOUGH_CUSTOMERS
    assert len(found.upsell_percentiles) == 101
