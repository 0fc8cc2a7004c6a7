"""What measures come to, computed fact by fact in plain Python from the tables as they are: no rollup, no grouping in SQL."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row
from rapport.insight.v1 import conversation_pb2, event_pb2, vocabulary_pb2
from rapport.query.v1 import filter_pb2
from rapport.query.v1 import metrics_pb2 as pb

from services.query.measures import MEASURES, TERMS, Keeping, Shape

ENUMS = {
    pb.DIMENSION_PLATFORM: vocabulary_pb2.Platform.Value,
    pb.DIMENSION_SENTIMENT: vocabulary_pb2.SentimentPolarity.Value,
    pb.DIMENSION_STAGE: vocabulary_pb2.JourneyStage.Value,
    pb.DIMENSION_SEGMENT: vocabulary_pb2.CustomerSegment.Value,
    pb.DIMENSION_SOURCE: event_pb2.EventSource,
    pb.DIMENSION_CONVERSION_TYPE: vocabulary_pb2.ConversionType.Value,
    pb.DIMENSION_RESOLUTION: conversation_pb2.Resolution,
    pb.DIMENSION_OUTCOME: filter_pb2.Outcome,
}
FIELDS = {
    "agent_ids": pb.DIMENSION_AGENT, "platforms": pb.DIMENSION_PLATFORM, "industries": pb.DIMENSION_INDUSTRY,
    "intents": pb.DIMENSION_INTENT, "tags": pb.DIMENSION_TAG, "sentiments": pb.DIMENSION_SENTIMENT,
    "emotions": pb.DIMENSION_EMOTION, "stages": pb.DIMENSION_STAGE, "segments": pb.DIMENSION_SEGMENT,
    "sources": pb.DIMENSION_SOURCE, "conversion_types": pb.DIMENSION_CONVERSION_TYPE, "resolutions": pb.DIMENSION_RESOLUTION,
    "escalation_reasons": pb.DIMENSION_ESCALATION_REASON, "outcomes": pb.DIMENSION_OUTCOME,
}  # fmt: skip
_KINDS = {Keeping.COUNTS: (1, 3, 4), Keeping.MONEY: (1, 2)}
_SOURCES = {1: 0, 2: 3, 3: 2, 4: 2, 5: 7, 6: 7, 7: 7}


@dataclass
class Fact:
    """A fact as it counts, the values that it has of each dimension, as words, and the conversation that it is or names."""

    row: dict[str, Any]
    values: dict[int, set[str]]
    conversation: str | None

    @property
    def at(self) -> datetime:
        return self.row["at"]


class Oracle:
    """All facts of one tenant, read once."""

    def __init__(self, url: str, tenant: str = "default") -> None:
        self._conn = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self._tenant = tenant
        (settings,) = self._all("ingest.tenant_settings")
        self.currency, self.zone = settings["reporting_currency"], settings["time_zone"]
        self._told = {
            name: {row[key]: row for row in self._all(f"ingest.{name}")}
            for name, key in (
                ("conversation", "conversation_id"), ("transaction", "transaction_id"), ("appointment", "appointment_id"),
                ("cart", "cart_id"), ("follow_up", "follow_up_id"), ("agent", "agent_id"),
            )
        }  # fmt: skip
        self._events = {f"{row['source']}/{row['event_id']}": row for row in self._all("ingest.event")}
        self._segments = {row["customer_id"]: row["segment"] or 0 for row in self._all("scoring.customer_state")}
        self._rates = self._all("ingest.exchange_rate")
        self.costs = self._all("scoring.cost_period")
        stored = [self._fact(row, is_erased=False) for row in self._all("scoring.contribution")]
        erased = [self._fact(row | {"customer_id": ""}, is_erased=True) for row in self._all("scoring.remainder")]
        self.facts = stored + erased
        self._conn.close()

    def meant(self, facts: Iterable[Fact], only: filter_pb2.FactFilter) -> list[Fact]:
        return [fact for fact in facts if self._fits(fact, only)]

    def value(self, name: str, facts: list[Fact]) -> tuple[float | None, int | None]:
        """Return a measure's value and its n."""
        measure = MEASURES[name]
        match measure.shape:
            case Shape.SUM:
                return float(self._total(measure.of, facts)), None
            case Shape.DISTINCT:
                return float(len({f.row["customer_id"] for f in facts if f.row["kind"] == 1} - {""})), None
            case Shape.PERCENTILE:
                return self._percentile(measure.of[0], measure.percent, measure.factor, facts)
        total, n = self._total(measure.of, facts), self._total(measure.per, facts)
        if not n or (name == "revenuePerConversation" and self.left_out(facts)):
            return None, n
        return float(Fraction(total) * Fraction(str(measure.factor)) / n), n

    def left_out(self, facts: list[Fact]) -> dict[str, Decimal]:
        found: dict[str, Decimal] = defaultdict(Decimal)
        for fact in facts:
            if fact.row["amount"] is not None and self._rate(fact) is None:
                found[fact.row["currency"]] += fact.row["amount"]
        return {currency: amount for currency, amount in found.items() if amount}

    def groups(self, names: Iterable[str], by: list[int], facts: list[Fact]) -> dict[tuple[str, ...], list[Fact]]:
        """Return the facts by their values; groups without a fact that the measures rest on are not there."""
        found: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
        for fact in facts:
            for values in product(*(sorted(fact.values[d]) for d in by)):
                found[values].append(fact)
        rests_on = [self._rests_on(name) for name in names]
        return {values: of for values, of in found.items() if any(rests(fact) for fact in of for rests in rests_on)}

    def _rests_on(self, name: str) -> Callable[[Fact], bool]:
        measure = MEASURES[name]
        if measure.shape is Shape.DISTINCT:
            return lambda fact: fact.row["kind"] == 1 and fact.row["customer_id"] != ""
        if measure.shape is Shape.PERCENTILE:
            return lambda fact: fact.row[f"{measure.of[0]}_ms"] is not None
        terms = [TERMS[t] for t in (*measure.of, *measure.per)]
        tallied = {t.tally for t in terms if t.keeping is Keeping.TALLY}
        kinds = {k for t in terms for k in _KINDS.get(t.keeping, ())}
        takes_money = any(t.keeping is Keeping.MONEY for t in terms)

        def rests(fact: Fact) -> bool:
            row = fact.row
            if takes_money and row["amount"] is not None and (row["orders"] or row["amount"]):
                return True
            if any(t.keeping is Keeping.COUNTS for t in terms) and row["kind"] in (1, 3, 4):
                return True
            return row["outcome"] in tallied or (row["measure"] in tallied and row["quantity"] > 0)

        assert kinds or tallied
        return rests

    def _total(self, terms: Iterable[str], facts: list[Fact]) -> Any:
        return sum((self._term(term, fact) for term in terms for fact in facts), start=0)

    def _term(self, name: str, fact: Fact) -> Any:
        row, term = fact.row, TERMS[name]
        if term.keeping is Keeping.TALLY:
            return int(row["outcome"] == term.tally) + (row["quantity"] if row["measure"] == term.tally else 0)
        if term.keeping is Keeping.COUNTS:
            return self._count(name, row)
        return 0 if row["amount"] is None else self._money(name, fact)

    def _count(self, name: str, row: dict[str, Any]) -> int:
        if name in ("csat_n", "response_n"):
            return int(row["csat_x100" if name == "csat_n" else "response_ms"] is not None)
        if name in ("positive", "neutral", "negative"):
            return int(row["sentiment"] == ("positive", "neutral", "negative").index(name) + 1)
        return row[name] or 0

    def _money(self, name: str, fact: Fact) -> Any:
        orders, rate = fact.row["orders"], self._rate(fact)
        if name == "orders" or rate is None:
            return orders if name == "orders" else 0
        return orders if name == "reported_orders" else Fraction(fact.row["amount"]) * Fraction(rate)

    def _rate(self, fact: Fact) -> Decimal | None:
        currency, day = fact.row["currency"], fact.at.astimezone(ZoneInfo(self.zone)).date()
        if currency == self.currency:
            return Decimal(1)
        good = [
            r for r in self._rates
            if r["from_currency"] == currency and r["to_currency"] == self.currency and day - timedelta(days=7) <= r["day"] <= day
        ]  # fmt: skip
        return max(good, key=lambda r: r["day"])["rate"] if good else None

    def _percentile(self, of: str, percent: int, factor: float, facts: list[Fact]) -> tuple[float | None, int]:
        times = sorted(f.row[f"{of}_ms"] for f in facts if f.row[f"{of}_ms"] is not None)
        if not times:
            return None, 0
        at = times[math.ceil(percent * len(times) / 100) - 1]
        bucket = math.ceil(math.log(max(at, 1)) / math.log(1.04))
        return 2 * 1.04**bucket / 2.04 * factor, len(times)

    def _fits(self, fact: Fact, only: filter_pb2.FactFilter) -> bool:
        if only.customer_ids and fact.row["customer_id"] not in only.customer_ids:
            return False
        for field, dimension in FIELDS.items():
            wanted = {self._word(dimension, each) for each in getattr(only, field)}
            if wanted and not wanted & fact.values[dimension]:
                return False
        return True

    def _word(self, dimension: int, value: Any) -> str:
        return (ENUMS[dimension].Name(value) if value else "") if dimension in ENUMS else value or ""

    def _fact(self, row: dict[str, Any], *, is_erased: bool) -> Fact:
        name = None if is_erased else self._conversation(row)
        conversation = self._told["conversation"].get(name, {}) if name is not None else {}
        agent = self._told["agent"].get(row["agent_id"], {})
        source = _SOURCES.get(row["kind"], 0 if is_erased else None)
        one = {
            pb.DIMENSION_AGENT: row["agent_id"],
            pb.DIMENSION_PLATFORM: row["platform"],
            pb.DIMENSION_INDUSTRY: conversation.get("industry") or agent.get("industry"),
            pb.DIMENSION_SENTIMENT: conversation.get("sentiment"),
            pb.DIMENSION_STAGE: conversation.get("stage"),
            pb.DIMENSION_SEGMENT: self._segments.get(row["customer_id"], 0),
            pb.DIMENSION_SOURCE: int(row["fact_id"].split("/")[0]) if source is None else source,
            pb.DIMENSION_CONVERSION_TYPE: conversation.get("conversion_type"),
            pb.DIMENSION_RESOLUTION: conversation.get("resolution"),
            pb.DIMENSION_ESCALATION_REASON: conversation.get("escalation_reason"),
            pb.DIMENSION_OUTCOME: row["outcome"],
        }
        several = {
            pb.DIMENSION_INTENT: {each["intent"] for each in conversation.get("intents", ())} or {""},
            pb.DIMENSION_TAG: set(conversation.get("tags", ())) or {""},
            pb.DIMENSION_EMOTION: set(conversation.get("emotions", ())) or {""},
        }
        return Fact(row, {d: {self._word(d, value)} for d, value in one.items()} | several, name)

    def _conversation(self, row: dict[str, Any]) -> str | None:
        kind, name = row["kind"], row["fact_id"]
        if kind == 1:
            return name
        if kind == 2:
            paid = self._told["transaction"].get(name, {})
            original = self._told["transaction"].get(paid.get("original_transaction_id"), {})
            return (original if original.get("kind") is not None else paid).get("conversation_id")
        table = {3: "appointment", 4: "appointment", 5: "cart", 6: "follow_up", 7: "follow_up"}.get(kind)
        of = self._told[table].get(name, {}) if table else self._events.get(name, {})
        return of.get("conversation_id")

    def _all(self, table: str) -> list[dict[str, Any]]:
        query = f"SELECT * FROM {table} WHERE tenant_id = %s"
        return list(self._conn.execute(query.encode(), [self._tenant]))


def midnights(first: date, last: date, zone: str, step: int = 1) -> list[datetime]:
    """Return the first moments of days, and of the day after the last."""
    days = [first + timedelta(days=n) for n in range(0, (last - first).days, step)]
    return [datetime.combine(d, time(), ZoneInfo(zone)).astimezone(UTC) for d in [*days, last]]
