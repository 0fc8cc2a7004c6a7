"""What a reader asks the database, as a value: a statement, its parameters, and what its rows tell.

Several readings share one round trip. Statements that are prepared go straight to the driver: to find a statement among those
compiled, and to wrap its rows, takes longer than most of a reader's statements run.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeAlias, TypeVar, overload

import psycopg
from sqlalchemy import CompoundSelect, Select
from sqlalchemy.dialects.postgresql.psycopg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import Compiled

from services.runtime.driver import open_driver, send

#: Rows have their columns by name and by place, whether the driver tells them or SQLAlchemy.
Rows: TypeAlias = Sequence[Any]
Query: TypeAlias = Select[Any] | CompoundSelect[Any]
#: Kinds of rows whose type is kept: more than there are statements.
_KINDS = 1024
#: Statements of a kind that are kept, each of which takes some 130 kB: more than the kinds of questions in the currencies of
#: tenants at work. Time zones are part of them only where quarters of an hour are put together to days.
_STATEMENTS = 256
_kept: list[Callable[[], None]] = []
_DIALECT: Any = dialect()  # type: ignore[no-untyped-call]  # has no types

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class Prepared:
    """A statement that is compiled when it is first run. Only its named parameters change from run to run.

    Lists are parameters of type array (`= ANY`): `IN` has as many parameters as values, which are told only when it runs.
    """

    def __init__(self, query: Query) -> None:
        self._query = query

    @cached_property
    def text(self) -> str:
        """The statement as the driver takes it."""
        return str(self._compiled)

    def parameters(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return all parameters of a run with these named ones."""
        return self._compiled.construct_params(dict(values)) or {}

    @cached_property
    def _compiled(self) -> Compiled:
        return self._query.compile(dialect=_DIALECT)


def prepared_once(build: Callable[..., Query]) -> Callable[..., Prepared]:
    """Make a statement once for each arguments: to make one takes longer than most of them run."""

    @lru_cache(maxsize=_STATEMENTS)
    def prepared(*args: Any, **kwargs: Any) -> Prepared:
        return Prepared(build(*args, **kwargs))

    _kept.append(prepared.cache_clear)
    return prepared


def forget_statements() -> None:
    """Make all statements anew: for tests that change what these are made of."""
    for clear in _kept:
        clear()


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A statement with its named parameters, and what turns its rows into what is asked for.

    PostgreSQL keeps a prepared one that a connection runs often. It plans the first runs for their own parameters, then takes one
    plan for any parameters if it expects that to cost no more. One that `is_planned_anew` is always planned for its own.
    """

    statement: Prepared | Query
    told: Callable[[Rows], T]
    values: Mapping[str, Any] = field(default_factory=dict)
    is_planned_anew: bool = False


async def read(conn: AsyncConnection, reading: Reading[T]) -> T:
    """Return what a reading tells."""
    statement = reading.statement
    if not isinstance(statement, Prepared):
        return reading.told((await conn.execute(statement, reading.values)).all())
    async with open_driver(conn) as driver:
        cursor = await _send(conn, driver, statement, reading)
        return reading.told(await cursor.fetchall())


@overload
async def read_together(conn: AsyncConnection, a: Reading[A], b: Reading[B], /) -> tuple[A, B]: ...
@overload
async def read_together(conn: AsyncConnection, a: Reading[A], b: Reading[B], c: Reading[C], /) -> tuple[A, B, C]: ...
@overload
async def read_together(
    conn: AsyncConnection, a: Reading[A], b: Reading[B], c: Reading[C], d: Reading[D], /
) -> tuple[A, B, C, D]: ...
@overload
async def read_together(
    conn: AsyncConnection, a: Reading[A], b: Reading[B], c: Reading[C], d: Reading[D], e: Reading[E], /
) -> tuple[A, B, C, D, E]: ...
async def read_together(conn: AsyncConnection, *readings: Reading[Any]) -> tuple[Any, ...]:
    """Return what readings tell, in their order; those that are prepared share one round trip."""
    sent = []
    async with open_driver(conn) as driver, driver.pipeline():
        for each in readings:
            ours = each.statement if isinstance(each.statement, Prepared) else None
            sent.append(await _send(conn, driver, ours, each) if ours else None)
        answers = [await cursor.fetchall() if cursor else None for cursor in sent]
    asked = zip(readings, answers, strict=True)
    return tuple([await read(conn, reading) if rows is None else reading.told(rows) for reading, rows in asked])


async def _send(
    conn: AsyncConnection, driver: psycopg.AsyncConnection[Any], statement: Prepared, reading: Reading[Any]
) -> psycopg.AsyncCursor[Any]:
    parameters = statement.parameters(reading.values)
    prepare = False if reading.is_planned_anew else None
    return await send(conn, driver, statement.text, parameters, rows=_named_rows, prepare=prepare)


def _named_rows(cursor: psycopg.AsyncCursor[Any]) -> Callable[[Sequence[Any]], Any]:
    return _row_of(tuple(column.name for column in cursor.description or ()))


@lru_cache(maxsize=_KINDS)
def _row_of(names: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    # A column without a name of its own is told by its place.
    make: Any = namedtuple  # noqa: PYI024  # only the statement tells the names
    return make("Row", names, rename=True)._make  # type: ignore[no-any-return]
