"""Mappings: what each rule takes from a row, and what is refused before any row is read."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from google.protobuf import json_format

from services.cli.mapping import compile_mapping
from services.cli.mapping_sources import MappingError
from services.cli.rules import RowRejected


def mapped(fields: str, row: dict[str, Any], head: str = 'kind = "conversation"') -> dict[str, Any]:
    mapping = compile_mapping(tomllib.loads(f"{head}\n[fields]\n{fields}"))
    (fact,) = mapping.facts(row)
    return json_format.MessageToDict(fact)


@pytest.mark.parametrize(
    ("fields", "row", "expected"),
    [
        pytest.param('agentId = "a"', {}, {"agentId": "a"}, id="constant"),
        pytest.param('agentId = { column = "who" }', {"who": "7"}, {"agentId": "7"}, id="column"),
        pytest.param('agentId = { column = "who", empty = "nobody" }', {"who": "?"}, {"agentId": "nobody"}, id="empty"),
        pytest.param('agentId = { column = "who" }', {"who": ""}, {}, id="nothing stays absent"),
        pytest.param('agentId = { column = ["a", "b"] }', {"a": "?", "b": "7"}, {"agentId": "7"}, id="first of several"),
        pytest.param('agentId = { template = "x-{a}/{b}" }', {"a": "1", "b": "2"}, {"agentId": "x-1/2"}, id="template"),
        pytest.param('agentId = { template = "x-{a}/{b}" }', {"a": "1", "b": ""}, {}, id="template with a gap is nothing"),
        pytest.param(
            'platform = { column = "c", words = { Phone = "voice" } }', {"c": "Phone"}, {"platform": "voice"}, id="words"
        ),
        pytest.param(
            'platform = { column = "c", words = { P = "voice" }, unlisted = "other" }',
            {"c": "Fax"},
            {"platform": "other"},
            id="unlisted",
        ),
        pytest.param(
            'platform = { column = "c", words = { P = "voice" }, unlisted = "" }', {"c": "Fax"}, {}, id="unlisted absent"
        ),
        pytest.param('followUpRequired = { column = "c" }', {"c": "Yes"}, {"followUpRequired": True}, id="bool"),
        pytest.param(
            'followUpRequired = { column = "c", in = ["w"] }', {"c": "w"}, {"followUpRequired": True}, id="bool by words"
        ),
        pytest.param(
            'escalation.required = { column = "c", above = 0 }', {"c": "2"}, {"escalation": {"required": True}}, id="above"
        ),
        pytest.param('escalation.required = { column = "c", above = 0 }', {"c": "0"}, {}, id="false makes no nested message"),
        pytest.param('messageCount = { column = "c" }', {"c": "12.0"}, {"messageCount": 12}, id="int"),
        pytest.param('responseTimeAvg = { column = "s", scale = 1000 }', {"s": "35.5"}, {"responseTimeAvg": "35500"}, id="scale"),
        pytest.param(
            'customerSatisfactionScore = { column = "c", decimal = "," }',
            {"c": "12,5"},
            {"customerSatisfactionScore": 12.5},
            id="comma",
        ),
        pytest.param(
            'customerSatisfactionScore = { column = "c", decimal = "." }',
            {"c": "-1,23,456.50"},
            {"customerSatisfactionScore": -123456.5},
            id="Indian groups",
        ),
        pytest.param(
            'messageCount = { column = "c", decimal = "," }',
            {"c": "1\u202f234\u202f567"},
            {"messageCount": 1234567},
            id="thin spaces",
        ),
        pytest.param(
            'startTime = { column = "t", time_zone = "Europe/Berlin" }',
            {"t": "2025-10-26T02:30"},
            {"startTime": "2025-10-26T00:30:00Z"},
            id="of a time that comes twice, the earlier",
        ),
        pytest.param('responseTimeAvg = { column = "s" }', {"s": "0"}, {"responseTimeAvg": "0"}, id="zero is not absent"),
        pytest.param(
            'customerSatisfactionScore = { column = "c" }', {"c": "4.25"}, {"customerSatisfactionScore": 4.25}, id="decimal"
        ),
        pytest.param(
            'startTime = { column = "t" }', {"t": "2025-07-30T09:00:00"}, {"startTime": "2025-07-30T08:00:00Z"}, id="zone assumed"
        ),
        pytest.param(
            'startTime = { column = "t" }', {"t": "2025-07-30T09:00:00Z"}, {"startTime": "2025-07-30T09:00:00Z"}, id="zone given"
        ),
        pytest.param(
            'startTime = { column = "t", time_zone = "Asia/Kolkata" }',
            {"t": "2025-07-30 05:30"},
            {"startTime": "2025-07-30T00:00:00Z"},
            id="own zone",
        ),
        pytest.param(
            'startTime = { column = "t", format = "%d/%m/%Y %H:%M" }',
            {"t": "01/02/2025 10:00"},
            {"startTime": "2025-02-01T10:00:00Z"},
            id="pattern",
        ),
        pytest.param(
            'startTime = { column = "t", format = "epoch_ms" }',
            {"t": "1456708560500"},
            {"startTime": "2016-02-29T01:16:00.500Z"},
            id="epoch",
        ),
        pytest.param('tags = { column = "t", split = ";" }', {"t": "a; b;;"}, {"tags": ["a", "b"]}, id="split"),
        pytest.param('tags = { column = "t" }', {"t": ("a", "b")}, {"tags": ["a", "b"]}, id="JSON list"),
        pytest.param(
            'tags = ["x", { column = "t" }, { column = "u" }]', {"t": "y", "u": ""}, {"tags": ["x", "y"]}, id="list of rules"
        ),
        pytest.param(
            'intents = [{ intent = { column = "i" } }, { intent = { column = "j" } }]',
            {"i": "", "j": "b"},
            {"intents": [{"intent": "b"}]},
            id="empty elements are left out",
        ),
        pytest.param(
            'customerJourney = { stage = "decision", previousInteractions = { column = "n" } }',
            {"n": "3"},
            {"customerJourney": {"stage": "decision", "previousInteractions": 3}},
            id="nested",
        ),
        pytest.param(
            'agentId = { column = "a", when = { column = "s", in = ["x"] } }',
            {"a": "7", "s": "x"},
            {"agentId": "7"},
            id="when holds",
        ),
        pytest.param(
            'agentId = { column = "a", empty = "e", when = [{ column = "s", in = ["x"] }, { column = "n", above = 1 }] }',
            {"a": "7", "s": "x", "n": "1"},
            {},
            id="when needs all",
        ),
        pytest.param(
            'conversationId = { constant = "c", when = { column = "s", in = ["x"] } }',
            {"s": "x"},
            {"conversationId": "c"},
            id="constant when",
        ),
    ],
)
def test_a_rule_takes_its_value(fields: str, row: dict[str, Any], expected: dict[str, Any]) -> None:
    head = 'kind = "conversation"\nempty = ["", "?"]\ntime_zone = "Europe/Lisbon"'

    assert mapped(fields, row, head) == expected


def test_a_transaction_keeps_its_amount_exactly() -> None:
    event = mapped(
        'eventId = { column = "id" }\nsource = "EVENT_SOURCE_PAYMENTS"\n'
        'transaction.amount = { column = "sum", currency = { column = "cur" } }',
        {"id": "t1", "sum": "-12.34", "cur": "EUR"},
        'kind = "transaction"',
    )

    assert event["transaction"]["amount"] == {"currencyCode": "EUR", "units": "-12", "nanos": -340000000}


def test_an_event_of_a_kind_has_that_body_even_if_nothing_in_it_is_known() -> None:
    assert mapped('eventId = "e"', {}, 'kind = "customerProfile"') == {"eventId": "e", "customerProfile": {}}


@pytest.mark.parametrize(
    ("fields", "row", "field", "reason"),
    [
        ('platform = { column = "c", words = { P = "voice" } }', {"c": "Fax"}, "platform", "UNKNOWN_WORD"),
        ('platform = { column = "c" }', {"c": "fax"}, "platform", "UNREADABLE_VALUE"),
        ('messageCount = { column = "c" }', {"c": "1,234"}, "message_count", "UNREADABLE_VALUE"),
        ('messageCount = { column = "c", decimal = "." }', {"c": "1,23"}, "message_count", "UNREADABLE_VALUE"),
        ('messageCount = { column = "c", decimal = "," }', {"c": "1.2"}, "message_count", "UNREADABLE_VALUE"),
        (
            'startTime = { column = "c", time_zone = "Europe/Berlin" }',
            {"c": "2026-03-29T02:30"},
            "start_time",
            "UNREADABLE_VALUE",
        ),
        ('messageCount = { column = "c" }', {"c": "1.5"}, "message_count", "UNREADABLE_VALUE"),
        ('messageCount = { column = "c" }', {"c": "3000000000"}, "message_count", "UNREADABLE_VALUE"),
        ('messageCount = { column = "c" }', {"c": "1e99999999"}, "message_count", "UNREADABLE_VALUE"),
        ('customerSatisfactionScore = { column = "c" }', {"c": "NaN"}, "customer_satisfaction_score", "UNREADABLE_VALUE"),
        ('startTime = { column = "c" }', {"c": "yesterday"}, "start_time", "UNREADABLE_VALUE"),
        ('startTime = { column = "c" }', {"c": "2025-07-30T09:00:00"}, "start_time", "UNREADABLE_VALUE"),
        ('startTime = { column = "c", format = "epoch" }', {"c": "99999999999999"}, "start_time", "UNREADABLE_VALUE"),
        ('escalation.required = { column = "c", above = 0 }', {"c": "x"}, "escalation.required", "UNREADABLE_VALUE"),
        ('intents = [{ intent = "x", timestamp = { column = "c" } }]', {"c": "x"}, "intents[0].timestamp", "UNREADABLE_VALUE"),
        ('tags = ["x", { column = "c" }]', {"c": "\udcff"}, "tags[1]", "UNREADABLE_VALUE"),
        ('agentId = { column = "c" }', {"c": ("a", "b")}, "agent_id", "UNREADABLE_VALUE"),
    ],
)
def test_what_cannot_be_read_rejects_the_row_by_its_field(fields: str, row: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(RowRejected) as rejected:
        mapped(fields, row)
    assert (rejected.value.field, rejected.value.reason) == (field, reason)


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ('kind = "chat"', "kind must be conversation or one of agentConfigured"),
        ('kind = "conversation"', "fields must say what goes into which field"),
        ('kind = "conversation"\nzone = "UTC"', "zone is not a key of a mapping"),
        ('kind = "conversation"\ntime_zone = "Mars"\nfields.agentId = "x"', "time_zone must be an IANA time zone"),
        ('kind = "conversation"\ndelimiter = ";;"\nfields.agentId = "x"', "delimiter must be one character"),
        ('kind = "conversation"\nempty = "?"\nfields.agentId = "x"', "empty must be a list of texts"),
        (
            'kind = "conversation"\nfields.agentID = "x"',
            "fields.agentID is not a field of ConversationInsight; did you mean agentId?",
        ),
        ('kind = "conversation"\nfields.platform = "fax"', "fields.platform cannot be: 'fax' is none of whatsapp"),
        ('kind = "conversation"\nfields.platform = { column = "c", words = { P = "fax" } }', "fields.platform.words.P cannot be"),
        (
            'kind = "conversation"\nfields.platform = { column = "c", unlisted = "web" }',
            "fields.platform.unlisted has no meaning without",
        ),
        ('kind = "conversation"\nfields.agentId = { colum = "c" }', "fields.agentId.colum is not understood here"),
        ('kind = "conversation"\nfields.messageCount = { column = "c", decimal = ";" }', "fields.messageCount.decimal must be"),
        ('kind = "conversation"\nfields.agentId = { column = "c", scale = 2 }', "fields.agentId.scale is not understood here"),
        ('kind = "conversation"\nfields.agentId = { column = "c", template = "{c}" }', "fields.agentId must name either"),
        (
            'kind = "conversation"\nfields.agentId = { template = "c" }',
            "fields.agentId.template must be a text that names columns",
        ),
        (
            'kind = "conversation"\nfields.agentId = { column = "c", when = { column = "d" } }',
            "fields.agentId.when must name a column",
        ),
        ('kind = "conversation"\nfields.intents = { intent = "x" }', "fields.intents must be a list"),
        ('kind = "conversation"\nfields.sentiment = "positive"', "fields.sentiment must be a table with fields of Sentiment"),
        (
            'kind = "transaction"\nfields.transaction.amount = { column = "c" }',
            "fields.transaction.amount.currency must be a code",
        ),
        (
            'kind = "transaction"\nfields.cost.category = "COST_CATEGORY_SEAT"',
            "fields.cost does not belong to rows of kind transaction",
        ),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_with_its_place(mapping: str, complaint: str) -> None:
    with pytest.raises(MappingError) as refused:
        compile_mapping(tomllib.loads(mapping))
    assert str(refused.value).startswith(complaint)


def test_the_columns_that_a_mapping_reads_are_known() -> None:
    mapping = compile_mapping(tomllib.loads(
        'kind = "transaction"\n[fields]\neventId = { template = "{a}-{b}" }\n'
        'transaction.amount = { column = "c", currency = { column = "d" } }\n'
        'agentId = { column = ["e", "f"], when = { column = "g", above = 0 } }'
    ))  # fmt: skip

    assert mapping.columns == set("abcdefg")
