"""A file instead of a person: where exercises end, and what `console:` for a gateway means. One line of JSON a message."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Final

from dispatch.notify.plan import DRILL
from dispatch.notify.ways.way import Outgoing, Sent

FILE_BYTES: Final = 16 * 1024 * 1024
"""A longer file is put aside (`.1`, which replaces the one before), so that a long demo fills no disk."""


class ConsoleWay:
    """Appends to `path`."""

    def __init__(self, path: Path, *, receipt: bool) -> None:
        """`receipt`: in an exercise nobody else could say that it came."""
        self._path, self._receipt = path, receipt

    async def send(self, message: Outgoing) -> Sent:
        line = json.dumps(
            {
                "at_s": message.at_s, "key": message.key, "topic": message.topic, "channel": message.channel,
                "contact": message.contact, "address": message.address, "exercise": message.exercise,
                "title": message.title, "text": message.whole,
            },
            ensure_ascii=False,
        )  # fmt: skip
        await asyncio.to_thread(self._append, line + "\n")
        confirmed = (
            self._receipt and message.topic != DRILL
        )  # a drill asks for a person's word, also in a pretended city
        return Sent(receipt=confirmed, said=self._path.name)

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > FILE_BYTES:
            self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
