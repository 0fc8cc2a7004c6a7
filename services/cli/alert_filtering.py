"""Which alerts are meant, as a person names them: `--severity high --label team=care --label purpose!=watchdog`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

import typer
from rapport.alerting.v1.alert_pb2 import ALERT_STATE_FIRING, AlertFilter, Matcher
from rapport.insight.v1.vocabulary_pb2 import AlertType, Severity

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER_HELP = "A label, or type, severity, rule_id, subject_kind, subject_id, agent_id or customer_id"


def _one_of(words: list[str]) -> Callable[[str], str]:
    def checked(word: str) -> str:
        if word not in words:
            raise typer.BadParameter(f"{word!r} is none of {', '.join(words)}")
        return word

    return checked


_TYPES = [word for word, number in AlertType.Value.items() if number]
_SEVERITIES = [word for word, number in Severity.Value.items() if number]

Types = Annotated[
    list[str] | None,
    typer.Option("--type", parser=_one_of(_TYPES), metavar="|".join(_TYPES), help="Only this type; may be repeated."),
]
Severities = Annotated[
    list[str] | None,
    typer.Option("--severity", parser=_one_of(_SEVERITIES), metavar="|".join(_SEVERITIES), help="Only this; may be repeated."),
]
Agents = Annotated[list[str] | None, typer.Option("--agent", metavar="AGENT", help="Only about this agent; may be repeated.")]
Customers = Annotated[
    list[str] | None, typer.Option("--customer", metavar="CUSTOMER", help="Only about this customer; may be repeated.")
]
Rules = Annotated[list[str] | None, typer.Option("--rule", metavar="RULE", help="Only of this rule; may be repeated.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="NAME=VALUE",
        help=f"{_MATCHER_HELP}, and what it must be, or NAME!=VALUE what it must not be; "
        "one of the values where a name is given several times.",
    ),
]
Acknowledged = Annotated[
    bool | None, typer.Option("--acknowledged/--unacknowledged", help="Only those that somebody takes care of, or only others.")
]
Suppressed = Annotated[
    bool | None,
    typer.Option("--suppressed/--unsuppressed", help="Only those that a silence or another alert quiets, or only others."),
]
Matchers = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME=VALUE",
        help=f"{_MATCHER_HELP}, and what it must be, or NAME!=VALUE what it must not be. An alert must satisfy all names, "
        "and of a name that is given several times one of its values.",
    ),
]


def filter_of(
    *,
    types: Iterable[str] | None,
    severities: Iterable[str] | None,
    agents: Iterable[str] | None,
    customers: Iterable[str] | None,
    rules: Iterable[str] | None,
    labels: Iterable[str] | None,
    acknowledged: bool | None,
    suppressed: bool | None,
    is_open: bool = False,
) -> AlertFilter:
    """Return the filter that the options name. Raises typer.BadParameter."""
    return AlertFilter(
        types=[AlertType.Value.Value(word) for word in types or ()],
        severities=[Severity.Value.Value(word) for word in severities or ()],
        agent_ids=agents or (),
        customer_ids=customers or (),
        rule_ids=rules or (),
        states=[ALERT_STATE_FIRING] if is_open else (),
        matchers=matchers_of(labels or (), "--label"),
        acknowledged=acknowledged,
        suppressed=suppressed,
    )


def matchers_of(told: Iterable[str], option: str) -> list[Matcher]:
    """Return a matcher for each name, with all the values told of it. Raises typer.BadParameter."""
    made: dict[tuple[str, bool], Matcher] = {}
    for text in told:
        name, equals, value = text.partition("=")
        negated = name.endswith("!")
        name = name.removesuffix("!")
        if not equals or not _NAME.fullmatch(name):
            raise typer.BadParameter(f"{text!r} is neither NAME=VALUE nor NAME!=VALUE", param_hint=option)
        matcher = made.setdefault((name, negated), Matcher(name=name, negated=negated))
        if value not in matcher.values:
            matcher.values.append(value)
    return list(made.values())


def matchers_text(matchers: Sequence[Matcher]) -> str:
    """Return matchers as they are named at the terminal, in a line."""
    return ", ".join(matcher_texts(matchers))


def matcher_texts(matchers: Sequence[Matcher]) -> list[str]:
    """Return each matcher as it is named at the terminal; several values of a name with or between."""
    return [f"{each.name}{'!=' if each.negated else '='}{' or '.join(each.values)}" for each in matchers]
