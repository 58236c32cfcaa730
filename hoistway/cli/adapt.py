"""`hoistway adapt`: a foreign file as messages of our contract. Reads and prints; what a field means is decided in `ingest.adapters`."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from hoistway import wire
from hoistway.cli.common import fail
from hoistway.errors import BadInput, HoistwayError
from ingest.adapters.adapter import Adapter, Told
from ingest.adapters.reading import entries
from ingest.adapters.spec import shipped, shipped_format
from ingest.adapters.values import TimeForm, moment_ms


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
            typer.echo(f"{path}:{entry.line}: {left_out}", err=True)
    for (field, fault), count in sorted(odd.items()):
        typer.echo(f"{field}: {fault}, {count} times", err=True)
    typer.echo(f"{counts['samples']} samples, {counts['events']} events, {counts['bad']} left out", err=True)
    raise typer.Exit(1 if counts["bad"] else 0)


def _print(told: Told) -> None:
    for leaf, records in (("event", told.events), ("state", told.samples)):
        for record in records:
            typer.echo(wire.encode({"leaf": leaf, "record": record}).decode())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(str(error), where=str(path), expected="a readable file") from None


def rescue_codes(path: Path) -> dict[str, str]:
    """Their name of a lift and our rescue code, from a CSV of two columns. Raises BadInput."""
    rows = list(csv.reader(_read(path).decode("utf-8-sig", "replace").splitlines()))
    for number, row in enumerate(rows, 1):
        if row and len(row) != 2:
            raise BadInput(f"{len(row)} columns", where=f"{path}:{number}", expected="their lift and our rescue code")
    return {row[0].strip(): row[1].strip() for row in rows if row}
