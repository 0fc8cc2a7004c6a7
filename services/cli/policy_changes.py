"""What `PATH=VALUE` means for a scoring policy, and in which fields two policies differ: no calls, no printing."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from rapport.scoring.v1.policy_pb2 import IndustryPolicy, ScoringPolicy, TargetSource

#: Fields that say what a version is, not what it does.
_TOLD = ("version", "created_at", "created_by", "comment", "changed_paths")
_INDUSTRIES = "industries"
_WORDS = "TARGET_SOURCE_"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One change: of a field of the policy, of one industry's field, or, without a field, of the industry as a whole.

    None as the value takes away what is there.
    """

    path: str
    industry: str
    field: str
    value: float | int | None


def parsed(texts: Iterable[str]) -> list[Assignment]:
    """Return what texts such as "revenue_target=900" mean. Raises ValueError with a sentence for the first without a sense."""
    found: dict[str, Assignment] = {}
    for text in texts:
        path, sign, value = (part.strip() for part in text.partition("="))
        if not sign:
            raise ValueError(f"{text!r} is not PATH=VALUE, such as conversion_rate_target=25")
        if path in found:
            raise ValueError(f"{path} is named twice")
        is_industry = path.startswith(f"{_INDUSTRIES}.")
        found[path] = _of_industry(path, value) if is_industry else _of_policy(path, value)
    return list(found.values())


def applied(policy: ScoringPolicy, assignments: Iterable[Assignment]) -> ScoringPolicy:
    """Return the policy after the assignments; industries that it has not yet are added."""
    made = ScoringPolicy()
    made.CopyFrom(policy)
    for each in assignments:
        if not each.industry:
            _put(made, each.field, each.value)
        elif each.field:
            known = (i for i in made.industries if _same(i, each.industry))
            _put(next(known, None) or made.industries.add(industry=each.industry), each.field, each.value)
        else:
            kept = [i for i in made.industries if not _same(i, each.industry)]
            del made.industries[:]
            made.industries.extend(kept)
    return made


def mask(assignments: Iterable[Assignment]) -> list[str]:
    """Return the paths that an update mask names. The list of industries is one: it is replaced whole."""
    return list(dict.fromkeys(_INDUSTRIES if each.industry else each.field for each in assignments))


def values(policy: ScoringPolicy) -> dict[str, str]:
    """Return a policy's values by path, as they could be set again; a number that is absent is left out."""
    found = {path: text for path in PATHS if (text := _text(policy, path)) is not None}
    for industry in policy.industries:
        for name in _INDUSTRY_FIELDS:
            if (text := _text(industry, name)) is not None:
                found[f"{_INDUSTRIES}.{industry.industry}.{name}"] = text
    return found


def differences(before: ScoringPolicy, after: ScoringPolicy) -> list[tuple[str, str | None, str | None]]:
    """Return path, value before and value after of every field that differs; None where there is none."""
    old, new = values(before), values(after)
    return [(path, old.get(path), new.get(path)) for path in {**old, **new} if old.get(path) != new.get(path)]


def _paths(message: Descriptor, prefix: str = "") -> Iterator[str]:
    for field in message.fields:
        if field.name in (*_TOLD, _INDUSTRIES):
            continue
        if field.message_type is None:
            yield f"{prefix}{field.name}"
        else:
            yield from _paths(field.message_type, f"{prefix}{field.name}.")


#: Every path of a policy that can be changed, those of industries apart.
PATHS = tuple(_paths(ScoringPolicy.DESCRIPTOR))
_INDUSTRY_FIELDS = tuple(field.name for field in IndustryPolicy.DESCRIPTOR.fields if field.name != "industry")


def _of_policy(path: str, value: str) -> Assignment:
    if path not in PATHS:
        near = difflib.get_close_matches(path, PATHS, n=2, cutoff=0.5)
        meant = f": did you mean {' or '.join(near)}?" if near else ";"
        raise ValueError(f"the policy has no {path!r}{meant} `rapport policy show` lists all that can be changed")
    message = ScoringPolicy.DESCRIPTOR
    *outer, name = path.split(".")
    for step in outer:
        inner = message.fields_by_name[step].message_type
        assert inner is not None
        message = inner
    return Assignment(path, "", path, _read(message.fields_by_name[name], path, value))


def _of_industry(path: str, value: str) -> Assignment:
    rest = path.removeprefix(f"{_INDUSTRIES}.")
    name, _, field = rest.rpartition(".")
    if name and field in _INDUSTRY_FIELDS:
        return Assignment(path, name, field, _read(IndustryPolicy.DESCRIPTOR.fields_by_name[field], path, value))
    if value or not rest:
        such = f"such as {_INDUSTRIES}.retail.revenue_target=900"
        raise ValueError(f"{path} is nothing to set: name an industry and one of {', '.join(_INDUSTRY_FIELDS)}, {such}")
    return Assignment(path, rest, "", None)


def _read(field: FieldDescriptor, path: str, text: str) -> float | int | None:
    if not text:
        if field.has_presence:
            return None
        raise ValueError(f"{path} cannot do without a value")
    if field.enum_type is not None:
        return _number(field.enum_type, path, text)
    is_whole = field.cpp_type == field.CPPTYPE_INT32
    try:
        read = int(text) if is_whole else float(text)
    except ValueError:
        read = math.nan
    if not math.isfinite(read):
        raise ValueError(f"{path} is {'a whole number' if is_whole else 'a number'}, not {text!r}")
    if is_whole and abs(read) >= 2**31:
        raise ValueError(f"{path} cannot be as large as {text}")
    return read


def _number(enum: EnumDescriptor, path: str, text: str) -> int:
    words = {each.name.removeprefix(_WORDS).lower(): each.number for each in enum.values if each.number}
    word = text.upper().removeprefix(_WORDS).lower()
    if word not in words:
        raise ValueError(f"{path} is one of {', '.join(words)}, not {text!r}")
    return words[word]


def _put(message: Message, path: str, value: float | None) -> None:
    *outer, name = path.split(".")
    for step in outer:
        message = getattr(message, step)
    message.ClearField(name)
    if value is not None:
        setattr(message, name, value)


def _same(industry: IndustryPolicy, name: str) -> bool:
    return industry.industry.casefold() == name.casefold()


def _text(message: Message, path: str) -> str | None:
    *outer, name = path.split(".")
    for step in outer:
        message = getattr(message, step)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.has_presence and not message.HasField(name):
        return None
    value = getattr(message, name)
    return TargetSource.Name(value).removeprefix(_WORDS).lower() if field.enum_type is not None else f"{value:.15g}"
