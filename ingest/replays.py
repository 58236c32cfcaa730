"""Messages of the quarantine that somebody asked to take in again: read anew, and told what the store already holds of them.

What is new is decided by the store and not by memory: the hole of a refused record may have been given up since, or its boot
forgotten. So a replay after a fix stores what is not there and nothing twice, however often it is asked for. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hoistway.store import Database, queries
from ingest.assemble import Assembler, Stored
from ingest.assembled import Assembled
from ingest.directory import Directory
from ingest.memory import Memory
from ingest.source import Message
from ingest.tally import Outcome

SQL: Final = queries("ingest", "sql/replays.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """One message that can be read now."""

    message: Message
    stored: Stored  # of its records, those that the store holds


async def read_again(database: Database, directory: Directory, row: Any, *, now_ms: int) -> Again | str:
    """The message of a row of `replay_requests`, or why it cannot be used."""
    if row["payload_bytes"] > len(row["payload"]):
        return f"not possible: only the first {len(row['payload'])} of {row['payload_bytes']} bytes are kept"
    message = Message(row["topic"], row["payload"], now_ms)
    verdict = Assembler(
        directory, Memory(), lambda records: (records.samples["at"] < 0, records.events["at"] < 0)
    ).assemble([message], stored=set())
    if verdict.refusals:
        return f"refused again: {verdict.refusals[0].reason}"
    return Again(message=message, stored=await _stored(database, verdict))


async def _stored(database: Database, verdict: Assembled) -> Stored:
    samples = [(int(key["device_id"]), int(key["boot"]), int(key["seq"])) for key in verdict.keys]
    events = [(row.device_id, row.boot, row.seq) for row in verdict.events]
    held: Stored = set()
    for leaf, keys, query in (("state", samples, "stored_samples"), ("event", events, "stored_events")):
        if keys:
            lifts = sorted(verdict.lifts())
            arguments = (keys[0][0], [boot for _, boot, _ in keys], [seq for _, _, seq in keys])
            rows = await database.fetch(SQL[query], *arguments, *([lifts] if leaf == "state" else []))
            held |= {(leaf, row["boot"], row["seq"]) for row in rows}
    return held


def result_of(batch: Assembled) -> str:
    """What became of a message that was taken in again."""
    stored, held = batch.tally.total(Outcome.STORED), batch.tally.total(Outcome.DUPLICATE)
    return f"accepted: {stored} stored, {held} held before"
