"""Rule sets in the store: read, publish, roll back. Every function takes a connection; what a set means is in `sets`.

A set is written once and never changed; a change of the rules is a new set with the next number.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import hoistway
from alarms.rule_sets import lay_over, of_texts
from alarms.rules import RuleSet
from hoistway.errors import BadInput, Conflict
from hoistway.rulebook.sets import (
    PRODUCT,
    Entry,
    Mode,
    Published,
    as_they_were,
    of_product,
    with_file,
    with_product,
    without_shadow,
)
from hoistway.store import queries

SQL: Final = queries("hoistway.rulebook", "sql/rulebook.sql")


async def newest(connection: Any) -> int | None:
    """The number of the newest set that can run; None before the first start of ingest."""
    number: int | None = await connection.fetchval(SQL["newest"])
    return number


async def load(connection: Any, number: int) -> Published:
    """One set. Raises BadInput when there is none of that number."""
    row = await connection.fetchrow(SQL["rule_set"], number)
    if row is None:
        raise BadInput(f"no rule set {number}", where="rule set", expected="a number that `rules show` lists")
    entries = tuple(
        Entry(
            rule_id=item["rule_id"],
            version=item["version"],
            mode=Mode(item["mode"]),
            own=item["own"],
            text=item["text"],
        )
        for item in await connection.fetch(SQL["entries"], number)
    )
    return Published(**dict(row), entries=entries)


async def ensure(connection: Any, product: RuleSet) -> int:
    """A set that has the product's rules where no person published others; a new one when the newest has not.

    Raises RuleError when the product's rules do not go with what was published; then nothing is written.
    """
    async with connection.transaction():
        await connection.execute(SQL["lock"])
        number = await newest(connection)
        if number is None:
            return await _add(connection, of_product(product), author=PRODUCT, comment=_of_version("first rules"))
        before = (await load(connection, number)).entries
        entries = with_product(before, product)
        if _same(entries, before):
            return number
        return await _add(connection, entries, author=PRODUCT, comment=_of_version("the product's rules"))


def _of_version(words: str) -> str:
    return f"{words}, hoistway {hoistway.__version__}"


async def publish(
    connection: Any,
    text: str,
    *,
    source: str,
    author: str,
    comment: str,
    mode: Mode = Mode.LIVE,
    seen: int | None = None,
    product: RuleSet,
) -> int:
    """Lay a file's rules over the newest set and publish the result; answers its number.

    Raises RuleError for a rule that cannot run, Conflict when `seen` is no longer the newest, BadInput when nothing changes.
    """
    async with connection.transaction():
        before = await _newest_locked(connection, product, seen)
        entries = with_file(before.entries, text, source=source, mode=mode)
        return await _changed(connection, before, entries, author=author, comment=comment)


async def unshadow(connection: Any, rule_id: str, *, author: str, comment: str, product: RuleSet) -> int:
    """Publish the newest set without one rule in shadow."""
    async with connection.transaction():
        before = await _newest_locked(connection, product, None)
        entries = without_shadow(before.entries, rule_id)
        return await _changed(connection, before, entries, author=author, comment=comment)


async def restore(
    connection: Any, number: int, *, author: str, comment: str, seen: int | None = None, product: RuleSet
) -> int:
    """Publish the rules of an earlier set again, as a new set."""
    async with connection.transaction():
        before = await _newest_locked(connection, product, seen)
        entries = as_they_were((await load(connection, number)).entries, product)
        return await _changed(connection, before, entries, author=author, comment=comment, restores=number)


async def _newest_locked(connection: Any, product: RuleSet, seen: int | None) -> Published:
    await connection.execute(SQL["lock"])
    number = await newest(connection)
    if number is None:
        number = await ensure(connection, product)
    if seen is not None and seen != number:
        raise Conflict("the rule set", current=number)
    return await load(connection, number)


async def _changed(
    connection: Any,
    before: Published,
    entries: Sequence[Entry],
    *,
    author: str,
    comment: str,
    restores: int | None = None,
) -> int:
    if _same(entries, before.entries):
        raise BadInput(f"nothing differs from set {before.number}", where="rules", expected="at least one other text")
    return await _add(connection, entries, author=author, comment=comment, restores=restores)


def _same(entries: Sequence[Entry], before: Sequence[Entry]) -> bool:
    plain = [[(entry.mode, entry.rule_id, entry.version) for entry in side] for side in (entries, before)]
    return plain[0] == plain[1]


async def _add(
    connection: Any, entries: Sequence[Entry], *, author: str, comment: str, restores: int | None = None
) -> int:
    for name, value in (("author", author), ("comment", comment)):
        if not value.strip():
            raise BadInput("empty", where=name, expected="a few words")
    live = of_texts((entry.rule_id, entry.text) for entry in entries if entry.mode is Mode.LIVE)
    shadow = lay_over(live, [(entry.rule_id, entry.text) for entry in entries if entry.mode is Mode.SHADOW])
    rules = {(rule.id, rule.version): rule for rule in (*live, *shadow)}
    rows = [
        (rule.id, rule.version, rule.text, rule.title["zh"], rule.title["en"], rule.severity, rule.opens)
        for rule in rules.values()
    ]
    await connection.execute(SQL["add_versions"], *_columns(rows))
    number: int = await connection.fetchval(SQL["add_set"], author.strip(), comment.strip(), restores)
    places = [(entry.mode, place, entry.rule_id, entry.version, entry.own) for place, entry in enumerate(entries)]
    await connection.execute(SQL["add_entries"], number, *_columns(places))
    return number


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


# --- what ingest says of a set ---


async def waiting(connection: Any, live: int | None) -> int | None:
    """The number of a set that is to follow `live`, or None."""
    number = await newest(connection)
    return number if number is not None and number != live else None


async def go_live(connection: Any, number: int, at: datetime) -> None:
    """Say that a set is live from now on. Runs in the transaction that writes so into the stream."""
    await connection.execute(SQL["replace_live"], number)
    await connection.execute(SQL["go_live"], number, at)
    await connection.execute(SQL["live_versions"], number, at)


async def refuse(connection: Any, number: int, reason: str) -> None:
    """Say that this program cannot run a set that somebody published; the one before it stays."""
    await connection.execute(SQL["refuse"], number, reason)


# --- what people read ---


async def list_sets(connection: Any, *, before: int | None, limit: int) -> list[Any]:
    """Sets, newest first, with the number of their rules."""
    rows: list[Any] = await connection.fetch(SQL["sets"], before, limit)
    return rows


async def authors(connection: Any, number: int) -> dict[tuple[Mode, str], Any]:
    """Who first published each text of a set: rows by mode and rule id."""
    rows = await connection.fetch(SQL["authors"], number)
    return {(Mode(row["mode"]), row["rule_id"]): row for row in rows}


async def shadow_counts(connection: Any, number: int) -> list[Any]:
    """What the rules in shadow of a set said so far."""
    rows: list[Any] = await connection.fetch(SQL["shadow_counts"], number)
    return rows
