"""A short `make chaos-ingest`, its control, and the comparison that both rest on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.stack import postgres
from tests.chaos import facts, ingest
from tests.chaos.ledger import Ledger, Stored, doubled, lost


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="rapport-chaos-"))
    made.chmod(0o755)
    yield made
    postgres.end(made / "postgres")
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.timeout(400)
async def test_killing_ingest_and_postgresql_loses_and_doubles_nothing_while_the_control_loses(folder: Path) -> None:
    lines: list[str] = []
    figures = await ingest.everything(folder, rounds=2, seed=0, say=lines.append)
    assert (figures["rounds"], figures["lost"], figures["doubled"]) == (2, 0, 0), lines
    assert figures["acknowledged"] > 400
    assert figures["control_lost"] > 0


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
