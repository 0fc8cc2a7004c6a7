"""The alerting service that this folder's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.alerting.house import House


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """The service's parts on a database of their own."""
    built = House(database_url)
    yield built
    await built.database.close()
