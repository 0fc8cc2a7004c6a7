"""Tokens that callers hand back: opaque, and good for nothing once changed.

A token carries a small JSON object and an HMAC over it and over what it is bound to (its kind, the tenant, the request it
belongs to), so that it cannot be forged, nor used elsewhere. Keys rotate: the first signs, all verify.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from services.runtime.errors import FieldViolation, InvalidArgument

_MAC_BYTES = 16


class Signer:
    """Makes and reads tokens of one kind, such as "page" or "resume"."""

    def __init__(self, kind: str, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("at least one signing key is needed")
        self._kind = kind
        self._keys = tuple(keys)

    def sign(self, payload: dict[str, Any], *bound_to: str) -> str:
        """Return a token for `payload` (JSON values) that only `read` with the same `bound_to` accepts."""
        body = json.dumps(payload, separators=(",", ":"), sort_keys=True).encode()
        return base64.urlsafe_b64encode(self._mac(self._keys[0], body, bound_to) + body).decode().rstrip("=")

    def read(self, token: str, *bound_to: str) -> dict[str, Any] | None:
        """Return the payload, or None when the token was changed, is of another kind or bound to something else."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, self._mac(key, body, bound_to)) for key in self._keys):
            return None
        payload: dict[str, Any] = json.loads(body)
        return payload

    def _mac(self, key: bytes, body: bytes, bound_to: Sequence[str]) -> bytes:
        return hmac.digest(key, _context(self._kind, *bound_to) + b"\n" + body, "sha256")[:_MAC_BYTES]


def read_page_token(signer: Signer, page_token: str, *bound_to: str) -> dict[str, Any] | None:
    """Return what a request's page token carries, None for the first page, which has none.

    Raises InvalidArgument (INVALID_PAGE_TOKEN) for a token that was changed, or is bound to something else.
    """
    if not page_token:
        return None
    payload = signer.read(page_token, *bound_to)
    if payload is None:
        sentence = "the page token was changed, or belongs to another request"
        raise InvalidArgument("INVALID_PAGE_TOKEN", sentence, violations=[FieldViolation("page_token", "foreign", sentence)])
    return payload


@lru_cache(maxsize=1024)
def _context(*names: str) -> bytes:
    return json.dumps(names).encode()
