"""`rapport settings`."""

from __future__ import annotations

import json

from tests.cli.conftest import House, Rapport


async def test_settings_are_shown(rapport: Rapport) -> None:
    assert "time zone           UTC" in (await rapport("settings")).stdout
    assert json.loads((await rapport("settings", "--json")).stdout)["reportingCurrency"] == "USD"


async def test_only_what_is_named_is_changed(house: House, rapport: Rapport) -> None:
    result = await rapport("settings", "set", "--currency", "INR")

    assert result.exit_code == 0, result.stderr
    assert list(house.ingest.calls[0].update_mask.paths) == ["reporting_currency"]
    assert (house.ingest.settings.reporting_currency, house.ingest.settings.time_zone) == ("INR", "UTC")
    assert "INR" in result.stdout


async def test_retention_and_attribution_can_be_changed(house: House, rapport: Rapport) -> None:
    await rapport("settings", "set", "--retention-days", 400, "--attribution-days", 0)
    assert (house.ingest.settings.retention_days, house.ingest.settings.attribution_window_days) == (400, 0)

    await rapport("settings", "set", "--retention-days", 0)
    assert list(house.ingest.calls[-1].update_mask.paths) == ["retention_days"]
    assert not house.ingest.calls[-1].settings.HasField("retention_days")


async def test_naming_nothing_is_wrong_usage(house: House, rapport: Rapport) -> None:
    assert (await rapport("settings", "set")).exit_code == 2
    assert not house.ingest.calls
