"""A foreign file as entries with their line numbers. Bytes in; what a message means is the adapter's business.

A line is a message (JSON, or a framed text), or a capture `{"received": time, "topic": "...", "message": ...}`. A file that is one
JSON document over several lines is one entry; a stream of frames (`#10#...#13#`) is an entry a frame.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from hoistway.errors import BadInput
from ingest.adapters.framing import BEGIN, END, Framer
from ingest.adapters.values import TimeForm, moment_ms

REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands where the bytes were no UTF-8."""
_CAPTURE: Final = frozenset({"received", "topic", "message"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One message of a file, or why there is none."""

    line: int  # from 1
    message: Any = None
    received_ms: int | None = None  # when it arrived, if the file says so
    topic: str = ""  # MQTT topic, if the file says so
    fault: BadInput | None = None  # the line cannot be read
    replaced: int = 0  # places of it that were no UTF-8


def entries(content: bytes) -> Iterator[Entry]:
    """The messages of a file, in order. Whatever is not in a message is an entry that says so."""
    text = content.decode("utf-8-sig", "replace")
    if text.lstrip().startswith(BEGIN):
        yield from _frames(content.removeprefix(BOM_UTF8))
        return
    # only at \n: str.splitlines also cuts at characters that may stand in a JSON text, U+2028 for one
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > 1 and not _is_json(lines[0][1]) and _is_json(text):
        yield Entry(line=lines[0][0], message=json.loads(text), replaced=text.count(REPLACED))
        return
    for number, line in lines:
        yield _entry(number, line)


def _frames(content: bytes) -> Iterator[Entry]:
    framer, number = Framer(), 1
    for number, piece in enumerate(BytesIO(content), 1):
        before = framer.skipped
        for message in framer.feed(piece):
            if isinstance(message, BadInput):
                yield Entry(line=number, fault=message)
            else:
                yield Entry(line=number, message=message, replaced=message.count(REPLACED))
        if framer.skipped > before:
            yield Entry(line=number, fault=_skipped(framer.skipped - before))
    before, fault = framer.skipped, framer.rest()
    if fault is not None:
        yield Entry(line=number, fault=fault)
    elif framer.skipped > before:
        yield Entry(line=number, fault=_skipped(framer.skipped - before))


def _skipped(size: int) -> BadInput:
    return BadInput(f"{size} bytes in no frame", where="frame", expected=f"{BEGIN}...{END}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _entry(number: int, line: str) -> Entry:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        fault = BadInput(str(error)[:120], where=f"line {number}", expected="a JSON object, or #10#...#13#")
        return Entry(line=number, fault=fault)
    replaced = line.count(REPLACED)
    if not isinstance(found, dict) or "message" not in found or not found.keys() <= _CAPTURE:
        return Entry(line=number, message=found, replaced=replaced)
    try:
        received = found.get("received")
        form = TimeForm.RFC3339 if isinstance(received, str) else TimeForm.UNIX_MS
        ms = None if received is None else moment_ms(received, form, 0, where="received")
    except BadInput as error:
        return Entry(line=number, fault=error)
    topic = str(found.get("topic", ""))
    return Entry(line=number, message=found["message"], received_ms=ms, topic=topic, replaced=replaced)
