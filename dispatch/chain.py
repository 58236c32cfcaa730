"""The chain of a case's log, and the roots that seal it. Pure: bytes in, bytes out; told a second time beside the database's own.

Each line's hash is SHA-256 over the hash of the line before and the text of this one. A text is its fields, each as its length
in bytes and a colon before it, a missing one as `-`, joined by commas. A seal's root is SHA-256 over the root before and the
heads that moved since. docs/cases.md has the form for whoever wants to check without this program.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FIRST = b""
"""What stands before the first line of a case, and before the first seal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """One line as the database holds it. Times are µs since 1970 UTC; before and after are the JSON text of the database."""

    case_id: int
    seq: int
    kind: str
    at_us: int
    recorded_us: int
    person: str | None
    role: str | None
    reason: str | None
    before: str
    after: str
    hash: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The newest line of one case."""

    case_id: int
    seq: int
    hash: bytes


def text_of(fields: Iterable[str | None]) -> str:
    return ",".join("-" if field is None else f"{len(field.encode())}:{field}" for field in fields)


def hash_of(line: LogLine, before: bytes) -> bytes:
    """The hash that a line must have after `before`."""
    numbers = (str(line.case_id), str(line.seq), line.kind, str(line.at_us), str(line.recorded_us))
    words = (line.person, line.role, line.reason, line.before, line.after)
    return hashlib.sha256(before + text_of((*numbers, *words)).encode()).digest()


def root_of(before: bytes, heads: Iterable[Head]) -> bytes:
    """The root of a seal over the heads that moved, by case."""
    found = hashlib.sha256(before)
    for head in sorted(heads, key=lambda head: head.case_id):
        found.update(text_of((str(head.case_id), str(head.seq), head.hash.hex())).encode() + b"\n")
    return found.digest()


def check_case(lines: Sequence[LogLine]) -> tuple[dict[int, bytes], str | None]:
    """Follow one case's lines, in order of seq: the hash at each place, and the first thing that is wrong."""
    hashes: dict[int, bytes] = {}
    before = FIRST
    for place, line in enumerate(lines, 1):
        if line.seq != place:
            return hashes, f"line {place} is missing (the next is {line.seq})"
        before = hash_of(line, before)
        if before != line.hash:
            return hashes, f"line {place} ({line.kind}) is not what was written"
        hashes[place] = before
    return hashes, None
