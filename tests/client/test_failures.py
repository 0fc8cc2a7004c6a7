"""What a failure tells is read from the details that services send."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2
from rapport.ingest.v1.ingest_service_pb2 import RecordConversationRequest
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

from rapport_client import Failure, FieldProblem, RapportError, ResumeRefused, call, of_status
from tests.client.servicers import Ingest, status


async def test_an_error_has_status_reason_fields_and_delay(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.failures = [status("INVALID_ARGUMENT", "INVALID_FIELDS", "a: bad", retry_s=2.5, **{"conversation.a": "bad"})]
    with pytest.raises(RapportError) as caught:
        await call(IngestServiceStub(channel).RecordConversation, RecordConversationRequest())
    error = caught.value
    assert (error.status, error.reason, error.retry_after_s) == ("INVALID_ARGUMENT", "INVALID_FIELDS", 2.5)
    assert error.fields == (FieldProblem("conversation.a", "bad"),)
    assert error.failure.metadata == {"shown": "yes"}
    assert str(error) == "INVALID_ARGUMENT (INVALID_FIELDS) on conversation.a: a: bad"
    assert isinstance(error.__cause__, grpc.aio.AioRpcError)


def test_the_place_in_a_batch_is_left_out_of_an_items_failure() -> None:
    told = of_status(status("INVALID_ARGUMENT", "X", "conversations[3].a: bad", **{"conversations[3].a": "bad"}))
    assert told.of_item() == Failure("INVALID_ARGUMENT", "X", "a: bad", (FieldProblem("a", "bad"),), None, {"shown": "yes"})


def test_details_that_are_not_known_and_codes_of_tomorrow_are_borne() -> None:
    made = status("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    made.details.add().Pack(error_details_pb2.DebugInfo(detail="x"))
    made.code = 99
    assert of_status(made) == Failure("CODE_99", "SERVICE_UNAVAILABLE", "no", (), None, {"shown": "yes"})


@pytest.mark.parametrize(("told", "revision"), [("17", 17), ("", None), ("many", None)])
def test_a_refused_resume_names_the_first_revision(told: str, revision: int | None) -> None:
    failure = Failure("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", "gone", metadata={"first_available_revision": told})
    assert ResumeRefused(failure).first_available_revision == revision
