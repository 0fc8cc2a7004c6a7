"""A token is good for what it was made for, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import InvalidArgument
from services.runtime.page_tokens import Signer, read_page_token

OLD, NEW = b"an-older-key-of-ours", b"the-newest-key-of-ours"
PAYLOAD = {"after": [1, "ü"], "n": None}


def test_a_token_gives_its_payload_back():
    signer = Signer("page", [NEW])
    assert signer.read(signer.sign(PAYLOAD, "tenant", "filter"), "tenant", "filter") == PAYLOAD


@pytest.mark.parametrize("bound_to", [(), ("tenant",), ("other", "filter"), ("filter", "tenant"), ("tenantfilter", "")])
def test_a_token_is_bound(bound_to):
    signer = Signer("page", [NEW])
    assert signer.read(signer.sign(PAYLOAD, "tenant", "filter"), *bound_to) is None


def test_a_token_of_another_kind_is_refused():
    assert Signer("resume", [NEW]).read(Signer("page", [NEW]).sign(PAYLOAD)) is None


def test_keys_rotate():
    old_token = Signer("page", [OLD]).sign(PAYLOAD)
    rotated = Signer("page", [NEW, OLD])
    assert rotated.read(old_token) == PAYLOAD
    assert Signer("page", [NEW]).read(rotated.sign(PAYLOAD)) == PAYLOAD
    assert Signer("page", [NEW]).read(old_token) is None


def test_a_token_with_any_byte_changed_is_refused():
    signer = Signer("page", [NEW])
    token = signer.sign(PAYLOAD)
    for at in range(len(token) - 1):  # the last character may hold bits that stand for nothing
        other = "A" if token[at] != "A" else "B"
        assert signer.read(token[:at] + other + token[at + 1 :]) is None


@given(st.text(max_size=60))
def test_whatever_is_not_a_token_is_refused(text):
    assert Signer("page", [NEW]).read(text) is None


def test_a_page_token_is_read_or_refused_with_the_field_that_holds_it():
    signer = Signer("page", [NEW])
    assert read_page_token(signer, "", "tenant") is None
    assert read_page_token(signer, signer.sign(PAYLOAD, "tenant"), "tenant") == PAYLOAD
    for token in (signer.sign(PAYLOAD, "other"), "nonsense"):
        with pytest.raises(InvalidArgument) as refused:
            read_page_token(signer, token, "tenant")
        assert refused.value.reason == "INVALID_PAGE_TOKEN"
        assert [violation.field for violation in refused.value.violations] == ["page_token"]


def test_a_signer_needs_a_key():
    with pytest.raises(ValueError, match="at least one"):
        Signer("page", [])
