"""What the database says of alerts at the end of a round: every revision there ever was, and what was taken out of which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.alerting.histories import State

# Written by the transactions that write the log and the alerts, and never deleted. Messages are long, and told by the rule.
KEEP = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.kept (revision bigint PRIMARY KEY, body jsonb);
CREATE TABLE chaos.rewritten (revision bigint, body jsonb);
CREATE TABLE chaos.renamed (alert_id uuid PRIMARY KEY, customer text, pseudonym text);
CREATE FUNCTION chaos.brief(l alerting.alert_log) RETURNS jsonb LANGUAGE sql AS $$
  SELECT to_jsonb(l) || jsonb_build_object('before', nullif(l.before, 'null') - 'message', 'after', l.after - 'message')
$$;
CREATE FUNCTION chaos.keep() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.kept VALUES (new.revision, chaos.brief(new));
  RETURN NULL;
END $$;
CREATE FUNCTION chaos.rewrite() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.rewritten VALUES (old.revision, chaos.brief(new));
  RETURN NULL;
END $$;
CREATE FUNCTION chaos.rename() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.renamed VALUES (new.alert_id, old.subject_id, new.subject_id);
  RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER INSERT ON alerting.alert_log FOR EACH ROW EXECUTE FUNCTION chaos.keep();
CREATE TRIGGER rewrite AFTER UPDATE ON alerting.alert_log FOR EACH ROW EXECUTE FUNCTION chaos.rewrite();
CREATE TRIGGER rename AFTER UPDATE ON alerting.alert FOR EACH ROW
  WHEN (old.subject_id <> new.subject_id) EXECUTE FUNCTION chaos.rename();
"""
_STANDING = (
    "SELECT alert_id::text, revision, state, subject_id, acknowledged_by, acknowledged_comment, resolved_by,"
    " acknowledged_at IS NULL, resolved_at IS NULL FROM alerting.alert"
)
_ACTS = "SELECT revision, alert_id::text, kind, author, comment FROM alerting.act ORDER BY revision"

#: What stands in the tables of an alert, and what of one of people's acts.
Standing = tuple[str, int, int, str, str, str, str | None, bool, bool]
Acted = tuple[int, str, int, str, str]


@dataclass(frozen=True, slots=True)
class Logged:
    """One revision as it was written."""

    revision: int
    alert_id: str
    kind: int
    before: State | None
    after: State
    author: str
    comment: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """The customer of an alert was erased, and a pseudonym stands in the place of the id."""

    customer: str
    pseudonym: str

    def taken_out(self, state: State) -> State:
        """Return a state of the alert without the customer's words."""
        return {**state, "subject_id": self.pseudonym, "acknowledged_comment": ""}


@dataclass(frozen=True, slots=True)
class Record:
    """Every revision in its order, what became of which by erasing, and what stands in the tables."""

    logged: Sequence[Logged]
    renamed: Mapping[str, Renamed]
    rewritten: Sequence[Mapping[str, Any]]
    standing: Sequence[Standing]
    acts: Sequence[Acted]
    first_kept: int = 1


def logged_of(body: Mapping[str, Any]) -> Logged:
    """Return a revision of a row of the log."""
    names = ("revision", "alert_id", "kind", "before", "after", "author", "comment")
    return Logged(*(body[name] for name in names))


def read(url: str) -> Record:
    """Return what the database says now."""
    with psycopg.connect(url) as conn:
        logged = conn.execute("SELECT body FROM chaos.kept ORDER BY revision").fetchall()
        renamed = conn.execute("SELECT alert_id::text, customer, pseudonym FROM chaos.renamed").fetchall()
        rewritten = conn.execute("SELECT revision, body FROM chaos.rewritten").fetchall()
        heads = conn.execute("SELECT first_revision FROM alerting.log_head").fetchall()
        return Record(
            logged=[logged_of(body) for (body,) in logged],
            renamed={alert_id: Renamed(*names) for alert_id, *names in renamed},
            rewritten=[body | {"revision": revision} for revision, body in rewritten],
            standing=[Standing(row) for row in conn.execute(_STANDING)],
            acts=[Acted(row) for row in conn.execute(_ACTS)],
            first_kept=max((first for (first,) in heads), default=1),
        )
