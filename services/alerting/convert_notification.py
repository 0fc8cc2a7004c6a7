"""Between the contract's messages and channels, routes and notifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from rapport.alerting.v1 import notification_pb2 as pb

from services.alerting.convert import matcher_from_proto, matcher_to_proto, number, timestamp_of
from services.alerting.telling.attempts import Attempt
from services.alerting.telling.channels import Channel, Email, PagerDuty, Receiver, Slack, Webhook
from services.alerting.telling.notices import Listed
from services.alerting.telling.route_versions import Routing
from services.alerting.telling.routes import Route

_TIMES = ("group_wait", "group_interval", "repeat_interval")


def channel_from_proto(told: pb.Channel) -> Channel:
    """Return the channel that a request tells, with the secrets that it tells."""
    return Channel(told.channel_id, _receiver(told), told.tells_resolved if told.HasField("tells_resolved") else True)


def _receiver(told: pb.Channel) -> Receiver:
    match told.WhichOneof("kind"):
        case "webhook":
            return Webhook(told.webhook.url, told.webhook.secret)
        case "slack":
            return Slack(told.slack.webhook_url)
        case "pagerduty":
            return PagerDuty(told.pagerduty.routing_key)
        case _:
            return Email(tuple(told.email.to))


def channel_to_proto(channel: Channel) -> pb.Channel:
    """Return a channel without its secrets."""
    told = pb.Channel(channel_id=channel.channel_id, tells_resolved=channel.tells_resolved)
    match channel.receiver:
        case Webhook() as webhook:
            told.webhook.url = webhook.url
        case Slack() as slack:
            told.slack.webhook_url = slack.told
        case PagerDuty():
            told.pagerduty.SetInParent()
        case Email() as email:
            told.email.to.extend(email.to)
    return told


def routes_from_proto(told: Sequence[pb.Route]) -> list[Route]:
    """Return the routes that a request tells; that one tells nobody is told by its having no channels."""
    return [_route_from_proto(each) for each in told]


def _route_from_proto(told: pb.Route) -> Route:
    times = {name: getattr(told, name).ToTimedelta() for name in _TIMES if told.HasField(name)}  # type: ignore[arg-type]
    return Route(
        route_id=told.route_id,
        matchers=tuple(map(matcher_from_proto, told.matchers)),
        channel_ids=tuple(told.channel_ids),
        group_by=tuple(told.group_by),
        continues=told.continues,
        **times,
    )


def route_to_proto(route: Route) -> pb.Route:
    """Return a route as the contract has it; every duration is told."""
    return pb.Route(
        route_id=route.route_id,
        matchers=[matcher_to_proto(matcher) for matcher in route.matchers],
        channel_ids=route.channel_ids,
        group_by=route.group_by,
        continues=route.continues,
        tells_nobody=route.tells_nobody,
        **{name: _duration(getattr(route, name)) for name in _TIMES},
    )


def routes_to_proto(routes: Sequence[Route], routing: Routing) -> pb.ListRoutesResponse:
    """Return the routes that are there, and how they came about."""
    return pb.ListRoutesResponse(
        routes=[route_to_proto(route) for route in routes],
        version=routing.version,
        author=routing.author,
        comment=routing.comment,
        put_time=timestamp_of(routing.put_at),
    )


def expected_version(request: pb.PutRoutesRequest) -> int | None:
    """Return the version that the caller read; None when it does not matter."""
    return request.expected_version if request.HasField("expected_version") else None


def notification_to_proto(listed: Listed, attempts: Mapping[UUID, Sequence[Attempt]]) -> pb.Notification:
    """Return a notification with its attempts."""
    return pb.Notification(
        notification_id=str(listed.notification_id),
        channel_id=listed.channel_id,
        route_id=listed.route_id,
        group=listed.names,
        alert_ids=[str(each) for each in listed.alert_ids],
        state=number(listed.state),
        create_time=timestamp_of(listed.created_at),
        next_attempt_time=timestamp_of(listed.next_at),
        attempts=[attempt_to_proto(each) for each in attempts.get(listed.notification_id, ())],
    )


def attempt_to_proto(attempt: Attempt) -> pb.Attempt:
    """Return an attempt as the contract has it."""
    return pb.Attempt(attempt_time=timestamp_of(attempt.at), took_ms=attempt.took_ms, status=attempt.status, error=attempt.error)


def _duration(length: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(length)
    return duration
