"""Signs webhooks, so that a receiver knows that they are ours and not old."""

from __future__ import annotations

import hmac
from datetime import datetime


def signature(secret: str, body: bytes, at: datetime) -> str:
    """Return "t=<seconds>,v1=<hex>": the HMAC-SHA256 of "<seconds>.<body>" by the secret."""
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, "sha256").hexdigest()
    return f"t={seconds},v1={digest}"


def is_signed(secret: str, body: bytes, told: str, now: datetime, tolerance_s: float = 300) -> bool:
    """Tell whether a body was signed by the secret at most `tolerance_s` seconds ago: what a receiver does."""
    parts = dict(part.partition("=")[::2] for part in told.split(","))
    seconds = parts.get("t", "")
    if not (seconds.isascii() and seconds.isdigit()) or abs(now.timestamp() - int(seconds)) > tolerance_s:
        return False
    expected = hmac.new(secret.encode(), f"{seconds}.".encode() + body, "sha256").hexdigest()
    return hmac.compare_digest(expected, parts.get("v1", ""))
