"""`python -m services.storage.verify`: exits 0 without differences, 1 with some, 2 while changes wait, 3 when it cannot look."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from services.storage.verify import compare, report
from services.storage.verify.compare import TenantResult
from services.storage.verify.rollups import ROLLUPS

DIFFERENT = 1
NOT_CAUGHT_UP = 2
CANNOT_LOOK = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        results = _compare_all(options)
    except (psycopg.Error, LookupError) as error:
        print(f"cannot verify: {_reason(error)}", file=sys.stderr)  # noqa: T201  # a sentence for people
        return CANNOT_LOOK
    code = _exit_code(results)
    if options.json:
        report.print_json(results, code)
    else:
        report.print_tables(results, Console())
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.storage.verify",
        description="Recompute every rollup from the stored facts and compare. Safe beside running services.",
        epilog="Exit codes: 0 no difference, 1 differences, 2 changes are still waiting to be counted, 3 it cannot look.",
    )
    parser.add_argument("--url", default=os.environ.get("RAPPORT_DATABASE_URL", ""), help="database, else RAPPORT_DATABASE_URL")
    parser.add_argument("--tenant", help="this tenant only")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="how long waiting changes may take to drain")
    return parser


def _compare_all(options: argparse.Namespace) -> list[TenantResult]:
    """Compare one or all tenants, with progress on standard error. Raises psycopg.Error, and LookupError for what is missing."""
    if not options.url:
        raise LookupError("RAPPORT_DATABASE_URL is not set: name the database with it or with --url")
    deadline = time.monotonic() + options.wait
    with compare.connect(options.url) as conn, Progress(console=Console(stderr=True), transient=True) as progress:
        tenants = [t for t in compare.tenant_ids(conn) if options.tenant in {t, None}]
        if options.tenant is not None and not tenants:
            raise LookupError(f"there is no tenant {options.tenant}")
        task = progress.add_task("", total=len(tenants) * (len(ROLLUPS) + 1))
        results = []
        for tenant in tenants:
            progress.update(task, description=f"{escape(tenant)}: changes waiting")

            def show(table: str, tenant: str = tenant) -> None:
                progress.update(task, description=f"{escape(tenant)}: {table}", advance=1)

            results.append(compare.compare_tenant(conn, tenant, deadline, show))
        return results


def _reason(error: Exception) -> str:
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return "the database lacks tables; apply its migrations first"
    return str(error).strip()


def _exit_code(results: Sequence[TenantResult]) -> int:
    if any(r.waiting for r in results):
        return NOT_CAUGHT_UP
    return DIFFERENT if any(r.different for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
