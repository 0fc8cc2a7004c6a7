"""What each dataset's rows hold: its columns, their types and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from services.query.exporting import Dataset


class Type(Enum):
    """What a column holds."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    #: Money: up to nine decimals, exact.
    AMOUNT = auto()
    #: Sums that 64 bits may not hold.
    WHOLE = auto()
    BOOLEAN = auto()
    TIME = auto()
    DAY = auto()
    TEXTS = auto()
    #: Lists of {intent, confidence, timestamp}.
    INTENTS = auto()
    #: Lists of {currency, orders, amount}.
    REVENUE = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file."""

    name: str
    type: Type
    doc: str


_T, _I, _N, _A, _W = Type.TEXT, Type.INTEGER, Type.NUMBER, Type.AMOUNT, Type.WHOLE
_B, _TIME, _DAY, _LIST = Type.BOOLEAN, Type.TIME, Type.DAY, Type.TEXTS

_CONCERNS = (
    ("agent_id", _T, "the agent it names"),
    ("customer_id", _T, "the customer it names"),
    ("conversation_id", _T, "the conversation it names"),
)

_COLUMNS: dict[Dataset, tuple[tuple[str, Type, str], ...]] = {
    Dataset.CONVERSATIONS: (
        ("conversation_id", _T, "the conversation; no two rows have the same"),
        ("agent_id", _T, "who answered"),
        ("customer_id", _T, "the customer"),
        ("platform", _T, "where it took place"),
        ("session_id", _T, "the producer's session, empty when there is none"),
        ("start_time", _TIME, "when it began; the row's own time"),
        ("end_time", _TIME, "when it ended"),
        ("message_count", _I, "messages in all"),
        ("customer_messages", _I, "messages of the customer"),
        ("agent_responses", _I, "messages of the agent"),
        ("response_time_avg_ms", _I, "mean time that the customer waited for a response"),
        ("first_response_time_ms", _I, "time until the first response"),
        ("customer_satisfaction_score", _N, "the customer's rating, 1 to 5"),
        ("conversion_type", _T, "the success that it led to"),
        ("conversion_value", _A, "what the success was worth"),
        ("conversion_currency", _T, "the currency of that"),
        ("sentiment", _T, "positive, neutral or negative"),
        ("sentiment_confidence", _N, "how sure that is, 0 to 1"),
        ("emotions", _LIST, "emotions named"),
        ("intents", Type.INTENTS, "what the customer wanted, in order"),
        ("escalated", _B, "whether it had to go to somebody else"),
        ("escalation_reason", _T, "why"),
        ("escalated_at", _TIME, "when"),
        ("escalation_resolved_by", _T, "who settled it"),
        ("follow_up_required", _B, "whether something is still to be done"),
        ("follow_up_actions", _LIST, "what is still to be done"),
        ("tags", _LIST, "free labels"),
        ("journey_stage", _T, "where the customer stood"),
        ("touchpoints", _LIST, "where the customer met the firm, in order"),
        ("previous_interactions", _I, "earlier interactions"),
        ("days_since_first_contact", _I, "days since the first contact"),
        ("resolution", _T, "how it ended: resolved, abandoned or transferred"),
        ("industry", _T, "the trade it belongs to, empty for the agent's"),
        ("revision", _I, "the stored revision"),
        ("recorded_at", _TIME, "when that was recorded"),
        ("counted_day", _DAY, "the tenant's day that it counts on; this and what follows is absent until it is counted"),
        ("counted_duration_ms", _I, "its length"),
        ("counted_completed", _B, "whether it counts as completed"),
        ("counted_outcome", _T, "success, abandoned, unanswered or unresolved; absent while neither"),
        ("counted_orders", _I, "orders that it counts for: none when payments speak for it"),
        ("counted_amount", _A, "money that it counts for"),
        ("counted_currency", _T, "the currency of that"),
    ),
    Dataset.AGENT_DAYS: (
        ("agent_id", _T, "the agent, empty for what belongs to none; agent, day and platform together are in one row only"),
        ("day", _DAY, "the tenant's day; the row's own time is its beginning"),
        ("platform", _T, "the platform, unspecified for what belongs to none"),
        ("conversations", _I, "conversations that began"),
        ("ended", _I, "those that have ended"),
        ("completed", _I, "those that are completed"),
        ("escalated", _I, "those that were escalated"),
        ("conversions", _I, "those that led to a success"),
        ("duration_ms_sum", _I, "lengths of those that have ended"),
        ("ratings", _I, "customers' ratings"),
        ("ratings_x100_sum", _I, "the ratings' sum, times 100"),
        ("ratings_x100_squares", _I, "the sum of their squares, times 10,000"),
        ("response_times", _I, "conversations with a mean response time"),
        ("response_ms_sum", _I, "sum of the mean response times"),
        ("response_ms_squares", _W, "sum of their squares"),
        ("positive", _I, "conversations with a positive sentiment"),
        ("neutral", _I, "with a neutral one"),
        ("negative", _I, "with a negative one"),
        ("booked", _I, "appointments booked"),
        ("kept", _I, "appointments kept"),
        ("no_show", _I, "appointments that the customer did not come to"),
        ("cancelled", _I, "appointments called off"),
        ("revenue", Type.REVENUE, "orders and money by currency, less refunds"),
    ),
    Dataset.CUSTOMER_SCORES: (
        ("customer_id", _T, "the customer; no two rows have the same"),
        ("segment", _T, "the segment, absent for one who has never engaged"),
        ("segment_since", _TIME, "since when"),
        ("engagement_days", _I, "days with a conversation or an order"),
        ("first_day", _DAY, "the first of them"),
        ("last_day", _DAY, "the last of them"),
        ("order_days", _I, "days with an order"),
        ("first_order_day", _DAY, "the first of them"),
        ("last_order_day", _DAY, "the last of them"),
        ("orders", _I, "orders"),
        ("advocate", _B, "whether the customer has recommended the firm"),
        ("campaign", _T, "the campaign that brought the customer"),
        ("scored_on", _DAY, "the day that what follows was foretold on; the row's own time is its beginning"),
        ("churn_risk", _N, "risk that the customer does not come back, 0 to 1"),
        ("p_alive", _N, "probability to be a customer still, 0 to 1"),
        ("upsell_potential", _N, "probability to come back and to spend more than on average, 0 to 1"),
        ("predicted_value", _N, "money expected, in the reporting currency of that day"),
        ("model_version", _I, "version of the customer models"),
        ("policy_version", _I, "version of the scoring policy"),
    ),
    Dataset.TRANSACTIONS: (
        ("transaction_id", _T, "the transaction; no two rows have the same"),
        ("kind", _T, "charge or refund"),
        ("status", _T, "pending, settled or failed"),
        ("amount", _A, "how much, positive for refunds too"),
        ("currency", _T, "the currency of that"),
        ("original_transaction_id", _T, "for a refund, the charge that it gives back"),
        *_CONCERNS,
        ("settled_at", _TIME, "when it settled and stayed so; the row's own time"),
        ("failed_at", _TIME, "when it failed and stayed so; the row's own time when it did"),
    ),
    Dataset.APPOINTMENTS: (
        ("appointment_id", _T, "the appointment; no two rows have the same"),
        ("status", _T, "booked, rescheduled, completed, cancelled or no_show"),
        ("booked_at", _TIME, "when it was booked first; the row's own time"),
        ("scheduled_for", _TIME, "when it is to take place"),
        ("status_at", _TIME, "when it got its status"),
        ("service", _T, "what it is for"),
        ("reschedules", _I, "how often it was moved"),
        *_CONCERNS,
    ),
    Dataset.FOLLOW_UPS: (
        ("follow_up_id", _T, "the follow-up; no two rows have the same"),
        ("action", _T, "what is to be done"),
        ("due", _TIME, "until when"),
        ("assignee", _T, "by whom"),
        ("status", _T, "open, done or cancelled"),
        ("opened_at", _TIME, "when it was heard of first; the row's own time"),
        ("status_at", _TIME, "since when it has had its status"),
        *_CONCERNS,
    ),
    Dataset.COSTS: (
        ("source", _T, "who reported it"),
        ("event_id", _T, "the report; source and event_id together are in one row only"),
        ("category", _T, "model_usage, messaging, seat, acquisition or other"),
        ("amount", _A, "how much"),
        ("currency", _T, "the currency of that"),
        ("units", _N, "units consumed"),
        ("unit", _T, "what the units are"),
        ("campaign", _T, "the campaign that an acquisition cost belongs to"),
        ("period_start", _TIME, "the period that it is for; the row's own time"),
        ("period_end", _TIME, "the first moment after that period"),
        ("occurred_at", _TIME, "when it was spent; the row's own time without a period"),
        *_CONCERNS,
        ("recorded_at", _TIME, "when it was recorded"),
    ),
    Dataset.ALERTS: (
        ("alert_id", _T, "the alert; no two rows have the same"),
        ("rule_id", _T, "the rule that it breaks"),
        ("rule_version", _I, "the rule's version when the alert changed last"),
        ("type", _T, "performance, revenue, satisfaction or system"),
        ("severity", _T, "low, medium, high or critical"),
        ("state", _T, "firing or resolved"),
        ("message", _T, "what is wrong"),
        ("subject_kind", _T, "agent, customer or tenant"),
        ("agent_id", _T, "the agent concerned"),
        ("customer_id", _T, "the customer concerned"),
        ("value", _N, "what was measured last"),
        ("threshold", _N, "from where the rule fires"),
        ("fired_at", _TIME, "when it began to fire; the row's own time"),
        ("resolved_at", _TIME, "when it was over"),
        ("revision", _I, "the log's revision that changed it last"),
        ("episode", _I, "which episode of the same thing it is"),
    ),
}

#: Columns of every dataset, in the order of a file.
COLUMNS: dict[Dataset, tuple[Column, ...]] = {
    dataset: tuple(Column(*told) for told in columns) for dataset, columns in _COLUMNS.items()
}
