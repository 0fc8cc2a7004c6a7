"""A client beside Rapport's stubs: what every caller would otherwise write anew.

The stubs are the contract; `rapport_client` adds what a caller needs to rely on it: channels that notice a dead connection,
calls that are tried again when that is right, a stream of facts that loses nothing and counts nothing twice, and an alert
stream that goes on where it was. See docs/client.md.
"""

from __future__ import annotations

from rapport_client.calls import call
from rapport_client.channels import connect
from rapport_client.errors import RapportError, ResumeRefused, Undelivered
from rapport_client.facts import Acknowledged, Item, Rejected
from rapport_client.failures import Failure, FieldProblem, of_error, of_status
from rapport_client.recorder import Limits, Recorder
from rapport_client.retrying import Backoff, Kind, next_delay_s, passes
from rapport_client.watching import Begin, Cut, follow_alerts, watch_alerts

__all__ = [
    "Acknowledged",
    "Backoff",
    "Begin",
    "Cut",
    "Failure",
    "FieldProblem",
    "Item",
    "Kind",
    "Limits",
    "RapportError",
    "Recorder",
    "Rejected",
    "ResumeRefused",
    "Undelivered",
    "call",
    "connect",
    "follow_alerts",
    "next_delay_s",
    "of_error",
    "of_status",
    "passes",
    "watch_alerts",
]
