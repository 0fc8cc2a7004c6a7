"""The short table of answers with which a run begins, and what to try next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from services.stack.figures import look_up
from services.stack.http import Client
from services.stack.progress import Progress

_ALERTS_WITHIN_S = 10
_AGENT = "/api/analytics/agent/{}/performance"
_SYSTEM = "/api/analytics/system/performance"
_COMPARISON = "/api/analytics/comparison"
_SAMPLE = "The sample's answers"
_STORED = "What the facts stored before come to (the sample is only loaded where there are none)"


async def show(client: Client, port: int, token: str, progress: Progress) -> None:
    """Ask over HTTP and show what the stored facts come to; `token` stands for the sample, "" when that was not loaded now."""
    asked = {"consistency_token": token}
    agents = [(await client.get(_AGENT.format(agent), asked)).body for agent in ("1", "2")]
    comparison = (await client.get(_COMPARISON, asked)).body
    system = await _system(client, asked, await_alerts=bool(token))
    table = Table("asked", "answered", title=_SAMPLE if token else _STORED, title_justify="left")
    for asked_for, answered in (*_agents(agents), *_whole(system, comparison)):
        table.add_row(asked_for, answered)
    progress.show(table)
    for line in _to_try(port):
        progress.say(line)


async def _system(client: Client, asked: dict[str, str], *, await_alerts: bool) -> Any:
    """Ask for the whole system; alerts follow the numbers, so facts just loaded are given time to raise one."""
    give_up = time.monotonic() + _ALERTS_WITHIN_S
    while True:
        body = (await client.get(_SYSTEM, asked)).body
        if not await_alerts or body.get("realTimeAlerts") or time.monotonic() > give_up:
            return body
        await asyncio.sleep(0.25)


def _agents(bodies: list[Any]) -> Iterator[tuple[str, str]]:
    for number, body in enumerate(bodies, 1):
        grade, meaning = look_up(body, "performanceGrade"), look_up(body, "gradeMeaning")
        told = f"{grade}: {meaning}" if grade else look_up(body, "message") or "no grade: no conversations in the last 30 days"
        yield f"agent {number}", told


def _whole(system: Any, comparison: Any) -> Iterator[tuple[str, str]]:
    count, customers = look_up(system, "overallMetrics.totalConversations"), look_up(system, "overallMetrics.totalCustomers")
    money, currency = look_up(system, "overallMetrics.totalRevenue"), look_up(system, "overallMetrics.currency")
    yield "whole system", f"{count} conversations, {customers} customers, revenue {money} {currency}"
    platforms = look_up(system, "platformDistribution") or {}
    yield "platforms", ", ".join(f"{name} {of['revenue']}" for name, of in platforms.items()) or "none"
    satisfaction = look_up(comparison, "summary.avgSatisfaction")
    told = "not rated" if satisfaction is None else f"{satisfaction:.1f}"
    yield "comparison", f"{look_up(comparison, 'summary.totalAgents')} agents, mean satisfaction {told}"
    for alert in look_up(system, "realTimeAlerts") or []:
        subject = f"agent {alert['agentId']}" if "agentId" in alert else f"customer {alert.get('customerId', '-')}"
        yield f"alert ({alert['severity']})", f"{alert['message']}: {subject}"


def _to_try(port: int) -> Iterator[str]:
    base = f"http://127.0.0.1:{port}"
    yield "\nTo try in another terminal:"
    for path in (_AGENT.format("1"), "/api/analytics/customer/patient_rajesh_001/insight", _SYSTEM, _COMPARISON):
        yield f"  curl {base}{path}"
    yield f"  curl -N {base}/api/analytics/realtime/1        (follows an agent)"
    yield f"  curl -N {base}/api/analytics/alerts/stream     (follows the alerts)"
