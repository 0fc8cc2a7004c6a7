"""How an alert is written to the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

from services.alerting.alert_json import from_json, to_json, values_of
from services.alerting.alerts import Alert
from services.alerting.details import Details

NOW = datetime(2026, 5, 4, 12, 7, 30, 123456, tzinfo=UTC)
ALERT = Alert(
    alert_id=UUID(int=1),
    rule_id="r",
    rule_version=2,
    episode=3,
    type=1,
    severity=2,
    subject_kind=1,
    subject_id="a",
    state=2,
    message="m",
    value=None,
    threshold=1.5,
    fired_at=NOW,
    resolved_at=NOW,
    labels={"team": "sales"},
    silence_ids=("s", "t"),
    inhibited_by=UUID(int=2),
    resolved_by="",
    details=Details(
        measure="m", condition="change", comparison=2, window_s=60, weeks=4, measured=0.0, samples=0, description="d"
    ),
)


def test_what_is_written_is_read_again():
    assert from_json(json.loads(json.dumps(to_json(ALERT)))) == ALERT


def test_what_older_versions_wrote_is_read():
    stored = to_json(ALERT)
    assert stored.pop("details") == {
        "measure": "m", "condition": "change", "comparison": 2, "window_s": 60, "weeks": 4, "measured": 0.0, "samples": 0,
        "description": "d",
    }  # fmt: skip
    assert from_json(stored).details == Details()


def test_nothing_is_copied_to_be_written():
    """Copies of everything in it took a third of the time that many alerts take to be stored."""
    assert values_of(ALERT)["labels"] is ALERT.labels
