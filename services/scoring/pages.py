"""Tokens of pages: where a page of a list ended."""

from __future__ import annotations

from datetime import date

from services.runtime.page_tokens import Signer, read_page_token
from services.runtime.tenancy import current_tenant


def version_token(signer: Signer, last: int) -> str:
    """Return the token of the page of policies after the one that ends with version `last`."""
    return signer.sign({"version": last}, "policies", current_tenant())


def read_version(signer: Signer, page_token: str) -> int | None:
    """Return the version that the page before ended with, None for the first page. Raises InvalidArgument."""
    end = read_page_token(signer, page_token, "policies", current_tenant())
    return None if end is None else int(end["version"])


def day_token(signer: Signer, last: date, agent_id: str, window_days: int) -> str:
    """Return the token of the page of an agent's grades, over windows of a length, after the one that ends with a day."""
    return signer.sign({"day": last.isoformat()}, *_history(agent_id, window_days))


def read_day(signer: Signer, page_token: str, agent_id: str, window_days: int) -> date | None:
    """Return the day that the page before ended with, None for the first page. Raises InvalidArgument."""
    end = read_page_token(signer, page_token, *_history(agent_id, window_days))
    return None if end is None else date.fromisoformat(end["day"])


def _history(agent_id: str, window_days: int) -> tuple[str, ...]:
    return "grade history", current_tenant(), agent_id, str(window_days)
