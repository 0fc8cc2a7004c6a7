"""What a person reads of an alert whose value says nothing but that it is there, wherever it is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from services.alerting.alerts import Alert
from services.alerting.convert import alert_to_proto
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.details import details_of
from services.alerting.rules import Reading
from services.alerting.telling import deliver_email, deliver_pagerduty, deliver_slack
from services.alerting.telling.channels import PagerDuty, Slack
from tests.alerting.house import House
from tests.alerting.measured import Measured
from tests.alerting.notifying import BEGAN, a_notice, an_alert

WATCHDOG = next(each for each in DEFAULT_RULES[1] if each.rule_id == "watchdog")
WORKS = "alerting works: this alert always fires"
ALERT = an_alert(
    "",
    rule_id=WATCHDOG.rule_id,
    type=WATCHDOG.type,
    severity=WATCHDOG.severity,
    subject_kind=WATCHDOG.subject_kind,
    message=WATCHDOG.message,
    value=1.0,
    threshold=0.0,
    details=details_of(WATCHDOG, Reading(1.0, 1)),
)


def slack(alert: Alert) -> str:
    said = json.loads(deliver_slack.post_of(Slack("https://hooks.slack.com/x"), a_notice(alert)).body)
    return "\n".join(block["text"]["text"] for block in said["blocks"])


def mail(alert: Alert) -> str:
    content: str = deliver_email.message_of("r@example.com", ["a@example.com"], a_notice(alert), BEGAN).get_content()
    return content


def pagerduty(alert: Alert) -> str:
    event = json.loads(deliver_pagerduty.post_of(PagerDuty("k"), a_notice(alert, action="trigger", key="x")).body)
    details = event["payload"]["custom_details"]
    return "\n".join((event["payload"]["summary"], details["found"], details["what to do"]))


def command_line(alert: Alert) -> str:
    told = alert_to_proto(alert)
    return f"{told.summary}\n{told.description}"


@pytest.mark.parametrize("told", [slack, mail, pagerduty, command_line])
def test_a_sentence_stands_where_others_have_their_value_and_says_what_to_do(told: Callable[[Alert], str]):
    text = told(ALERT)
    assert WORKS in text
    assert WATCHDOG.description in text
    assert "above 0" not in text


async def test_what_the_log_keeps_is_what_was_found_not_words(house: House):
    """So that entries of older versions stay as they are and are read in today's words."""
    await Measured(house.url, "new").rules(WATCHDOG)
    await house.evaluate()
    ((after,),) = await house.facts.rows("SELECT after FROM alerting.alert_log WHERE tenant_id = 'new'")
    assert (after["value"], after["threshold"], after["details"]["measure"]) == (1.0, 0.0, "watchdog")
    assert WORKS not in json.dumps(after)
