"""A short `make chaos-ingest` and a short `make chaos-scoring`, their controls, and the comparisons that they rest on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import facts, ingest, scoring
from tests.chaos.changes import renamed
from tests.chaos.ledger import Ledger, Stored, doubled, lost


@pytest.mark.timeout(900)
async def test_killing_ingest_and_postgresql_loses_and_doubles_nothing_while_the_control_loses(folder: Path) -> None:
    lines: list[str] = []
    figures = await ingest.everything(folder, rounds=2, seed=0, say=lines.append)
    assert (figures["rounds"], figures["lost"], figures["doubled"]) == (2, 0, 0), lines
    assert figures["acknowledged"] > 400
    assert figures["control_lost"] > 0


@pytest.mark.timeout(900)
async def test_killing_scoring_and_postgresql_leaves_no_number_wrong_while_the_control_does(folder: Path) -> None:
    lines: list[object] = []
    figures = await scoring.everything(folder, rounds=1, seed=4, say=lines.append)
    assert (figures["rounds"], figures["differences"], figures["failures"]) == (1, 0, 0), lines
    assert scoring.holds(figures)
    assert figures["kills"] >= 2
    assert figures["facts"] >= 100


@pytest.mark.parametrize(
    ("figures", "held"),
    [
        ({}, True),
        ({"differences": 1}, False),
        ({"failures": 1}, False),
        ({"control_differences": 0}, False),
        ({"control_calm_differences": 1}, False),
    ],
)
def test_a_run_fails_with_a_difference_and_with_a_control_that_shows_none(figures: dict[str, int], held: bool) -> None:
    good = {"differences": 0, "failures": 0, "control_calm_differences": 0, "control_differences": 7}
    assert scoring.holds(good | figures) is held


def test_a_world_has_ids_of_its_own_but_the_agents_of_all() -> None:
    message = facts.event(0)
    message.conversation_id, message.transaction.original_transaction_id = "c-1", "t-9"
    renamed(message, "w")
    assert (message.event_id, message.customer_id, message.conversation_id) == ("w e-0", "w customer-0", "w c-1")
    assert (message.transaction.transaction_id, message.transaction.original_transaction_id) == ("w t-0", "w t-9")
    assert message.agent_id == "agent-0"


def told() -> Ledger:
    ledger = Ledger()
    for number, revision in ((1, 3), (1, 2), (10, 1)):
        ledger.acknowledge(facts.conversation(number, revision))
    ledger.acknowledge(facts.event(1))
    ledger.created = 3
    return ledger


HELD = Stored({"c-1": (4, 4), "c-10": (0, 1), "c-2": (1, 1)}, frozenset({"e-1", "e-2"}))


def test_what_is_there_as_acknowledged_or_newer_is_neither_lost_nor_doubled() -> None:
    assert (lost(told(), HELD), doubled(told(), HELD)) == (set(), set())
    assert told().settled() == facts.amount(0)


@pytest.mark.parametrize(
    ("conversations", "events", "missing"),
    [
        ({"c-1": (2, 2), "c-10": (0, 1)}, {"e-1"}, {"c-1"}),
        ({"c-1": (3, 3)}, {"e-1"}, {"c-10"}),
        ({"c-1": (3, 3), "c-10": (0, 1)}, set(), {"e-1"}),
    ],
)
def test_what_is_missing_or_older_is_lost(conversations: dict[str, tuple[int, int]], events: set[str], missing: set[str]) -> None:
    assert lost(told(), Stored(conversations, frozenset(events))) == missing


@pytest.mark.parametrize("stored", [{"c-1": (4, 3)}, {"c-1": (3, 3), "c-10": (1, 1)}])
def test_what_happened_twice_or_in_part_is_doubled(stored: dict[str, tuple[int, int]]) -> None:
    assert len(doubled(Ledger(), Stored(stored, frozenset()))) == 1


def test_no_more_can_be_told_to_be_new_than_is_stored() -> None:
    assert doubled(Ledger(created=3), Stored({"c-1": (1, 1)}, frozenset({"e-1"}))) == {"3 items were told to be new"}


def test_facts_are_the_same_whoever_makes_them() -> None:
    assert facts.conversation(7, 2) == facts.conversation(7, 2) != facts.conversation(7, 3)
    assert facts.conversation(10, 2) == facts.conversation(10, 3)
    assert facts.event(5) == facts.event(5)
