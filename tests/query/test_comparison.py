"""The order of agents, its pages, and what agents come to together."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.query.answers import Field
from services.query.comparison import Contender, Position, grade_distribution, page_of, summarise
from services.query.performance import Place, Sums, Takings, Totals

WHATSAPP, WEB = 1, 4


def test_best_first_equals_by_id_ungraded_last() -> None:
    contenders = [Contender("d", None, None), Contender("c", "A", 9.0), Contender("b", "A", 9.0), Contender("a", "D", 0.0)]
    page, following = page_of(contenders, None, 10)
    assert (page, following) == (["b", "c", "a", "d"], None)


def test_the_next_page_follows_the_last_agent() -> None:
    contenders = [Contender("a", "A", 9.0), Contender("b", "B", 8.0), Contender("c", None, None)]
    assert page_of(contenders, None, 2) == (["a", "b"], Position(8.0, "b"))
    assert page_of(contenders, Position(8.0, "b"), 2) == (["c"], None)
    # The agent that the page follows may be gone.
    assert page_of(contenders, Position(8.5, "gone"), 2) == (["b", "c"], None)


@given(
    st.dictionaries(st.text(max_size=3), st.none() | st.floats(min_value=0, max_value=100), max_size=30),
    st.integers(min_value=1, max_value=7),
)
def test_pages_together_are_the_whole_order(scores: dict[str, float | None], size: int) -> None:
    contenders = [Contender(agent_id, None, score) for agent_id, score in scores.items()]
    pages: list[str] = []
    page, after = page_of(contenders, None, size)
    while True:
        pages += page
        if after is None:
            break
        page, after = page_of(contenders, after, size)
    assert pages == page_of(contenders, None, 100)[0]
    assert sorted(pages) == sorted(scores)


def test_how_many_have_each_grade() -> None:
    contenders = [Contender("a", "A", 1.0), Contender("b", "A", 1.0), Contender("c", "D", 1.0), Contender("d", None, None)]
    assert grade_distribution(contenders) == {"A": 2, "D": 1}


def test_means_are_over_agents_and_pooled_over_conversations() -> None:
    field = Field(
        totals={
            Place("a", WHATSAPP): Totals(
                Sums(conversations=9, conversions=9, csat_n=3, csat_x100=1500), {"INR": Takings(1, Decimal(7))}
            ),
            Place("b", WHATSAPP): Totals(Sums(conversations=1, csat_n=1, csat_x100=300)),
            Place("b", WEB): Totals(Sums(), {"INR": Takings(1, Decimal(5)), "USD": Takings(1, Decimal(3))}),
            Place("", 0): Totals(Sums(), {"INR": Takings(1, Decimal(1000))}),
        },
        customers={str(WHATSAPP): 4, str(WEB): 1},
    )

    found = summarise(field, {"a", "b", "idle"}, "INR")

    assert (found.total_agents, found.avg_satisfaction, found.avg_conversion_rate) == (3, 4.0, 50.0)
    assert (found.pooled.customer_satisfaction_avg, found.pooled.conversion_rate) == (4.5, 90.0)
    assert (found.pooled.total_revenue, found.pooled.unconverted) == (Decimal(12), (("USD", Decimal(3)),))
    # Nobody talked on the web, but something was paid for there: so that platforms add up to the total.
    assert list(found.platforms) == [WHATSAPP, WEB]
    assert found.platforms[WEB][0].total_conversations == 0
    figures, customers = found.platforms[WHATSAPP]
    assert (figures.total_conversations, customers) == (10, 4)


def test_nobody_has_no_means() -> None:
    found = summarise(Field({}, {}), set(), "INR")
    assert (found.total_agents, found.avg_satisfaction, found.avg_conversion_rate, found.pooled.conversion_rate) == (
        0,
        None,
        None,
        None,
    )
