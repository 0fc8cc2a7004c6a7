"""How many open alerts a silence concerns, over a real channel and a real database."""

from __future__ import annotations

import pytest

from tests.alerting.house import House
from tests.alerting.people import open_alert, silence_of

SILENT = "SELECT count(*) FROM alerting.alert WHERE cardinality(silence_ids) > 0"


@pytest.mark.parametrize("after", [0, 24])
@pytest.mark.parametrize(
    ("name", "values", "count"),
    [
        ("customer_id", ["a"], 1),
        ("customer_id", ["a", "b", "nobody"], 2),
        ("rule_id", ["customer-satisfaction"], 3),
        ("rule_id", ["customer-satisfactoin"], 0),
        ("team", ["care"], 0),
        ("customer_id", ["over"], 0),
    ],
)
async def test_it_tells_how_many_open_alerts_satisfy_it(house: House, name: str, values: list[str], count: int, after: float):
    """Whether it holds them back now or will: 0 is a misspelt name, or meant."""
    for customer in ("a", "b", "c", "over"):
        await open_alert(house, customer)
    await house.score("over", 5)
    await house.score("a", 1, tenant="other")
    request = silence_of("", house, after=after, hours=after + 1)
    request.silence.matchers[0].name, request.silence.matchers[0].values[:] = name, values
    async with house.stub() as stub:
        answer = await stub.PutSilence(request)
        assert answer.open_alerts == count
        request.silence.silence_id = answer.silence.silence_id
        assert (await stub.PutSilence(request)).open_alerts == count, "changed, too"
    assert await house.facts.rows(SILENT) == [(0 if after else count,)]


async def test_what_others_hold_back_already_counts_and_a_request_that_is_sent_again_is_answered_alike(house: House):
    for customer in ("a", "b"):
        await open_alert(house, customer)
    request = silence_of("a", house)
    request.request_id = "r"
    async with house.stub() as stub:
        await stub.PutSilence(silence_of("a", house))
        answers = [await stub.PutSilence(request) for _ in range(3)]
    assert [answer.open_alerts for answer in answers] == [1, 1, 1]
    assert answers[0] == answers[1] == answers[2]
