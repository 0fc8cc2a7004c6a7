"""Tokens of pages of exchange rates: where a page ended."""

from __future__ import annotations

from datetime import date

from services.ingest.rates import Position, Rate, Wanted
from services.runtime.page_tokens import Signer, read_page_token
from services.runtime.tenancy import current_tenant


def token(signer: Signer, last: Rate, wanted: Wanted) -> str:
    """Return the token of the page after the one that ends with `last`, for this tenant's list of these currencies."""
    end = {"day": last.day.isoformat(), "from": last.from_currency, "to": last.to_currency}
    return signer.sign(end, *_bound_to(wanted))


def read(signer: Signer, page_token: str, wanted: Wanted) -> Position | None:
    """Return where the page before ended, None for the first. Raises InvalidArgument."""
    end = read_page_token(signer, page_token, *_bound_to(wanted))
    return None if end is None else Position(date.fromisoformat(end["day"]), end["from"], end["to"])


def _bound_to(wanted: Wanted) -> tuple[str, str, str]:
    return current_tenant(), wanted.from_currency, wanted.to_currency
