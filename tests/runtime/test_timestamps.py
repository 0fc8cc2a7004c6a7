"""A Timestamp that stands for no moment is found wherever it is, and told as a broken rule."""

from __future__ import annotations

import pytest
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from rapport.ingest.v1 import ingest_service_pb2
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from services.runtime.timestamps import malformed_timestamps
from services.runtime.validation import field_violations
from tests.runtime.four_kinds import good_request

BAD = {"seconds": 1_700_000_000, "nanos": -5}


def declared():
    """Return a message type that holds Timestamps in every way that there is, itself too, and some to be ignored."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/moments.proto",
        package="rapport.test.v1",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto", "buf/validate/validate.proto"],
    )
    kind = descriptor_pb2.FieldDescriptorProto
    message = file.message_type.add(name="Moments")
    entry = message.nested_type.add(name="NamedEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
    time, own = ".google.protobuf.Timestamp", ".rapport.test.v1.Moments"
    entry.field.add(name="value", number=2, type=kind.TYPE_MESSAGE, type_name=time, label=kind.LABEL_OPTIONAL)
    fields = (
        ("one", kind.LABEL_OPTIONAL, time),
        ("many", kind.LABEL_REPEATED, time),
        ("inner", kind.LABEL_REPEATED, own),
        ("named", kind.LABEL_REPEATED, own + ".NamedEntry"),
        ("ignored", kind.LABEL_OPTIONAL, time),
        ("ignored_items", kind.LABEL_REPEATED, own),
    )
    for number, (name, label, type_name) in enumerate(fields, 1):
        message.field.add(name=name, number=number, type=kind.TYPE_MESSAGE, label=label, type_name=type_name)
    message.field[4].options.Extensions[validate_pb2.field].ignore = validate_pb2.IGNORE_ALWAYS
    message.field[5].options.Extensions[validate_pb2.field].repeated.items.ignore = validate_pb2.IGNORE_ALWAYS
    descriptor_pool.Default().Add(file)
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("rapport.test.v1.Moments"))


MOMENTS = declared()


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"one": BAD}, "one"),
        ({"many": [{}, BAD]}, "many[1]"),
        ({"inner": [{}, {"inner": [{"one": BAD}]}]}, "inner[1].inner[0].one"),
        ({"named": {'a "b"': BAD}}, r'named["a \"b\""]'),
    ],
)
def test_it_is_found_wherever_it_is(fields, path):
    assert [v.field for v in malformed_timestamps(MOMENTS(**fields))] == [path]


def test_what_the_contract_says_to_ignore_is_left_alone():
    assert list(malformed_timestamps(MOMENTS(ignored=BAD, ignored_items=[{"one": BAD}]))) == []


@pytest.mark.parametrize(
    ("seconds", "nanos", "good"),
    [
        (-62_135_596_800, 0, True),
        (-62_135_596_801, 999_999_999, False),
        (253_402_300_799, 999_999_999, True),
        (253_402_300_800, 0, False),
        (2**62, 0, False),
        (-(2**63), 0, False),
        (0, -1, False),
        (0, 1_000_000_000, False),
        (0, 2_000_000_000, False),
    ],
)
def test_what_stands_for_a_moment(seconds, nanos, good):
    moment = MOMENTS(one={"seconds": seconds, "nanos": nanos})
    assert (not list(malformed_timestamps(moment))) is good
    if good:
        moment.one.ToDatetime()
    else:
        with pytest.raises(ValueError, match=r"out of range|is not valid|must be in"):
            moment.one.ToJsonString()


def test_an_item_of_a_batch_is_told_with_its_place_and_with_its_other_faults():
    event = SyncEvent(event_id="e", source=1, occurred_at=BAD)
    event.follow_up.due.seconds = 2**62
    found = {v.field: v.rule for v in field_violations(event, "events[2].")}
    assert found["events[2].occurred_at"] == found["events[2].follow_up.due"] == "timestamp.valid"
    conversation = good_request(agent_id="").conversation
    conversation.start_time.nanos = -5
    told = [(v.field, v.rule) for v in field_violations(conversation, "conversations[0].")]
    assert told == [("conversations[0].start_time", "timestamp.valid"), ("conversations[0].agent_id", "required")]


def test_the_request_of_a_batch_leaves_its_items_to_the_service():
    batch = ingest_service_pb2.BatchRecordConversationsRequest(conversations=[ConversationInsight(start_time=BAD)])
    assert field_violations(batch) == []
    assert [v.rule for v in field_violations(batch.conversations[0]) if v.field == "start_time"] == ["timestamp.valid"]
