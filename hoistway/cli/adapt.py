"""`hoistway adapt`: a foreign file as messages of our contract. Reads and prints; what a field means is decided in `ingest.adapters`."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from hoistway import wire
from hoistway.cli.common import fail, printable
from hoistway.errors import BadInput, HoistwayError
from hoistway.limits import ADAPT_FILE_BYTES
from hoistway.registry import cells
from ingest.adapters.adapter import Adapter, Told
from ingest.adapters.reading import entries
from ingest.adapters.spec import shipped, shipped_format
from ingest.adapters.values import WORD_CHARS, TimeForm, moment_ms


def adapt(
    name: Annotated[str, typer.Argument(metavar="FORMAT", help=f"one of {', '.join(shipped())}")],
    path: Annotated[Path, typer.Argument(metavar="FILE", help="their messages, one a line, or one JSON document")],
    received: Annotated[
        str | None, typer.Option(metavar="TIME", help="when lines without a time were received, RFC 3339")
    ] = None,
    lifts: Annotated[
        Path | None, typer.Option(metavar="CSV", help="their lift and our rescue code, two columns without a heading")
    ] = None,
    boot: Annotated[int, typer.Option(min=0, help="the boot number that the records carry")] = 1,
) -> None:
    """Print a foreign file as our messages, one JSON line each; what was left out and what is odd goes to stderr.

    Exit code 1 when a message was left out, 2 when the file cannot be used.
    """
    try:
        at = None if received is None else moment_ms(received, TimeForm.RFC3339, 0, where="--received")
        codes = None if lifts is None else rescue_codes(lifts)
        adapter = Adapter(shipped_format(name), boot=boot, received_ms=at, lifts=codes)
        content = _read(path)
    except HoistwayError as error:
        fail(error)
    counts, odd = Counter[str](), Counter[tuple[str, str]]()
    for entry in entries(content):
        told = adapter.line(entry)
        _print(told)
        counts.update(samples=len(told.samples), events=len(told.events), bad=len(told.bad))
        odd.update((one.field, one.fault) for one in told.odd)
        for left_out in told.bad:
            typer.echo(printable(f"{path}:{entry.line}: {left_out}"), err=True)
    for (field, fault), count in sorted(odd.items()):
        typer.echo(printable(f"{field}: {fault}, {count} times"), err=True)
    typer.echo(f"{counts['samples']} samples, {counts['events']} events, {counts['bad']} left out", err=True)
    raise typer.Exit(1 if counts["bad"] else 0)


def _print(told: Told) -> None:
    for leaf, records in (("event", told.events), ("state", told.samples)):
        for record in records:
            typer.echo(wire.encode({"leaf": leaf, "record": record}).decode())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(ADAPT_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(str(error), where=str(path), expected="a readable file") from None
    if len(content) > ADAPT_FILE_BYTES:
        raise BadInput(f"over {ADAPT_FILE_BYTES} bytes", where=str(path), expected="less; cut it at a line")
    return content


def rescue_codes(path: Path, *, one_each: bool = False) -> dict[str, str]:
    """Their name of a lift and our rescue code, from a CSV of two columns. `one_each`: no lift has two names. Every mistake is a BadInput
    that names file and line."""
    found: dict[str, str] = {}
    named: dict[str, int] = {}
    for number, row in _rows(path):
        where = f"{path}:{number}"
        if len(row) != 2:
            raise BadInput(f"{len(row)} columns", where=where, expected="their lift and our rescue code")
        name, code = row[0].strip(), cells.code(row[1], digits=6)
        if not 1 <= len(name) <= WORD_CHARS:
            raise BadInput(f"name {name[:20]!r}", where=where, expected=f"their lift, 1 to {WORD_CHARS} characters")
        if code.value is None:
            raise BadInput(code.why or "no rescue code", where=where, expected=code.expected or "exactly 6 digits")
        for what in (f"lift {name!r}", *([f"rescue code {code.value}"] if one_each else [])):
            if what in named:
                raise BadInput(what, where=where, expected=f"what line {named[what]} does not name already")
            named[what] = number
        found[name] = code.value
    return found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold something, with their lines."""
    try:
        reader = csv.reader(StringIO(_read(path).decode("utf-8-sig"), newline=""), strict=True)
        yield from ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadInput("no UTF-8", where=f"{path}:{line}", expected="a CSV file in UTF-8") from None
    except csv.Error as error:
        raise BadInput(str(error), where=f"{path}:{reader.line_num}", expected="a CSV file of two columns") from None
