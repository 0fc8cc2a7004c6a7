"""`rapport settings rates`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status

HEADER = "from_currency,to_currency,date,rate\n"


async def test_a_rate_is_stored_and_shown(house: House, rapport: Rapport) -> None:
    assert "No exchange rate is stored." in (await rapport("settings", "rates")).stdout

    result = await rapport("settings", "rates", "put", "EUR", "USD", "2026-05-01", "1.0823")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == "1 rates: 1 new or changed, 0 as they were\n"
    assert house.ingest.rates == {("2026-05-01", "EUR", "USD"): "1.0823"}
    shown = (await rapport("settings", "rates")).stdout
    assert "2026-05-01" in shown
    assert "1.0823" in shown
    assert json.loads((await rapport("settings", "rates", "--json")).stdout) == {
        "fromCurrency": "EUR", "toCurrency": "USD", "date": "2026-05-01", "rate": "1.0823",
    }  # fmt: skip


async def test_lists_are_narrowed_and_turn_pages(house: House, rapport: Rapport) -> None:
    house.ingest.rates = {(f"day {n:04d}", "EUR", "USD"): "1" for n in range(2500)} | {("day", "JPY", "USD"): "2"}

    printed = (await rapport("settings", "rates", "--from", "EUR", "--to", "USD", "--limit", 2300, "--json")).stdout
    assert [json.loads(line)["date"] for line in printed.splitlines()] == [f"day {n:04d}" for n in range(2300)]
    assert [call.page_size for call in house.ingest.calls] == [1000, 1000, 300]
    assert "There are older rates" in (await rapport("settings", "rates", "--limit", 1)).stdout
    assert "older" not in (await rapport("settings", "rates", "--from", "JPY")).stdout


async def test_a_file_is_stored_a_thousand_at_a_time(house: House, rapport: Rapport, tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text(HEADER + "".join(f"EUR,USD,day {n},1.{n}\n" for n in range(2100)))

    result = await rapport("settings", "rates", "import", file)

    assert result.stdout == "2,100 rates: 2,100 new or changed, 0 as they were\n"
    assert [len(call.rates) for call in house.ingest.calls] == [1000, 1000, 100]
    assert house.ingest.rates["day 2099", "EUR", "USD"] == "1.2099"


async def test_numbers_of_jsonl_are_kept_as_written(house: House, rapport: Rapport, tmp_path: Path) -> None:
    file = tmp_path / "rates.jsonl"
    file.write_text('{"from_currency": "EUR", "to_currency": "USD", "date": "2026-05-01", "rate": 1.082345678901}\n')
    await rapport("settings", "rates", "import", file)
    assert house.ingest.rates == {("2026-05-01", "EUR", "USD"): "1.082345678901"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("from_currency,to_currency,date\nEUR,USD,2026-05-01\n", "no column rate"),
        (HEADER + "EUR,USD,2026-05-01,1\nEUR,USD,2026-05-02\n", "line 3 has 3 columns"),
        (HEADER, "has no rates"),
        ("", "no header"),
    ],
)
async def test_a_file_that_cannot_be_read_whole_stores_nothing(
    house: House, rapport: Rapport, tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "rates.csv"
    file.write_text(text)
    result = await rapport("settings", "rates", "import", file)
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert not house.ingest.calls


async def test_what_ingest_refuses_is_told(house: House, rapport: Rapport, tmp_path: Path) -> None:
    refused = status("INVALID_ARGUMENT", "INVALID_FIELDS", "rates[3].rate: must be greater than 0", **{"rates[3].rate": "no"})
    house.ingest.failures = [refused]
    result = await rapport("settings", "rates", "put", "EUR", "USD", "2026-05-01", "0")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "rates[3].rate" in result.stderr

    file = tmp_path / "rates.csv"
    file.write_text(HEADER + "".join(f"EUR,USD,day {n},1\n" for n in range(1001)))
    house.ingest.rates.clear()

    class Second(list):
        """Refuses the second call."""

        def __bool__(self) -> bool:
            return len(house.ingest.rates) > 0

    house.ingest.failures = Second([refused])
    result = await rapport("settings", "rates", "import", file)
    assert result.exit_code == 1
    assert "the first 1,000 rates are stored; of those after them: " in result.stderr
    assert len(house.ingest.rates) == 1000
