"""Whether matchers can pick anything: of what every alert has, only some words are ever told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.alerting.matchers import Matcher
from services.alerting.rules import AlertType, Severity, SubjectKind
from services.runtime.errors import FieldViolation

#: The words that alerts have, by the name that has no others.
WORDS = {
    "type": [each.name.lower() for each in AlertType],
    "severity": [each.name.lower() for each in Severity],
    "subject_kind": [each.name.lower() for each in SubjectKind],
}


def violations(matchers: Iterable[Matcher], path: str) -> list[FieldViolation]:
    """Return which matchers, repeated at a path of the request, have values that no alert can have."""
    return [violation for at, matcher in enumerate(matchers) for violation in _values(matcher, f"{path}[{at}].values")]


def _values(matcher: Matcher, path: str) -> Iterator[FieldViolation]:
    words = WORDS.get(matcher.name)
    if words is not None and not matcher.values <= set(words):
        yield FieldViolation(path, "matcher.word", f"{matcher.name} is always one of {', '.join(words)}")
    if matcher.name == "rule_id" and "" in matcher.values:
        yield FieldViolation(path, "matcher.rule_id", "must not be empty: every alert has a rule_id")
