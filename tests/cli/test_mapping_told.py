"""What an import tells of rows that its mapping leaves out, makes two facts of, or rounds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import House, Rapport

MAPPING = """
skip = [{ reason = "nothing was spent", when = { column = "spent", equals = 0 } }]

[[facts]]
kind = "cost"
[facts.fields]
eventId = { template = "{id}-cost" }
source = "EVENT_SOURCE_BILLING"
occurredAt = "2026-01-01T00:00:00Z"
cost.category = "COST_CATEGORY_OTHER"
cost.amount = { column = "spent", currency = "USD", round = 2 }

[[facts]]
kind = "widgetActivity"
when = { column = "shown", above = 0 }
[facts.fields]
eventId = { template = "{id}-shown" }
source = "EVENT_SOURCE_WIDGET"
occurredAt = "2026-01-01T00:00:00Z"
widgetActivity.widgetId = "banner"
widgetActivity.action = "WIDGET_ACTION_IMPRESSION"
widgetActivity.count = { column = "shown" }
"""


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "a.csv").write_text("id,spent,shown\n1,0.004,3\n2,0.00,9\n3,1.25,0\n4,x,1\n5,2,y\n")
    return ["import", "a.csv", "--mapping", "m.toml"]


async def test_every_row_is_accounted_for(house: House, rapport: Rapport, arguments: list[str]) -> None:
    result = await rapport(*arguments, "--json")

    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["rows"], answer["created"], answer["rejected"]) == (5, 3, 2)
    assert answer["skipped"] == {"nothing was spent": 1}
    assert answer["rounded"] == [{"decimals": 2, "amounts": 1, "added": {"USD": "-0.004"}}]
    assert sorted(key.removeprefix("event ") for key in house.ingest.facts) == ["1-cost", "1-shown", "3-cost"]


async def test_it_is_told_in_words_too(rapport: Rapport, arguments: list[str]) -> None:
    result = await rapport(*arguments)

    assert "a.csv: 5 rows in " in result.stdout
    assert re.search(r"nothing was spent +1\b", result.stdout)
    assert "1 amounts were rounded to 2 decimals, which added -0.004 USD in all" in result.stdout


async def test_a_row_may_be_a_conversation_and_what_it_led_to(house: House, rapport: Rapport, tmp_path: Path) -> None:
    mapping, file = tmp_path / "m.toml", tmp_path / "a.csv"
    mapping.write_text("""
[[facts]]
kind = "conversation"
fields = { conversationId = { column = "id" }, agentId = "a", customerId = "c", platform = "web", startTime = { column = "at" } }
[[facts]]
kind = "appointment"
[facts.fields]
eventId = { template = "{id}-booked" }
source = "EVENT_SOURCE_CALENDAR"
occurredAt = { column = "at" }
conversationId = { column = "id" }
appointment = { appointmentId = { column = "id" }, status = "APPOINTMENT_STATUS_BOOKED" }
""")
    file.write_text("id,at\nx,2026-01-01T00:00:00Z\n")

    result = await rapport("import", file, "--mapping", mapping, "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["created"] == 2
    assert sorted(key.removeprefix("event ") for key in house.ingest.facts) == ["x", "x-booked"]
