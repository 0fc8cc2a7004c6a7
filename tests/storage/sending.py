"""Records every statement that services send to the database, and to which tenant its transaction was bound."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event

_PARAMETER = re.compile(r"%\((\w+)\)s|%%")


@dataclass(frozen=True)
class Sent:
    """A statement with numbered parameters, those that were the transaction's tenant, and that tenant; None when it had none."""

    statement: str
    asked: frozenset[int]
    tenant: str | None


@contextmanager
def recording() -> Iterator[set[Sent]]:
    """Record, while the block runs, what every engine of this process sends."""
    sent: set[Sent] = set()

    def before(conn: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        for values in parameters if isinstance(parameters, list) else [parameters]:
            if "set_config('rapport.tenant'" in statement:
                conn.info["tenant"] = values["tenant"]
            sent.add(_sent(statement, values, conn.info.get("tenant")))

    def over(conn: Connection) -> None:
        conn.info.pop("tenant", None)

    listeners = {"before_cursor_execute": before, "begin": over, "commit": over, "rollback": over}
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    try:
        yield sent
    finally:
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)


def _sent(statement: str, values: Mapping[str, Any], tenant: str | None) -> Sent:
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found[1] is None:
            return "%"
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = _PARAMETER.sub(numbered, statement)
    asked = frozenset(n for n, name in enumerate(names, 1) if tenant is not None and values[name] == tenant)
    return Sent(text, asked, tenant)
