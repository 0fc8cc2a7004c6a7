"""Which period is asked for. Days are the tenant's own, whose time zone an answer tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Period:
    """A period as a person names it: a number of days up to today, or a start and an end, each a day or a moment.

    Raises ValueError with a sentence when it cannot be meant so.
    """

    days: int | None = None
    start: str | None = None
    end: str | None = None

    def __post_init__(self) -> None:
        if self.days is not None and (self.start or self.end):
            raise ValueError("--days cannot be given with --start or --end")
        for text in (self.start, self.end):
            if text:
                _read(text)

    @property
    def needs_zone(self) -> bool:
        """Whether the tenant's time zone must be known to say when the period begins and ends."""
        return self.days is not None or any(text and _read(text).tzinfo is None for text in (self.start, self.end))

    def bounds(self, zone: tzinfo | None, default_end: datetime | None) -> tuple[datetime | None, datetime | None]:
        """Return first moment and first moment after; None leaves it to the service.

        `zone` and `default_end`, the end of the tenant's today, are needed only when `needs_zone`.
        """
        if self.days is not None:
            if default_end is None:
                raise ValueError("the answer names no window to count days from")
            last = default_end.astimezone(zone).date()
            return datetime.combine(last - timedelta(days=self.days), time(), zone), datetime.combine(last, time(), zone)
        return _moment(self.start, zone), _moment(self.end, zone)


def _read(text: str) -> datetime:
    """Return the moment that a day or an ISO 8601 time names, without zone when it names none."""
    try:
        return datetime.combine(date.fromisoformat(text), time())
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a day such as 2025-07-30 nor a time such as 2025-07-30T09:00+05:30") from None


def _moment(text: str | None, zone: tzinfo | None) -> datetime | None:
    if not text:
        return None
    read = _read(text)
    return read if read.tzinfo else read.replace(tzinfo=zone)
