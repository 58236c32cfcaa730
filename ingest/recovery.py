"""State after a restart: the last checkpoint, then a replay of what was stored after it. The fold is deterministic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alarms.records import Records
from alarms.rules import RuleSet
from alarms.signals import CONTACT_DTYPE, Batch, Ints, Transitions
from hoistway import rulebook
from hoistway.model import EVENT_CODE
from hoistway.samples import Log, Rows
from hoistway.store import Database, queries
from ingest.assembled import IN_ORDER, LATE, UNPLACED, EventRow, event_rows, records_of
from ingest.changes import when
from ingest.folding import Folding
from ingest.late import Unfolded
from ingest.memory import Memory
from ingest.pack import unpack_samples
from ingest.turning import turn_again

SQL: Final = queries("ingest", "sql/recovery.sql")
WRITE: Final = queries("ingest", "sql/write.sql")
RUN_BATCHES: Final = 2_000


Meet = Callable[[set[int]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovered:
    """Where the stream stands."""

    batch_no: int  # the last one in the store
    clock_ms: int
    batches_replayed: int
    samples_replayed: int
    transitions: Transitions  # what the replay raised and cleared, in order, of rules that are still live
    unfolded: Records  # late ones that it could not fold


def _ms(moment: Any) -> int:
    return int(moment.timestamp() * 1_000 + 0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Where a replay starts. `lapsed` are active alarms (lift, rule id) whose rule is another now, or gone."""

    batch_no: int = 0
    clock_ms: int = 0
    lapsed: tuple[tuple[int, str], ...] = ()


async def load_checkpoint(connection: Any, engine: Folding, memory: Memory, *, partition: int) -> Checkpoint:
    """Fill fresh `engine` and `memory` from the checkpoint, if there is one.

    Raises `ValueError` or our own errors when it was written by a program of another format: start again, from nothing.
    """
    row = await connection.fetchrow(SQL["checkpoint"], partition)
    if row is None:
        return Checkpoint()
    if row["rule_set"] is not None:
        engine.begin_with(await rulebook.load(connection, row["rule_set"]))
    lapsed = engine.restore(row["engine"], row["shadow"])
    memory.restore(row["devices"])
    return Checkpoint(batch_no=row["batch_no"], clock_ms=_ms(row["clock"]), lapsed=lapsed)


async def save_checkpoint(
    database: Database, engine: Folding, memory: Memory, *, partition: int, batch_no: int, clock_ms: int
) -> None:
    """Write where the next replay starts."""
    live, shadow = engine.snapshot()
    await database.execute(
        WRITE["checkpoint"],
        partition,
        batch_no,
        when(clock_ms),
        " ".join(f"{rule.id}@{rule.version}" for rule in engine.rules),
        live,
        memory.snapshot(),
        engine.rule_set,
        shadow,
    )


async def replay(
    connection: Any, engine: Folding, memory: Memory, meet: Meet, *, partition: int, after: Checkpoint
) -> Recovered:
    """Fold what was stored after batch `after`. `meet` tells the engine of lifts when they first speak, as the live run did."""
    last, clock_ms = after.batch_no, after.clock_ms
    batches, samples = 0, 0
    log = Log(connection, partition, after=after.batch_no)
    found: list[tuple[RuleSet, Transitions]] = []
    unfolded = Unfolded()
    while True:
        rows = await connection.fetch(SQL["batches"], partition, last, RUN_BATCHES)
        if not rows:
            return Recovered(
                batch_no=last,
                clock_ms=clock_ms,
                batches_replayed=batches,
                samples_replayed=samples,
                transitions=_of_rules(engine.rules, found),
                unfolded=unfolded.records(),
            )
        upto = rows[-1]["batch_no"]
        run = await _load(connection, log, partition, last, upto)
        for item in rows:
            clock_ms = _ms(item["clock"])
            if item["kind"] == "tick":
                found.append((engine.rules, engine.tick(clock_ms)))
            elif item["kind"] == "listening":
                engine.listening(clock_ms)
                memory.server_stepped(ms_of(item["state"]))
            elif item["kind"] == "refold":
                settled = engine.window.take_over(item["state"])
                unfolded.folded(settled)
                found = [(before, _without(part, settled)) for before, part in found]
            elif item["kind"] == "backfill":
                if item["state"] is not None:  # a replay before this one has noted them
                    unfolded.clear()
            elif item["kind"] == "rules":
                unfolded.clear()  # what waited was folded before
                await turn_again(connection, engine, item["rule_set"])
            else:
                batch, records, late, lifts = run.batch(item["batch_no"], memory, ms_of(item["state"]))
                if new := lifts - memory.alive:
                    meet(new)
                found.append((engine.rules, engine.step(batch, clock_ms, records)))
                unfolded.add(late, engine.window.late(late))
        engine.take_shadow()  # it was written when it was said
        batches, samples, last = batches + len(rows), samples + run.size, upto


def pack_ms(ms: int) -> bytes | None:
    """What an entry keeps besides its clock value: `listening` a step of the server's clock, `batch` when a message taken in again had come."""
    return ms.to_bytes(8, "big") if ms else None


def ms_of(state: bytes | None) -> int:
    """The same from the store, in ms; 0: nothing."""
    return int.from_bytes(state or b"", "big")


def _without(transitions: Transitions, lifts: Ints) -> Transitions:
    """What was said of some lifts before a refold is settled: what the refold made of it stands in the store."""
    rows = transitions.rows
    return Transitions(rows=rows[~np.isin(rows["slot"], lifts)]) if len(transitions) else transitions


def _of_rules(rules: RuleSet, parts: list[tuple[RuleSet, Transitions]]) -> Transitions:
    """Transitions of several rule sets as those of one: what another text of a rule said is left out."""
    found = []
    for before, transitions in parts:
        if len(transitions):
            place = np.array([_place(rules, rule.id, rule.version) for rule in before], np.int64)
            rows = transitions.rows[place[transitions.rows["rule"]] >= 0].copy()
            rows["rule"] = place[rows["rule"]]
            found.append(Transitions(rows=rows))
    return Transitions.join(found)


def _place(rules: RuleSet, rule_id: str, version: str) -> int:
    index = rules.index(rule_id) if rule_id in rules else -1
    return index if index >= 0 and rules[index].version == version else -1


class _Run:
    """The stored records of a run of batches."""

    def __init__(self, rows: Rows, events: list[Any], contacts: list[Any], gaps: list[Any]) -> None:
        self._samples, self._keys, self._numbers = unpack_samples(rows)
        self._events, self._contacts, self._gaps = _by_batch(events), _by_batch(contacts), _by_batch(gaps)

    @property
    def size(self) -> int:
        return len(self._samples)

    def batch(self, number: int, memory: Memory, first_received: int = 0) -> tuple[Batch, Records, Records, set[int]]:
        """What the engine folded in that batch, the same with its keys, what came late, and the lifts that it was a sign of life of.

        `first_received`: when a message that was taken in again had come, in ms; 0: it was none.
        """
        first, last = np.searchsorted(self._numbers, [number, number + 1])
        samples, keys = self._samples[first:last], self._keys[first:last]
        contacts = []
        for row in self._contacts.get(number, []):
            memory.note_link(row["device_id"], row["boot"], row["conn"], online=row["online"])
            contacts += [(lift, _ms(row["received"]), row["online"]) for lift in row["lift_ids"]]
        rows = self._event_rows(number, memory, first_received)
        for sample, key in zip(samples, keys, strict=True):
            memory.replayed(
                device_id=int(key["device_id"]),
                boot=int(key["boot"]),
                incarnation=int(key["incarnation"]),
                leaf="state",
                seq=int(key["seq"]),
                ts=int(key["ts"]),
                received=first_received or int(sample["received"]),
                live=bool(key["folded"] != UNPLACED),
            )
        for row in self._gaps.get(number, []):
            boot = memory.known(row["device_id"], row["boot"])
            if (
                boot is not None
                and boot.incarnation == row["incarnation"]
                and boot.stream(row["stream"]).give_up(row["first_seq"], row["last_seq"])
            ):
                memory.boot(row["device_id"], row["boot"])  # to hand, because it has changed
        heard = {row["lift_id"] for row in self._events.get(number, [])} | {lift for lift, _, _ in contacts}
        folded, late = (
            records_of(
                samples[keys["folded"] == what],
                keys[keys["folded"] == what],
                [row for row in rows if row.folded == what],
            )
            for what in (IN_ORDER, LATE)
        )
        told = event_rows([row for row in rows if row.folded == IN_ORDER or row.at_once])
        batch = Batch(samples=folded.samples, events=told, contacts=np.array(contacts, CONTACT_DTYPE))
        return batch, folded, late, heard | set(samples["slot"].tolist())

    def _event_rows(self, number: int, memory: Memory, first_received: int) -> list[EventRow]:
        rows = []
        for row in self._events.get(number, []):
            boot = memory.replayed(
                device_id=row["device_id"],
                boot=row["boot"],
                incarnation=row["incarnation"],
                leaf="event",
                seq=row["seq"],
                ts=row["ts"],
                received=first_received or _ms(row["received"]),
                live=row["folded"] != UNPLACED,
            )
            boot.codes[row["code"]] = max(row["seq"], boot.codes.get(row["code"], 0))
            if (event := event_row(row)) is not None:
                rows.append(event)
        return rows


def event_row(row: Any) -> EventRow | None:
    """A stored event; None where this program does not know its code."""
    if row["code"] not in EVENT_CODE:
        return None
    return EventRow(
        row["device_id"], row["lift_id"], row["boot"], row["incarnation"], row["seq"], row["ts"], _ms(row["at"]), _ms(row["received"]),
        row["folded"], row["at_once"], row["code"], row["active"], "{}",
    )  # fmt: skip


def _by_batch(rows: list[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row["batch_no"], []).append(row)
    return found


async def _load(connection: Any, log: Log, partition: int, after: int, upto: int) -> _Run:
    rows = await log.upto(upto)
    events = await connection.fetch(SQL["events"], partition, after, upto)
    contacts = await connection.fetch(SQL["contacts"], partition, after, upto)
    gaps = await connection.fetch(SQL["gaps"], partition, after, upto)
    return _Run(rows, events, contacts, gaps)
