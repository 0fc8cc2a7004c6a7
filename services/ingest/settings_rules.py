"""Which changes of a tenant's settings are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.runtime.errors import Aborted, FailedPrecondition, FieldViolation
from services.storage.reading import Settings

#: Settings that stored numbers were made by.
SHAPES_NUMBERS = ("time_zone", "attribution_window_days")


def check(stored: Settings, told: Mapping[str, Any], expected_version: int | None, *, facts_exist: bool) -> None:
    """Raise Aborted when the caller read another version, FailedPrecondition when a change would make stored numbers wrong."""
    if expected_version is not None and expected_version != stored.version:
        raise Aborted("VERSION_CONFLICT", f"the settings are at version {stored.version}, not {expected_version}")
    changed = [name for name in SHAPES_NUMBERS if name in told and told[name] != getattr(stored, name)]
    if changed and facts_exist:
        sentence = "changes only together with the numbers, by RebuildRollups, once facts are stored"
        raise FailedPrecondition(
            "SETTING_SHAPES_NUMBERS",
            f"{' and '.join(changed)} {sentence}",
            violations=[FieldViolation(f"settings.{name}", "setting.fixed", sentence) for name in changed],
        )
