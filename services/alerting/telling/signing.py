"""Signs webhooks, so that a receiver knows that they are ours and not old."""

from __future__ import annotations

import hmac
from datetime import datetime


def signature(secret: str, body: bytes, at: datetime) -> str:
    """Return "t=<seconds>,v1=<hex>": the HMAC-SHA256 of "<seconds>.<body>" by the secret."""
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, "sha256").hexdigest()
    return f"t={seconds},v1={digest}"
