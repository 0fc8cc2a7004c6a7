"""Tables that keep to the terminal: in columns where these have room, else each row as a few lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.padding import Padding
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

# The least width of a column that wraps, unless all that is in it is shorter: below it, nobody can read what is in it.
_LEAST = 14
# The longest word that no column breaks: ids of rules, channels and routes have no more characters.
_WORD = 64
_INDENT = 2
# What is between two columns, and what is around them all.
_BETWEEN, _AROUND = 3, 2


class Listing(Table):
    """A table that keeps to the terminal, without columns that can be spared where it is narrow or they have no room.

    Where words would be broken or cells cut even so, a row is its first value and, indented, all others by name.
    """

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        *,
        numeric: Iterable[str],
        wraps: Iterable[str],
        spared: Iterable[str],
        is_narrow: bool,
    ) -> None:
        super().__init__(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        self._names, self._numeric, self._wraps = names, frozenset(numeric), frozenset(wraps)
        self._spared = frozenset(spared) & frozenset(names)
        self._kept = [not is_narrow or name not in self._spared for name in names]
        self._given: list[tuple[list[str], StyleType | None]] = []
        for name in itertools.compress(names, self._kept):
            side: JustifyMethod = "right" if name in self._numeric else "left"
            self.add_column(name, justify=side, overflow="fold", no_wrap=name not in self._wraps)

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """Add a row, given a cell for each column, left out or not."""
        self._given.append(([str(cell or "") for cell in cells], style))
        super().add_row(*itertools.compress(cells, self._kept), style=style, end_section=end_section)

    def fits(self, width: int) -> bool:
        """Tell whether so many characters are enough for its columns."""
        return self._widths(width) is not None

    def _widths(self, width: int) -> list[int] | None:
        names = list(itertools.compress(self._names, self._kept))
        texts = [[name, *column] for name, column in zip(names, self._columns(), strict=True)]
        most = [max(map(_line, column)) for column in texts]
        least = [
            _least(column, all_) if name in self._wraps else all_ for name, column, all_ in zip(names, texts, most, strict=True)
        ]
        return column_widths(least, most, width - _BETWEEN * (len(names) - 1) - _AROUND)

    def _columns(self) -> list[list[str]]:
        """Return the cells of each column that is kept."""
        rows = [list(itertools.compress(cells, self._kept)) for cells, _ in self._given]
        return [list(column) for column in zip(*rows, strict=True)] or [[] for kept in self._kept if kept]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(options.max_width)
        if widths is None:
            yield from [self._narrowed()] if self._spared and all(self._kept) else self._entries(options.max_width)
            return
        for column, width in zip(self.columns, widths, strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    def _narrowed(self) -> Listing:
        """Return the same table without the columns that can be spared."""
        made = Listing(
            str(self.title), self._names, numeric=self._numeric, wraps=self._wraps, spared=self._spared, is_narrow=True
        )
        for cells, style in self._given:
            made.add_row(*cells, style=style)
        return made

    def _entries(self, width: int) -> Iterator[RenderableType]:
        if self.title:
            yield Text(str(self.title), style="bold")
        for cells, style in self._given:
            (first, heading), *others = [(name, self._text(name, cell)) for name, cell in zip(self._names, cells, strict=True)]
            lines = beside_each_other([(name, text) for name, text in others if text], width - _INDENT)
            yield from entry(f"{first} {heading}" if first in self._numeric else heading, lines, style or "")

    def _text(self, name: str, cell: str) -> str:
        """Return a cell as it stands where there is room: what does not wrap was broken to save width only."""
        return cell if name in self._wraps else cell.replace("\n", " ")


class Pairs(Table):
    """Names and values beside each other; where the values would have no room, under their names."""

    def __init__(self, title: str, rows: Iterable[tuple[str, str]]) -> None:
        super().__init__(title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
        self._given = list(rows)
        self.add_column(style="dim")
        self.add_column(overflow="fold")
        for row in self._given:
            self.add_row(*row)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names, values = [name for name, _ in self._given], [value for _, value in self._given]
        least = _least(values, max(map(_line, values), default=0))
        if max(map(cell_len, names), default=0) + 1 + least <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield Text(str(self.title), style="bold")
        for name, value in self._given:
            yield from _indented(named(name, value, options.max_width))


def column_widths(least: Sequence[int], most: Sequence[int], room: int) -> list[int] | None:
    """Return for each column a width between its least and its most, what is left shared evenly; None when there is no room."""
    if sum(least) > room:
        return None
    ends = list(zip(least, most, strict=True))
    levels = ([min(high, max(low, level)) for low, high in ends] for level in range(room, -1, -1))
    return next(widths for widths in levels if sum(widths) <= room)


def entry(heading: str, lines: Iterable[tuple[int, str]], style: StyleType) -> Iterator[RenderableType]:
    """Yield a heading and under it lines, each indented as deep as it says."""
    yield Text(heading, style=style)
    yield from _indented(((depth + _INDENT, line) for depth, line in lines), style)


def _indented(lines: Iterable[tuple[int, str]], style: StyleType = "") -> Iterator[RenderableType]:
    for depth, line in lines:
        yield Padding(Text(line, style=style), (0, 0, 0, depth))


def beside_each_other(told: Iterable[tuple[str, str]], width: int) -> Iterator[tuple[int, str]]:
    """Yield lines of names and values, each with how deep it is indented: as many as fit in a line, long values by themselves."""
    line = ""
    for name, value in told:
        lines = named(name, value, width)
        joined = f"{line} · {lines[0][1]}" if line else lines[0][1]
        if len(lines) == 1 and cell_len(joined) <= width:
            line = joined
            continue
        if line:
            yield 0, line
        line = lines[0][1] if len(lines) == 1 else ""
        yield from lines if len(lines) > 1 else ()
    if line:
        yield 0, line


def named(name: str, value: str, width: int) -> list[tuple[int, str]]:
    """Return a value behind its name where both have room in a line, else under it; each line with how deep it is indented."""
    line = f"{name}: {value}" if name else value
    if not name or (_line(line) == cell_len(line) <= width and "\n" not in value):
        return [(0, each) for each in line.split("\n")]
    return [(0, f"{name}:"), *((_INDENT, each) for each in value.split("\n"))]


def _line(text: str) -> int:
    """Return how wide a text's longest line is."""
    return max((cell_len(line) for line in text.split("\n")), default=0)


def _least(texts: Iterable[str], most: int) -> int:
    """Return how narrow a column of such texts may become, no word broken that is not longer than any id."""
    longest = max((cell_len(word) for text in texts for word in text.split()), default=0)
    return max(min(longest, _WORD), min(most, _LEAST))
