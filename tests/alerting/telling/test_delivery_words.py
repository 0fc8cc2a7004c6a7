"""What each kind of channel is told of an alert: what was found, who takes care of it, and what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.alerting.alerts import Alert, AlertState
from services.alerting.details import Details
from services.alerting.telling import deliver_email, deliver_pagerduty, deliver_slack, deliver_webhook
from services.alerting.telling.channels import PagerDuty, Slack, Webhook
from services.alerting.telling.notices import Notice
from tests.alerting.notifying import BEGAN, SECRET, a_notice, an_alert

WIKI = "https://wiki.example.com/slow"
FOUND = "last rating 2 within 24 h, below 3 (from 4 facts)"
DETAILS = Details(
    "latestSatisfaction", "threshold", 2, 86_400, samples=4, description="Call them.\nThen tell Ada.", runbook_url=WIKI
)
TOLD = an_alert(alert_id=UUID(int=0xABCDEF << 104), labels={"team": "north"}, details=DETAILS)
TAKEN = replace(TOLD, acknowledged_at=BEGAN, acknowledged_by="ada")


def slack(notice: Notice) -> list[dict[str, Any]]:
    """Return the blocks of a message."""
    said = json.loads(deliver_slack.post_of(Slack("https://hooks.slack.com/x"), notice).body)
    blocks: list[dict[str, Any]] = said["blocks"]
    return blocks


def texts(blocks: list[dict[str, Any]]) -> list[str]:
    return [block["text"]["text"] for block in blocks if block["type"] == "section"]


def mail(*alerts: Alert) -> str:
    """Return the text of a mail."""
    content: str = deliver_email.message_of("r@example.com", ["a@example.com"], a_notice(*alerts), BEGAN).get_content()
    return content


def pagerduty(alert: Alert, action: str = "trigger") -> dict[str, Any]:
    """Return the event of an alert."""
    body = deliver_pagerduty.post_of(PagerDuty("k"), a_notice(alert, action=action, key="x")).body
    event: dict[str, Any] = json.loads(body)
    return event


# --- Slack


def test_slack_tells_what_was_found_which_alert_it_is_and_what_to_do():
    header, *sections, link = slack(a_notice(TAKEN))
    assert header["text"]["text"] == "[FIRING] Customer satisfaction below 3.0"
    told, todo = texts(sections)
    assert told.splitlines() == [
        "HIGH: Customer satisfaction below 3.0 (customer c), since 2026-05-04 12:00 UTC, acknowledged by ada",
        FOUND,
        "alert abcdef00, rule customer-satisfaction, team: north",
    ]
    assert todo == "What to do (customer-satisfaction): Call them.\nThen tell Ada."
    assert link["elements"][0] == {"type": "mrkdwn", "text": f"<{WIKI}|What to do: customer-satisfaction>", "verbatim": True}


def test_slack_is_told_once_what_to_do_and_nothing_of_what_is_over():
    blocks = slack(a_notice(*[replace(TOLD, subject_id=f"c{n}") for n in range(12)]))
    assert sum("What to do" in text for text in texts(blocks)) == 1
    assert not any("What to do" in text for text in texts(slack(a_notice(replace(TOLD, state=AlertState.RESOLVED)))))


def test_an_address_cannot_become_another_link_in_slack():
    evil = replace(TOLD, details=replace(DETAILS, runbook_url="https://x/?a=1&b=<!channel>|https://evil"))
    link = slack(a_notice(evil))[-1]["elements"][0]["text"]
    assert link == "<https://x/?a=1&amp;b=&lt;!channel&gt;%7Chttps://evil|What to do: customer-satisfaction>"


@pytest.mark.parametrize("filling", ["x", "&", "ü"])
@pytest.mark.parametrize("count", [1, 3, 30])
def test_a_message_is_within_slacks_limits_whatever_alerts_say(filling: str, count: int):
    said = {
        "message": filling * 200,
        "subject_id": filling * 128,
        "labels": {f"l{n}": filling * 128 for n in range(20)},
        "details": replace(DETAILS, description=filling * 1000, runbook_url=f"https://x/{filling * 2000}"),
    }
    blocks = slack(a_notice(*[an_alert(rule_id=f"r{n}", **said) for n in range(count)]))
    escaped = [deliver_slack.escaped(text) for text in texts(blocks)]
    assert len(blocks) <= 50
    assert max(map(len, escaped)) <= 3000
    assert len(deliver_slack.escaped(json.dumps(blocks, ensure_ascii=False))) <= 12_000
    assert sum(FOUND in text for text in texts(blocks)) == min(count, deliver_slack.SHOWN)
    assert len(deliver_slack.escaped(blocks[0]["text"]["text"])) <= 150


# --- mail


def test_a_mail_tells_what_was_found_and_what_to_do_line_by_line():
    assert mail(TAKEN, replace(TOLD, subject_id="d")).splitlines() == [
        "HIGH: Customer satisfaction below 3.0",
        "  customer: c",
        f"  found: {FOUND}",
        "  since: 2026-05-04 12:00:00 UTC",
        "  acknowledged by ada",
        "  team: north",
        "  rule: customer-satisfaction",
        "  alert: abcdef00-0000-0000-0000-000000000000",
        "",
        "HIGH: Customer satisfaction below 3.0",
        "  customer: d",
        f"  found: {FOUND}",
        "  since: 2026-05-04 12:00:00 UTC",
        "  team: north",
        "  rule: customer-satisfaction",
        "  alert: abcdef00-0000-0000-0000-000000000000",
        "",
        "What to do (customer-satisfaction):",
        "  Call them.",
        "  Then tell Ada.",
        f"  {WIKI}",
        "",
        "Route: r",
    ]


def test_a_mail_without_a_value_says_so():
    assert "  found: no value of last rating within 24 h" in mail(replace(TOLD, value=None)).splitlines()


# --- PagerDuty


def test_pagerduty_is_told_what_was_found_and_where_to_read_what_to_do():
    event = pagerduty(TAKEN)
    assert event["payload"]["summary"] == f"Customer satisfaction below 3.0: customer c: {FOUND}"
    assert event["links"] == [{"href": WIKI, "text": "What to do: customer-satisfaction"}]
    details = event["payload"]["custom_details"]
    assert (details["alert_id"], details["rule_id"], details["team"]) == (str(TOLD.alert_id), "customer-satisfaction", "north")
    assert (details["found"], details["value"], details["threshold"], details["unit"]) == (FOUND, 2, 3, "rating from 1 to 5")
    assert (details["what to do"], details["taken care of"]) == ("Call them.\nThen tell Ada.", "acknowledged by ada")


def test_pagerduty_is_told_of_no_links_where_there_are_none_and_of_an_end_nothing_more():
    assert pagerduty(an_alert())["links"] == []
    assert pagerduty(TOLD, "resolve").keys() == {"routing_key", "event_action", "dedup_key"}


def test_labels_do_not_stand_in_the_way_of_what_was_found():
    details = pagerduty(replace(TOLD, labels={"found": "x", "value": "y"}))["payload"]["custom_details"]
    assert (details["found"], details["value"]) == (FOUND, 2)


# --- webhooks


def test_a_webhook_is_told_everything():
    change = Details("conversionRate", "change", 2, 604_800, 4, measured=1.2, samples=800, description="Call.", runbook_url=WIKI)
    alert = an_alert(value=-61.3, threshold=-50.0, baseline=3.1, details=change)
    body = json.loads(deliver_webhook.post_of(Webhook("https://x/", SECRET), a_notice(alert), BEGAN + timedelta(hours=1)).body)
    (told,) = body["alerts"]
    assert told["summary"] == (
        "conversion rate 61.3 % below that of the 4 weeks before: 1.2 % instead of 3.1 %, over 7 d (fires below -50 %)"
    )
    assert (told["measure"], told["condition"], told["unit"], told["measuredUnit"]) == (
        "conversionRate", "change", "percent", "percent",
    )  # fmt: skip
    assert (told["window"], told["measured"], told["samples"], told["baseline"]) == ("604800s", 1.2, "800", 3.1)
    assert (told["description"], told["runbookUrl"]) == ("Call.", WIKI)
