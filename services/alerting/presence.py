"""Who is there though nothing came of them: what is counted of these is 0, and that is a value.

Agents are there that a fact named and that have not retired, platforms and sources that something came from within `KNOWN_FOR`,
and the whole tenant always. Of anybody else nothing is known: a name that no fact ever told may be wrong, or not in use yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.alerting.conditions import Change, Threshold
from services.alerting.measures import MEASURES
from services.alerting.rules import NoData, Rule, SubjectKind

#: How long a platform or a source is there that nothing comes from: as long as quarters of an hour are kept.
KNOWN_FOR = timedelta(days=35)


def is_counted(rule: Rule) -> bool:
    """Tell whether a rule compares a count, or the change of one."""
    return MEASURES[rule.measure].is_count and isinstance(rule.condition, Threshold | Change)


def is_missed(rule: Rule) -> bool:
    """Tell whether it is wrong of an agent to have no data: of one that is there."""
    return rule.no_data == NoData.WRONG and rule.subject_kind == SubjectKind.AGENT


def union_of(asked: Iterable[Collection[str] | None]) -> set[str] | None:
    """Return who is asked for in all: some by id, or everybody (None) where one asks for everybody."""
    found = set[str]()
    for ids in asked:
        if ids is None:
            return None
        found |= set(ids)
    return found


def known_since(now: datetime, zone: str) -> date:
    """Return the tenant's day since which something must have come from a platform or a source that is there at a moment."""
    return now.astimezone(ZoneInfo(zone)).date() - KNOWN_FOR
