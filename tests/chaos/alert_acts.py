"""What people were answered about their acts, held against the log: it returns a line for everything that is not as promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.alerting.alerts import AlertState, EventKind
from tests.alerting.histories import State
from tests.chaos.alert_record import Acted, Logged, Record, Standing

#: What people may be refused: others were quicker.
TOO_LATE = frozenset({"FAILED_PRECONDITION ALERT_RESOLVED", "ABORTED VERSION_CONFLICT"})

_CARE = ("acknowledged_at", "acknowledged_by", "acknowledged_comment")


@dataclass(slots=True)
class Sent:
    """One act: its words, which no other has, the alert's revision that its author saw, and what came of it.

    `answered` is the alert's revision in the answer; `refused` a refusal's status and reason.
    """

    words: str
    kind: int
    alert_id: str
    author: str
    seen: int
    attempts: int = 0
    answered: int | None = None
    refused: str = ""


def done(sent: Sequence[Sent], record: Record, after: int = 0) -> Iterator[str]:
    """What was answered is in the log, unless it was so already; what was refused is not."""
    written = {entry.comment for entry in record.logged}
    for act in sent:
        if act.answered is None and act.refused not in TOO_LATE:
            yield f"{act} was not answered"
        elif act.refused and act.words in written:
            yield f"{act} was refused and done"
        elif act.answered is not None and act.words not in written and not _was_so(act, act.answered, record):
            yield f"{act} was answered and not done"


def once(sent: Sequence[Sent], record: Record, after: int = 0) -> Iterator[str]:
    """What was sent several times happened once."""
    times = Counter(entry.comment for entry in record.logged if entry.comment)
    yield from (f"{act} was done {times[act.words]} times" for act in sent if times[act.words] > 1)


def asked(sent: Sequence[Sent], record: Record, after: int = 0) -> Iterator[str]:
    """Nobody did in the log what was not sent."""
    known = {(act.words, act.kind, act.alert_id, act.author) for act in sent}
    for entry in record.logged:
        is_act = entry.revision > after and (entry.author or entry.comment)
        if is_act and (entry.comment, entry.kind, entry.alert_id, entry.author) not in known:
            yield f"nobody sent {entry}"


def following(sent: Sequence[Sent], record: Record, after: int = 0) -> Iterator[str]:
    """Each change begins where the one before it ended and does what its kind says, and tables have what the log says."""
    states: dict[str, State] = {}
    for entry in record.logged:
        if entry.revision > after:
            if entry.before not in _states(record, entry.alert_id, states.get(entry.alert_id)):
                yield f"{entry} does not follow {states.get(entry.alert_id)}"
            if not _is_right(entry):
                yield f"{entry} is not of its kind"
        states[entry.alert_id] = entry.after
    for row in record.standing:
        now = _states(record, row[0], states.get(row[0]))[-1]
        if now is None or row != _standing(now):
            yield f"{row} stands where the log says {now}"
    due = [_acted(entry) for entry in record.logged if entry.author]
    if (rest := [acted for acted in record.acts if not _is_told(acted, due, record)]) or len(due) != len(record.acts):
        yield f"there are {len(record.acts)} acts, not {len(due)}; {rest[:3]} are not in the log"


Validator = Callable[[Sequence[Sent], Record, int], Iterator[str]]
VALIDATORS: Mapping[str, Validator] = {each.__name__: each for each in (done, once, asked, following)}


def objections(sent: Sequence[Sent], record: Record, after: int = 0) -> dict[str, list[str]]:
    """Return what every validator that objects has to say, by its name, of what was sent and written after a revision."""
    said = {name: list(validator(sent, record, after)) for name, validator in VALIDATORS.items()}
    return {name: lines for name, lines in said.items() if lines}


def counted(sent: Sequence[Sent]) -> Counter[str]:
    """Return how many acts were sent, how many of them again, and how many refused."""
    return Counter(sent=len(sent), again=sum(act.attempts > 1 for act in sent), refused=sum(bool(act.refused) for act in sent))


def _was_so(act: Sent, answered: int, record: Record) -> bool:
    """Tell whether nobody took care of the alert at a moment between when it was looked at and the answer."""
    if act.kind != EventKind.UNACKNOWLEDGED:
        return False
    of_it = (e.after for e in record.logged if e.alert_id == act.alert_id and act.seen <= e.revision <= answered)
    return any(state["acknowledged_at"] is None for state in of_it)


def _states(record: Record, alert_id: str, state: State | None) -> list[State | None]:
    """Return what a state of the log may be in the tables: what it is, and what was left by erasing."""
    renamed = record.renamed.get(alert_id)
    return [state] if renamed is None or state is None else [state, renamed.taken_out(state)]


def _is_right(entry: Logged) -> bool:
    """Tell whether a change does to the alert what its kind and author say, and nothing else to what is people's."""
    before, after, kind = entry.before, entry.after, entry.kind
    if before is None or kind == EventKind.FIRED:
        return kind == EventKind.FIRED and before is None and after["acknowledged_at"] is None and after["resolved_at"] is None
    if before["resolved_at"] is not None and kind != EventKind.NOTED:
        return False
    by = (after["acknowledged_at"], entry.author, entry.comment)
    changed = {
        EventKind.ACKNOWLEDGED: dict(zip(_CARE, by, strict=True)),
        EventKind.UNACKNOWLEDGED: dict(zip(_CARE, (None, "", ""), strict=True)),
        EventKind.NOTED: {},
        EventKind.RESOLVED: _over(after, entry.author),
    }.get(EventKind(kind), {})
    is_peoples = bool(entry.author)
    names = after.keys() - {"revision"} if is_peoples else {*_CARE, "resolved_by"}
    is_over = after["resolved_at"] is not None
    was_over = before["resolved_at"] is not None
    acknowledges = kind != EventKind.ACKNOWLEDGED or after["acknowledged_at"] is not None
    same = all(after[name] == {**before, **changed}[name] for name in names)
    return same and acknowledges and is_over is (was_over or kind == EventKind.RESOLVED)


def _over(after: State, author: str) -> State:
    if not author:
        return {}
    return {
        "state": AlertState.RESOLVED,
        "recovering_since": None,
        "resolved_at": after["resolved_at"],
        "resolved_by": author,
    }


def _standing(state: State) -> Standing:
    names = ("alert_id", "revision", "state", "subject_id", "acknowledged_by", "acknowledged_comment", "resolved_by")
    of = tuple(state[name] for name in names)
    return Standing((*of, state["acknowledged_at"] is None, state["resolved_at"] is None))


def _acted(entry: Logged) -> Acted:
    return (entry.revision, entry.alert_id, entry.kind, entry.author, entry.comment)


def _is_told(acted: Acted, due: Sequence[Acted], record: Record) -> bool:
    """Tell whether an act is the log's; of an erased customer's alert what was said may be gone."""
    *what, comment = acted
    words = next((each[-1] for each in due if list(each[:-1]) == what), None)
    return words is not None and comment in ({words, ""} if acted[1] in record.renamed else {words})
