"""`rapport alerts rules restore`: an earlier version holds again, unless somebody changes the rule meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from rapport.alerting.v1.rule_pb2 import PutRuleRequest

from tests.cli.alerting_servicer import RULE, write
from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rule.json"
    write(path, RULE)
    return path


@pytest.fixture
async def changed(rapport: Rapport, file: Path) -> None:
    """The rule with fireAt 20,000 in version 1 and 18,000 in version 2."""
    await rapport("alerts", "rules", "put", file)
    write(file, RULE | {"fireAt": 18000})
    await rapport("alerts", "rules", "put", file)


@pytest.mark.usefixtures("changed")
async def test_an_earlier_version_is_put_again(house: House, rapport: Rapport) -> None:
    result = await rapport("alerts", "rules", "restore", "slow", "--version", 1, "--author", "asha")

    assert (result.exit_code, result.stdout) == (0, "slow: version 3 holds from now on\n"), result.stderr
    request = house.alerting.calls[-1]
    assert (request.rule.fire_at, request.expected_version, request.author) == (20000, 2, "asha")
    assert request.comment == "version 1 again"
    assert (await rapport("alerts", "rules", "restore", "slow", "--version", 3)).stdout == (
        "slow: nothing changed, version 3 says the same\n"
    )


@pytest.mark.usefixtures("changed")
async def test_a_deleted_rule_is_had_back_as_it_was_or_as_an_earlier_version(house: House, rapport: Rapport) -> None:
    await rapport("alerts", "rules", "delete", "slow")
    said = await rapport("alerts", "rules", "restore", "slow", "--comment", "needed")
    assert (said.exit_code, said.stdout) == (0, "slow: version 4 holds from now on\n"), said.stderr
    assert (house.alerting.calls[-1].rule.fire_at, house.alerting.calls[-1].comment) == (18000, "needed")
    await rapport("alerts", "rules", "delete", "slow")
    await rapport("alerts", "rules", "restore", "slow", "--version", 1)
    assert house.alerting.rules["slow"][-1].rule.fire_at == 20000


@pytest.mark.usefixtures("changed")
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "slow is not deleted: say with --version which version to have again; `rapport alerts rules versions slow` has all"),
        (["--version", 9], "slow has no version 9, or it is older than the newest 100"),
        (["--version", 3], "with version 3 slow was deleted; `rapport alerts rules versions slow` has all"),
    ],
)
async def test_what_cannot_be_restored_is_said(house: House, rapport: Rapport, words: list[object], why: str) -> None:
    if 3 in words:
        await rapport("alerts", "rules", "delete", "slow")
    result = await rapport("alerts", "rules", "restore", "slow", *words)
    assert (result.exit_code, result.stderr) == (1, f"rapport: {why}\n")
    assert not isinstance(house.alerting.calls[-1], PutRuleRequest)


@pytest.mark.usefixtures("changed")
async def test_a_rule_that_somebody_changes_while_it_is_restored_is_refused(house: House, rapport: Rapport) -> None:
    house.alerting.failures = [None, status("ABORTED", "VERSION_CONFLICT", "the rule is at version 3, not at version 2")]
    result = await rapport("alerts", "rules", "restore", "slow", "--version", 1)
    assert (result.exit_code, "VERSION_CONFLICT" in result.stderr) == (1, True)


@pytest.mark.usefixtures("changed")
async def test_an_earlier_version_that_is_piped_back_is_refused_with_what_to_type(rapport: Rapport, file: Path) -> None:
    write(file, (await rapport("alerts", "rules", "show", "slow", "--version", 1, "--json")).stdout)
    refused = await rapport("alerts", "rules", "put", file)
    assert refused.exit_code == 1
    _, _, advice = refused.stderr.strip().partition("to have version 1 again: rapport ")
    assert (await rapport(*advice.split())).stdout == "slow: version 3 holds from now on\n"
