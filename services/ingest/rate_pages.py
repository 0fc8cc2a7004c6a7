"""Tokens of pages of exchange rates: where a page ended."""

from __future__ import annotations

from datetime import date

from services.ingest.rates import Position, Rate, Wanted
from services.runtime.errors import FieldViolation, InvalidArgument
from services.runtime.page_tokens import Signer
from services.runtime.tenancy import current_tenant


def token(signer: Signer, last: Rate, wanted: Wanted) -> str:
    """Return the token of the page after the one that ends with `last`, for this tenant's list of these currencies."""
    end = {"day": last.day.isoformat(), "from": last.from_currency, "to": last.to_currency}
    return signer.sign(end, *_bound_to(wanted))


def read(signer: Signer, page_token: str, wanted: Wanted) -> Position | None:
    """Return where the page before ended, None for the first. Raises InvalidArgument."""
    if not page_token:
        return None
    end = signer.read(page_token, *_bound_to(wanted))
    if end is None:
        sentence = "the page token was changed, or belongs to another request"
        raise InvalidArgument("INVALID_PAGE_TOKEN", sentence, violations=[FieldViolation("page_token", "foreign", sentence)])
    return Position(date.fromisoformat(end["day"]), end["from"], end["to"])


def _bound_to(wanted: Wanted) -> tuple[str, str, str]:
    return current_tenant(), wanted.from_currency, wanted.to_currency
