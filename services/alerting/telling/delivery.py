"""Delivers a notification once, by whatever kind of channel it is for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from services.alerting.telling import deliver_email, deliver_pagerduty, deliver_slack, deliver_webhook
from services.alerting.telling.attempts import Attempt, Outcome
from services.alerting.telling.channels import Channel, Email, PagerDuty, Slack, Webhook
from services.alerting.telling.deliver_email import MailServer
from services.alerting.telling.notices import Notice
from services.alerting.telling.posting import Poster

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receivers:
    """What notifications may go to, and by what: this machine's own addresses, PagerDuty's address, a mail server."""

    allow_local: bool = False
    pagerduty_url: str = deliver_pagerduty.URL
    mail: MailServer = field(default_factory=MailServer)


class Delivery:
    """Makes attempts. It keeps nothing between them."""

    def __init__(self, receivers: Receivers, clock: Callable[[], datetime]) -> None:
        self.receivers = receivers
        self._poster = Poster(allow_local=receivers.allow_local)
        self._clock = clock

    async def attempt(self, channel: Channel, notice: Notice) -> tuple[Outcome, Attempt]:
        """Try once to deliver, for about ten seconds at most; return what came of it. Raises nothing."""
        at, began = self._clock(), time.monotonic()
        try:
            outcome = await self._deliver(channel, notice, at)
        except Exception as exc:  # noqa: BLE001 whatever it was, it is tried again as if the receiver had failed
            # Not the exception's own words: they may quote an address or a key.
            fields = {"channel": channel.channel_id, "kind": channel.kind.name, "because": type(exc).__name__}
            _log.error("a notification could not be made", extra={"fields": fields})
            outcome = Outcome(False, error="the notification could not be made")
        return outcome, Attempt(at, round(1000 * (time.monotonic() - began)), outcome.status, outcome.error)

    async def _deliver(self, channel: Channel, notice: Notice, now: datetime) -> Outcome:
        match channel.receiver:
            case Webhook() as webhook:
                return await self._poster.post(deliver_webhook.post_of(webhook, notice, now))
            case Slack() as slack:
                return await self._poster.post(deliver_slack.post_of(slack, notice))
            case PagerDuty() as pagerduty:
                return await self._poster.post(deliver_pagerduty.post_of(pagerduty, notice, self.receivers.pagerduty_url))
            case Email() as email:
                return await deliver_email.deliver(self.receivers.mail, email, notice, now)
