"""Tokens of pages of alerts: where a page ended."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.alerting.lifecycle import Alert
from services.runtime.page_tokens import Signer, read_page_token

End = tuple[datetime, UUID]


def token(signer: Signer, last: Alert, bound_to: tuple[str, ...]) -> str:
    """Return the token of the page after the one that ends with `last`, for the request that it is bound to."""
    return signer.sign({"t": last.fired_at.isoformat(), "id": str(last.alert_id)}, *bound_to)


def read(signer: Signer, page_token: str, bound_to: tuple[str, ...]) -> End | None:
    """Return where the page before ended, None for the first. Raises InvalidArgument (INVALID_PAGE_TOKEN)."""
    end = read_page_token(signer, page_token, *bound_to)
    return None if end is None else (datetime.fromisoformat(end["t"]), UUID(end["id"]))
