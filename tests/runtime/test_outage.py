"""That the database is away is said once, however many find out."""

from __future__ import annotations

import asyncio
import logging

import psycopg
import pytest

from services.runtime.outage import Outage, note

_LOG = logging.getLogger("services.tests")
DEADLOCK = psycopg.errors.DeadlockDetected()


async def fail() -> None:
    raise psycopg.OperationalError


async def succeed() -> str:
    return "done"


def outage() -> Outage:
    return Outage(_LOG, "work waits for the database")


async def test_it_is_said_once_until_it_is_over(caplog: pytest.LogCaptureFixture):
    found = outage()
    for _ in range(3):
        assert await found.attempt(fail) is None
        assert found.is_on
    assert len(caplog.records) == 1
    assert await found.attempt(succeed) == "done"
    assert not found.is_on
    await found.attempt(fail)
    assert [(r.levelname, r.message) for r in caplog.records] == [("WARNING", "work waits for the database")] * 2


async def test_what_was_begun_before_does_not_show_that_it_is_over(caplog: pytest.LogCaptureFixture):
    found, go_on = outage(), asyncio.Event()
    begun = asyncio.create_task(found.attempt(go_on.wait))
    await asyncio.sleep(0)
    await found.attempt(fail)
    go_on.set()
    assert await begun
    assert found.is_on
    await found.attempt(fail)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("wrong", [KeyError(), DEADLOCK, psycopg.errors.QueryCanceled()])
async def test_what_else_goes_wrong_is_raised(wrong: Exception, caplog: pytest.LogCaptureFixture):
    async def go_wrong() -> None:
        raise wrong

    found = outage()
    with pytest.raises(type(wrong)):
        await found.attempt(go_wrong)
    assert not found.is_on
    assert not caplog.records


@pytest.mark.parametrize(("wrong", "level", "is_traced"), [(KeyError(), "ERROR", True), (DEADLOCK, "WARNING", False)])
def test_what_is_noted_of_it(wrong: Exception, level: str, is_traced: bool, caplog: pytest.LogCaptureFixture):
    note(_LOG, "work went wrong", wrong, tenant="a")
    (said,) = caplog.records
    assert (said.levelname, said.message, bool(said.exc_info)) == (level, "work went wrong", is_traced)
    assert said.fields == {"tenant": "a", "because": type(wrong).__name__}  # type: ignore[attr-defined]
