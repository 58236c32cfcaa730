"""The quarantine, read and asked to be taken in again. Every answer is a page; an export is many of them.

Asking is all that happens here: the ingest takes a message in, in its own transaction, and says what became of it.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hoistway.limits import PAGE_ROWS
from hoistway.store import queries

SQL: Final = queries("hoistway.ledger", "sql/ledger.sql")
NEWEST: Final = 2**63 - 1
POLL_S: Final = 0.5
ACCEPTED: Final = "accepted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which rows. None: any."""

    device: str | None = None
    reason: str | None = None  # a key of `hoistway.wire.REASONS`
    topic: str | None = None  # exact, or with the wildcards of MQTT
    since: datetime | None = None  # received at or after
    until: datetime | None = None  # received before
    waiting: bool = False  # only what was not taken in since

    @property
    def everything(self) -> bool:
        return self == Wanted(waiting=self.waiting)

    def columns(self) -> tuple[object, ...]:
        return self.device, self.reason, topic_pattern(self.topic), self.since, self.until


def topic_pattern(topic: str | None) -> str | None:
    """An MQTT topic filter as a regular expression of PostgreSQL: `+` is one level, `#` at the end all below."""
    if topic is None:
        return None
    levels = [{"+": "[^/]*", "#": ".*"}.get(level) or re.escape(level) for level in topic.split("/")]
    return f"^{'/'.join(levels)}$".replace("/.*$", "(/.*)?$")


async def page(
    connection: Any, wanted: Wanted, *, text: str | None = None, after: int | None = None, limit: int = PAGE_ROWS
) -> list[Mapping[str, Any]]:
    """At most `limit` rows, newest first, without payloads; never more than a page and one, which says that there are more.

    `text` must stand in the payload or in the detail.
    """
    needle = text.encode("utf-8", "backslashreplace") if text is not None else None
    rows: list[Mapping[str, Any]] = await connection.fetch(
        SQL["quarantine_page"],
        *wanted.columns(),
        needle,
        wanted.waiting,
        NEWEST if after is None else after,
        min(limit, PAGE_ROWS + 1),
    )
    return rows


async def reasons(connection: Any, wanted: Wanted) -> list[Mapping[str, Any]]:
    """How many rows and messages there are of each reason, and how many still wait."""
    rows: list[Mapping[str, Any]] = await connection.fetch(SQL["quarantine_reasons"], *wanted.columns(), wanted.waiting)
    return rows


async def by_id(connection: Any, ids: Sequence[int]) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = await connection.fetch(SQL["quarantine_rows"], ids)
    return rows


async def payloads(connection: Any, ids: Sequence[int]) -> dict[int, bytes]:
    return {row["id"]: row["payload"] for row in await connection.fetch(SQL["quarantine_payloads"], ids)}


async def export(connection: Any, wanted: Wanted, *, limit: int) -> AsyncIterator[dict[str, Any]]:
    """At most `limit` rows as JSON documents with their bytes, newest first, read a page at a time."""
    after, left = NEWEST, limit
    while left > 0:
        rows = await page(connection, wanted, after=after, limit=left)
        bytes_ = await payloads(connection, [row["id"] for row in rows])
        for row in rows:
            yield document(row, bytes_.get(row["id"], b""))
        if not rows:
            return
        after, left = rows[-1]["id"], left - len(rows)


def document(row: Mapping[str, Any], payload: bytes) -> dict[str, Any]:
    """A row as JSON: times in RFC 3339, the payload in base 64 and, when it is UTF-8, as text."""
    found = {
        name: value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    return found | in_words(payload)


def in_words(payload: bytes) -> dict[str, str | None]:
    """A payload as fields of a document: in base 64 and, when it is UTF-8, as text."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = None
    return {"payload_base64": base64.b64encode(payload).decode(), "payload_text": text}


def accepted(row: Mapping[str, Any]) -> bool:
    """Whether a row was taken in since it was refused."""
    return (row["replay_result"] or "").startswith(ACCEPTED)


async def ask(connection: Any, ids: Sequence[int]) -> set[int]:
    """Ask the ingest to take these rows in again; answers of which it was asked. Not of what was accepted, and of equal rows only of
    the newest."""
    return {row["id"] for row in await connection.fetch(SQL["ask_again"], ids)}


async def replay(connection: Any, ids: Sequence[int], *, wait_s: float) -> list[tuple[int, str]]:
    """Ask the ingest to take these rows in again, wait for it, and say what became of each one.

    What was accepted before is not asked for again, so that a second call changes nothing.
    """
    asked = await ask(connection, ids)
    answers = await _answers(connection, asked, wait_s)
    found = []
    for row in await by_id(connection, ids):
        if row["id"] in asked:
            found.append((row["id"], answers.get(row["id"], "waits for the ingest")))
        elif accepted(row):
            found.append((row["id"], f"nothing to do, {row['replay_result']}"))
        else:
            found.append((row["id"], "nothing to do, the same message waits under another number"))
    known = {number for number, _ in found}
    return found + [(number, "no such message") for number in ids if number not in known]


async def _answers(connection: Any, asked: set[int], wait_s: float) -> dict[int, str]:
    answers: dict[int, str] = {}
    for _ in range(max(1, round(wait_s / POLL_S))):
        rows = await connection.fetch(SQL["answered"], list(asked))
        answers = {row["id"]: row["replay_result"] for row in rows}
        if len(answers) == len(asked):
            break
        await asyncio.sleep(min(POLL_S, wait_s))
    return answers
