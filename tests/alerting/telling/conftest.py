"""What tests of telling share: the service's parts with those that notify, and receivers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.alerting.notifying import Receiver, TellingHouse, receiving
from tests.alerting.paging import paging


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[TellingHouse]:
    """The service's parts, with those that notify, on a database of their own."""
    built = TellingHouse(database_url)
    yield built
    await built.database.close()


@pytest.fixture
async def hook(house: TellingHouse) -> AsyncIterator[Receiver]:
    """A receiver of the channel `hook`."""
    async with receiving() as made:
        await house.put_webhook("hook", made)
        yield made


@pytest.fixture
async def receiver(house: TellingHouse, hook: Receiver) -> Receiver:
    """A receiver of everything."""
    await house.put_routes({"channelIds": ["hook"]})
    return hook


@pytest.fixture
async def pager(house: TellingHouse) -> AsyncIterator[Receiver]:
    """PagerDuty, as the channel `pager` of the service `old`."""
    async with paging(house) as made:
        yield made
