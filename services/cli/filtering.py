"""Which facts are meant, as a person names them: `--where platform=whatsapp --where stage=decision`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from google.protobuf.descriptor import EnumDescriptor
from rapport.query.v1.filter_pb2 import FactFilter

#: The fields of a filter by the names at the terminal.
_FIELDS = {
    "agent": "agent_ids",
    "platform": "platforms",
    "industry": "industries",
    "intent": "intents",
    "tag": "tags",
    "sentiment": "sentiments",
    "emotion": "emotions",
    "stage": "stages",
    "segment": "segments",
    "source": "sources",
    "conversion": "conversion_types",
    "resolution": "resolutions",
    "escalation": "escalation_reasons",
    "outcome": "outcomes",
    "customer": "customer_ids",
}

Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Only facts of this value, of one of the values where a name is given several times; an empty value means not "
        f"known. Names: {', '.join(_FIELDS)}.",
    ),
]


def filter_of(where: Iterable[str] | None) -> FactFilter:
    """Return the filter that the options name. Raises typer.BadParameter."""
    made = FactFilter()
    for told in where or ():
        name, equals, value = told.partition("=")
        if name not in _FIELDS or not equals:
            raise typer.BadParameter(f"{told!r} is not NAME=VALUE with one of {', '.join(_FIELDS)}", param_hint="--where")
        field = FactFilter.DESCRIPTOR.fields_by_name[_FIELDS[name]]
        values = getattr(made, field.name)
        meant = value if field.enum_type is None else number_of(field.enum_type, value, "--where")
        if meant not in values:
            values.append(meant)
    return made


def words(enum: EnumDescriptor) -> dict[str, int]:
    """Return an enumeration's words, without its prefix and in lower case, by which a person names its numbers."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED") if enum.values_by_number[0].name.isupper() else ""
    return {value.name.removeprefix(prefix).lower(): value.number for value in enum.values if value.number}


def number_of(enum: EnumDescriptor, word: str, option: str) -> int:
    """Return the number of a word, 0 for an empty one. Raises typer.BadParameter."""
    known = words(enum) | {"": 0}
    if word not in known:
        raise typer.BadParameter(f"{word!r} is none of {', '.join(filter(None, known))}", param_hint=option)
    return known[word]


def word_of(enum: EnumDescriptor, number: int) -> str:
    """Return the word of a number with spaces for underlines, the number itself when it is not known here, "" for 0."""
    known = {told: word.replace("_", " ") for word, told in words(enum).items()}
    return known.get(number, str(number or ""))
