"""SQL that says what appointments, carts, follow-ups and other events count for, and where. docs/numbers.md says it in words."""

from __future__ import annotations

from services.scoring.measures import Kind, Measure, Outcome
from services.scoring.source_store import Source, columns, day, when

#: How long after its last change a cart may still be checked out before it counts as abandoned.
CART_PATIENCE = "interval '24 hours'"

#: The numbers of the contract's enumerations that decide here.
_KEPT, _CANCELLED, _NO_SHOW = 3, 4, 5
CART_CHECKED_OUT, CART_GIVEN_UP = 3, 4
FOLLOW_UP_OPEN, FOLLOW_UP_DONE = 1, 2
#: Kinds of events that are no state of an entity, as the contract numbers their bodies.
_AGENT_CONFIGURED, _COST, _WIDGET, _AGENT_STATUS, _INTERACTION = 10, 13, 14, 15, 16
_RISK, _COMPLIANCE, _CONSULTATION, _HEALTH, _PROFILE = 19, 20, 21, 22, 23

#: Whom a fact belongs to by what it names itself and, where it does not, by the conversation `c` that it names.
_BELONGS = {
    "agent_id": "coalesce(f.agent_id, c.agent_id, '')",
    "platform": "coalesce(c.platform, CAST(0 AS smallint))",
    "customer_id": "coalesce(f.customer_id, c.customer_id, '')",
}
_LINK = "LEFT JOIN ingest.conversation AS c ON c.tenant_id = :tenant AND c.conversation_id = f.conversation_id"

#: Bookings when they were made, and how they came out when they were due.
_APPOINTMENTS = f"""
    SELECT {
    columns(
        **_BELONGS,
        kind="CAST(part.kind AS smallint)",
        fact_id="f.appointment_id",
        at="part.at",
        day=day("part.at"),
        booked=f"CAST(CAST(part.kind = {Kind.BOOKING:d} AS int) AS smallint)",
        kept=f"CAST(CAST(part.kind = {Kind.OUTCOME:d} AND f.status = {_KEPT} AS int) AS smallint)",
        no_show=f"CAST(CAST(part.kind = {Kind.OUTCOME:d} AND f.status = {_NO_SHOW} AS int) AS smallint)",
        cancelled=f"CAST(CAST(part.kind = {Kind.OUTCOME:d} AND f.status = {_CANCELLED} AS int) AS smallint)",
        outcome=f"CAST(CASE WHEN part.kind = {Kind.OUTCOME:d} THEN CASE f.status WHEN {_KEPT} THEN {Outcome.SUCCESS:d} "
        f"WHEN {_CANCELLED} THEN {Outcome.CANCELLATION:d} ELSE {Outcome.NO_SHOW:d} END END AS smallint)",
    )
}
    FROM ingest.appointment AS f
    {_LINK}
    CROSS JOIN LATERAL (
        SELECT {Kind.BOOKING:d} AS kind, f.booked_at AS at WHERE f.booked_at IS NOT NULL
        UNION ALL
        SELECT {Kind.OUTCOME:d}, coalesce(f.scheduled_for, f.status_at)
        WHERE f.status IN ({_KEPT}, {_CANCELLED}, {_NO_SHOW}) AND coalesce(f.scheduled_for, f.status_at) IS NOT NULL
    ) AS part
    WHERE f.tenant_id = :tenant AND f.status IS NOT NULL"""

#: Carts, at their creation.
_CARTS = f"""
    SELECT {
    columns(
        **_BELONGS,
        kind=f"CAST({Kind.CART:d} AS smallint)",
        fact_id="f.cart_id",
        at="f.created_at",
        day=day("f.created_at"),
        measure=f"CAST({Measure.CART_STARTED:d} AS smallint)",
        quantity="CAST(1 AS bigint)",
        outcome="CAST("
        + when(
            (f"f.status = {CART_CHECKED_OUT}", Outcome.SUCCESS),
            (f"f.status = {CART_GIVEN_UP} OR f.changed_at + {CART_PATIENCE} <= :now", Outcome.ABANDONED_CART),
        )
        + " AS smallint)",
    )
}
    FROM ingest.cart AS f
    {_LINK}
    WHERE f.tenant_id = :tenant AND f.status IS NOT NULL"""

#: Follow-ups at their opening and, where they were due, how they came out.
_FOLLOW_UPS = f"""
    SELECT {
    columns(
        **_BELONGS,
        kind="CAST(part.kind AS smallint)",
        fact_id="f.follow_up_id",
        at="part.at",
        day=day("part.at"),
        measure=f"CAST(CASE part.kind WHEN {Kind.FOLLOW_UP_OPENED:d} THEN {Measure.FOLLOW_UP_OPENED:d} END AS smallint)",
        quantity=f"CAST(CASE part.kind WHEN {Kind.FOLLOW_UP_OPENED:d} THEN 1 END AS bigint)",
        outcome=f"CAST(CASE WHEN part.kind = {Kind.FOLLOW_UP:d} THEN CASE f.status WHEN {FOLLOW_UP_DONE} "
        f"THEN {Outcome.SUCCESS:d} ELSE {Outcome.OVERDUE_FOLLOW_UP:d} END END AS smallint)",
    )
}
    FROM ingest.follow_up AS f
    {_LINK}
    CROSS JOIN LATERAL (
        SELECT {Kind.FOLLOW_UP_OPENED:d} AS kind, f.opened_at AS at
        UNION ALL
        SELECT {Kind.FOLLOW_UP:d}, coalesce(f.due, f.opened_at)
        WHERE f.status = {FOLLOW_UP_DONE} OR (f.status = {FOLLOW_UP_OPEN} AND f.due <= :now)
    ) AS part
    WHERE f.tenant_id = :tenant AND f.status IS NOT NULL"""

#: What an event counts in, by its kind, and where that does not decide, by a field of its body and the number in it.
_MEASURES: tuple[tuple[int, str, dict[int, Measure]], ...] = (
    (_AGENT_CONFIGURED, "", {0: Measure.AGENT_CONFIGURED}),
    (_INTERACTION, "", {0: Measure.INTERACTION}),
    (_CONSULTATION, "", {0: Measure.CONSULTATION}),
    (_PROFILE, "", {0: Measure.PROFILE_TOLD}),
    (
        _WIDGET,
        "action",
        {1: Measure.WIDGET_DEPLOYED, 2: Measure.WIDGET_CUSTOMIZED, 3: Measure.WIDGET_IMPRESSION, 4: Measure.WIDGET_OPENED},
    ),
    (
        _AGENT_STATUS,
        "status",
        {1: Measure.AGENT_ACTIVE, 2: Measure.AGENT_PAUSED, 3: Measure.AGENT_ERROR, 4: Measure.AGENT_RETIRED},
    ),
    (_RISK, "outcome", {1: Measure.RISK_APPROVED, 2: Measure.RISK_DECLINED, 3: Measure.RISK_REVIEW}),
    (_COMPLIANCE, "result", {1: Measure.COMPLIANCE_PASSED, 2: Measure.COMPLIANCE_FAILED, 3: Measure.COMPLIANCE_WAIVED}),
    (_HEALTH, "state", {1: Measure.SERVICE_UP, 2: Measure.SERVICE_DEGRADED, 3: Measure.SERVICE_DOWN}),
)


def _measure(kind: int, field: str, numbers: dict[int, Measure]) -> str:
    if not field:
        return f"WHEN {kind} THEN {numbers[0]:d}"
    told = " ".join(f"WHEN {number} THEN {measure:d}" for number, measure in numbers.items())
    return f"WHEN {kind} THEN CASE CAST(f.body ->> '{field}' AS int) {told} END"


#: Events that stand for themselves, when they occurred; an interaction stands for the consent that was given in it, too. Of a
#: body only that is read that counts: people's names and addresses stay where they are.
_EVENTS = f"""
    SELECT {
    columns(
        **_BELONGS
        | {
            "platform": f"CASE f.kind WHEN {_INTERACTION} THEN coalesce(CAST(f.body ->> 'platform' AS smallint), c.platform, "
            "CAST(0 AS smallint)) ELSE coalesce(c.platform, CAST(0 AS smallint)) END"
        },
        kind="CAST(part.kind AS smallint)",
        fact_id="f.source || '/' || f.event_id",
        at="f.occurred_at",
        day=day("f.occurred_at"),
        measure="CAST(part.measure AS smallint)",
        quantity="part.quantity",
        campaign="part.campaign",
    )
}
    FROM ingest.event AS f
    {_LINK}
    CROSS JOIN LATERAL (
        SELECT {Kind.EVENT:d} AS kind, CASE f.kind {" ".join(_measure(*m) for m in _MEASURES)} END AS measure,
               CASE f.kind WHEN {_WIDGET} THEN coalesce(nullif(CAST(f.body ->> 'count' AS bigint), 0), 1) ELSE 1 END AS quantity,
               CASE f.kind WHEN {_INTERACTION} THEN nullif(f.body ->> 'campaign', '') END AS campaign
        UNION ALL
        SELECT {Kind.CONSENT:d}, {Measure.CONSENT:d}, 1, CAST(NULL AS text)
        WHERE f.kind = {_INTERACTION} AND CAST(f.body ->> 'consent' AS boolean)
    ) AS part
    WHERE f.tenant_id = :tenant AND f.kind IN ({", ".join(str(kind) for kind, _, _ in _MEASURES)}) AND part.measure IS NOT NULL"""

#: Costs, for the days that their periods touch. A period ends before its end; one shorter than clocks tell apart is its first
#: moment.
_COSTS = f"""
    SELECT {
    columns(
        **_BELONGS,
        kind=f"CAST({Kind.EVENT:d} AS smallint)",
        fact_id="f.source || '/' || f.event_id",
        at="period.first",
        day=day("period.first"),
        cost="CAST(f.body ->> 'amount' AS numeric)",
        currency="f.body ->> 'currency'",
        category="CAST(f.body ->> 'category' AS smallint)",
        campaign="nullif(f.body ->> 'campaign', '')",
        end_day=day("greatest(period.first, period.last)") + " + 1",
    )
}
    FROM ingest.event AS f
    CROSS JOIN LATERAL (
        SELECT coalesce(CAST(f.body ->> 'period_start' AS timestamptz), f.occurred_at) AS first,
               CAST(f.body ->> 'period_end' AS timestamptz) - interval '1 microsecond' AS last
    ) AS period
    {_LINK}
    WHERE f.tenant_id = :tenant AND f.kind = {_COST}"""

_LISTED_EVENTS = (
    "(f.source, f.event_id) IN (SELECT CAST(split_part(e, '/', 1) AS smallint), substr(e, strpos(e, '/') + 1) "
    "FROM unnest(CAST(:events AS text[])) AS e)"
)

APPOINTMENTS = Source(
    "appointments", (Kind.BOOKING, Kind.OUTCOME), _APPOINTMENTS, "f.appointment_id = ANY(CAST(:appointments AS text[]))"
)
CARTS = Source("carts", (Kind.CART,), _CARTS, "f.cart_id = ANY(CAST(:carts AS text[]))")
FOLLOW_UPS = Source(
    "follow_ups", (Kind.FOLLOW_UP_OPENED, Kind.FOLLOW_UP), _FOLLOW_UPS, "f.follow_up_id = ANY(CAST(:follow_ups AS text[]))"
)
EVENTS = Source("events", (Kind.EVENT, Kind.CONSENT), _EVENTS, _LISTED_EVENTS)
#: Costs are events, listed with them.
COSTS = Source("events", (), _COSTS, _LISTED_EVENTS)
