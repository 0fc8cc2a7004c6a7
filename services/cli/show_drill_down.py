"""How facts, conversations, timelines and the funnel read on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message
from google.type.money_pb2 import Money
from rapport.insight.v1.conversation_pb2 import ConversationInsight, Resolution
from rapport.insight.v1.vocabulary_pb2 import ConversionType, JourneyStage, Platform, SentimentPolarity
from rapport.query.v1.drill_down_pb2 import (
    CountedFact,
    FactKind,
    GetConversationResponse,
    GetCustomerTimelineResponse,
    GetStageFunnelResponse,
    ListConversationsResponse,
    ListFactsResponse,
)
from rapport.query.v1.filter_pb2 import Outcome
from rich.table import Table

from services.cli.filtering import word_of
from services.cli.layout import NOTHING, OUT, bar, moment, number, optional, pairs, print_quality, seconds, span, table

_NANO = 1_000_000_000


def show_facts(measure: str, answer: ListFactsResponse) -> None:
    """Print facts, and the number that they add up to."""
    OUT.print(f"{measure}: {number(answer.total)}", style="bold")
    OUT.print(_facts("Facts", answer.facts))
    if answer.erased:
        OUT.print(f"Of customers who were erased: {number(answer.erased)}", style="yellow")
    _more(answer.next_page_token)
    print_quality(answer.quality)


def show_conversations(answer: ListConversationsResponse) -> None:
    """Print conversations in short."""
    made = table("Conversations", "Start", "Conversation", "Agent", "Customer", "Platform", "Rating", "Response", "Escalated",
                 "Conversion", numeric=("Rating", "Response"), wraps=("Conversation", "Agent", "Customer", "Conversion"),
                 spared=("Response", "Conversion"))  # fmt: skip
    for talk in answer.conversations:
        made.add_row(
            moment(talk.start_time),
            talk.conversation_id,
            talk.agent_id,
            talk.customer_id,
            _platform(talk.platform),
            number(optional(talk, "customer_satisfaction_score"), 2),
            seconds(optional(talk, "response_time_avg_ms")),
            "yes" if talk.escalation.required else "no",
            _conversion(talk),
        )
    OUT.print(made)
    OUT.print(f"{number(answer.total)} in all")
    _more(answer.next_page_token)
    print_quality(answer.quality)


def show_conversation(answer: GetConversationResponse) -> None:
    """Print a conversation whole, what it counts for, and what names it."""
    talk = answer.conversation
    OUT.print(f"Conversation {talk.conversation_id}", style="bold")
    for section in (_circumstances(talk), _course(talk), _told(talk)):
        OUT.print(section)
        OUT.print()
    if answer.HasField("counted"):
        OUT.print(f"Counts at {moment(answer.counted.at)}: {_outcome(answer.counted)}, {_money(answer.counted)}")
    else:
        OUT.print("Not counted yet", style="yellow")
    if answer.related:
        OUT.print(_facts("What names it", answer.related))
    OUT.print(f"recorded {moment(answer.recorded_at)} · revision {talk.revision}", style="dim")


def show_timeline(customer_id: str, answer: GetCustomerTimelineResponse) -> None:
    """Print what happened with a customer."""
    OUT.print(f"Customer {customer_id}{f' · {answer.profile.name}' if answer.profile.name else ''}", style="bold")
    made = table("What happened", "When", "What", "Agent", "Platform", "Money", numeric=["Money"], wraps=("What", "Agent"),
                 spared=("Platform", "Money"))  # fmt: skip
    for entry in answer.entries:
        platform = _platform(entry.platform)
        made.add_row(moment(entry.at), entry.title, entry.agent_id or NOTHING, platform, _money(entry))
    OUT.print(made)
    _more(answer.next_page_token)


def show_funnel(answer: GetStageFunnelResponse) -> None:
    """Print how many customers reached each stage, and what share of those of the stage before."""
    made = table("From stage to stage", "Stage", "Customers", "", "Conversion", "95 % range", "Median time", "Conversations",
                 numeric=("Customers", "Conversion", "Median time", "Conversations"), spared=["95 % range"])  # fmt: skip
    most = max((stage.customers for stage in answer.stages), default=0) or 1
    for stage in answer.stages:
        days = optional(stage, "median_days")
        made.add_row(
            JourneyStage.Value.Name(stage.stage),
            number(stage.customers),
            bar(100 * stage.customers / most),
            number(optional(stage, "conversion_rate"), 1, "%"),
            f"{stage.interval.low:.1f} to {stage.interval.high:.1f} %" if stage.HasField("interval") else NOTHING,
            span(None if days is None else days * 86_400),
            number(stage.conversations),
        )
    OUT.print(made)
    print_quality(answer.quality)


def _facts(title: str, facts: Iterable[CountedFact]) -> Table:
    made = table(title, "When", "What", "Id", "Agent", "Customer", "Platform", "Outcome", "Counts", "Money",
                 numeric=("Counts", "Money"), wraps=("Id", "Agent", "Customer"), spared=("Platform", "Money"))  # fmt: skip
    for fact in facts:
        made.add_row(
            moment(fact.at),
            word_of(FactKind.DESCRIPTOR, fact.kind),
            fact.fact_id,
            fact.agent_id or NOTHING,
            fact.customer_id or NOTHING,
            _platform(fact.platform),
            _outcome(fact),
            number(fact.quantity),
            _money(fact),
        )
    return made


def _circumstances(talk: ConversationInsight) -> Table:
    return pairs("Who and when", [
        ("agent / customer", f"{talk.agent_id} / {talk.customer_id}"),
        ("platform", _platform(talk.platform)),
        ("start / end", f"{moment(talk.start_time)} / {moment(talk.end_time)}"),
        ("duration", span(optional(talk, "duration_seconds"))),
        ("session / industry", f"{talk.session_id or NOTHING} / {talk.industry or NOTHING}"),
    ])  # fmt: skip


def _course(talk: ConversationInsight) -> Table:
    told = talk.escalation
    escalation = ", ".join(filter(None, (told.reason, told.resolved_by and f"settled by {told.resolved_by}")))
    whose = f"{number(talk.customer_messages)} of the customer, {number(talk.agent_responses)} of the agent"
    return pairs("How it went", [
        ("messages", f"{number(talk.message_count)}: {whose}"),
        ("response / first response",
         f"{seconds(optional(talk, 'response_time_avg_ms'))} / {seconds(optional(talk, 'first_response_time_ms'))}"),
        ("rating", number(optional(talk, "customer_satisfaction_score"), 2)),
        ("resolution", word_of(Resolution.DESCRIPTOR, talk.resolution) or NOTHING),
        ("conversion", _conversion(talk)),
        ("escalated", f"yes{f': {escalation}' if escalation else ''}" if told.required else "no"),
        ("to be done", "; ".join(talk.follow_up_actions) or ("yes" if talk.follow_up_required else "nothing")),
    ])  # fmt: skip


def _told(talk: ConversationInsight) -> Table:
    tone = word_of(SentimentPolarity.DESCRIPTOR.enum_types[0], talk.sentiment.overall) or NOTHING
    stage = word_of(JourneyStage.DESCRIPTOR.enum_types[0], talk.customer_journey.stage) or NOTHING
    return pairs("What it was about", [
        ("intents", ", ".join(intent.intent for intent in talk.intents) or NOTHING),
        ("tone", ", ".join((tone, *talk.sentiment.emotions))),
        ("tags", ", ".join(talk.tags) or NOTHING),
        ("stage", " → ".join((stage, *talk.customer_journey.touchpoint_sequence))),
    ])  # fmt: skip


def _conversion(talk: ConversationInsight) -> str:
    told = talk.conversion_event
    if not told.type:
        return NOTHING
    word = word_of(ConversionType.DESCRIPTOR.enum_types[0], told.type)
    return f"{word}, {number(told.value, 2, told.currency)}" if told.currency else word


def _platform(platform: int) -> str:
    return word_of(Platform.DESCRIPTOR.enum_types[0], platform) or NOTHING


def _outcome(fact: CountedFact) -> str:
    return word_of(Outcome.DESCRIPTOR, fact.outcome) or NOTHING


def _money(of: Message) -> str:
    if not of.HasField("amount"):
        return NOTHING
    amount: Money = of.amount  # type: ignore[attr-defined]  # facts and entries have one
    return number(amount.units + amount.nanos / _NANO, 2, amount.currency_code)


def _more(next_page_token: str) -> None:
    if next_page_token:
        OUT.print("There are more; ask for more with --limit.", style="yellow")
