"""What a stream of alerts promises, one check for each promise. Each raises AssertionError with what it found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rapport.alerting.v1 import alerting_service_pb2 as pb


def changes_of(stream: Sequence[pb.WatchAlertsResponse]) -> list[int]:
    """Return the revisions of the changes in a stream, as they came."""
    return [m.revision for m in stream if m.WhichOneof("body") == "events" and m.resume_token]


def check_ordered(revisions: Sequence[int]) -> None:
    """Revisions rise."""
    assert all(a <= b for a, b in pairwise(revisions)), f"out of order: {list(revisions)}"


def check_unique(revisions: Sequence[int]) -> None:
    """No revision comes twice."""
    assert len(set(revisions)) == len(revisions), f"repeated: {list(revisions)}"


def check_reliable(revisions: Sequence[int], after: int, up_to: int) -> None:
    """Every revision in (after, up_to] comes."""
    missing = sorted(set(range(after + 1, up_to + 1)) - set(revisions))
    assert not missing, f"missing: {missing}"


def check_all(revisions: Sequence[int], after: int, up_to: int) -> None:
    check_ordered(revisions)
    check_unique(revisions)
    check_reliable(revisions, after, up_to)


def check_snapshot(stream: Sequence[pb.WatchAlertsResponse]) -> int:
    """The stream begins with CREATED, then the snapshot without tokens, then its end with one; return its revision."""
    assert stream[0].WhichOneof("body") == "created", "the first message is not CREATED"
    assert not any(m.resume_token for m in stream[:-1]), "a token within a snapshot"
    assert all(m.revision == stream[-1].revision for m in stream), "a snapshot of several moments"
    assert all(e.alert.revision <= m.revision for m in stream for e in m.events.events), "a state of a later moment"
    assert stream[-1].bookmark.reason == pb.BOOKMARK_REASON_SNAPSHOT_END
    assert stream[-1].resume_token
    return stream[-1].revision
