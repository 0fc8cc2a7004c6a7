"""What every part of the alerting service's answers stands on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from services.alerting.streams import Streams
from services.runtime.database import Database
from services.runtime.page_tokens import Signer


class Calls:
    """The database, the streams, the signer of page tokens, the clock, and what makes ids."""

    def __init__(
        self,
        database: Database,
        streams: Streams,
        pages_signer: Signer,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        self._database = database
        self._streams = streams
        self._pages = pages_signer
        self._clock = clock
        self._new_id = new_id
