"""What a channel is: where notifications go, and which parts of that are secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

from services.alerting.telling.addresses import complaint

#: Channels of a tenant.
MOST_CHANNELS = 100
#: A shorter key of signatures can be guessed.
SHORTEST_SECRET = 16


class ChannelKind(IntEnum):
    """Kinds of channels, as they are stored."""

    WEBHOOK = 1
    SLACK = 2
    PAGERDUTY = 3
    EMAIL = 4


@dataclass(frozen=True, slots=True)
class Webhook:
    """A POST of JSON, signed by a secret."""

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Slack:
    """A Slack channel's incoming webhook, whose address is a secret."""

    webhook_url: str = field(repr=False)

    @property
    def told(self) -> str:
        """As much of the address as is told: scheme, host and port."""
        parts = urlsplit(self.webhook_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """A PagerDuty service, by its secret routing key."""

    routing_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Email:
    """Addresses that are written to."""

    to: tuple[str, ...]


Receiver = Webhook | Slack | PagerDuty | Email

_KINDS: Mapping[ChannelKind, type[Any]] = {
    ChannelKind.WEBHOOK: Webhook,
    ChannelKind.SLACK: Slack,
    ChannelKind.PAGERDUTY: PagerDuty,
    ChannelKind.EMAIL: Email,
}


@dataclass(frozen=True, slots=True)
class Channel:
    """Where notifications go, and whether the end of alerts is told, too."""

    channel_id: str
    receiver: Receiver
    tells_resolved: bool = True

    @property
    def kind(self) -> ChannelKind:
        return next(kind for kind, cls in _KINDS.items() if isinstance(self.receiver, cls))

    @property
    def has_incidents(self) -> bool:
        """Whether the receiver keeps each alert as an incident of its own, so that it is told of one at a time."""
        return self.kind == ChannelKind.PAGERDUTY

    def leads_elsewhere(self, than: Channel) -> bool:
        """Tell whether what was told by the other one cannot be gone on with by this one: another kind, or other incidents."""
        return self.kind != than.kind or (self.has_incidents and self.receiver != than.receiver)


@dataclass(frozen=True, slots=True)
class Problem:
    """A field of a channel that breaks a rule: its path, the rule's id and a sentence."""

    field: str
    rule: str
    sentence: str


def to_json(receiver: Receiver) -> dict[str, Any]:
    """Return what is stored of a receiver, secrets too."""
    return asdict(receiver)


def from_json(kind: int, stored: Mapping[str, Any]) -> Receiver:
    """Return the receiver that is stored."""
    if kind == ChannelKind.EMAIL:
        return Email(tuple(stored["to"]))
    made: Receiver = _KINDS[ChannelKind(kind)](**stored)
    return made


def merged(new: Channel, stored: Channel | None) -> Channel:
    """Return a channel with the secrets that a change leaves out, or tells as they were told to it, as they are stored."""
    match new.receiver, stored.receiver if stored else None:
        case Webhook(secret="") as receiver, Webhook(secret=secret):
            return replace(new, receiver=replace(receiver, secret=secret))
        case Slack(webhook_url=url), Slack() as old if url in {"", old.told}:
            return replace(new, receiver=old)
        case PagerDuty(routing_key=""), PagerDuty() as old:
            return replace(new, receiver=old)
    return new


def problems(channel: Channel, *, allow_local: bool) -> list[Problem]:
    """Return what is wrong with a channel; nothing tells a secret."""
    match channel.receiver:
        case Webhook() as webhook:
            return [*_address("webhook.url", webhook.url, allow_local=allow_local), *_secret(webhook)]
        case Slack() as slack:
            if not slack.webhook_url:
                return [Problem("channel.slack.webhook_url", "required", "is needed for a new channel")]
            return _address("slack.webhook_url", slack.webhook_url, allow_local=allow_local)
        case PagerDuty() as pagerduty:
            return _routing_key(pagerduty)
        case Email():
            return []


def _address(path: str, url: str, *, allow_local: bool) -> list[Problem]:
    found = complaint(url, allow_local=allow_local)
    return [Problem(f"channel.{path}", "address", found)] if found else []


def _secret(webhook: Webhook) -> list[Problem]:
    path = "channel.webhook.secret"
    if not webhook.secret:
        return [Problem(path, "required", "is needed for a new channel")]
    if len(webhook.secret) < SHORTEST_SECRET:
        return [Problem(path, "too_short", f"must have at least {SHORTEST_SECRET} characters")]
    return []


def _routing_key(pagerduty: PagerDuty) -> list[Problem]:
    path = "channel.pagerduty.routing_key"
    if not pagerduty.routing_key:
        return [Problem(path, "required", "is needed for a new channel")]
    if not (pagerduty.routing_key.isascii() and pagerduty.routing_key.isalnum()):
        return [Problem(path, "characters", "must have letters and digits only")]
    return []
