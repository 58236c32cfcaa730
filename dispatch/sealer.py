"""Seals the log of cases to a file outside the database, and checks the whole of it.

The file has one line of JSON a seal: `{"seal", "at", "cases", "lines", "root"}`. A seal is committed first and written to the
file then; a line that is missing after a crash is added by the next seal. So the file never knows more than the database did,
and a seal of the file that the database lacks was taken out of the database.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dispatch.chain import FIRST, Head, LogLine, check_case, root_of
from dispatch.duty import Duty
from hoistway.errors import BadInput
from hoistway.limits import SEAL_CASES
from hoistway.store import Database, queries

SQL: Final = queries("dispatch", "sql/chain.sql")
PORTION: Final = 500


class Sealer:
    """Seals to one anchor file, under the duty of dispatch."""

    def __init__(self, database: Database, anchor: Path, *, duty: Duty | None = None) -> None:
        self._database, self._anchor, self._duty = database, anchor, duty

    async def seal(self, now: datetime) -> int:
        """Seal what is unsealed of at most `SEAL_CASES` cases; answers the number of lines. Nothing unsealed makes no seal."""
        sealed = 0
        async with self._database.acquire() as connection, connection.transaction():
            if self._duty is not None:
                await self._duty.hold(connection)
            rows = await connection.fetch(SQL["moved_heads"], SEAL_CASES)
            if rows:
                sealed = sum(row["seq"] - row["sealed_seq"] for row in rows)
                await _add_seal(connection, rows, sealed, now)
        await self._write_missing()
        return sealed

    async def unsealed(self) -> int:
        """Lines that no seal covers yet."""
        lines: int = await self._database.fetchval(SQL["unsealed"])
        return lines

    async def _write_missing(self) -> None:
        last = await asyncio.to_thread(_last_number, self._anchor)
        rows = await self._database.fetch(SQL["seals_after"], last)
        await asyncio.to_thread(_append, self._anchor, [_line(row) for row in rows])


async def _add_seal(connection: Any, rows: Sequence[Any], lines: int, now: datetime) -> None:
    last = await connection.fetchrow(SQL["last_seal"])
    number, before = (last["number"] + 1, last["root"]) if last else (1, FIRST)
    heads = [Head(case_id=row["case_id"], seq=row["seq"], hash=row["hash"]) for row in rows]
    ids, places = [head.case_id for head in heads], [head.seq for head in heads]
    await connection.execute(SQL["add_seal"], number, now, len(heads), lines, root_of(before, heads))
    await connection.execute(SQL["add_seal_heads"], number, ids, places, [head.hash for head in heads])
    await connection.execute(SQL["mark_sealed"], ids, places)


def _line(row: Any) -> str:
    at = row["at"].astimezone(UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {"seal": row["number"], "at": at, "cases": row["cases"], "lines": row["lines"], "root": row["root"].hex()}
    )


def _append(path: Path, lines: Sequence[str]) -> None:
    """Add lines and wait until they are on the disk; a torn last line of a crash is ended first."""
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        torn = b""
        if size:
            file.seek(size - 1)
            torn = b"" if file.read(1) == b"\n" else b"\n"
        file.write(torn + "".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def read_anchor(path: Path) -> dict[int, str]:
    """Root (hex) by seal number. A torn line says nothing; a number twice with two roots raises `BadInput`."""
    found: dict[int, str] = {}
    if not path.exists():
        return found
    for place, text in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        try:
            line = json.loads(text)
            number, root = int(line["seal"]), str(line["root"])
        except (ValueError, KeyError, TypeError):
            continue
        if found.setdefault(number, root) != root:
            raise BadInput(f"seal {number} stands there with two roots", where=f"{path}:{place}", expected="one")
    return found


def _last_number(path: Path) -> int:
    return max(read_anchor(path), default=0)


# --- the check ---


@dataclass(kw_only=True, slots=True)
class Verdict:
    """What a check of the whole log found."""

    cases: int = 0
    lines: int = 0
    seals: int = 0
    unsealed: int = 0
    unanchored: int = 0  # seals that the file does not have yet
    wrong: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.wrong


async def verify(connection: Any, anchor: Path) -> Verdict:
    """Follow every case's chain, compare heads and seals, and the seals with the anchor file. Reads one snapshot."""
    verdict = Verdict()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await _verify_seals(connection, read_anchor(anchor), verdict)
        after = -(2**62)
        while ids := [row["case_id"] for row in await connection.fetch(SQL["case_ids"], after, PORTION)]:
            await _verify_cases(connection, ids, verdict)
            after = ids[-1]
        verdict.unsealed = await connection.fetchval(SQL["unsealed"])
    return verdict


async def _verify_cases(connection: Any, ids: list[int], verdict: Verdict) -> None:
    lines: dict[int, list[LogLine]] = {number: [] for number in ids}
    for row in await connection.fetch(SQL["lines"], ids):
        lines[row["case_id"]].append(LogLine(**row))
    heads = {row["case_id"]: row for row in await connection.fetch(SQL["heads"], ids)}
    sealed: dict[int, list[Any]] = {}
    for row in await connection.fetch(SQL["seal_heads_of_cases"], ids):
        sealed.setdefault(row["case_id"], []).append(row)
    for number in ids:
        hashes, trouble = check_case(lines[number])
        verdict.cases += 1
        verdict.lines += len(lines[number])
        if trouble is None:
            trouble = next(_differences(hashes, heads.get(number), sealed.get(number, [])), None)
        if trouble is not None:
            verdict.wrong.append(f"case {number}: {trouble}")


def _differences(hashes: Mapping[int, bytes], head: Mapping[str, Any] | None, sealed: Sequence[Any]) -> Iterator[str]:
    """How the lines differ from the head and from the seals, which know of lines that may be gone from the end."""
    for row in sealed:
        if hashes.get(row["seq"]) != row["hash"]:
            yield f"line {row['seq']} is missing or not what seal {row['seal']} saw"
    if head is None or (head["seq"], head["hash"]) != (len(hashes), hashes.get(len(hashes), FIRST)):
        yield (
            "the last lines are missing"
            if head is None or head["seq"] > len(hashes)
            else "the head is not its last line"
        )


async def _verify_seals(connection: Any, anchor: Mapping[int, str], verdict: Verdict) -> None:
    before, expected = FIRST, 1
    known: set[int] = set()
    for seal in await connection.fetch(SQL["seals_after"], 0):
        number = seal["number"]
        known.add(number)
        verdict.seals += 1
        if number != expected:
            verdict.wrong.append(f"seal {expected} is missing")
        rows = await connection.fetch(SQL["seal_heads"], number)
        root = root_of(before, [Head(case_id=row["case_id"], seq=row["seq"], hash=row["hash"]) for row in rows])
        if root != seal["root"]:
            verdict.wrong.append(f"seal {number}: its heads are not those it was made of")
        if number not in anchor:
            verdict.unanchored += 1
        elif anchor[number] != seal["root"].hex():
            verdict.wrong.append(f"seal {number}: the anchor file has another root")
        before, expected = seal["root"], number + 1
    verdict.wrong += [
        f"seal {number} is in the anchor file and not in the database" for number in sorted(anchor.keys() - known)
    ]
