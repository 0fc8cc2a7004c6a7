"""Picks alerts by their names: labels of their own, and what every alert has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Matcher:
    """A name must have one of some values, or none of them. What has no such name has the empty value."""

    name: str
    values: frozenset[str]
    negated: bool = False

    def is_satisfied_by(self, names: Mapping[str, str]) -> bool:
        """Tell whether names are picked."""
        return (names.get(self.name, "") in self.values) is not self.negated


def satisfies(names: Mapping[str, str], matchers: Iterable[Matcher]) -> bool:
    """Tell whether all matchers pick the names."""
    return all(matcher.is_satisfied_by(names) for matcher in matchers)
