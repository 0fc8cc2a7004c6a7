"""Records of CSV files, each told with its place. A quote left open costs the line that it stands in, and no other."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TextIO


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that cannot be read, and why. Those after it can."""

    problem: str


class Records:
    """Iterates over the records of a CSV file, one at a time."""

    def __init__(self, text: TextIO, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        self._line = 0
        self._taken: list[str] = []
        self._again: list[str] = []
        self._reader = self._new_reader()

    @property
    def place(self) -> str:
        """The lines of the last record, counted from 1 with the header."""
        first = self._line - len(self._taken) + 1
        return f"line {first}" if first == self._line else f"the row in lines {first} to {self._line}"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[str] | Malformed:
        """Return the cells of the next record, or why it cannot be read."""
        self._taken = []
        try:
            return next(self._reader)
        except csv.Error:
            return self._malformed()

    def _new_reader(self) -> Iterator[list[str]]:
        return csv.reader(self._lines(), delimiter=self._delimiter, strict=True)

    def _lines(self) -> Iterator[str]:
        while line := self._again.pop() if self._again else self._text.readline():
            self._line += 1
            self._taken.append(line)
            yield line

    def _malformed(self) -> Malformed:
        """Return what is wrong with the record's first line, and go on with the line after it."""
        first, *rest = self._taken
        self._line -= len(rest)
        self._again += reversed(rest)
        self._reader = self._new_reader()
        if len(first) > csv.field_size_limit():
            return Malformed(f"line {self._line} has a cell that is too long")
        if rest or first.count('"') % 2:
            return Malformed(f"line {self._line} opens a quote that is not closed")
        return Malformed(f"line {self._line} has a quote or a carriage return where none can stand")
