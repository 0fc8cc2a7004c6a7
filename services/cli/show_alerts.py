"""How an alert reads on a terminal: in full, and as a line."""

from __future__ import annotations

from collections.abc import Sequence

from rapport.alerting.v1.act_pb2 import AlertAct
from rapport.alerting.v1.alert_pb2 import (
    ALERT_STATE_FIRING,
    SUBJECT_KIND_AGENT,
    SUBJECT_KIND_CUSTOMER,
    SUBJECT_KIND_TENANT,
    SUBJECT_KIND_UNSPECIFIED,
    Alert,
    AlertEventKind,
    AlertState,
    SubjectKind,
)
from rapport.insight.v1.vocabulary_pb2 import AlertType, Severity

from services.cli.alert_ids import short
from services.cli.alert_values import found, quantity
from services.cli.filtering import word_of
from services.cli.layout import NOTHING, OUT, moment, number, pairs, span, table

_COLOURS = {Severity.critical: "bold red", Severity.high: "red", Severity.medium: "yellow", Severity.low: ""}

#: Subjects that an alert names by fields of their own, or that need no name.
_NAMED = (SUBJECT_KIND_UNSPECIFIED, SUBJECT_KIND_AGENT, SUBJECT_KIND_CUSTOMER, SUBJECT_KIND_TENANT)


def show_alert(alert: Alert, acts: Sequence[AlertAct]) -> None:
    """Print an alert in full, and what people did about it."""
    severity, type_ = Severity.Value.Name(alert.severity), AlertType.Value.Name(alert.type)
    OUT.print(f"{severity} · {state(alert)} · {type_}: {alert.message}", style=colour(alert) or "bold")
    if alert.summary:
        OUT.print(alert.summary)
    OUT.print(pairs("", [(name, told) for name, told in _told(alert) if told]))
    if acts:
        made = table("What people did", "When", "What", "Who", "Said", wraps=("Who", "Said"))
        for act in acts:
            made.add_row(moment(act.act_time), kind_word(act.kind), act.author or NOTHING, act.comment)
        OUT.print(made)


def alert_line(alert: Alert) -> str:
    """Return an alert in a line: its id in short, how urgent it is, what is wrong, with whom, and what was measured."""
    return f"{short(alert.alert_id)} {wrong(alert, _value(alert))}"


def wrong(alert: Alert, value: str = "") -> str:
    """Return how urgent an alert is, what is wrong, and with whom; behind what is wrong a value."""
    told = f"{Severity.Value.Name(alert.severity)} {AlertType.Value.Name(alert.type)}: {alert.message}{value}"
    return " · ".join(filter(None, (told, whom(alert))))


def colour(alert: Alert) -> str:
    """Return the style of an alert: that of its severity while it is open."""
    return _COLOURS.get(alert.severity, "") if alert.state == ALERT_STATE_FIRING else "dim"


def kind_word(kind: AlertEventKind.ValueType) -> str:
    """Return what happened, in a word."""
    return word_of(AlertEventKind.DESCRIPTOR, kind)


def whom(alert: Alert) -> str:
    """Return whom or what an alert is about, "" for the whole tenant."""
    if alert.subject_kind in _NAMED:
        return about(alert.agent_id, alert.customer_id)
    return f"{word_of(SubjectKind.DESCRIPTOR, alert.subject_kind)} {alert.subject_id}"


def about(agent_id: str, customer_id: str) -> str:
    """Return whom an alert is about, "" when about nobody in particular."""
    return " · ".join(f"{word} {id_}" for word, id_ in (("agent", agent_id), ("customer", customer_id)) if id_)


def state(alert: Alert) -> str:
    """Return whether an alert goes on, in a word."""
    return word_of(AlertState.DESCRIPTOR, alert.state)


def finding(alert: Alert) -> str:
    """Return what was found, "" when there was nothing to measure: in the service's words or, from an older one, by the value."""
    return alert.summary or found(alert)


def _value(alert: Alert) -> str:
    told = found(alert)
    return f" ({told})" if told else ""


def standing(alert: Alert) -> str:
    """Return what a person on call wants to know of an open alert besides what is wrong."""
    parts = [
        f"taken care of by {alert.acknowledgement.author or 'somebody'}" if alert.HasField("acknowledgement") else "",
        "silenced" if alert.silence_ids else "",
        f"explained by {short(alert.inhibited_by)}" if alert.HasField("inhibited_by") else "",
        "recovering" if alert.HasField("recovering_since") else "",
        "flapping" if alert.flapping else "",
    ]
    return " · ".join(filter(None, parts)) if alert.state == ALERT_STATE_FIRING else ""


def _told(alert: Alert) -> list[tuple[str, str]]:
    """Return what there is to tell of an alert, empty where there is nothing."""
    taken = alert.acknowledgement
    lasted = alert.resolved_at.seconds - alert.fired_at.seconds if alert.HasField("resolved_at") else None
    by_hand = f" by {alert.resolved_by or 'somebody'}" if alert.HasField("resolved_by") else ""
    return [
        ("id", alert.alert_id),
        ("about", whom(alert) or "the whole tenant"),
        ("rule", f"{alert.rule_id} (version {alert.rule_version})"),
        ("labels", ", ".join(f"{name}={alert.labels[name]}" for name in sorted(alert.labels))),
        ("what to do", alert.description),
        ("read more", alert.runbook_url),
        ("value", found(alert) if alert.HasField("value") else f"none; the threshold is {quantity(alert.threshold, alert.unit)}"),
        ("measured", quantity(alert.measured, alert.measured_unit) if alert.HasField("measured") else ""),
        ("compared with", quantity(alert.baseline, alert.measured_unit) if alert.HasField("baseline") else ""),
        ("rests on", f"{number(alert.samples)} fact{'' if alert.samples == 1 else 's'}" if alert.HasField("samples") else ""),
        ("wrong since", moment(alert.active_since) if alert.HasField("active_since") else ""),
        ("fired", moment(alert.fired_at)),
        ("right since", moment(alert.recovering_since) if alert.HasField("recovering_since") else ""),
        ("over", f"{moment(alert.resolved_at)}{by_hand}, after {span(lasted)}" if lasted is not None else ""),
        ("taken care of", f"by {taken.author or 'somebody'} since {moment(taken.acknowledged_at)}{_said(taken.comment)}"
         if alert.HasField("acknowledgement") else ""),
        ("silenced by", ", ".join(alert.silence_ids)),
        ("explained by", alert.inhibited_by),
        ("episode", f"{alert.episode}{', flapping' if alert.flapping else ''}"),
        ("revision", str(alert.revision)),
    ]  # fmt: skip


def _said(comment: str) -> str:
    return f": {comment}" if comment else ""
