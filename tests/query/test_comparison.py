"""The order of agents, its pages, the best and the last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.query.comparison import Contender, Position, extremes, grade_distribution, page_of


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


def test_the_best_and_the_last_are_firm_and_nobody_is_both() -> None:
    firm = [Contender(f"f{n}", "A", float(n)) for n in range(7)]
    loose = [Contender("lucky", "A", 99.0, is_provisional=True), Contender("unlucky", "D", -1.0, is_provisional=True)]
    leaders, trailers = extremes([*loose, *firm, Contender("ungraded")])
    assert (leaders, trailers) == (["f6", "f5", "f4", "f3", "f2"], ["f0", "f1"])
    # The control: were they firm, they would be there.
    assert extremes([*firm, Contender("lucky", "A", 99.0)])[0][0] == "lucky"
    assert extremes(loose) == ([], [])
