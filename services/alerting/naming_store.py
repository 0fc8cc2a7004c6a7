"""SQL that takes customers' ids out of what picks alerts and subjects by them: silences, and rules in every version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import TextClause, bindparam, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.renaming import renamed_matchers, renamed_rule
from services.alerting.rule_json import from_json, matchers_from_json, matchers_to_json, to_json
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import rule, rule_version, silence


def _naming(selected: str, table: str, *paths: str) -> TextClause:
    """Return what finds rows with one of the customers among some values of a column of JSON."""
    values = " UNION ALL ".join(f"SELECT jsonb_path_query({path})" for path in paths)
    return text(
        f"SELECT {selected} FROM alerting.{table} WHERE tenant_id = :tenant"
        f" AND EXISTS (SELECT FROM ({values}) AS v(id) WHERE id #>> '{{}}' = ANY(CAST(:customers AS text[])))"
    )


_BODY = ("body, '$.subject_ids[*]'", "body, '$.inhibits[*].values[*]'")
_SILENCES = _naming("silence_id, matchers", "silence", "matchers, '$[*].values[*]'")
_RULES = _naming("rule_id, version, body", "rule", *_BODY)
_VERSIONS = _naming("rule_id, version, body", "rule_version", *_BODY)


async def rename_in_silences(conn: AsyncConnection, pseudonyms: Mapping[str, str]) -> None:
    """Put pseudonyms in the place of customers in silences, and take out why these were made.

    The caller holds the tenant's lease, as does who puts silences.
    """
    rows = (await conn.execute(_SILENCES, _parameters(pseudonyms))).all()
    for row in rows:
        matchers = matchers_to_json(renamed_matchers(matchers_from_json(row.matchers), pseudonyms))
        changed = update(silence).where(silence.c.tenant_id == THIS_TENANT, silence.c.silence_id == row.silence_id)
        await conn.execute(changed.values(matchers=matchers, comment=""))


async def rename_in_rules(conn: AsyncConnection, pseudonyms: Mapping[str, str]) -> None:
    """Put pseudonyms in the place of customers in rules. The caller holds the tenant's lease, as does who puts rules."""
    for found, table in ((_RULES, rule), (_VERSIONS, rule_version)):
        rows = (await conn.execute(found, _parameters(pseudonyms))).all()
        if rows:
            key = (table.c.rule_id == bindparam("of_rule"), table.c.version == bindparam("of_version"))
            changed = update(table).where(table.c.tenant_id == THIS_TENANT, *key).values(body=bindparam("renamed"))
            await conn.execute(changed, [_renamed(row, pseudonyms) for row in rows])


def _renamed(row: Any, pseudonyms: Mapping[str, str]) -> dict[str, Any]:
    body = to_json(renamed_rule(from_json(row.rule_id, row.version, row.body), pseudonyms))
    return {"of_rule": row.rule_id, "of_version": row.version, "renamed": body}


def _parameters(pseudonyms: Mapping[str, str]) -> dict[str, Any]:
    return {"tenant": current_tenant(), "customers": list(pseudonyms)}
