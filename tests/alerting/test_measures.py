"""The catalogue of what rules measure says what QueryService says, and names only what the contract has."""

from __future__ import annotations

import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.insight.v1 import event_pb2, vocabulary_pb2

from services.alerting.conditions import CONDITIONS
from services.alerting.measures import MEASURES, MONEY, PLATFORMS, SOURCES, Kept
from services.query import measures as query_measures
from services.storage.schema import agent_interval

SHARED = sorted(MEASURES.keys() & query_measures.MEASURES.keys() - {"overdueFollowUps"})


def test_what_both_have():
    assert len(SHARED) == 12
    own = {name for name, measure in MEASURES.items() if measure.kept is Kept.ROLLUPS}
    assert own == set(SHARED)


@pytest.mark.parametrize("name", SHARED)
def test_a_measure_of_the_same_name_is_the_same(name):
    ours, theirs = MEASURES[name], query_measures.MEASURES[name]
    assert ((ours.of,), ours.per, ours.factor, ours.direction) == (theirs.of, theirs.per, theirs.factor, theirs.direction)
    assert ours.is_rate is theirs.is_rate
    assert ours.description.startswith(theirs.description)


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_a_measure_is_of_subjects_and_conditions_that_there_are(name):
    measure = MEASURES[name]
    assert measure.name == name
    assert set(measure.subject_kinds) <= set(alert_pb2.SubjectKind.values())
    assert set(measure.conditions) <= set(CONDITIONS)
    assert "threshold" in measure.conditions
    if measure.kept is Kept.ROLLUPS:
        assert set(measure.columns) - MONEY <= set(agent_interval.c.keys())


def test_counts_are_what_there_is_of_a_thing_and_of_nothing_else():
    assert {name for name in MEASURES if MEASURES[name].is_count} == {
        "totalConversations",
        "conversionsGenerated",
        "receivedFacts",
        "overdueFollowUps",
        "failedNotifications",
    }


def test_words_are_the_contracts():
    words = {number: name for name, number in vocabulary_pb2.Platform.Value.items() if number}
    assert words == PLATFORMS
    sources = event_pb2.EventSource.items()
    named = {number: name.removeprefix("EVENT_SOURCE_").lower() for name, number in sources if number}
    assert {0: "conversations"} | named == SOURCES
