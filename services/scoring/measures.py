"""What facts are told apart by in the tall rollups: how they came out, and what else is counted. Numbers are for good."""

from __future__ import annotations

from enum import IntEnum


class Outcome(IntEnum):
    """How a fact came out: well, or what went wrong."""

    SUCCESS = 1
    ABANDONED_CONVERSATION = 2
    UNANSWERED_CONVERSATION = 3
    UNRESOLVED_ESCALATION = 4
    FAILED_CHARGE = 5
    NO_SHOW = 6
    CANCELLATION = 7
    ABANDONED_CART = 8
    OVERDUE_FOLLOW_UP = 9


class Measure(IntEnum):
    """What an event counts in. No number is an outcome's: both are measures of the same rollups."""

    WIDGET_DEPLOYED = 20
    WIDGET_CUSTOMIZED = 21
    WIDGET_IMPRESSION = 22
    WIDGET_OPENED = 23
    INTERACTION = 30
    CONSENT = 31
    RISK_APPROVED = 40
    RISK_DECLINED = 41
    RISK_REVIEW = 42
    COMPLIANCE_PASSED = 50
    COMPLIANCE_FAILED = 51
    COMPLIANCE_WAIVED = 52
    CONSULTATION = 60
    SERVICE_UP = 70
    SERVICE_DEGRADED = 71
    SERVICE_DOWN = 72
    CART_STARTED = 80
    FOLLOW_UP_OPENED = 81
    AGENT_CONFIGURED = 90
    AGENT_ACTIVE = 91
    AGENT_PAUSED = 92
    AGENT_ERROR = 93
    AGENT_RETIRED = 94
    PROFILE_TOLD = 95


class Kind(IntEnum):
    """What kind of contribution it is."""

    CONVERSATION = 1
    TRANSACTION = 2
    BOOKING = 3
    OUTCOME = 4
    CART = 5
    FOLLOW_UP_OPENED = 6
    FOLLOW_UP = 7
    EVENT = 8
    CONSENT = 9


class Grouping(IntEnum):
    """Among what customers are told apart who were there on a day."""

    TENANT = 1
    AGENT = 2
    PLATFORM = 3
