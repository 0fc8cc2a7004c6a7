"""What each part of a scoring policy means, in a line for whoever reads it first."""

from __future__ import annotations

from collections.abc import Mapping

#: By path. An industry's fields mean what the policy's own of the same name do.
MEANINGS: Mapping[str, str] = {
    "quality_weight": "share of quality in the score; the three weights add up to 1",
    "conversion_weight": "share of conversion in the score",
    "efficiency_weight": "share of efficiency in the score",
    "satisfaction_share": "share of satisfaction in quality; completion has the rest",
    "conversion_rate_share": "share of the conversion rate in conversion; revenue has the rest",
    "response_share": "share of the response time in efficiency; escalation has the rest",
    "conversion_rate_target": "conversion rate in percent that scores 100",
    "revenue_target": "revenue per conversation, in the reporting currency, that scores 100",
    "response_target_ms": "response time in milliseconds that scores 100",
    "response_limit_ms": "response time in milliseconds that scores 0",
    "escalation_limit": "escalation rate in percent that scores 0",
    "provisional_below": "conversations below which a grade is provisional, and then at most A",
    "cut_offs.a_plus": "lowest score of an A+",
    "cut_offs.a": "lowest score of an A",
    "cut_offs.b_plus": "lowest score of a B+",
    "cut_offs.b": "lowest score of a B",
    "cut_offs.c_plus": "lowest score of a C+",
    "cut_offs.c": "lowest score of a C; what is below is a D",
    "target_source": "constant: the targets above; peer_p75: what the best quarter of the agents reaches",
    "strong_satisfaction": "mean rating from which satisfaction is a strength",
    "strong_response_ms": "response time in milliseconds up to which it is a strength",
    "strong_escalation_rate": "escalation rate in percent up to which it is a strength",
    "segments.new_customer_days": "days for which a customer is new",
    "segments.at_risk_below": "probability of still being a customer below which one is at risk",
    "segments.safe_from": "probability from which a customer at risk is so no longer",
    "segments.high_value_orders": "orders from which a customer may be of high value",
    "segments.high_value_amount": "expected value of a year from which one is, while there are fewer than 30 customers",
    "segments.regular_repeat_days": "days of coming back from which a customer is regular",
}
