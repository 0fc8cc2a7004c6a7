"""What every part of the scoring service's answers stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from services.runtime.database import Database
from services.runtime.errors import FieldViolation, NotFound
from services.runtime.page_tokens import Signer
from services.scoring.model_store import ModelsInUse
from services.scoring.teams import Teams
from services.storage.reading import ConsistencyTokens


class Calls:
    """The database, the tokens of writes to wait for, the signer of page tokens, the clock, and what is kept in memory."""

    def __init__(
        self, database: Database, tokens: ConsistencyTokens, pages_signer: Signer, clock: Callable[[], datetime]
    ) -> None:
        self._teams = Teams()
        self._models = ModelsInUse()
        self._reading: set[asyncio.Task[Any]] = set()
        self._database = database
        self._tokens = tokens
        self._pages = pages_signer
        self._clock = clock


def require(reason: str, what: str, field: str, asked: Sequence[str], unknown: Collection[str]) -> None:
    """Raise NotFound if some of what is asked for is unknown; `field` is where the request names it, by its place."""
    sentence = f"no fact names this {what}"
    violations = [FieldViolation(field.format(n), "unknown", sentence) for n, name in enumerate(asked) if name in unknown]
    if violations:
        raise NotFound(reason, sentence, violations=violations)
