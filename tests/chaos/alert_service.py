"""The alerting service with a log that is kept for seconds, so that readers come too late, and heartbeats every second.

People are answered late, so that many an answer is lost though the act was done.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from services.alerting import __main__ as alerting
from services.alerting import retention
from services.alerting.servicer_acts import ActCalls
from services.runtime import process

#: How long a change is kept at least, and how often older ones are deleted, in seconds.
KEPT_S, _DELETED_EVERY_S = 4.0, 0.5
#: How long a reader may be too slow, in seconds.
PATIENCE_S = 2.0
#: Seconds between what somebody did and the answer.
_LATE_S = (0.0, 0.2)

_PEOPLES = (ActCalls.AcknowledgeAlert, ActCalls.UnacknowledgeAlert, ActCalls.ResolveAlert, ActCalls.AddAlertNote)


def heartbeat_s() -> float:
    return random.uniform(0.8, 1.2)


def late(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def answer(*arguments: Any) -> Any:
        answered = await method(*arguments)
        await asyncio.sleep(random.uniform(*_LATE_S))
        return answered

    return answer


def hasten() -> None:
    """Make everything that takes long happen soon, and answers come late, in this process."""
    os.environ["RAPPORT_WRITE_TIMEOUT_SECONDS"] = str(PATIENCE_S)
    alerting.heartbeat_s = heartbeat_s
    retention.LOG_KEPT = timedelta(seconds=KEPT_S)
    retention._EVERY_S = retention._AGAIN_S = _DELETED_EVERY_S
    for method in _PEOPLES:
        setattr(ActCalls, method.__name__, late(method))


if __name__ == "__main__":
    hasten()
    process.run(alerting.main())
