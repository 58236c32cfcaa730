"""The loop: take, assemble, step, commit, acknowledge, tick. One clock read a round; everything else is an argument."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog

from alarms.language.times import UTC as UTC_ZONE
from alarms.language.times import Zone
from alarms.rules import RuleSet
from alarms.signals import Transitions
from hoistway import limits
from hoistway.clock import ServerClock
from hoistway.errors import HoistwayError, RefusedMessage
from hoistway.garbage import Garbage
from hoistway.heartbeat import Heartbeats
from hoistway.store import Database
from ingest import metrics
from ingest.acks import Acks
from ingest.assemble import Assembler, Stored
from ingest.assembled import IN_ORDER, Assembled
from ingest.backfill import due, look_at
from ingest.changes import Change, ChangeKind, when
from ingest.counting import count_batch
from ingest.directory import Directory
from ingest.door_log import DoorLog
from ingest.folding import Folding
from ingest.late import left_to_the_job, refold, sort_late
from ingest.memory import Memory
from ingest.overload_watch import OverloadWatch
from ingest.past import Past
from ingest.quarantine import refusal_of
from ingest.recovery import SQL as RECOVERY
from ingest.recovery import Checkpoint, load_checkpoint, pack_ms, replay, save_checkpoint
from ingest.relearn import relearn
from ingest.repeats import Repeats
from ingest.replays import SQL as REPLAYS
from ingest.replays import read_again, result_of
from ingest.salvage import save_what_can_be
from ingest.sifting import sift
from ingest.source import Message, Source
from ingest.step import Step
from ingest.transaction import Work
from ingest.transitions import caught_up, changes_of
from ingest.turning import shelve_product, turn
from ingest.upkeep import QuarantineTrim, make_partitions, passed_over_while_away, waiting, wake_consoles
from ingest.writer import DataRefusedError, Writer

log: Final = structlog.get_logger("ingest")

REFRESH_S: Final = 5.0
HOUSEKEEPING_S: Final = 2.0


class Ingest:
    """One partition's ingest. `open` recovers, `run` goes on until stopped."""

    def __init__(
        self,
        *,
        database: Database,
        writer: Writer,
        source: Source,
        rules: RuleSet,
        clock: ServerClock,
        zone: Zone = UTC_ZONE,
        beats: Heartbeats | None = None,
    ) -> None:
        self._database, self._writer, self._source, self._rules, self._clock = database, writer, source, rules, clock
        self.partition: Final = writer.partition
        self._zone = zone  # of the city: the hours that rules name
        self._beats = beats or Heartbeats("ingest")
        self._directory = Directory()
        self.door_log = DoorLog(self._directory)
        self._repeats = Repeats(database)
        self._overload = OverloadWatch(self.partition)
        self._reset()
        self._garbage, self._past = Garbage(), Past()
        self._deaf = True
        self._step_ms = 0  # a step of our own clock that the devices' offsets do not know of yet
        self._under_way: tuple[Sequence[Message], asyncio.Task[None]] | None = None
        self._hint: asyncio.Task[None] | None = None
        self._next_tick_ms = self._checkpointed = 0
        self._next_checkpoint_s = time.monotonic() + limits.CHECKPOINT_EVERY_S
        self._next_refresh_s = self._next_housekeeping_s = 0.0
        self.trim: Final = QuarantineTrim(database)

    def _reset(self) -> None:
        self._memory = Memory()
        self._engine = Folding(self._rules, capacity=1_024, zone=self._zone)
        self._assembler = Assembler(self._directory, self._memory, self._engine.is_late, self._engine.is_busy)
        self._acks = Acks(self._directory, self._memory)
        self._batch_no = 0
        self._register_changed = False  # and the engine does not know of it yet

    # --- start and recovery ---

    async def open(self) -> None:
        """Take the partition and rebuild the state from the store."""
        await self._writer.open()
        await make_partitions(self._database, when(self._clock.now_ms()), at_start=True)
        await shelve_product(self._database, self._rules)
        await self._recover()
        await self._follow_rules()

    async def _recover(self) -> None:
        """State from the store: the last checkpoint, what came after it, and alarms that only this replay raised."""
        self._reset()
        self._directory.forget_labels()
        await self._directory.refresh(self._database)
        async with self._database.acquire() as connection:
            try:
                after = await load_checkpoint(connection, self._engine, self._memory, partition=self.partition)
            except (HoistwayError, ValueError, msgspec.MsgspecError) as error:
                log.warning("the checkpoint is of another program; replaying from the start", error=str(error))
                self._reset()
                after = Checkpoint()
            self._meet(self._memory.alive)
            found = await replay(
                connection, self._engine, self._memory, self._meet, partition=self.partition, after=after
            )
            active = {(row["lift_id"], row["rule_id"]) for row in await connection.fetch(RECOVERY["active_alarms"])}
        self._batch_no = self._checkpointed = found.batch_no
        self._next_tick_ms = 0
        self._clock.not_before(found.clock_ms)
        await self._catch_up(found.transitions, active, after.lapsed)
        if len(found.unfolded):
            await self._save("backfill", self._clock.now_ms(), **left_to_the_job(found.unfolded))
        counts = {"batches_replayed": found.batches_replayed, "samples_replayed": found.samples_replayed}
        self._garbage.hold(time.monotonic())
        log.info("recovered", batch=found.batch_no, late_unfolded=len(found.unfolded), **counts)

    async def _catch_up(
        self, transitions: Transitions, active: set[tuple[int, str]], lapsed: Sequence[tuple[int, str]]
    ) -> None:
        """Bring the store in line when other rules than before the restart are live now.

        What only this replay raised is written; alarms whose rule is gone or another are no longer kept active by anybody.
        """
        now = self._clock.now_ms()
        raised, ended = caught_up(self._changes(transitions), active, lapsed, now)
        if raised or ended:
            log.warning("other rules than before the restart", raised=len(raised), cleared=len(ended))
            await self._save("listening", now, changes=[*ended, *raised])

    async def _refresh(self) -> None:
        self._register_changed |= await self._directory.refresh(self._database)
        if self._register_changed and await self._refold():
            self._register_changed = False
            self._meet(self._memory.alive)
        await self._follow_rules()

    # --- rules ---

    async def _follow_rules(self) -> None:
        """Go on with the newest rule set, if it is another. Nothing is on its way: the caller has settled."""
        turned = await turn(self._database, self._engine, self._refold)
        if turned is not None:
            before, ended = turned
            changes = changes_of(ended, self._engine.live, before, with_their_rules=True)
            await self._save("rules", self._clock.now_ms(), changes=changes, shadow=self._engine.take_shadow())

    def _changes(self, transitions: Transitions) -> list[Change]:
        return changes_of(transitions, self._engine.live, self._engine.rules)

    def _meet(self, lift_ids: set[int]) -> None:
        """Tell the engine of lifts. It knows a lift from its first sign of life: silence is judged of those that have spoken."""
        lifts = [lift for lift_id in sorted(lift_ids) if (lift := self._directory.lifts.get(lift_id))]
        self._memory.alive |= lift_ids
        self._engine.set_fleet(
            [lift.id for lift in lifts],
            [lift.escalator for lift in lifts],
            [lift.rated_speed_m_s or float("nan") for lift in lifts],
            {lift.id: lift.parameters for lift in lifts if lift.parameters},
            floors=[self._directory.ends(lift) for lift in lifts],
        )

    # --- the loop ---

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: rounds of one batch and one tick. On the way out a checkpoint is written."""
        while not stop.is_set():
            await self._source.wait(0.2)
            await self._source.gather(limits.BATCH_MIN_WAIT_MS / 1_000)
            await self.round()
        await self._settle()
        await self._repeats.close()
        await self._checkpoint()

    async def round(self) -> None:
        """Take what has come and set it on its way, then look at the clock.

        While more is waiting, the batch is left committing and the next one is decoded meanwhile; at most one is on its way.
        """
        self._overload.look(self._source, self._assembler.coalescer, self._clock.now_ms())
        messages = self._source.take(**self._overload.room())
        if messages:
            await self._carry_out(messages)
        if self._source.oldest_ms() is None:
            await self._settle()
        self._past.let_go(self._engine.window, self._clock.now_ms())
        await self._look_at_clock()
        await self._housekeeping()
        metrics.LOOP.set(time.time())
        self._beats.beat("loop")

    async def _carry_out(self, messages: Sequence[Message]) -> None:
        if self._assembler.worth_a_look(messages):
            await self._settle()
            with passed_over_while_away():
                await self._refresh()
        step = self._prepare(messages)
        if not await self._settle():
            step = self._prepare(messages)  # the state was rebuilt under it
        self._under_way = (messages, asyncio.create_task(self._finish(step)))
        await asyncio.sleep(0)

    def _prepare(self, messages: Sequence[Message], stored: Stored | None = None) -> Step:
        """Decode and fold: all that a batch needs before its transaction."""
        began_s, now = time.monotonic(), self._clock.now_ms()
        batch = self._assembler.assemble(messages, stored=stored, now_ms=now)
        if new := batch.lifts() - self._memory.alive:
            self._meet(new)
        acks = tuple(self._acks.plan(batch, now_ms=now, overload=self._overload.on))
        transitions = self._engine.step(batch.for_engine(), now, batch.records(IN_ORDER))
        return Step(
            messages=messages, batch=batch, clock_ms=now, changes=self._changes(transitions), acks=acks,
            shadow=self._engine.take_shadow(), too_old=sort_late(self._engine, batch), began_s=began_s,
        )  # fmt: skip

    async def _finish(self, step: Step, replays: Sequence[tuple[int, str]] = ()) -> None:
        """Commit; then, and only then, acknowledge to the broker and to the devices."""
        await self._commit(
            "batch",
            step.clock_ms,
            assembled=step.batch,
            changes=step.changes,
            replays=replays,
            shadow=step.shadow,
            too_old=step.too_old,
            state=pack_ms(step.messages[0].received_ms) if replays else None,
        )
        self._source.acknowledge(step.messages)
        for topic, payload in step.acks:
            self._source.publish(topic, payload)
        count_batch(step.batch, () if replays else step.messages, self._clock.now_ms())
        metrics.REPLAYED.inc(len(replays))
        self._repeats.note(step.batch)
        if step.began_s:
            self._overload.committed(step.messages, step.batch.tally, time.monotonic() - step.began_s)

    async def _settle(self) -> bool:
        """Wait for the batch on its way. False when the store had refused it and the state was rebuilt."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return True
        messages, task = under_way
        try:
            await task
        except DataRefusedError as refused:
            log.error("the store refused a batch; looking for the message", error=str(refused))
            await self._sift(messages)
            return False
        return True

    async def _sift(self, messages: Sequence[Message]) -> None:
        """Find what the store refuses, and commit the rest."""

        async def take_in(part: Sequence[Message]) -> None:
            await self._finish(self._prepare(part))

        async def may_be_held(message: Message) -> bool:
            return await relearn(self._database, self._assembler, message)

        await sift(
            messages, take_in=take_in, recover=self._recover, may_be_held=may_be_held, set_aside=self._quarantine
        )

    async def _quarantine(self, message: Message, detail: str) -> None:
        topic = self._assembler.topic(message.topic)
        device = self._directory.devices.get(topic.device) if topic else None
        batch = Assembled(messages=1)
        batch.refuse(refusal := refusal_of(message, topic, device, RefusedMessage("refused-by-store", detail)))
        if refusal.lift_id is not None:
            batch.said.add(refusal.lift_id)
        now = self._clock.now_ms()
        acks = tuple(self._acks.plan(batch, now_ms=now))
        await self._finish(Step(messages=[message], batch=batch, clock_ms=now, changes=(), acks=acks))

    async def _save(self, kind: str, clock_ms: int, **parts: Any) -> None:
        """Commit what no message asked for: whatever the store refuses of it is left out, loudly, and the loop goes on."""
        await save_what_can_be(self._commit, kind, clock_ms, **parts)

    async def _commit(self, kind: str, clock_ms: int, **parts: Any) -> None:
        """Commit one entry of the stream; `parts` are those of `Work`."""
        labels = self._directory.fresh_labels()
        work = Work(
            batch_no=self._batch_no + 1,
            kind=kind,
            clock_ms=clock_ms,
            labels=labels,
            rule_set=self._engine.rule_set,
            **parts,
        )
        before = self._writer.retries
        with self._beats.busy("commit"):
            await self._writer.commit(work)
        metrics.RETRIES.inc(self._writer.retries - before)
        self._batch_no += 1
        self._directory.labels_stored(labels)
        for change in work.changes:
            metrics.TRANSITIONS.labels(ChangeKind(change.kind).name.lower()).inc()
        for item in work.corrections:
            metrics.CORRECTIONS.labels(item.kind.value).inc()
        if (work.changes or work.corrections or work.assembled.refusals) and (self._hint is None or self._hint.done()):
            self._hint = asyncio.create_task(wake_consoles(self._database))  # no acknowledgement waits for it

    # --- time ---

    async def _look_at_clock(self) -> None:
        now = self._clock.now_ms()
        metrics.DEAF.set(self._source.deaf)
        oldest = self._source.oldest_ms()
        metrics.OLDEST.set(max(0, now - oldest) / 1_000 if oldest is not None else 0)
        if self._source.deaf:
            self._deaf = True
            return
        step = self._clock.take_step()
        if self._deaf or step:
            await self._listen(now)
            self._deaf = False
            self._step_ms += step
            self._next_tick_ms = now + limits.SERVER_STEP_REST_MS if step else 0
        elif self._step_ms and now >= self._next_tick_ms:
            await self._settle()
            self._memory.server_stepped(self._step_ms)
            await self._listen(now, state=pack_ms(self._step_ms))
            self._step_ms = 0
        await self._tick(now, oldest)

    async def _listen(self, now: int, *, state: bytes | None = None) -> None:
        """Silence counts from here on. After a step of our own clock the devices' times are left alone for a while, so that running
        holds go on by their samples, and then moved along; ticks rest meanwhile.
        """
        await self._settle()
        self._engine.listening(now)
        await self._commit("listening", now, state=state)

    async def _tick(self, now: int, oldest: int | None) -> None:
        """Ticks lie on a one-second grid and never pass the oldest message that still waits."""
        self._beats.beat("engine", max(0, now - (now if oldest is None else oldest)) / 1_000)
        until = min(now, oldest if oldest is not None else now) - limits.TICK_SETTLE_MS
        tick = until - until % limits.TICK_MS
        if tick < self._next_tick_ms + (limits.TICK_PUT_OFF_MS if self._source.urgent else 0):
            return
        self._next_tick_ms = tick + limits.TICK_MS
        await self._settle()
        transitions = self._engine.tick(tick)
        shadow = self._engine.take_shadow()
        if len(transitions) or shadow:
            await self._save("tick", tick, changes=self._changes(transitions), shadow=shadow)
        await self._refold(tick)

    async def _refold(self, tick: int | None = None) -> bool:
        """Fold again, at this tick or between two, lifts that wait. False: others still do, and what would lose them has to wait too.
        Nothing is on its way: the caller has settled."""
        again = refold(self._engine)
        if again is not None:
            at = self._clock.now_ms() if tick is None else tick
            await self._save("refold", at, corrections=again.corrections, state=again.state)
        return not self._engine.window.waiting

    # --- what else has to be done ---

    async def _housekeeping(self) -> None:
        now = time.monotonic()
        if now >= min(self._next_refresh_s, self._next_housekeeping_s, self._next_checkpoint_s):
            await self._settle()
        if now >= self._next_refresh_s:
            self._next_refresh_s = now + REFRESH_S
            with passed_over_while_away():
                await self._refresh()
                await make_partitions(self._database, when(self._clock.now_ms()))
        if now >= self._next_housekeeping_s:
            self._next_housekeeping_s = now + HOUSEKEEPING_S
            metrics.INCARNATIONS.set(self._memory.incarnations)
            metrics.CLOCK_STEPS.set(self._memory.clock_steps)
            await self._overload.tell(self._database, self._clock.now_ms())
            await self._replay_quarantine()
            await self._backfill()
            if events := [*self.door_log.take(), *self._repeats.turn(idle=self._source.oldest_ms() is None)]:
                await self._save("batch", self._clock.now_ms(), security=events)
                count_batch(Assembled(security=events), (), self._clock.now_ms())
        self.trim.go_on(now)
        if now >= self._next_checkpoint_s:
            self._next_checkpoint_s = now + limits.CHECKPOINT_EVERY_S
            await self._checkpoint()
            self._garbage.hold(time.monotonic())

    async def _backfill(self) -> None:
        """Records older than the window can fold again: their lifts, some at a time, once nothing old comes from them any more."""
        now = self._clock.now_ms()
        rows = await due(self._database, now)
        for row in rows if rows and await self._refold() else ():
            found = await look_at(self._database, self._engine, row, partition=self.partition, now=now)
            if found is None:
                return
            await self._save("backfill" if found["state"] is None else "refold", now, **found)

    async def _checkpoint(self) -> None:
        """Write where a replay begins. Its window begins there too, so nothing may wait to be folded again."""
        if not await self._refold():
            self._next_checkpoint_s = 0.0
            return
        if self._batch_no == self._checkpointed:
            return
        with passed_over_while_away():
            await save_checkpoint(
                self._database, self._engine, self._memory,
                partition=self.partition, batch_no=self._batch_no, clock_ms=self._clock.now_ms(),
            )  # fmt: skip
            self._checkpointed = self._batch_no

    async def _replay_quarantine(self) -> None:
        rows = await waiting(self._database, REPLAYS["replay_requests"], limits.REPLAYS_AT_ONCE)
        if rows:
            with passed_over_while_away():
                await self._refresh()
        until = time.monotonic() + limits.REPLAY_MOST_S
        for row in itertools.takewhile(lambda _: time.monotonic() < until, rows):
            found = await read_again(self._database, self._directory, row)
            if found is None:
                return
            try:
                if isinstance(found, str):
                    await self._commit("batch", self._clock.now_ms(), replays=[(row["id"], found)])
                else:
                    step = self._prepare([found.message], found.stored)
                    await self._finish(step, [(row["id"], result_of(step.batch))])
            except DataRefusedError as refused:
                await self._recover()
                await self._commit("batch", self._clock.now_ms(), replays=[(row["id"], str(refused)[:200])])
