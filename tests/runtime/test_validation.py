"""Broken rules are told with the path of the field, as the contract names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf import struct_pb2
from rapport.ingest.v1 import ingest_service_pb2
from rapport.insight.v1.conversation_pb2 import ConversationInsight

from services.runtime.errors import InvalidArgument
from services.runtime.validation import PATTERNS, check, field_violations, warm_up
from tests.runtime.four_kinds import NAME, good_request


def broken(prefix: str = "", **changes: object) -> dict[str, str]:
    """Return field -> rule for a request whose conversation is changed."""
    request = good_request()
    request.conversation.MergeFrom(ConversationInsight(**changes))
    return {v.field: v.rule for v in field_violations(request, prefix)}


def test_a_good_message_breaks_nothing():
    assert field_violations(good_request()) == []
    check(good_request())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"customer_satisfaction_score": 9}, {"conversation.customer_satisfaction_score": "double.gte_lte"}),
        ({"customer_satisfaction_score": float("nan")}, {"conversation.customer_satisfaction_score": "double.gte_lte"}),
        ({"tags": ["good", ""]}, {"conversation.tags[1]": "string.min_len"}),
        (
            {"intents": [{"intent": "x"}, {"intent": "y", "confidence": 2}]},
            {"conversation.intents[1].confidence": "double.gte_lte"},
        ),
        ({"sentiment": {"confidence": 0.5}}, {"conversation.sentiment.overall": "required"}),
        ({"conversation_id": "x" * 129}, {"conversation.conversation_id": "string.max_len"}),
        ({"agent_id": "a\x00b"}, {"conversation.agent_id": "string.pattern"}),
        ({"platform": 77}, {"conversation.platform": "enum.defined_only"}),
    ],
)
def test_a_fields_own_rule(changes, expected):
    found = broken(**changes)
    for field, rule in expected.items():
        assert found.pop(field, None) is not None, rule
    assert found == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"end_time": {"seconds": 1_600_000_000}}, {"conversation.end_time": "end_time.before_start"}),
        ({"message_count": 1, "agent_responses": 2}, {"conversation.message_count": "message_count.too_small"}),
        ({"conversion_event": {"type": 1, "value": 3}}, {"conversation.conversion_event.currency": "currency.missing"}),
    ],
)
def test_a_rule_of_a_whole_message_names_the_field_it_is_about(changes, expected):
    assert broken(**changes) == expected


def test_a_rule_of_the_outermost_message():
    conversation = good_request(message_count=1, agent_responses=2).conversation
    assert [v.field for v in field_violations(conversation)] == ["message_count"]


def test_a_prefix_stands_before_every_path():
    assert list(broken("conversations[3].", tags=[""])) == ["conversations[3].conversation.tags[0]"]


def test_the_items_of_a_batch_are_left_to_the_service():
    batch = ingest_service_pb2.BatchRecordConversationsRequest(conversations=[ConversationInsight()])
    assert field_violations(batch) == []
    assert [v.field for v in field_violations(ingest_service_pb2.BatchRecordConversationsRequest())] == ["conversations"]


def test_check_names_the_first_fields_in_its_message():
    with pytest.raises(InvalidArgument) as caught:
        check(ingest_service_pb2.RecordConversationRequest())
    assert caught.value.message == "conversation: value is required"
    assert caught.value.reason == "INVALID_FIELDS"


@pytest.mark.parametrize(("broken_fields", "tail"), [(3, ""), (4, "; and 1 more"), (9, "; and 6 more")])
def test_check_counts_the_fields_that_its_message_does_not_name(broken_fields, tail):
    request = good_request()
    request.conversation.tags.extend(["x" * 65] * broken_fields)
    with pytest.raises(InvalidArgument) as caught:
        check(request)
    named = "; ".join(f"conversation.tags[{i}]: must be at most 64 characters" for i in range(3))
    assert caught.value.message == named + tail
    assert len(caught.value.violations) == broken_fields


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"session_id": "a\x00b"}, "must be printable characters"),
        ({"agent_id": " "}, "must be printable characters and not blank"),
        ({"conversion_event": {"type": 1, "currency": "eur"}}, "must be three capital letters, such as EUR"),
        ({"tags": [""]}, "must not be empty"),
    ],
)
def test_a_broken_rule_is_told_in_plain_words(changes, sentence):
    request = good_request()
    request.conversation.MergeFrom(ConversationInsight(**changes))
    assert sentence in {v.description for v in field_violations(request)}


def test_every_pattern_of_the_contracts_has_plain_words():
    folder = Path(__file__).parents[2] / "protos" / "rapport"
    found = {p for file in folder.rglob("*.proto") for p in re.findall(r'pattern(?: =|:) "([^"]+)"', file.read_text())}
    assert {pattern.replace("\\\\", "\\") for pattern in found} == set(PATTERNS)


def test_a_message_without_rules_is_good():
    assert field_violations(struct_pb2.Struct(fields={"k": struct_pb2.Value(number_value=1)})) == []


def test_warm_up_knows_every_request():
    warm_up([NAME, "rapport.ingest.v1.IngestService"])
    with pytest.raises(KeyError):
        warm_up(["rapport.no.v1.Such"])
