"""Where the values of a rule file stand, because tomllib does not say. Expects text that tomllib has accepted.

Only what rule files need: `[[rule]]` and `[[rule.level]]` headers and `key = value` lines. Every character of a string value gets its line and column, so
that an error inside an expression points at the file, not at the string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

Place = tuple[int, int]
"""Line and column, both from 1."""

_HEADER: Final = re.compile(r"[ \t]*\[\[[ \t]*rule[ \t]*(?:\.[ \t]*(level)[ \t]*)?\]\]")
_KEY: Final = re.compile(r"[ \t]*([A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*=[ \t]*")
_ESCAPE_LENGTH: Final = {"u": 6, "U": 10, "x": 4}


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    key: Place
    value: Place
    characters: tuple[Place, ...] = ()  # of a string, and of its end


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    header: Place
    values: dict[str, Value] = field(default_factory=dict)
    levels: list[Block] = field(default_factory=list)


def blocks(text: str) -> list[Block]:
    """One block for each `[[rule]]`, in order."""
    text = text.replace("\r\n", "\n")
    found: list[Block] = []
    current: Block | None = None
    position, line = 0, 1
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        if match := _HEADER.match(text, position, end):
            current = Block(header=(line, match.end() - position - len(match.group().lstrip()) + 1))
            (found[-1].levels if match[1] and found else found).append(current)
        elif current and (match := _KEY.match(text, position, end)):
            value, stop = _value(text, match, position, line)
            current.values.setdefault(match.group(1).strip("\"'"), value)
            line += text.count("\n", position, stop)
            end = text.find("\n", stop)
            end = len(text) if end < 0 else end
        position, line = end + 1, line + 1
    return found


def _value(text: str, match: re.Match[str], line_start: int, line: int) -> tuple[Value, int]:
    key = (line, match.start(1) - line_start + 1)
    at = match.end()
    place = (line, at - line_start + 1)
    for quote in ('"""', "'''", '"', "'"):
        if text.startswith(quote, at):
            characters, stop = _string(text, at + len(quote), quote, (line, at - line_start + 1 + len(quote)))
            return Value(key=key, value=place, characters=characters), stop
    return Value(key=key, value=place), at


def _string(text: str, position: int, quote: str, place: Place) -> tuple[tuple[Place, ...], int]:
    """The place of each decoded character from `position` to the closing quote, and where the string ends."""
    line, column = place
    places: list[Place] = []
    if len(quote) == 3 and text.startswith("\n", position):
        position, line, column = position + 1, line + 1, 1
    while not _closes(text, position, quote):
        if quote[0] == '"' and text[position] == "\\":
            if blank := re.compile(r"\\[ \t]*\n\s*").match(text, position):  # a line ending that the backslash swallows
                line, column = line + blank.group().count("\n"), len(blank.group()) - blank.group().rfind("\n")
                position = blank.end()
                continue
            length = _ESCAPE_LENGTH.get(text[position + 1], 2)
        else:
            length = 1
        places.append((line, column))
        line, column = (line + 1, 1) if text[position] == "\n" else (line, column + length)
        position += length
    places.append((line, column))
    return tuple(places), position + len(quote)


def _closes(text: str, position: int, quote: str) -> bool:
    """Three quotes close a long string; of four or five the last three do."""
    return text.startswith(quote, position) and not (len(quote) == 3 and text.startswith(quote[0], position + 3))
