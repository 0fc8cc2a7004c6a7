"""What the figures of the sources are called, and what they come to when there is nothing."""

from __future__ import annotations

from services.query.costs import Costs
from services.query.metrics import Sums
from services.query.source_reports import SOURCES, source_figures
from services.query.sourced import Sourced


def used_before_and_now(now: dict[str, float], before: dict[str, float]) -> dict[str, tuple[float | None, float | None]]:
    """Return what is used per conversation now and before, of one conversation each, by the figure's name."""
    current, previous = (Sourced(sums=Sums({"conversations": 1}), units=units) for units in (now, before))
    billing = dict(source_figures(current, previous, "INR"))["billing"]
    return {each.measure.name: (each.now.value, each.previous) for each in billing[7:]}


def test_what_was_not_used_before_was_used_0_times() -> None:
    assert used_before_and_now({"tokens": 5.0}, {}) == {"tokensPerConversation": (5, 0)}
    assert used_before_and_now({"tokens": 5.0}, {"calls": 2.0, "TOKENS": 1.0}) == {"tokensPerConversation": (5, 1)}


def test_units_of_any_script_are_figures_of_their_own() -> None:
    same = {"GB hours": 1.0, "gb-hours": 1.0, "GBHours": 1.0}
    assert used_before_and_now(same, {}) == {"gbHoursPerConversation": (3, 0)}
    units = ["消息", "字符", "€", "$/call", "€/call", "संदेश", "Café", "%"]
    found = used_before_and_now(dict.fromkeys(units, 1.0), {"消息": 2.0})
    assert found == {
        "消息PerConversation": (1, 2), "字符PerConversation": (1, 0), "euroSignPerConversation": (1, 0),
        "dollarSignSolidusCallPerConversation": (1, 0), "euroSignSolidusCallPerConversation": (1, 0),
        "संदेशPerConversation": (1, 0), "caféPerConversation": (1, 0), "percentSignPerConversation": (1, 0),
    }  # fmt: skip


def test_a_unit_called_cost_is_not_what_conversations_cost() -> None:
    period = Sourced(sums=Sums({"conversations": 1}), units={"cost": 3.0, "Costs": 1.0})
    names = [each.measure.name for each in dict(source_figures(period, None, "INR"))["billing"]]
    assert len(set(names)) == len(names)
    assert names[-3:] == ["costPerConversation", "costUnitsPerConversation", "costsPerConversation"]


def test_titles_and_names_are_told_once() -> None:
    """Without anything, too: no figure is told twice, and counts are 0 while rates are absent."""
    for _, told in source_figures(Sourced(), Sourced(), "INR"):
        names = [each.measure.name for each in told]
        assert len(set(names)) == len(names)
        assert all(name[:1].islower() and name.isalnum() for name in names)
        assert all(each.measure.description for each in told)
    units = {"tokens": 5.0, "GB hours": 2.0, "": 1.0, "TOKENS": 1.0}
    period = Sourced(sums=Sums({"conversations": 2}), units=units, costs={1: Costs()})
    used = [
        each for each in dict(source_figures(period, None, "INR"))["billing"] if each.measure.name.endswith("PerConversation")
    ]
    assert {each.measure.name: each.now.value for each in used[1:]} == {
        "tokensPerConversation": 3, "gbHoursPerConversation": 1, "unitsPerConversation": 0.5,
    }  # fmt: skip
    assert SOURCES[0] == "agentWizard"
