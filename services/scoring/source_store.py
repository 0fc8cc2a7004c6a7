"""The form of SQL that says what facts count for: where contributions come from, and a contribution's columns.

Every SELECT takes `tenant`, `zone` (IANA), `attribution` (an interval) and `now` (time alone turns open carts and follow-ups into
misses). It is of every stored fact, or of those only that a parameter named for it lists: that is how a few changes are
counted, and everything anew, by the same words.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.scoring.measures import Kind
from services.storage import schema

COLUMNS = tuple(c.name for c in schema.contribution.columns)


@dataclass(frozen=True, slots=True)
class Source:
    """Where contributions of some kinds come from. `ids` names the parameter that lists facts, `listed` is its condition."""

    ids: str
    kinds: tuple[Kind, ...]
    sql: str
    listed: str

    def select(self, *, everything: bool) -> str:
        """Return the SELECT of every fact's contributions, or of those that are listed."""
        return self.sql + ("" if everything else f" AND {self.listed}")


def columns(**told: str) -> str:
    """Return a contribution's columns in their order: those told, and nothing in the others."""
    counted = {"tenant_id": "CAST(:tenant AS text)"}
    for column in schema.contribution.columns:
        if column.name not in told and column.name not in counted:
            nothing = "NULL" if column.nullable else "0"
            counted[column.name] = f"CAST({nothing} AS {column.type.compile()})"
    return ", ".join(f"{(counted | told)[name]} AS {name}" for name in COLUMNS)


def day(moment: str) -> str:
    """Return the tenant's date of a moment."""
    return f"CAST({moment} AT TIME ZONE CAST(:zone AS text) AS date)"


def when(*conditions: tuple[str, object]) -> str:
    """Return the first value whose condition holds, or nothing."""
    return "CASE " + " ".join(f"WHEN {condition} THEN {value:d}" for condition, value in conditions) + " END"


#: The kind of the changes that tell of a fact, by the kind of its contribution `o`.
_CHANGE_KIND = "CASE o.kind WHEN 4 THEN 3 WHEN 5 THEN 6 WHEN 6 THEN 7 WHEN 9 THEN 8 ELSE o.kind END"
#: A fact that is gone because it was erased still counts: the change that says so, waiting or set aside, knows how.
NOT_ERASED = " AND ".join(
    f"NOT EXISTS (SELECT FROM {queue} AS w WHERE w.tenant_id = :tenant AND w.entity_id = o.fact_id AND w.kind > 100 "
    f"AND w.kind - 100 = {_CHANGE_KIND})"
    for queue in ("ingest.change", "scoring.quarantine")
)
