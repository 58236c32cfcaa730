"""Messages of the quarantine that somebody asked to take in again: read anew, and told what the store already holds of them.

What is new is decided by the store and not by memory: the hole of a refused record may have been given up since, or its boot
forgotten. So a replay after a fix stores what is not there and nothing twice, however often it is asked for. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hoistway.samples import Rows, Wanted, snapshot
from hoistway.store import Database, queries
from ingest.assemble import Assembler, Stored
from ingest.assembled import Assembled
from ingest.directory import Directory
from ingest.memory import Memory
from ingest.source import Message
from ingest.tally import Outcome
from ingest.upkeep import passed_over_while_away

SQL: Final = queries("ingest", "sql/replays.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """One message that can be read now."""

    message: Message
    stored: Stored  # of its records, those that the store holds


async def read_again(database: Database, directory: Directory, row: Any) -> Again | str | None:
    """The message of a row of `replay_requests`, or why it cannot be used; None while the database is away.

    It was received when it first came: that says how far its device's clock is off, and how old its records are.
    """
    if row["payload_bytes"] > len(row["payload"]):
        return f"not possible: only the first {len(row['payload'])} of {row['payload_bytes']} bytes are kept"
    message = Message(row["topic"], row["payload"], int(row["received"].timestamp() * 1_000))
    verdict = Assembler(
        directory, Memory(), lambda records: (records.samples["at"] < 0, records.events["at"] < 0)
    ).assemble([message], stored={})
    if verdict.refusals:
        return f"refused again: {verdict.refusals[0].reason}"
    found: list[Again] = []
    with passed_over_while_away():
        found.append(Again(message=message, stored=await _stored(database, verdict)))
    return found[0] if found else None


async def _stored(database: Database, verdict: Assembled) -> Stored:
    held: Stored = {}
    if len(verdict.keys):
        await _stored_samples(database, verdict.keys, sorted(verdict.lifts()), held)
    if verdict.events:
        keys = [[getattr(row, name) for row in verdict.events] for name in ("boot", "seq")]
        for row in await database.fetch(SQL["stored_events"], verdict.events[0].device_id, *keys):
            held.setdefault(("event", row["boot"], row["seq"]), []).append((row["incarnation"], row["ts"]))
    return held


async def _stored_samples(database: Database, keys: Rows, lifts: list[int], held: Stored) -> None:
    """Which of these records of one device are stored, however long ago."""
    wanted = Wanted(lifts=lifts, seqs=(int(keys["seq"].min()), int(keys["seq"].max())))
    asked = set(zip(keys["boot"].tolist(), keys["seq"].tolist(), strict=True))
    async with database.acquire() as connection, snapshot(connection) as store:
        async for rows in store.of_lifts(wanted, ("device_id", "boot", "seq", "incarnation", "ts")):
            mine = rows[rows["device_id"] == keys["device_id"][0]]
            columns = (mine[name].tolist() for name in ("boot", "seq", "incarnation", "ts"))
            for boot, seq, *life in zip(*columns, strict=True):
                if (boot, seq) in asked:
                    held.setdefault(("state", boot, seq), []).append((life[0], life[1]))


def result_of(batch: Assembled) -> str:
    """What became of a message that was taken in again."""
    stored, held = batch.tally.total(Outcome.STORED), batch.tally.total(Outcome.DUPLICATE)
    return f"accepted: {stored} stored, {held} held before"
