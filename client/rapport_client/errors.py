"""What this library raises. Nothing else of gRPC's reaches its caller."""

from __future__ import annotations

from collections.abc import Sequence

from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from rapport_client.failures import Failure, FieldProblem


class RapportError(Exception):
    """A call that was refused or could not be made, after as many attempts as were due; its text is one line."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence())
        self.failure = failure

    @property
    def status(self) -> str:
        """The gRPC status by name, such as "INVALID_ARGUMENT"."""
        return self.failure.status

    @property
    def reason(self) -> str:
        """A value of rapport.errors.v1.ErrorReason without its prefix; empty when no service of Rapport answered."""
        return self.failure.reason

    @property
    def fields(self) -> tuple[FieldProblem, ...]:
        """The fields of the request that break a rule."""
        return self.failure.fields

    @property
    def retry_after_s(self) -> float | None:
        """When the service wants to be asked again, in seconds; None when it did not say."""
        return self.failure.retry_after_s


class Undelivered(RapportError):
    """A recorder that gave up. Whether what is unacknowledged was stored is not known; it may be sent again."""

    def __init__(self, failure: Failure, unacknowledged: Sequence[ConversationInsight | SyncEvent]) -> None:
        super().__init__(failure)
        self.unacknowledged = tuple(unacknowledged)


class ResumeRefused(RapportError):
    """What follows a resume token is no longer kept: alerts may have come and gone meanwhile. Begin with a snapshot.

    `first_available_revision` is the oldest one that the log still has; None when the service did not say.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        told = failure.metadata.get("first_available_revision", "")
        self.first_available_revision = int(told) if told.isdecimal() else None
