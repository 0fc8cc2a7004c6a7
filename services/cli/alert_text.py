"""What people wrote, made safe to print: a comment must neither break a line nor steer the terminal of whoever reads it."""

from __future__ import annotations

import re
from typing import TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_Message = TypeVar("_Message", bound=Message)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
#: Texts whose lines stay lines: they are printed by themselves, never in a line with other things.
_OF_LINES = frozenset(("description",))


def plain(text: str) -> str:
    """Return a text with a space in the place of control characters, line breaks among them."""
    return _CONTROL.sub(" ", text)


def _lines(text: str) -> str:
    return "\n".join(map(plain, text.splitlines()))


def cleaned(message: _Message) -> _Message:
    """Return a copy of a message, all of whose texts are plain; descriptions keep their lines."""
    made = type(message)()
    made.CopyFrom(message)
    _clean(made)
    return made


def _clean(message: Message) -> None:
    for field, value in message.ListFields():
        is_text = field.type == FieldDescriptor.TYPE_STRING
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value.update({key: plain(text) for key, text in value.items() if isinstance(text, str)})
        elif field.is_repeated:
            if is_text:
                value[:] = [plain(each) for each in value]
            elif field.message_type is not None:
                for each in value:
                    _clean(each)
        elif is_text:
            setattr(message, field.name, _lines(value) if field.name in _OF_LINES else plain(value))
        elif field.message_type is not None:
            _clean(value)
