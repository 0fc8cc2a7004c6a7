"""Tables keep to the terminal: no word is broken; where columns have no room each row is a few lines, with all that it has."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.cli.listing import Listing, Pairs, beside_each_other, column_widths, named

RULE = "agent-revenue-behind-target"
ID = "3f2a91c0-7d1e-4b52-9a55-0c6a2f1f3d11"


def drawn(table: Listing | Pairs, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, markup=False, highlight=False).print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def listing(*spared: str, is_narrow: bool = False) -> Listing:
    names = ["No.", "Rule", "State", "Why"]
    made = Listing("Rules", names, numeric=["No."], wraps=["Why"], spared=spared, is_narrow=is_narrow)
    made.add_row("1", RULE, "high\ndisabled", "the till is being repaired, and nobody minds\nsecond line")
    made.add_row("2", "slow", "", "short")
    return made


def test_where_there_is_room_it_is_a_table_whose_last_column_wraps() -> None:
    lines = drawn(listing(), 80)
    assert max(map(len, lines)) <= 80
    assert "   1   agent-revenue-behind-target   high       the till is being repaired, and" in lines
    assert "                                     disabled   nobody minds" in lines


@pytest.mark.parametrize(("width", "has_it"), [(80, True), (60, False)])
def test_what_can_be_spared_is_left_out_before_there_are_no_columns(width: int, has_it: bool) -> None:
    lines = drawn(listing("State"), width)
    assert lines[2].split() == ["No.", "Rule", *["State"] * has_it, "Why"]
    assert drawn(listing("State", is_narrow=True), 80)[2].split() == ["No.", "Rule", "Why"]


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("spared", [(), ("State",)])
def test_where_there_is_none_each_row_is_lines_and_nothing_is_left_out(spared: tuple[str, ...], is_narrow: bool) -> None:
    assert drawn(listing(*spared, is_narrow=is_narrow), 40) == [
        "Rules",
        "No. 1",
        "  Rule: agent-revenue-behind-target",
        "  State: high disabled",
        "  Why:",
        "    the till is being repaired, and",
        "    nobody minds",
        "    second line",
        "No. 2",
        "  Rule: slow · Why: short",
    ]


def test_a_table_may_be_drawn_again_as_the_terminal_changes() -> None:
    made = listing()
    wide = drawn(made, 80)
    narrow = drawn(made, 40)
    assert (drawn(made, 80), drawn(made, 40)) == (wide, narrow)


@pytest.mark.parametrize("width", range(40, 121))
def test_no_word_is_broken_however_wide_the_terminal_is(width: int) -> None:
    made = Listing("Silences", ["ID", "With", "Why"], numeric=(), wraps=("With", "Why"), spared=(), is_narrow=False)
    made.add_row("3f2a91c0", f"rule_id={RULE}", f"see {ID}")
    made.add_row("", "", "")
    lines = drawn(made, width)
    assert max(map(len, lines)) <= width
    assert all(any(word in line for line in lines) for word in ("3f2a91c0", f"rule_id={RULE}", ID))


def test_a_table_without_rows_has_its_columns() -> None:
    made = Listing("Rules", ["Rule", "Why"], numeric=(), wraps=["Why"], spared=(), is_narrow=False)
    assert drawn(made, 40)[2].split() == ["Rule", "Why"]


def test_pairs_stand_beside_each_other_or_under_each_other() -> None:
    rows = [("id", ID), ("what to do", "Call the shop, and then the maker of its till\nat once"), ("episode", "1")]
    assert drawn(Pairs("", rows), 60)[0] == f"id          {ID}"
    assert drawn(Pairs("Alert", rows), 40) == [
        "Alert",
        f"id: {ID}",
        "what to do:",
        "  Call the shop, and then the maker of",
        "  its till",
        "  at once",
        "episode: 1",
    ]


def test_short_values_share_a_line() -> None:
    told = [("", "█░"), ("Alerts", "4"), ("Why", "a\nb"), ("Who", "asha")]
    assert list(beside_each_other(told, 20)) == [(0, "█░ · Alerts: 4"), (0, "Why:"), (2, "a"), (2, "b"), (0, "Who: asha")]
    assert list(beside_each_other(told[:2], 10)) == [(0, "█░"), (0, "Alerts: 4")]
    assert named("", "a\nb", 10) == [(0, "a"), (0, "b")]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 60)), min_size=1, max_size=6), st.integers(1, 200))
def test_columns_share_the_room_between_their_least_and_their_most(told: list[tuple[int, int]], room: int) -> None:
    least, most = [low for low, _ in told], [low + more for low, more in told]
    widths = column_widths(least, most, room)
    if widths is None:
        assert sum(least) > room
        return
    assert all(low <= width <= high for low, width, high in zip(least, widths, most, strict=True))
    assert widths == most if sum(most) <= room else 0 <= room - sum(widths) < len(widths)
