"""A small alerting service over a real channel: what arrives must keep the contract, and is kept for the test to see."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import protovalidate
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import status_pb2
from rapport.alerting.v1 import act_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb
from rapport.alerting.v1.alert_pb2 import (
    ALERT_EVENT_KIND_ACKNOWLEDGED,
    ALERT_EVENT_KIND_NOTED,
    ALERT_EVENT_KIND_RESOLVED,
    ALERT_EVENT_KIND_UNACKNOWLEDGED,
    ALERT_STATE_FIRING,
    ALERT_STATE_RESOLVED,
    Alert,
)

from tests.cli.alerting_settings_servicer import NOW, AlertingSettings
from tests.cli.servicers import refuse, status

OPEN, OTHER, OVER = (
    "3f2a91c0-7d1e-4b52-9a55-0c6a2f1f3d11",
    "3f2a0000-7d1e-4b52-9a55-0c6a2f1f3d22",
    "9b00aa11-7d1e-4b52-9a55-0c6a2f1f3d33",
)
SILENCE = "c0ffee00-7d1e-4b52-9a55-0c6a2f1f3d44"


def alert(alert_id: str = OPEN, **told: object) -> Alert:
    """Return an alert about a slow agent, with what else is told."""
    basis = {
        "alertId": alert_id,
        "ruleId": "agent-response-time",
        "ruleVersion": 1,
        "type": "performance",
        "severity": "high",
        "state": "ALERT_STATE_FIRING",
        "message": "Agent response time above threshold",
        "subjectKind": "SUBJECT_KIND_AGENT",
        "subjectId": "asha",
        "agentId": "asha",
        "value": 35000.0,
        "threshold": 30000.0,
        "firedAt": "2026-05-04T02:00:00Z",
        "episode": 1,
        "revision": "7",
    }
    return ParseDict(basis | told, Alert())


RULE = {
    "ruleId": "slow",
    "message": "Agents are slow",
    "type": "performance",
    "severity": "high",
    "subjectKind": "SUBJECT_KIND_AGENT",
    "measure": "averageResponseTime",
    "comparison": "COMPARISON_ABOVE",
    "fireAt": 20000,
    "clearAt": 15000,
    "window": "3600s",
    "for": "600s",
    "labels": {"team": "care"},
}


def write(file: Path, told: object) -> None:
    """Write text, or anything else as JSON."""
    file.write_text(told if isinstance(told, str) else json.dumps(told))


@dataclass
class Alerting(AlertingSettings):
    """Keeps alerts and silences as alerting does, and what is put; otherwise answers what the test sets, or the failure."""

    known: list[Alert] = field(
        default_factory=lambda: [
            alert(),
            alert(OTHER, severity="low"),
            alert(OVER, state="ALERT_STATE_RESOLVED", resolvedAt="2026-05-04T02:05:00Z"),
        ]
    )
    acts: dict[str, list[act_pb2.AlertAct]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    silences: list[act_pb2.Silence] = field(default_factory=list)
    #: How each of the next calls fails before it does anything; None: it does not.
    failures: list[status_pb2.Status | None] = field(default_factory=list)
    #: How each of the next acts fails once it is done, as when the answer gets lost.
    lost: list[status_pb2.Status] = field(default_factory=list)
    #: Requests that made a silence.
    put: set[str] = field(default_factory=set)
    #: Alerts on a page, at most.
    page: int = 1000

    async def ListAlerts(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        found = [each for each in self.known if not request.filter.states or each.state in request.filter.states]
        begin, size = int(request.page_token or 0), min(request.page_size or 100, self.page)
        token = str(begin + size) if begin + size < len(found) else ""
        return pb.ListAlertsResponse(alerts=found[begin : begin + size], next_page_token=token)

    async def GetAlert(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        found = await self._alert(request.alert_id, context)
        return act_pb2.GetAlertResponse(alert=found, acts=self.acts.get(request.alert_id, ()))

    async def AcknowledgeAlert(self, request, context):  # noqa: N802 - the contract names it
        found = await self._act(request, context, ALERT_EVENT_KIND_ACKNOWLEDGED)
        found.acknowledgement.author, found.acknowledgement.comment = request.author, request.comment
        return act_pb2.AcknowledgeAlertResponse(alert=found)

    async def UnacknowledgeAlert(self, request, context):  # noqa: N802 - the contract names it
        found = await self._act(request, context, ALERT_EVENT_KIND_UNACKNOWLEDGED)
        found.ClearField("acknowledgement")
        return act_pb2.UnacknowledgeAlertResponse(alert=found)

    async def ResolveAlert(self, request, context):  # noqa: N802 - the contract names it
        found = await self._act(request, context, ALERT_EVENT_KIND_RESOLVED)
        found.state, found.resolved_by = ALERT_STATE_RESOLVED, request.author
        return act_pb2.ResolveAlertResponse(alert=found)

    async def AddAlertNote(self, request, context):  # noqa: N802 - the contract names it
        return act_pb2.AddAlertNoteResponse(alert=await self._act(request, context, ALERT_EVENT_KIND_NOTED))

    async def PutSilence(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        made = act_pb2.Silence()
        made.CopyFrom(request.silence)
        made.silence_id = SILENCE
        if not made.HasField("start_time"):
            made.start_time.FromDatetime(NOW)
        if request.request_id not in self.put:
            self.put.add(request.request_id)
            self.silences.append(made)
        if self.lost:
            await refuse(context, self.lost.pop(0))
        return act_pb2.PutSilenceResponse(silence=made)

    async def EndSilence(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        for each in self.silences:
            if each.silence_id == request.silence_id:
                self.silences.remove(each)
                return act_pb2.EndSilenceResponse(silence=each)
        return await refuse(context, status("NOT_FOUND", "SILENCE_NOT_FOUND", "there is no such silence"))

    async def ListSilences(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        return act_pb2.ListSilencesResponse(silences=self.silences)

    async def _arrive(self, request: Message, context: grpc.aio.ServicerContext) -> None:
        protovalidate.validate(request)
        self.calls.append(request)
        if self.failures and (failure := self.failures.pop(0)):
            await refuse(context, failure)

    async def _alert(self, alert_id: str, context: grpc.aio.ServicerContext) -> Alert:
        for each in self.known:
            if each.alert_id == alert_id:
                return each
        return await refuse(context, status("NOT_FOUND", "ALERT_NOT_FOUND", "there is no such alert"))

    async def _act(self, request, context, kind) -> Alert:
        """Do an act that was not done before under its id."""
        await self._arrive(request, context)
        found = await self._alert(request.alert_id, context)
        if not request.request_id or request.request_id not in self.done:
            if kind != ALERT_EVENT_KIND_NOTED and found.state != ALERT_STATE_FIRING:
                await refuse(context, status("FAILED_PRECONDITION", "ALERT_RESOLVED", "the alert is over"))
            self.done.add(request.request_id)
            made = act_pb2.AlertAct(kind=kind, author=request.author, comment=request.comment, revision=8)
            made.act_time.FromDatetime(NOW)
            self.acts.setdefault(request.alert_id, []).append(made)
        if self.lost:
            await refuse(context, self.lost.pop(0))
        return found
