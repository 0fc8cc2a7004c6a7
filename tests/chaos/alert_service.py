"""The alerting service with a log that is kept for seconds, so that readers come too late, and heartbeats every second."""

from __future__ import annotations

import os
import random
from datetime import timedelta

from services.alerting import __main__ as alerting
from services.alerting import retention
from services.runtime import process

#: How long a change is kept at least, and how often older ones are deleted, in seconds.
KEPT_S, _DELETED_EVERY_S = 4.0, 0.5
#: How long a reader may be too slow, in seconds.
PATIENCE_S = 2.0


def heartbeat_s() -> float:
    return random.uniform(0.8, 1.2)


def hasten() -> None:
    """Make everything that takes long happen soon, in this process."""
    os.environ["RAPPORT_WRITE_TIMEOUT_SECONDS"] = str(PATIENCE_S)
    alerting.heartbeat_s = heartbeat_s
    retention.LOG_KEPT = timedelta(seconds=KEPT_S)
    retention._EVERY_S = retention._AGAIN_S = _DELETED_EVERY_S


if __name__ == "__main__":
    hasten()
    process.run(alerting.main())
