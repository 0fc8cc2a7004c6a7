"""The main job once: facts recorded over HTTP become grades, insight, a comparison and an alert, and each figure is checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.table import Table
from rich.text import Text

from services.cli.load import NEWEST_AGO
from services.cli.sample import Sample, newest, read_sample, shift
from services.stack.errors import StackError
from services.stack.figures import Check, check
from services.stack.http import OK, Answer, Client
from services.stack.progress import Progress

_ASK_AGAIN_AFTER_S = 0.25


@dataclass(frozen=True, slots=True)
class Asked:
    """A path that was asked, what it answered, and the figures found there."""

    path: str
    answer: Answer
    figures: list[Check]

    def wrong(self) -> int:
        """Return how many figures are not as expected."""
        return sum(not figure.is_ok for figure in self.figures)


async def play(client: Client, sample: Sample, wanted: Mapping[str, Any], progress: Progress) -> bool:
    """Record the sample, ask, record its fourth conversation, ask again; show every figure and tell whether all are well.

    `wanted` is samples/expected.json. Raises StackError when a fact is refused.
    """
    with progress.step("record", f"{len(sample.conversations)} conversations and {len(sample.events)} events, over HTTP"):
        token = await _record(client, sample)
    with progress.step("ask", "the sample's figures, over HTTP"):
        asked = await _ask_all(client, wanted["sample"], token)
    with progress.step("record", "the fourth conversation, with a rating of 2"):
        token = await _record_conversations(client, [sample.fourth] if sample.fourth else [])
    with progress.step("ask", "for the alert that it raises"):
        asked += await _ask_all(client, wanted["fourthConversation"], token)
    for each in asked:
        progress.show(_table(each))
    total, wrong = sum(len(each.figures) for each in asked), sum(each.wrong() for each in asked)
    progress.say(f"{total - wrong} of {total} figures are as expected", style="red" if wrong else "green")
    return not wrong


def shifted_sample(file: Path) -> Sample:
    """Return the facts, moved so that the newest is some minutes old."""
    sample = read_sample(file.read_bytes())
    shift(sample, datetime.now(UTC).replace(microsecond=0) - newest(sample) - NEWEST_AGO)
    return sample


async def _record(client: Client, sample: Sample) -> str:
    """Send settings, conversations and events and return the token that stands for all of them."""
    _accepted(await client.send("PATCH", "/api/analytics/settings", MessageToDict(sample.settings)))
    await _record_conversations(client, sample.conversations)
    events = {"events": [MessageToDict(event) for event in sample.events]}
    body = _accepted(await client.send("POST", "/api/analytics/sync", events))
    if body["rejections"]:
        raise StackError(f"events were refused: {body['rejections']}")
    return str(body["consistencyToken"])


async def _record_conversations(client: Client, conversations: Iterable[Message]) -> str:
    """Send conversations one by one and return the token of the last."""
    body: dict[str, Any] = {}
    for conversation in conversations:
        body = _accepted(await client.send("POST", "/api/analytics/conversation", MessageToDict(conversation)))
    return str(body.get("consistencyToken", ""))


def _accepted(answer: Answer) -> dict[str, Any]:
    if answer.status != OK:
        raise StackError(f"a fact was refused with {answer.status}: {answer.body}")
    body: dict[str, Any] = answer.body
    return body


async def _ask_all(client: Client, questions: Iterable[Mapping[str, Any]], token: str) -> list[Asked]:
    return [await _ask(client, q["path"], q["figures"], q.get("withinSeconds", 0), token) for q in questions]


async def _ask(client: Client, path: str, figures: Mapping[str, Any], within_s: float, token: str) -> Asked:
    """Ask, once the facts that the token stands for count, until all figures are well or their time is up."""
    give_up = time.monotonic() + within_s
    while True:
        answer = await client.get(path, {"consistency_token": token})
        asked = Asked(path, answer, check(answer.body, figures))
        if asked.wrong() == 0 or time.monotonic() > give_up:
            return asked
        await asyncio.sleep(_ASK_AGAIN_AFTER_S)


def _table(asked: Asked) -> Table:
    refused = "" if asked.answer.status == OK else f"  answered {asked.answer.status}: {asked.answer.body.get('message')}"
    table = Table(title=Text(f"GET {asked.path}{refused}"), title_justify="left")
    for heading in ("figure", "expected", "got", ""):
        table.add_column(heading, overflow="fold")
    for figure in asked.figures:
        mark = Text("ok", "green") if figure.is_ok else Text("WRONG", "bold red")
        table.add_row(Text(figure.at), Text(figure.expected), Text(figure.found), mark)
    return table
