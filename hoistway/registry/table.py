"""Bytes of a delimited text file to records with line numbers: encoding, delimiter, quotes, ragged lines. Pure.

Knows nothing of lifts. One broken line never swallows its neighbours: a quote that is not closed costs one line.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hoistway.errors import BadInput

DELIMITERS: Final = (",", ";", "\t", "|")
_NEW_LINE: Final = re.compile(r"\r\n|\n|\r")
_RECORD_LINES: Final = 10  # a record with line breaks inside quotes spans no more
_LOOK_CHARS: Final = 10_000
_COMMON_HAN: Final = 0.9  # part of the non-ASCII characters that a real GB18030 text has within GB 2312


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    line: int  # of the record's first line, from 1
    cells: tuple[str, ...]  # as many as the header has
    missing: int = 0  # cells that the line did not have, taken as empty
    broken: str = ""  # why the line cannot be read; then there are no cells
    expected: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    lines: tuple[str, ...]  # all physical lines, the header first
    first: int  # index in `lines` of the first line after the header


def decode(raw: bytes, *, encoding: str | None, where: str) -> tuple[str, str]:
    """(text, encoding): the given encoding, else by byte-order mark, else UTF-8, else GB18030 if it looks like it."""
    if encoding is not None:
        try:
            return raw.decode(encoding).removeprefix("\ufeff"), encoding
        except (UnicodeDecodeError, LookupError) as error:
            raise BadInput(f"not {encoding}: {error}", where=where, expected=f"text in {encoding}") from None
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8")):
        if raw.startswith(mark):
            return decode(raw, encoding=name, where=where)
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        text = _gb18030(raw)
        if text is None:
            line = raw[: error.start].count(b"\n") + 1
            raise BadInput(
                f"neither UTF-8 nor GB18030 (line {line}, byte {error.start})",
                where=where,
                expected="UTF-8 or GB18030, or `encoding` in the mapping",
            ) from None
        return text, "gb18030"


def _gb18030(raw: bytes) -> str | None:
    """The text if it is GB18030; bytes of a Western code page also decode, but to rare characters."""
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return None
    strange = [char for char in text if char > "\x7f"][:_LOOK_CHARS]
    common = sum(1 for char in strange if char.encode("gb2312", "ignore"))
    return text if common >= _COMMON_HAN * len(strange) else None


def open_table(raw: bytes, *, where: str, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """The file's header and lines. Raises `BadInput` when there is no header or it names a column twice."""
    text, found = decode(raw, encoding=encoding, where=where)
    lines = tuple(_NEW_LINE.split(text))
    first = next((index for index, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise BadInput("empty file", where=where, expected="a line of headings, then one line a lift")
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda char: len(next(csv.reader([lines[first]], delimiter=char))))
    header = tuple(cell.strip() for cell in next(csv.reader([lines[first]], delimiter=delimiter)))
    while header and not header[-1]:
        header = header[:-1]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise BadInput(f"column {twice[0]!r} is there twice", where=f"{where}:{first + 1}", expected="each column once")
    return Table(encoding=found, delimiter=delimiter, header=header, lines=lines, first=first + 1)


def records(table: Table) -> Iterator[Record]:
    """Every record that is not blank, in order."""
    index, width = table.first, len(table.header)
    while index < len(table.lines):
        line = table.lines[index]
        if '"' not in line:
            cells, used, broken = line.split(table.delimiter), 1, ""
        else:
            cells, used, broken = _quoted(table, index)
        if broken:
            yield Record(line=index + 1, cells=(), broken=broken, expected="a closing quote on the same line")
        elif any(cell.strip() for cell in cells):
            yield _fit(cells, line=index + 1, width=width)
        index += used


def _quoted(table: Table, index: int) -> tuple[list[str], int, str]:
    """(cells, lines used, why broken) of the record that starts at `index`."""
    used = 0

    def feed() -> Iterator[str]:
        nonlocal used
        for line in itertools.islice(table.lines, index, index + _RECORD_LINES):
            used += 1
            yield line + "\n"

    try:
        cells = next(csv.reader(feed(), delimiter=table.delimiter))
    except csv.Error as error:
        return [], 1, str(error)
    unclosed = cells[-1].endswith("\n")
    if unclosed or (used > 1 and len(cells) != len(table.header)):
        return [], 1, "a quote is opened and not closed"
    return cells, used, ""


def _fit(cells: list[str], *, line: int, width: int) -> Record:
    """The record with as many cells as the header: empty extra cells are dropped, missing ones are empty."""
    extra = cells[width:]
    if any(cell.strip() for cell in extra):
        return Record(
            line=line,
            cells=(),
            broken=f"{len(cells)} cells",
            expected=f"{width} cells as in the header (a text with the delimiter in it needs quotes)",
        )
    missing = max(0, width - len(cells))
    return Record(line=line, cells=(*cells[:width], *[""] * missing), missing=missing)
