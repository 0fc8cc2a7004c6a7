"""Which open alerts have their notifications held back: by silences, and by other open alerts that explain them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.alerting.alerts import Alert, EventKind
from services.alerting.lifecycle import Change
from services.alerting.matchers import Matcher, satisfies
from services.alerting.silences import Silence


@dataclass(frozen=True, slots=True)
class Held:
    """What holds an alert's notifications back: silences, in the order of their ids, and the open alert that explains it."""

    silence_ids: tuple[str, ...] = ()
    inhibited_by: UUID | None = None

    def change_of(self, alert: Alert) -> Change | None:
        """Return what happens to an alert that is held back so from now on; None when it is so already."""
        if (alert.silence_ids, alert.inhibited_by) == (self.silence_ids, self.inhibited_by):
            return None
        after = replace(alert, silence_ids=self.silence_ids, inhibited_by=self.inhibited_by)
        if after.is_suppressed == alert.is_suppressed:
            return Change(EventKind.UPDATED, alert, after)
        return Change(EventKind.SUPPRESSED if after.is_suppressed else EventKind.UNSUPPRESSED, alert, after)


def held_back(
    alerts: Sequence[Alert], silences: Sequence[Silence], inhibits: Mapping[str, Sequence[Matcher]]
) -> dict[UUID, Held]:
    """Return what holds each of the open alerts back, by their ids.

    `alerts` are the oldest first, `silences` those that apply now, `inhibits` what alerts of a rule explain, by its id.
    """
    names = {alert.alert_id: alert.names for alert in alerts}
    explained = _explained(alerts, names, inhibits)
    return {a: Held(_silenced_by(told, silences), explained.get(a)) for a, told in names.items()}


def _silenced_by(names: Mapping[str, str], silences: Iterable[Silence]) -> tuple[str, ...]:
    return tuple(sorted(str(silence.silence_id) for silence in silences if silence.picks(names)))


def _explained(
    alerts: Sequence[Alert], names: Mapping[UUID, Mapping[str, str]], inhibits: Mapping[str, Sequence[Matcher]]
) -> dict[UUID, UUID]:
    """Return which alert explains which: the oldest that does.

    Explanations never go in a circle: of two that would explain each other, and of more, the older one counts.
    """
    rules = {alert.rule_id for alert in alerts if inhibits.get(alert.rule_id)}
    left = {rule: [a for a, told in names.items() if satisfies(told, inhibits[rule])] for rule in rules}
    found: dict[UUID, UUID] = {}
    for alert in alerts:
        # The rule's first alert explains nearly all that its alerts can; later ones are asked for what is left.
        unexplained: list[UUID] = []
        for target in left.get(alert.rule_id, ()):
            if target in found:
                continue
            if _leads_to(target, alert.alert_id, found):
                unexplained.append(target)
            else:
                found[target] = alert.alert_id
        if alert.rule_id in left:
            left[alert.rule_id] = unexplained
    return found


def _leads_to(target: UUID, alert: UUID | None, explained: Mapping[UUID, UUID]) -> bool:
    """Tell whether an alert is the target, or explained by it, whatever lies between."""
    while alert is not None and alert != target:
        alert = explained.get(alert)
    return alert is not None
