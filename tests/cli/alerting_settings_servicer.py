"""The part of a small alerting service that keeps what people put: rules, targets, channels and routes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rapport.alerting.v1 import notification_pb2, rule_pb2

from services.runtime.validation import field_violations
from tests.cli import servicers
from tests.cli.servicers import refuse, status

NOW = datetime(2026, 5, 4, 2, 10, tzinfo=UTC)


@dataclass
class AlertingSettings(servicers.Alerting):
    """Keeps rules with their versions, targets, channels and routes as alerting does; otherwise answers what the test sets."""

    #: Of each rule its versions, the oldest first.
    rules: dict[str, list[rule_pb2.RuleVersion]] = field(default_factory=dict)
    measures: list[rule_pb2.AlertMeasure] = field(default_factory=list)
    backtest: rule_pb2.BacktestRuleResponse = field(default_factory=rule_pb2.BacktestRuleResponse)
    targets: dict[tuple[str, str], rule_pb2.RevenueTarget] = field(default_factory=dict)
    channels: dict[str, notification_pb2.Channel] = field(default_factory=dict)
    put_routes: notification_pb2.ListRoutesResponse = field(default_factory=notification_pb2.ListRoutesResponse)
    test: notification_pb2.TestChannelResponse = field(default_factory=notification_pb2.TestChannelResponse)
    notifications: list[notification_pb2.Notification] = field(default_factory=list)
    #: Seconds that a backtest takes.
    delay_s: float = 0.0

    async def PutRule(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        versions = self.rules.setdefault(request.rule.rule_id, [])
        there = versions[-1] if versions and not versions[-1].deleted else None
        standing = there.rule.version if there else 0
        if request.HasField("expected_version") and request.expected_version != standing:
            await refuse(context, status("ABORTED", "VERSION_CONFLICT", f"the rule is at version {standing}"))
        request.rule.version = standing
        same = there is not None and there.rule == request.rule
        return rule_pb2.PutRuleResponse(version=there if same else self._version(versions, request, request.rule))

    async def DeleteRule(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        versions = self.rules.get(request.rule_id)
        if not versions or versions[-1].deleted:
            await refuse(context, status("NOT_FOUND", "RULE_NOT_FOUND", "there is no such rule"))
        self._version(versions, request, versions[-1].rule).deleted = True
        return rule_pb2.DeleteRuleResponse()

    async def ListRules(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        newest = [versions[-1] for _, versions in sorted(self.rules.items())]
        return rule_pb2.ListRulesResponse(rules=[each for each in newest if not each.deleted])

    async def ListRuleVersions(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        if request.rule_id not in self.rules:
            await refuse(context, status("NOT_FOUND", "RULE_NOT_FOUND", "there is no such rule"))
        return rule_pb2.ListRuleVersionsResponse(versions=self.rules[request.rule_id][::-1])

    async def ListAlertMeasures(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        return rule_pb2.ListAlertMeasuresResponse(measures=self.measures)

    async def BacktestRule(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        await asyncio.sleep(self.delay_s)
        return self.backtest

    async def PutTarget(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        self.targets[request.target.month, request.target.agent_id] = request.target
        return rule_pb2.PutTargetResponse(target=request.target)

    async def DeleteTarget(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        if not self.targets.pop((request.month, request.agent_id), None):
            await refuse(context, status("NOT_FOUND", "TARGET_NOT_FOUND", "there is no such target"))
        return rule_pb2.DeleteTargetResponse()

    async def ListTargets(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        return rule_pb2.ListTargetsResponse(targets=[self.targets[key] for key in sorted(self.targets)])

    async def PutChannel(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        made = notification_pb2.Channel()
        made.CopyFrom(request.channel)
        if made.HasField("webhook"):
            made.webhook.secret = ""
        self.channels[made.channel_id] = made
        return notification_pb2.PutChannelResponse(channel=made)

    async def DeleteChannel(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        if any(request.channel_id in route.channel_ids for route in self.put_routes.routes):
            await refuse(context, status("FAILED_PRECONDITION", "CHANNEL_IN_USE", "a route names the channel"))
        self.channels.pop(request.channel_id)
        return notification_pb2.DeleteChannelResponse()

    async def ListChannels(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        return notification_pb2.ListChannelsResponse(channels=self.channels.values())

    async def TestChannel(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        return self.test

    async def PutRoutes(self, request, context):  # noqa: N802 - the contract names it
        for each in field_violations(request):
            message = f"{each.field}: {each.description}"
            await refuse(context, status("INVALID_ARGUMENT", "INVALID_FIELDS", message, **{each.field: each.description}))
        await self._arrive(request, context)
        there = self.put_routes.version
        if request.HasField("expected_version") and request.expected_version != there:
            await refuse(context, status("ABORTED", "VERSION_CONFLICT", f"the routes are at version {there}"))
        if list(request.routes) == list(self.put_routes.routes):
            return notification_pb2.PutRoutesResponse(routes=request.routes, version=there)
        self.put_routes = notification_pb2.ListRoutesResponse(
            routes=request.routes, version=there + 1, author=request.author, comment=request.comment
        )
        self.put_routes.put_time.FromDatetime(NOW)
        return notification_pb2.PutRoutesResponse(routes=request.routes, version=there + 1)

    async def ListRoutes(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        return self.put_routes

    async def ListNotifications(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        token = "more" if len(self.notifications) > request.page_size else ""
        return notification_pb2.ListNotificationsResponse(
            notifications=self.notifications[: request.page_size], next_page_token=token
        )

    @staticmethod
    def _version(versions: list[rule_pb2.RuleVersion], request, rule: rule_pb2.Rule) -> rule_pb2.RuleVersion:
        made = rule_pb2.RuleVersion(rule=rule, author=request.author, comment=request.comment)
        made.rule.version = len(versions) + 1
        made.put_time.FromDatetime(NOW)
        versions.append(made)
        return made
