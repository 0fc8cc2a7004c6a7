"""A tenant's own models: fitted daily and on demand, kept as versions, and reported with how well they foretell."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from rapport.scoring.v1 import model_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime.errors import Aborted, FailedPrecondition, NotFound
from services.runtime.failures import as_service_error
from services.scoring import fitting, history_store, model_store, modelling, queue_store, refitting
from services.scoring.fitting import fit_events
from services.scoring.lifetime import PUBLISHED, Mbg
from services.scoring.modelling import History
from services.scoring.scores import repeats
from tests.fix_services import House
from tests.scoring.clientele import Clientele
from tests.scoring.telling import rows

#: A tenant unlike the published sample: its customers come often and stay long.
OWN = Mbg(r=1.4, alpha=2.5, a=0.6, b=6.0)


@pytest.fixture
def clientele(house: House) -> Clientele:
    made = Clientele(house)
    made.simulate(400, OWN, seed=5)
    made.write()
    return made


async def report(house: House, version: int = 0) -> model_pb2.ModelReport:
    return (await house.scoring.GetModelReport(pb.GetModelReportRequest(version=version), house.caller)).report


async def fit(house: House) -> model_pb2.ModelReport:
    return (await house.scoring.FitModels(pb.FitModelsRequest(), house.caller)).report


async def history(house: House, **more: Any) -> History:
    async with house.scoring_database.snapshot() as conn:
        return await history_store.get_history(conn, house.clock.now.date(), "USD", **more)


async def test_every_tenant_begins_with_the_published_parameters(house: House) -> None:
    found = await report(house)
    engagement = found.engagement
    assert (found.version, found.HasField("fitted_at"), found.fitted_on, found.orders_scale) == (0, False, "", 1)
    assert Mbg(engagement.r, engagement.alpha, engagement.a, engagement.b) == PUBLISHED
    assert (engagement.customers, engagement.HasField("log_likelihood"), engagement.converged) == (0, False, True)
    assert (found.order_values.p, found.order_values.HasField("mean_order")) == (6.25, False)
    assert not found.HasField("engagement_test")


async def test_a_fit_is_the_next_version_and_in_use(house: House, clientele: Clientele) -> None:
    first = await fit(house)
    assert (first.version, first.fitted_on) == (1, "2026-11-20")
    assert first.fitted_at.ToDatetime() == house.clock.now.replace(tzinfo=None)
    assert (first.engagement.customers, first.engagement.converged, first.engagement.sampled) == (400, True, False)
    assert 0 < first.engagement.repeaters < 400
    assert first.engagement.log_likelihood < 0
    assert first.orders.customers == 200
    assert first.order_values.mean_order == pytest.approx(100, rel=0.2)
    # Much closer to how these customers behave than where it began.
    assert abs(np.log(first.engagement.r / OWN.r)) < abs(np.log(PUBLISHED.r / OWN.r)) / 2
    assert await report(house) == first
    house.clock.advance(days=1)
    second = await fit(house)
    assert (second.version, second.fitted_on) == (2, "2026-11-21")
    assert await report(house, 1) == first
    assert await report(house) == await report(house, 2) == second


async def test_what_a_version_foretold_of_the_last_13_weeks(house: House, clientele: Clientele) -> None:
    found = await fit(house)
    for test in (found.engagement_test, found.orders_test):
        assert (test.first_day, test.end_day) == ("2026-08-21", "2026-11-20")
        assert 0 < test.churned < test.customers
        assert sum(b.customers for b in test.calibration) == test.customers
        assert test.auc > 0.7
        assert test.brier < test.brier_of_mean
        assert test.observed_events > 0
    # What was observed, counted by hand.
    window = "day >= '2026-08-21' AND day < '2026-11-20'"
    known = "customer_id IN (SELECT customer_id FROM scoring.customer_day WHERE day < '2026-08-21' AND orders > 0)"
    ((days, customers),) = rows(
        house,
        f"SELECT count(*), count(DISTINCT customer_id) FROM scoring.customer_day WHERE orders > 0 AND {window} AND {known}",
    )
    assert found.orders_test.observed_events == days
    assert found.orders_test.customers - found.orders_test.churned == customers
    assert found.orders_scale == np.clip(days / found.orders_test.expected_events, 0.5, 2)


async def test_versions_that_never_were(house: House, clientele: Clientele) -> None:
    await fit(house)
    with pytest.raises(NotFound) as unknown:
        await report(house, 2)
    assert unknown.value.reason == "MODEL_NOT_FOUND"


async def test_the_newest_400_versions_are_kept(house: House, clientele: Clientele) -> None:
    await fit(house)
    with psycopg.connect(house.url) as conn:
        conn.execute(
            "INSERT INTO scoring.model SELECT tenant_id, n, fitted_on, fitted_at, body FROM scoring.model, "
            "generate_series(2, 400) AS n"
        )
    assert (await fit(house)).version == 401
    assert rows(house, "SELECT min(version), max(version), count(*) FROM scoring.model") == [(2, 401, 400)]
    with pytest.raises(NotFound):
        await report(house, 1)


async def test_thirty_customers_stay_near_the_published_parameters(house: House) -> None:
    """The control: the likelihood alone takes thirty customers at their word."""
    small = Clientele(house)
    small.simulate(30, PUBLISHED, seed=5)
    small.write()
    found = (await fit(house)).engagement
    lot = (await history(house)).engagement
    alone = fit_events(*repeats(lot.days, lot.first, lot.last, house.clock.now.date()), prior=None).params

    def away(m: Any) -> float:
        return max(abs(np.log(getattr(m, n) / getattr(PUBLISHED, n))) for n in ("r", "alpha", "a", "b"))

    assert away(found) < np.log(2.5)
    assert away(alone) > np.log(5)


async def test_a_fit_that_fails_leaves_the_version_in_use(
    house: House, clientele: Clientele, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await fit(house)
    house.clock.advance(days=1)
    monkeypatch.setattr(fitting, "_search", lambda _, begin, *__, **___: (begin, False))
    with pytest.raises(FailedPrecondition) as refused:
        await fit(house)
    assert refused.value.reason == "MODEL_NOT_FITTED"
    await refitting.refit_daily(house.scoring_database, "default", house.clock.now)
    await house.sweeper.go_round()
    assert await report(house) == before
    assert rows(house, "SELECT DISTINCT model_version, scored_on::text FROM scoring.customer_score") == [(1, "2026-11-21")]


async def test_models_are_fitted_once_a_day(house: House, clientele: Clientele) -> None:
    async def refit() -> int:
        await refitting.refit_daily(house.scoring_database, "default", house.clock.now)
        return (await report(house)).version

    assert [await refit(), await refit()] == [1, 1]
    house.clock.advance(hours=13)
    assert [await refit(), await refit()] == [2, 2]


async def test_the_daily_sweep_fits_first_and_scores_everybody_by_it(house: House, clientele: Clientele) -> None:
    scored = "SELECT model_version, scored_on::text, count(*) FROM scoring.customer_score GROUP BY 1, 2"
    await house.sweeper.go_round()
    assert rows(house, scored) == [(1, "2026-11-20", 400)]
    house.clock.advance(days=1)
    await house.sweeper.go_round()
    assert rows(house, scored) == [(2, "2026-11-21", 400)]


async def test_who_has_no_customers_keeps_the_published_parameters(house: House) -> None:
    with psycopg.connect(house.url) as conn:
        conn.execute(
            "INSERT INTO scoring.customer_state (tenant_id, customer_id, engagement_days, order_days, orders, advocate) "
            "VALUES ('default', 'never engaged', 0, 0, 0, false)"
        )
    await refitting.refit_daily(house.scoring_database, "default", house.clock.now)
    assert (await report(house)).version == 0


async def test_the_lot_is_the_same_all_day_and_another_one_the_next(house: House, clientele: Clientele) -> None:
    one, again = await history(house, limit=50), await history(house, limit=50)
    assert one.engagement.sampled
    assert len(one.engagement.days) == len(one.ordering.days) == len(one.orders.repeats) == 50
    assert len(np.unique(one.engagement_days.customer)) == 50
    for found, expected in ((one.engagement.first, again.engagement.first), (one.engagement_days.day, again.engagement_days.day)):
        assert found.tolist() == expected.tolist()
    house.clock.advance(days=1)
    assert (await history(house, limit=50)).engagement.first.tolist() != one.engagement.first.tolist()
    everybody = await history(house)
    assert not everybody.engagement.sampled
    assert len(everybody.engagement.days) == 400


async def test_the_lot_is_what_the_day_says_of_its_customers(house: House, clientele: Clientele) -> None:
    """The states that models are fitted to, and the days that they are tested on, tell the same story."""
    found = await history(house)
    _, first, counts = np.unique(np.sort(found.order_days.customer), return_index=True, return_counts=True)
    assert sorted(counts) == sorted(found.ordering.days)
    assert len(first) == len(found.ordering.first)
    ((repeat_orders, repeat_paid),) = rows(
        house,
        "SELECT sum(r.orders), sum(r.amount) FROM scoring.customer_revenue_day r JOIN scoring.customer_state s "
        "USING (tenant_id, customer_id) WHERE r.day > s.first_order_day",
    )
    assert found.orders.repeats.sum() == repeat_orders
    assert found.orders.repeat_total.sum() == pytest.approx(float(repeat_paid))


async def test_a_test_takes_no_more_days_than_fit_into_memory(
    house: House, clientele: Clientele, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = len((await history(house)).engagement_days.day)
    monkeypatch.setattr(history_store, "MOST_VISITS", everything // 2)
    some = (await history(house)).engagement_days
    assert everything // 4 < len(some.day) <= everything // 2
    # Whole customers: each one's days are those of the state.
    states = dict(rows(house, "SELECT engagement_days, count(*) FROM scoring.customer_state GROUP BY 1"))
    for days, customers in zip(*np.unique(np.bincount(some.customer), return_counts=True), strict=True):
        assert days == 0 or customers <= states[days]


async def test_fitting_holds_neither_the_tenant_nor_the_loop(
    house: House, clientele: Clientele, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    real = modelling.fit

    def slow(history: History) -> Any:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)
        return real(history)

    monkeypatch.setattr(modelling, "fit", slow)
    fitting = asyncio.create_task(fit(house))
    await begun.wait()
    # The loop runs, and the lease is to be had.
    async with house.scoring_database.transaction() as conn:
        assert await queue_store.take_lease(conn)
    go_on.set()
    assert (await fitting).version == 1


async def test_a_tenant_that_is_busy_for_too_long(house: House, clientele: Clientele, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refitting, "_LIMITS", refitting.Limits(transaction_s=30, statement_s=30, lock_s=0.2))
    async with house.scoring_database.transaction() as conn:
        assert await queue_store.take_lease(conn)
        with pytest.raises(Exception) as busy:  # noqa: PT011 what it becomes is asked next
            await fit(house)
    told = as_service_error(busy.value)
    assert isinstance(told, Aborted)
    assert told.reason == "TRANSACTION_CONFLICT"
    assert (await report(house)).version == 0


async def test_the_mean_order_is_told_in_the_currency_of_now(house: House, clientele: Clientele) -> None:
    fitted = await fit(house)
    with psycopg.connect(house.url) as conn:
        conn.execute("UPDATE scoring.revenue_total_day SET amount = amount * 2")
    # The version keeps what it was fitted with, as long as that can be told.
    assert (await report(house)).order_values.mean_order == fitted.order_values.mean_order
    with psycopg.connect(house.url) as conn:
        conn.execute(
            "INSERT INTO ingest.tenant_settings (tenant_id, reporting_currency, time_zone, attribution_window_days, version, "
            "updated_at) VALUES ('default', 'EUR', 'UTC', 7, 1, now())"
        )
        conn.execute(
            "INSERT INTO ingest.exchange_rate (tenant_id, from_currency, to_currency, day, rate, updated_at) "
            "SELECT DISTINCT 'default', 'USD', 'EUR', bucket, 0.5, now() FROM scoring.revenue_day"
        )
    assert (await report(house)).order_values.mean_order == pytest.approx(fitted.order_values.mean_order)
    async with house.scoring_database.snapshot() as conn:
        assert (await model_store.get_models(conn, "GBP")).mean_order is None


async def test_orders_that_begin_after_the_fit_are_worth_something_at_once(house: House) -> None:
    made = Clientele(house)
    made.add("k-1", [50, 40, 30])
    made.write()
    assert not (await fit(house)).order_values.HasField("mean_order")
    made.add("k-2", [], {3: 40.0, 2: 60.0})
    made.write()
    asked = pb.ScoreCustomersRequest(customer_ids=["k-2"])
    (score,) = (await house.scoring.ScoreCustomers(asked, house.caller)).scores
    assert score.model_version == 1
    assert score.predicted_lifetime_value > 0


async def test_what_is_kept_is_what_was_fitted(house: House, clientele: Clientele) -> None:
    fitted = await refitting.fit(house.scoring_database, house.clock.now)
    async with house.scoring_database.transaction() as conn:
        await model_store.put_models(conn, fitted, house.clock.now)
        kept = await model_store.get_report(conn, 1, "USD")
    assert kept is not None
    assert kept.fitted == fitted
    assert kept.fitted.engagement_test is not None
    assert kept.fitted.fitted_on == house.clock.now.date()
    assert timedelta(0) <= kept.fitted.engagement_test.end_day - kept.fitted.engagement_test.first_day == timedelta(weeks=13)
