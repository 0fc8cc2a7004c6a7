"""The mapping of a service desk's audit log, where every row is a revision of a case."""

from __future__ import annotations

from pathlib import Path

import protovalidate
from rapport.insight.v1.conversation_pb2 import ConversationInsight

from services.cli.mapping import load_mapping

INCIDENTS = Path(__file__).parents[2] / "samples" / "mappings" / "incidents.toml"

INCIDENT = {
    "incident_id": "0000045", "state": "Active", "reassignment_count": "1", "sys_mod_count": "3", "caller_id": "2403",
    "opened_at": "2016-02-29T01:16:00", "sys_updated_at": "2016-02-29T08:53:00", "contact_type": "Phone", "category": "55",
    "subcategory": "170", "priority": "3", "assigned_to": "", "resolved_by": "149", "resolved_at": "2016-02-29T11:29:00",
    "closed_at": "2016-03-05T12:00:00",
}  # fmt: skip


def incident(**changes: str) -> ConversationInsight:
    (message,) = load_mapping(INCIDENTS).facts(INCIDENT | changes)
    assert isinstance(message, ConversationInsight)
    protovalidate.validate(message)
    return message


def test_an_open_incident_has_no_end_whatever_the_log_repeats_on_its_rows() -> None:
    message = incident()

    assert (message.conversation_id, message.agent_id, message.customer_id) == ("inc-0000045", "unassigned", "caller-2403")
    assert message.revision == 3
    assert message.escalation.required
    assert not message.HasField("end_time")
    assert not message.HasField("resolution")
    assert not message.escalation.resolved_by


def test_a_closed_incident_ends_when_it_was_resolved_or_else_closed() -> None:
    resolved, closed = incident(state="Closed", assigned_to="17"), incident(state="Closed", resolved_at="")

    assert resolved.end_time.ToJsonString() == "2016-02-29T11:29:00Z"
    assert closed.end_time.ToJsonString() == "2016-03-05T12:00:00Z"
    assert (resolved.agent_id, resolved.escalation.resolved_by) == ("agent-17", "agent-149")


def test_an_incident_never_reassigned_was_not_escalated() -> None:
    assert not incident(reassignment_count="0", state="Closed").HasField("escalation")


def test_two_changes_with_the_same_count_differ_even_if_only_their_time_does() -> None:
    assert incident() != incident(sys_updated_at="2016-02-29T09:52:00")
