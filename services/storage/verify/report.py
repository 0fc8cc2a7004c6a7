"""Shows how the rollups compare: as tables for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.storage.verify.compare import Difference, TableResult, TenantResult


def print_tables(results: Sequence[TenantResult], console: Console) -> None:
    """Print each tenant's tables with rows compared and differences, then the differing rows, then one line of verdict."""
    for result in results:
        console.print(_overview(result))
        for table in result.tables:
            if table.examples:
                console.print(_examples(table))
        if result.waiting:
            said = f"{result.waiting} changes of {result.tenant_id} are still waiting: its numbers are not yet caught up"
            console.print(Text(said, "yellow"))
        if result.quarantined:
            console.print(Text(f"{result.quarantined} changes of {result.tenant_id} are quarantined and not counted", "yellow"))
    console.print(_verdict(results))


def print_json(results: Sequence[TenantResult], exit_code: int) -> None:
    """Print one JSON object; times, days and numerics are strings."""
    answer = {"exit_code": exit_code, "tenants": [asdict(r) for r in results]}
    print(json.dumps(answer, default=str, indent=2))  # noqa: T201  # standard output is where it is wanted


def _overview(result: TenantResult) -> Table:
    overview = Table("table", title=Text(f"tenant {result.tenant_id}"), title_justify="left")
    overview.add_column("rows compared", justify="right")
    overview.add_column("differences", justify="right")
    for table in result.tables:
        overview.add_row(table.table, f"{table.compared:,}", Text(f"{table.different:,}", "red" if table.different else "green"))
    return overview


def _examples(table: TableResult) -> Table:
    title = f"{table.table}: {len(table.examples)} of {table.different:,} differing rows"
    examples = Table("row", "expected", "found", title=title, title_justify="left", show_lines=True)
    for difference in table.examples:
        examples.add_row(*_cells(difference))
    return examples


def _cells(difference: Difference) -> tuple[Text, Text, Text]:
    return _columns(difference.key), _columns(difference.expected), _columns(difference.found)


def _columns(columns: dict[str, Any] | None) -> Text:
    """Return name=value pairs. Ids are shown as they are, never read as markup."""
    if columns is None:
        return Text("no row", "red")
    return Text(" ".join(f"{name}={value}" for name, value in columns.items()))


def _verdict(results: Sequence[TenantResult]) -> Text:
    compared = sum(t.compared for r in results for t in r.tables)
    different = sum(r.different for r in results)
    said = f"{compared:,} rows of {len(results)} tenants compared: {different:,} differences"
    return Text(said, "bold red" if different else "bold green")
