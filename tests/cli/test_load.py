"""`rapport load`: the project's own file of facts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import protovalidate
import pytest
from google.protobuf import json_format
from rapport.ingest.v1.ingest_service_pb2 import (
    BatchRecordConversationsRequest,
    SyncEventsRequest,
    UpdateTenantSettingsRequest,
)
from rapport.insight.v1.conversation_pb2 import ConversationInsight

from services.cli.sample import BadSample, newest, read_sample, shift
from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status

SAMPLE = Path(__file__).parents[2] / "samples" / "sample.json"


def test_every_fact_of_the_sample_keeps_the_contract() -> None:
    sample = read_sample(SAMPLE.read_bytes())

    for fact in sample.facts():
        protovalidate.validate(fact)
    assert [len(sample.conversations), len(sample.events)] == [3, 25]
    assert sum(conversation.conversion_event.value for conversation in sample.conversations) == 4500
    assert sample.fourth is not None
    assert sample.fourth.customer_satisfaction_score == 2


def test_a_shift_moves_every_time_by_one_amount() -> None:
    by = timedelta(days=300, seconds=11)
    original, moved = read_sample(SAMPLE.read_bytes()), read_sample(SAMPLE.read_bytes())

    shift(moved, by)

    assert newest(moved) - newest(original) == by
    for before, after in zip(original.facts(), moved.facts(), strict=True):
        assert _times(after) == [time + by for time in _times(before)]
    assert sum(len(_times(fact)) for fact in original.facts()) == 3 * 3 + 25 + 8 + 3


async def test_settings_go_first_then_conversations_then_events(house: House, rapport: Rapport) -> None:
    result = await rapport("load", SAMPLE)

    assert result.exit_code == 0, result.stderr
    assert [type(call) for call in house.ingest.calls] == [
        UpdateTenantSettingsRequest,
        BatchRecordConversationsRequest,
        SyncEventsRequest,
    ]
    assert (house.ingest.settings.reporting_currency, house.ingest.settings.time_zone) == ("INR", "Asia/Kolkata")
    assert "conversations" in result.stdout
    assert "25" in result.stdout
    assert "conv_004" not in house.ingest.facts


async def test_json_tells_outcomes_and_the_token_of_the_last_write(house: House, rapport: Rapport) -> None:
    await rapport("load", SAMPLE)
    answer = json.loads((await rapport("load", SAMPLE, "--json")).stdout)

    assert answer["conversations"] == {"created": 0, "updated": 0, "duplicate": 3, "stale": 0, "rejected": 0}
    assert answer["events"]["duplicate"] == 25
    assert answer["consistencyToken"] == f"token-{len(house.ingest.calls)}"


@pytest.mark.parametrize("flags", [(), ("--fourth",)])
async def test_shift_to_now_makes_the_newest_fact_five_minutes_old(
    house: House, rapport: Rapport, flags: tuple[str, ...]
) -> None:
    result = await rapport("load", SAMPLE, "--shift-to-now", *flags)

    assert result.exit_code == 0, result.stderr
    ends = [fact.end_time.ToDatetime(UTC) for fact in house.ingest.facts.values() if isinstance(fact, ConversationInsight)]
    assert abs(datetime.now(UTC) - max(ends) - timedelta(minutes=5)) < timedelta(seconds=30)


async def test_fourth_loads_that_conversation_and_nothing_else(house: House, rapport: Rapport) -> None:
    result = await rapport("load", SAMPLE, "--fourth")

    assert result.exit_code == 0, result.stderr
    assert list(house.ingest.facts) == ["conv_004"]
    assert len(house.ingest.calls) == 1


async def test_only_if_empty_loads_into_an_empty_tenant_and_leaves_its_attribution_window(house: House, rapport: Rapport) -> None:
    result = await rapport("load", SAMPLE, "--only-if-empty")

    assert result.exit_code == 0, result.stderr
    assert len(house.ingest.facts) == 28
    assert house.ingest.settings.attribution_window_days == 7


async def test_only_if_empty_changes_nothing_where_there_are_facts(house: House, rapport: Rapport) -> None:
    house.ingest.facts["another"] = ConversationInsight(conversation_id="another")
    house.ingest.settings.time_zone = "Asia/Kolkata"

    result = await rapport("load", SAMPLE, "--only-if-empty", "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (0, {"loaded": False})
    assert list(house.ingest.facts) == ["another"]
    assert house.ingest.settings.version == 0
    # Without the flag the same tenant does get the facts: it is the flag that kept them out.
    assert (await rapport("load", SAMPLE)).exit_code == 0
    assert len(house.ingest.facts) == 29


async def test_a_tenant_with_other_days_is_refused_before_any_fact_is_sent(house: House, rapport: Rapport) -> None:
    house.ingest.facts["another"] = ConversationInsight(conversation_id="another")

    result = await rapport("load", SAMPLE)

    assert result.exit_code == 1
    assert result.stderr == "rapport: FAILED_PRECONDITION (SETTING_SHAPES_NUMBERS): facts exist\n"
    assert list(house.ingest.facts) == ["another"]


async def test_a_refused_fact_is_named_and_exits_with_one(house: House, rapport: Rapport) -> None:
    bad = status("INVALID_ARGUMENT", "INVALID_FIELDS", "must be at most 5", customer_satisfaction_score="must be at most 5")
    house.ingest.refusal = lambda fact: (
        bad if getattr(fact, "conversation_id", "") == "conv_002" and fact.DESCRIPTOR.name[0] == "C" else None
    )

    result = await rapport("load", SAMPLE)

    assert result.exit_code == 1
    assert "conv_002: INVALID_ARGUMENT (INVALID_FIELDS) on customer_satisfaction_score: must be at most 5" in result.stdout
    assert {"conv_001", "conv_003"} <= set(house.ingest.facts)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "it is not JSON: see line 1, column 2"),
        (b"\xff", "it is not JSON: it is not UTF-8"),
        (b"{}", "there is nothing to load"),
        (b"[]", "it must be a JSON object"),
        (b'{"conversation": []}', "conversation is not a key of this format"),
        (b'{"conversations": {}}', "conversations must be a list"),
        (b'{"conversations": [{}, {"platform": "fax"}]}', "conversations[1]: "),
        (b'{"events": [{"occurredAt": 5}]}', "events[0]: "),
        (b'{"events": ["x"]}', "events[0]: "),
    ],
)
def test_a_file_of_another_format_is_refused_with_its_place(content: bytes, complaint: str) -> None:
    with pytest.raises(BadSample) as refused:
        read_sample(content)
    assert str(refused.value).startswith(complaint)


async def test_a_bad_file_is_told_in_one_line(house: House, rapport: Rapport, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text('{"conversations": []}')

    result = await rapport("load", file, "--shift-to-now")

    nothing = "there is nothing to load: no tenantSettings, conversations, events or fourthConversation"
    assert (result.exit_code, result.stderr) == (1, f"rapport: {file} cannot be loaded: {nothing}\n")
    assert not house.ingest.calls


def _times(fact: object) -> list[datetime]:
    text = json_format.MessageToDict(fact)
    found: list[datetime] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)
        elif isinstance(value, str) and value.endswith("Z") and value.startswith("20"):
            found.append(datetime.fromisoformat(value))

    walk(text)
    return found
