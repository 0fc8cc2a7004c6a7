"""Rows of files: one at a time, and each unreadable one by itself."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from services.cli.records import Malformed
from services.cli.rows import BadFile, Row, read_rows


def rows(path: Path, content: bytes, **more: object) -> list[Row | Malformed]:
    path.write_bytes(content)
    with path.open("rb") as raw:
        return list(read_rows(path, raw, **more))


def test_csv_with_mark_quotes_and_blank_lines(tmp_path: Path) -> None:
    read = rows(tmp_path / "a.csv", '\ufeffid,text\r\n1,"a, b\nc"\r\n\r\n2,é\r\n'.encode())

    assert read == [{"id": "1", "text": "a, b\nc"}, {"id": "2", "text": "é"}]


def test_gzip_is_told_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    assert rows(tmp_path / "a.csv", gzip.compress(b"id;n\n1;2\n"), delimiter=";") == [{"id": "1", "n": "2"}]


def test_jsonl_is_flattened_and_numbers_stay_as_written(tmp_path: Path) -> None:
    read = rows(
        tmp_path / "a.jsonl.gz",
        gzip.compress(b'{"a": {"b": 0.10, "c": true}, "d": null, "e": ["x", 1], "f": [{"g": "h"}]}\n\n'),
    )

    assert read == [{"a.b": "0.10", "a.c": "true", "d": "", "e": ("x", "1"), "f.0.g": "h"}]


def test_a_malformed_row_does_not_hide_those_after_it(tmp_path: Path) -> None:
    csv = rows(tmp_path / "a.csv", b'id,n\n1\n"2"x,3\n4,5\n')
    jsonl = rows(tmp_path / "a.jsonl", b'{"id": 1\n[2]\n{"id": 3}\n')

    assert [isinstance(row, Malformed) for row in csv] == [True, True, False]
    assert csv[0] == Malformed("line 2 has 1 columns, the header has 2")
    assert jsonl == [Malformed("it is not JSON"), Malformed("it is not a JSON object"), {"id": "3"}]


@pytest.mark.parametrize("after", [b"3,c\n4,d\n", b'3,"c"\n4,d\n'])
def test_an_open_quote_costs_its_own_line_only(tmp_path: Path, after: bytes) -> None:
    read = rows(tmp_path / "a.csv", b'id,n\n1,"a\nb"\n2,"open\n' + after)

    assert read == [
        {"id": "1", "n": "a\nb"},
        Malformed("line 4 opens a quote that is not closed"),
        {"id": "3", "n": "c"},
        {"id": "4", "n": "d"},
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "it has no header"),
        (b"a,a\n1,2\n", "its header names a column twice"),
        (b"a,b\n1,2\n", "it has no column c"),
        (gzip.compress(b"a,b,c\n" * 10_000)[:-20], "the file is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(BadFile, match=complaint):
        rows(tmp_path / "a.csv", content, needed=["c"])


def test_a_file_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\n" + b"1\n" * 500_000)
    with path.open("rb") as raw:
        reader = read_rows(path, raw)
        assert next(reader) == {"id": "1"}
        assert raw.tell() < 100_000
        reader.close()
