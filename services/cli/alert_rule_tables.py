"""How rules, their versions and what they can measure read on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from rapport.alerting.v1.alert_pb2 import SubjectKind
from rapport.alerting.v1.rule_pb2 import COMPARISON_ABOVE, ListAlertMeasuresResponse, NoData, Rule, RuleVersion
from rapport.insight.v1.vocabulary_pb2 import AlertType, Severity

from services.cli.alert_filtering import matchers_text
from services.cli.filtering import word_of
from services.cli.layout import NOTHING, OUT, moment, number, pairs, table

_DEFAULT_WINDOW_S = 24 * 60 * 60
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

#: What is compared with fire_at, by the name of the condition.
_COMPARED = {
    "threshold": "",
    "change": ", in percent of change against the weeks before,",
    "target": ", in percent of the way to the target,",
    "absence": ", in hours since the last,",
    "burn_rate": ", in times the allowed rate of failures,",
}
#: The same of an anomaly, whose sum fires above fire_at whichever way it counts.
_ANOMALY = ", as the sum of how far days are {side} what is usual,"
#: Conditions that look at spans of time of their own.
_WITHOUT_WINDOW = ("target", "absence", "anomaly")
#: What a version tells besides the rule's own fields.
_ASIDE = ("ruleId", "version")


def show_rules(rules: Sequence[RuleVersion]) -> None:
    """Print rules, a row each."""
    made = table("Rules", "Rule", "Severity", "Fires when", "Version", numeric=["Version"], wraps=["Fires when"])
    for each in rules:
        rule = each.rule
        made.add_row(
            rule.rule_id,
            Severity.Value.Name(rule.severity) + ("\ndisabled" if rule.disabled else ""),
            condition_text(rule),
            str(rule.version),
            style="dim" if rule.disabled else None,
        )
    OUT.print(made)
    advice = "To change one: rapport alerts rules show RULE --json > FILE, then rapport alerts rules put FILE"
    OUT.print(advice, style="dim", soft_wrap=True)


def show_rule(version: RuleVersion) -> None:
    """Print a rule in full."""
    rule = version.rule
    by = f" by {version.author}" if version.author else ""
    put = f" · put {moment(version.put_time)}{by}" if version.HasField("put_time") else ""
    state = " · deleted" if version.deleted else " · disabled" if rule.disabled else ""
    OUT.print(f"Rule {rule.rule_id} · version {rule.version}{put}{state}", style="bold")
    if version.comment:
        OUT.print(version.comment)
    OUT.print(pairs("", [(name, told) for name, told in _told(rule) if told]))


def show_versions(rule_id: str, versions: Sequence[RuleVersion]) -> None:
    """Print a rule's versions, the newest first, each with what it changed."""
    made = table(f"Versions of {rule_id}", "Version", "When", "Who", "What changed", "Why",
                 numeric=["Version"], wraps=("Who", "What changed", "Why"))  # fmt: skip
    older = [*versions[1:], None]
    for version, before in zip(versions, older, strict=True):
        made.add_row(
            str(version.rule.version),
            moment(version.put_time).replace(" ", "\n", 1),
            version.author or NOTHING,
            "deleted" if version.deleted else _what_changed(version.rule, before),
            version.comment,
        )
    OUT.print(made)
    OUT.print(f"To have one again: rapport alerts rules restore {rule_id} --version VERSION", style="dim", soft_wrap=True)


def show_measures(answer: ListAlertMeasuresResponse) -> None:
    """Print what can be measured."""
    made = table("What rules can measure", "Measure", "Of", "Conditions", "What it is",
                 wraps=("Of", "Conditions", "What it is"), spared=["Conditions"])  # fmt: skip
    for each in answer.measures:
        kinds = [word_of(SubjectKind.DESCRIPTOR, kind) for kind in each.subject_kinds]
        made.add_row(each.name, "\n".join(kinds), ", ".join(each.conditions), f"{each.description} ({each.unit})")
    OUT.print(made)


def condition_text(rule: Rule) -> str:
    """Return in a sentence when a rule fires."""
    whose = word_of(SubjectKind.DESCRIPTOR, rule.subject_kind)
    of = f"of {', '.join(rule.subject_ids)}" if rule.subject_ids else f"of {'the' if whose == 'tenant' else 'each'} {whose}"
    kind = rule.WhichOneof("condition") or "threshold"
    compared = _ANOMALY.format(side=_side(rule)) if kind == "anomaly" else _COMPARED.get(kind, "")
    side = "below" if fires_below(rule) else "above"
    waits = f", for {_length(rule.for_duration)}" if rule.for_duration.ToSeconds() else ""
    window = _length(rule.window) if rule.HasField("window") else _length(Duration(seconds=_DEFAULT_WINDOW_S))
    over = "" if kind in _WITHOUT_WINDOW else f", over {window}"
    return f"{rule.measure} {of}{compared} {side} {_plain(rule.fire_at)}{over}{waits}"


def fires_below(rule: Rule) -> bool:
    """Tell whether a rule fires below fire_at; an anomaly never does, whichever way it looks."""
    return _side(rule) == "below" and rule.WhichOneof("condition") != "anomaly"


def _side(rule: Rule) -> str:
    return "above" if rule.comparison == COMPARISON_ABOVE else "below"


def _told(rule: Rule) -> list[tuple[str, str]]:
    """Return what there is to tell of a rule, empty where there is nothing."""
    kind = rule.WhichOneof("condition")
    condition = json_format.MessageToDict(getattr(rule, kind)) if kind else {}
    return [
        ("message", rule.message),
        ("what to do", rule.description),
        ("read more", rule.runbook_url),
        ("severity", f"{Severity.Value.Name(rule.severity)} ({AlertType.Value.Name(rule.type)})"),
        ("fires when", condition_text(rule)),
        ("right again from", _plain(rule.clear_at) if rule.HasField("clear_at") else ""),
        (f"its {kind or ''}".replace("_", " "), ", ".join(f"{name} {value}" for name, value in condition.items())),
        ("ends after", f"{_length(rule.keep_firing_for)} of being right" if rule.keep_firing_for.ToSeconds() else ""),
        ("needs", f"{number(rule.min_samples)} facts" if rule.min_samples > 1 else ""),
        ("no value means", word_of(NoData.DESCRIPTOR, rule.no_data)),
        ("labels", ", ".join(f"{name}={rule.labels[name]}" for name in sorted(rule.labels))),
        ("quiets alerts with", matchers_text(rule.inhibits)),
    ]


def _what_changed(rule: Rule, before: RuleVersion | None) -> str:
    """Return what differs from the version before, a line each; of the first there is nothing to compare."""
    if before is None:
        return NOTHING
    if before.deleted:
        return "put again"
    old, new = _flat(before.rule), _flat(rule)
    return "\n".join(
        f"{name}: {old.get(name, NOTHING)} → {new.get(name, NOTHING)}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _flat(rule: Rule) -> dict[str, str]:
    told = {name: value for name, value in json_format.MessageToDict(rule).items() if name not in _ASIDE}
    return dict(_parts("", told))


def _parts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the values of a JSON object by dotted names."""
    if isinstance(value, Mapping) and value:
        for part, inner in value.items():
            yield from _parts(f"{name}.{part}" if name else part, inner)
    else:
        yield name, json_text(value)


def json_text(value: Any) -> str:
    """Return a JSON value as a person reads it."""
    if isinstance(value, float):
        return _plain(value)
    return "yes" if value == {} else str(value)


def _plain(value: float) -> str:
    return f"{value:,.10g}"


def _length(told: Duration) -> str:
    """Return a length of time in the largest unit that it is whole in, such as 90 min."""
    seconds = told.ToSeconds()
    size, unit = next((each for each in _UNITS if seconds and seconds % each[0] == 0), _UNITS[-1])
    return f"{seconds // size:,} {unit}"
