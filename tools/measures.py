"""Writes docs/measures.md from the table of measures.

measures.py write  write the page
measures.py check  exit 1 when what is committed differs from what `write` would write
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from services.query.measure_words import absent_when, dimensions_of, formula
from services.query.measures import MEASURES, TERMS, Keeping, Measure, Unit

PAGE = Path(__file__).resolve().parent.parent / "docs" / "measures.md"
_UNITS = {
    Unit.COUNT: "count",
    Unit.PERCENT: "%",
    Unit.MILLISECONDS: "ms",
    Unit.SECONDS: "s",
    Unit.MONEY: "money",
    Unit.RATING: "1–5",  # noqa: RUF001  # a range
    Unit.RATIO: "ratio",
}
_BETTER = {1: "more", 0: "", -1: "less"}
_KEEPINGS = {
    Keeping.COUNTS: "Counts and sums of conversations and appointments",
    Keeping.MONEY: "Orders and money",
    Keeping.TALLY: "Outcomes, and what events are counted in",
}
_HEAD = """\
# Measures

What `QueryMetrics` (`POST /api/analytics/metrics`, `rapport metrics`) answers, as `ListMeasures` lists it. This page is written
by `make gen` from the table in `services/query/measures.py`; what facts count for, and when, is in [numbers.md](numbers.md).

- *Formula*: of the terms below, summed over the facts of the window that fit the filter.
- *Better*: the direction in which a change is for the better. Empty: neither.
- *Absent*: when it is undefined; it is never 0 then. Empty: it always has a value.
- *Rows*: whether `ListFacts` lists the facts behind it.
- Money is in the tenant's reporting currency; what has no exchange rate is in `quality.unconverted` and in no sum.
- Rates have Wilson's interval, means one from the squares of what is averaged, both at 95 %.
"""
_SPLITS = """
Every measure can be split by all dimensions{but}.
Of several values that a fact has (intents, tags, emotions) it counts in each group, so totals are not the groups' sums.
"""


def page() -> str:
    """Return the page."""
    names = sorted(MEASURES)
    every = max(len(dimensions_of(MEASURES[name])) for name in names)
    fewer = [name for name in names if len(dimensions_of(MEASURES[name])) < every]
    but = f", but {', '.join(f'`{n}`, which is by {_listed(MEASURES[n])} only' for n in fewer)}" if fewer else ""
    header = "| measure | what it tells | unit | formula | better | absent when | rows |\n|---|---|---|---|---|---|---|\n"
    return _HEAD + _SPLITS.format(but=but) + "\n" + header + "".join(_row(MEASURES[name]) for name in names) + _terms()


def _row(measure: Measure) -> str:
    cells = (
        f"`{measure.name}`",
        measure.description,
        _UNITS[measure.unit],
        formula(measure),
        _BETTER[measure.direction],
        absent_when(measure),
        "yes" if measure.has_rows else "",
    )
    return f"| {' | '.join(cells)} |\n"


def _terms() -> str:
    text = "\n## Terms\n"
    for keeping, terms in groupby(TERMS.values(), key=lambda term: term.keeping):
        text += f"\n### {_KEEPINGS[keeping]}\n\n| term | what it adds up |\n|---|---|\n"
        text += "".join(f"| `{term.name}` | {term.meaning}{f' ({term.tally})' if term.tally else ''} |\n" for term in terms)
    return text


def _listed(measure: Measure) -> str:
    return ", ".join(dimension.name.lower() for dimension in dimensions_of(measure))


def main() -> None:
    match sys.argv[1:]:
        case ["write"]:
            PAGE.write_text(page())
        case ["check"]:
            if not PAGE.is_file() or PAGE.read_text() != page():
                sys.exit("docs/measures.md is not what the table of measures gives; run `make gen`")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
