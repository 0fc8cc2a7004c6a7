"""Decides of an SQL statement whether it concerns one tenant only, by what it says: row-level security is left out of account.

A statement is bound when every table with a tenant column, at every place where it is named, is bound there: its tenant is
equated with the tenant that is asked for, or with that of a table that is bound, by a condition that every row must meet.
Conditions are taken from the part of the statement that names the table, or from what stands around a part; never from a
part inside, nor from a join that keeps rows which do not meet it. What a statement inserts must be the tenant's, too.
PostgreSQL's own parser reads the statements; what this file does not know is not bound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, JoinType, SetOperation, SubLinkType

TENANT = "tenant_id"
#: Statements that touch no table.
_HARMLESS = (ast.TransactionStmt, ast.VariableSetStmt, ast.VariableShowStmt)

#: A tenant column at one place of a statement; 0 is the tenant that is asked for. None stands for any other value.
Node = int
_ASKED: Node = 0


@dataclass
class _Source:
    """What a FROM names: its tenant columns by their names, and whether all its columns are known."""

    columns: dict[str, Node | None] = field(default_factory=dict)


@dataclass
class _Scope:
    """The sources of one part of a statement, and of what stands around it."""

    parent: _Scope | None
    sources: dict[str, _Source] = field(default_factory=dict)
    nodes: set[Node] = field(default_factory=set)
    ctes: dict[str, list[tuple[str, Node | None]]] = field(default_factory=dict)

    def cte(self, name: str) -> list[tuple[str, Node | None]] | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.ctes:
                return scope.ctes[name]
            scope = scope.parent
        return None

    def find(self, table: str | None, column: str) -> Node | None:
        scope: _Scope | None = self
        while scope is not None:
            if table is not None and table in scope.sources:
                return scope.sources[table].columns.get(column)
            found = [s.columns[column] for s in scope.sources.values() if column in s.columns] if table is None else []
            if found:
                return found[0] if len(found) == 1 else None
            scope = scope.parent
        return None


def unbound(statement: str, tables: set[str], is_asked: Callable[[int], bool]) -> list[str]:
    """Return what in a statement is not bound to the tenant that is asked for; nothing when all of it is.

    `tables` are those with a tenant column, as schema.name; `is_asked` tells of a parameter ($1 is 1) whether it is that tenant.
    """
    (raw,) = parse_sql(statement)
    if isinstance(raw.stmt, _HARMLESS):
        return []
    reader = _Reader(tables, is_asked)
    reader.statement(raw.stmt, _Scope(None))
    return reader.unbound()


class _Reader:
    def __init__(self, tables: set[str], is_asked: Callable[[int], bool]) -> None:
        self._tables = tables
        self._is_asked = is_asked
        self._last: Node = _ASKED
        self._flows: dict[Node, set[Node]] = defaultdict(set)
        self._required: list[tuple[Node | None, str]] = []

    def unbound(self) -> list[str]:
        bound, new = {_ASKED}, [_ASKED]
        while new:
            reached = self._flows[new.pop()] - bound
            bound |= reached
            new.extend(reached)
        return [what for node, what in self._required if node not in bound]

    def statement(self, stmt: Any, around: _Scope | None) -> list[tuple[str, Node | None]]:
        """Read a statement or a part of one; return the columns of its rows."""
        scope = _Scope(around)
        self._ctes(stmt, scope)
        match stmt:
            case ast.SelectStmt():
                return self._select(stmt, scope)
            case ast.InsertStmt():
                return self._insert(stmt, scope)
            case ast.UpdateStmt() | ast.DeleteStmt():
                return self._change(stmt, scope)
        self._required.append((None, f"{type(stmt).__name__} is not known"))
        return []

    def _ctes(self, stmt: Any, scope: _Scope) -> None:
        clause = getattr(stmt, "withClause", None)
        for cte in clause.ctes if clause else ():
            names = [n.sval for n in cte.aliascolnames or ()]
            query = cte.ctequery
            if clause.recursive and isinstance(query, ast.SelectStmt) and query.op != SetOperation.SETOP_NONE:
                # What it says of itself rests on what it begins with.
                scope.ctes[cte.ctename] = _renamed(self.statement(query.larg, scope), names)
            scope.ctes[cte.ctename] = _renamed(self.statement(query, scope), names)

    def _select(self, stmt: ast.SelectStmt, scope: _Scope) -> list[tuple[str, Node | None]]:
        if stmt.op != SetOperation.SETOP_NONE:
            left, right = self.statement(stmt.larg, scope), self.statement(stmt.rarg, scope)
            self._parts((stmt.sortClause, stmt.limitCount, stmt.limitOffset), scope)
            return [(name, self._both(a, b)) for (name, a), (_, b) in zip(left, right, strict=False)]
        for item in stmt.fromClause or ():
            self._source(item, scope)
        if stmt.valuesLists:
            rows = [[self._value(v, scope) for v in row] for row in stmt.valuesLists]
            self._parts(stmt.valuesLists, scope)
            return [(f"column{n}", _one(column)) for n, column in enumerate(zip(*rows, strict=True), 1)]
        self._conditions(stmt.whereClause, scope, scope.nodes)
        self._parts((stmt.targetList, stmt.whereClause, stmt.havingClause, stmt.groupClause, stmt.sortClause), scope)
        self._parts((stmt.limitCount, stmt.limitOffset, stmt.distinctClause, stmt.windowClause), scope)
        return self._columns(stmt.targetList or (), scope)

    def _insert(self, stmt: ast.InsertStmt, scope: _Scope) -> list[tuple[str, Node | None]]:
        name = _name(stmt.relation)
        rows = self.statement(stmt.selectStmt, scope) if stmt.selectStmt is not None else []
        columns = [c.name for c in stmt.cols or ()]
        node = self._new(scope)
        if name in self._tables:
            at = columns.index(TENANT) if TENANT in columns else len(rows)
            given = rows[at][1] if at < len(rows) and all(n != "*" for n, _ in rows[:at]) else None
            if given is not None:
                self._flows[given].add(node)
            self._required.append((node, f"what is inserted into {name}"))
        target = _Source({TENANT: node})
        scope.sources |= dict.fromkeys((_alias(stmt.relation), "old", "new", "excluded"), target)
        if stmt.onConflictClause:
            self._assigned(stmt.onConflictClause.targetList, scope, name)
            self._parts(stmt.onConflictClause, scope)
        return self._returned(stmt, scope)

    def _change(self, stmt: Any, scope: _Scope) -> list[tuple[str, Node | None]]:
        self._source(stmt.relation, scope)
        for item in (stmt.fromClause if isinstance(stmt, ast.UpdateStmt) else stmt.usingClause) or ():
            self._source(item, scope)
        target = scope.sources[_alias(stmt.relation)]
        self._conditions(stmt.whereClause, scope, scope.nodes)
        if isinstance(stmt, ast.UpdateStmt):
            self._assigned(stmt.targetList, scope, _name(stmt.relation))
        self._parts((getattr(stmt, "targetList", None), stmt.whereClause), scope)
        scope.sources |= {"old": target, "new": target}
        return self._returned(stmt, scope)

    def _returned(self, stmt: Any, scope: _Scope) -> list[tuple[str, Node | None]]:
        returned = getattr(stmt, "returningClause", None)
        if returned is None:
            return []
        for option in returned.options or ():
            scope.sources[option.value] = scope.sources["new"]
        self._parts(returned.exprs, scope)
        return self._columns(returned.exprs, scope)

    def _assigned(self, targets: Sequence[ast.ResTarget] | None, scope: _Scope, table: str) -> None:
        for target in targets or ():
            if target.name == TENANT and table in self._tables:
                self._required.append((self._value(target.val, scope), f"what the tenant of {table} becomes"))

    # --- what a FROM names

    def _source(self, item: Any, scope: _Scope) -> None:
        match item:
            case ast.RangeVar():
                self._table(item, scope)
            case ast.JoinExpr():
                self._join(item, scope)
            case ast.RangeSubselect():
                # Names of the same FROM are known to a lateral part only; to another they would be an error anyway.
                self._derived(item, _alias(item), self.statement(item.subquery, scope), scope)
            case _:
                self._parts(item, scope)
                if getattr(item, "alias", None) is not None:
                    scope.sources[item.alias.aliasname] = _Source()

    def _table(self, item: ast.RangeVar, scope: _Scope) -> None:
        cte = scope.cte(item.relname) if item.schemaname is None else None
        if cte is not None:
            self._derived(item, _alias(item), cte, scope)
            return
        source = scope.sources[_alias(item)] = _Source()
        if _name(item) in self._tables:
            source.columns[TENANT] = self._new(scope)
            self._required.append((source.columns[TENANT], f"{_name(item)} AS {_alias(item)}"))
        elif item.schemaname is None and any(t.endswith(f".{item.relname}") for t in self._tables):
            self._required.append((None, f"{item.relname} without its schema"))

    def _derived(self, item: Any, alias: str, columns: list[tuple[str, Node | None]], scope: _Scope) -> None:
        """Give the rows of a part a name: what binds them inside does so outside, and not the other way round."""
        names = [n.sval for n in (item.alias.colnames if item.alias else None) or ()]
        source = scope.sources[alias] = _Source()
        for name, inner in _renamed(columns, names):
            if inner is not None:
                source.columns[name] = self._new(scope)
                self._flows[inner].add(source.columns[name])  # type: ignore[arg-type]  # it was just made

    def _join(self, join: ast.JoinExpr, scope: _Scope) -> None:
        before = set(scope.nodes)
        self._source(join.larg, scope)
        left = scope.nodes - before
        self._source(join.rarg, scope)
        right = scope.nodes - before - left
        bindable = {
            JoinType.JOIN_INNER: left | right, JoinType.JOIN_LEFT: right, JoinType.JOIN_RIGHT: left, JoinType.JOIN_FULL: set(),
        }[join.jointype]  # fmt: skip
        if join.isNatural or join.alias is not None:
            self._required.append((None, "a join of a kind that is not known"))
        if join.usingClause and TENANT in [c.sval for c in join.usingClause]:
            self._using(scope, left, right, bindable)
        self._conditions(join.quals, scope, bindable)
        self._parts(join.quals, scope)

    def _using(self, scope: _Scope, left: set[Node], right: set[Node], bindable: set[Node]) -> None:
        tenants = [s.columns[TENANT] for s in scope.sources.values() if s.columns.get(TENANT) in left | right]
        for one in tenants:
            for other in tenants:
                if (one in left) != (other in left):
                    self._equal(one, other, bindable)

    # --- what is equal to what

    def _conditions(self, condition: Any, scope: _Scope, bindable: set[Node]) -> None:
        """Note what a condition equates that every row must meet; only what is `bindable` is bound by it."""
        match condition:
            case ast.BoolExpr(boolop=BoolExprType.AND_EXPR):
                for part in condition.args:
                    self._conditions(part, scope, bindable)
            case ast.A_Expr(kind=A_Expr_Kind.AEXPR_OP) if [n.sval for n in condition.name] == ["="]:
                for one, other in zip(_row(condition.lexpr), _row(condition.rexpr), strict=False):
                    self._equal(self._value(one, scope), self._value(other, scope), bindable)
            case ast.SubLink(subLinkType=SubLinkType.ANY_SUBLINK) if condition.operName is None:
                columns = self.statement(condition.subselect, scope)
                for one, (_, other) in zip(_row(condition.testexpr), columns, strict=False):
                    self._equal(self._value(one, scope), other, bindable)

    def _equal(self, one: Node | None, other: Node | None, bindable: set[Node]) -> None:
        if one is None or other is None:
            return
        if other in bindable:
            self._flows[one].add(other)
        if one in bindable:
            self._flows[other].add(one)

    def _both(self, one: Node | None, other: Node | None) -> Node | None:
        """Return the node of rows of which some are the one's and some the other's: each is bound by itself or told."""
        return None if one is None or other is None else one

    def _value(self, expression: Any, scope: _Scope) -> Node | None:
        match expression:
            case ast.TypeCast():
                return self._value(expression.arg, scope)
            case ast.ParamRef():
                return _ASKED if self._is_asked(expression.number) else None
            case ast.ColumnRef() if isinstance(expression.fields[-1], ast.String):
                *qualifier, column = [f.sval for f in expression.fields]
                return scope.find(qualifier[-1] if qualifier else None, column)
        return None

    def _columns(self, targets: Sequence[ast.ResTarget], scope: _Scope) -> list[tuple[str, Node | None]]:
        found: list[tuple[str, Node | None]] = []
        for target in targets:
            value = target.val
            if isinstance(value, ast.ColumnRef) and isinstance(value.fields[-1], ast.A_Star):
                # Which columns there are is not known, but a tenant among them is.
                names = [f.sval for f in value.fields[:-1]]
                sources = [scope.sources[names[-1]]] if names and names[-1] in scope.sources else scope.sources.values()
                found += [("*", None), *((name, node) for s in sources for name, node in s.columns.items())]
            else:
                last = value.fields[-1].sval if isinstance(value, ast.ColumnRef) else ""
                found.append((target.name or last, self._value(value, scope)))
        return found

    def _new(self, scope: _Scope) -> Node:
        self._last += 1
        scope.nodes.add(self._last)
        return self._last

    # --- parts of expressions

    def _parts(self, part: Any, scope: _Scope) -> None:
        """Read the statements inside an expression."""
        for inner in _statements(part):
            self.statement(inner, scope)


def _statements(part: Any) -> Iterator[Any]:
    if isinstance(part, (list, tuple)):
        for each in part:
            yield from _statements(each)
    elif isinstance(part, ast.SubLink):
        yield part.subselect
        yield from _statements(part.testexpr)
    elif isinstance(part, ast.Node):
        for name in part:
            yield from _statements(getattr(part, name))


def _row(expression: Any) -> Sequence[Any]:
    return expression.args if isinstance(expression, ast.RowExpr) else (expression,)


def _one(column: Sequence[Node | None]) -> Node | None:
    """Return what all rows of VALUES have in a column; None unless it is one and the same."""
    return column[0] if len(set(column)) == 1 else None


def _renamed(columns: list[tuple[str, Node | None]], names: Sequence[str]) -> list[tuple[str, Node | None]]:
    return [(names[n] if n < len(names) else name, node) for n, (name, node) in enumerate(columns)]


def _name(relation: ast.RangeVar) -> str:
    return f"{relation.schemaname}.{relation.relname}" if relation.schemaname else str(relation.relname)


def _alias(item: Any) -> str:
    return str(item.alias.aliasname if item.alias else getattr(item, "relname", ""))
