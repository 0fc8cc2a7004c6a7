"""SQL that takes customers' ids out of what picks alerts and subjects by them: silences, and rules in every version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, TextClause, bindparam, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.renaming import Erasure
from services.alerting.rule_json import from_json, matchers_from_json, matchers_to_json, to_json
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import rule, rule_version, silence


def _holding(selected: str, table: str, document: str) -> TextClause:
    """Return what finds rows with one of the customers' ids in any string of a column of JSON, or in what somebody said."""
    strings = f"SELECT jsonb_path_query({document}, 'strict $.** ? (@.type() == \"string\")') #>> '{{}}'"
    return text(
        f"SELECT {selected}, author, comment FROM alerting.{table} WHERE tenant_id = :tenant AND EXISTS ("
        f"SELECT FROM ({strings} UNION ALL VALUES (author), (comment)) AS v(said), "
        "unnest(CAST(:customers AS text[])) AS c(id) WHERE strpos(v.said, c.id) > 0)"
    )


_SILENCES = _holding("silence_id, matchers", "silence", "matchers")
_RULES = {table: _holding("rule_id, version, body", table.name, "body") for table in (rule, rule_version)}


@dataclass(frozen=True, slots=True)
class Naming:
    """Rules, in every version, that named customers who were erased: by table, what they say from now on."""

    rows: Mapping[Table, Sequence[Mapping[str, Any]]]

    @property
    def rule_ids(self) -> set[str]:
        """Whose alerts may mention the customers, too."""
        return {row["of_rule"] for rows in self.rows.values() for row in rows}


async def rename_in_silences(conn: AsyncConnection, erased: Erasure) -> None:
    """Put pseudonyms in the place of customers in silences, and take out why these were made.

    The caller holds the tenant's lease, as does who puts silences.
    """
    for row in (await conn.execute(_SILENCES, _parameters(erased))).all():
        stored = matchers_from_json(row.matchers)
        matchers = erased.matchers(stored)
        comment = erased.unsaid(row.comment) if matchers == stored else ""
        changed = update(silence).where(silence.c.tenant_id == THIS_TENANT, silence.c.silence_id == row.silence_id)
        said = {"matchers": matchers_to_json(matchers), "author": erased.unsaid(row.author), "comment": comment}
        await conn.execute(changed.values(said))


async def list_naming(conn: AsyncConnection, erased: Erasure) -> Naming:
    """Return the rules, in every version, that name the customers. Who puts rules has the lease, which the caller holds."""
    found = {table: (await conn.execute(holding, _parameters(erased))).all() for table, holding in _RULES.items()}
    said = {table: [new for row in rows if (new := _renamed(row, erased))] for table, rows in found.items()}
    return Naming({table: rows for table, rows in said.items() if rows})


async def rename_in_rules(conn: AsyncConnection, naming: Naming) -> None:
    """Let rules say from now on what they say without the customers."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("body", "author", "comment")}
    for table, said in naming.rows.items():
        key = (table.c.rule_id == bindparam("of_rule"), table.c.version == bindparam("of_version"))
        await conn.execute(update(table).where(table.c.tenant_id == THIS_TENANT, *key).values(values), said)


def _renamed(row: Any, erased: Erasure) -> dict[str, Any] | None:
    """Return what a version says from now on; None when it holds the ids only as parts of other words."""
    stored = from_json(row.rule_id, row.version, row.body)
    renamed = erased.rule(stored)
    comment = erased.unsaid(row.comment) if renamed == stored else ""
    author = erased.unsaid(row.author)
    if (renamed, author, comment) == (stored, row.author, row.comment):
        return None
    new = {"new_body": to_json(renamed), "new_author": author, "new_comment": comment}
    return {"of_rule": row.rule_id, "of_version": row.version} | new


def _parameters(erased: Erasure) -> dict[str, Any]:
    return {"tenant": current_tenant(), "customers": list(erased.pseudonyms)}
