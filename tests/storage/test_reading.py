"""A consistency token that is not this tenant's is told as the field it came in."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2

from services.runtime.database import Database
from services.runtime.interceptors import status_of
from services.runtime.tenancy import set_tenant
from services.storage.reading import ConsistencyTokens


async def test_a_token_that_was_not_issued_to_the_tenant_names_its_field() -> None:
    tokens = ConsistencyTokens([b"k" * 32])
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", "rapport_query")
    set_tenant("north")
    token = tokens.issue(1, 2)
    set_tenant("south")
    with pytest.raises(Exception, match="belongs to another tenant") as caught:
        await tokens.wait(nowhere, token, None)
    status = status_of(caught.value)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert info.reason == "INVALID_CONSISTENCY_TOKEN"
    (violation,) = bad.field_violations
    assert (violation.field, violation.description) == ("consistency_token", status.message)
    await nowhere.close()
