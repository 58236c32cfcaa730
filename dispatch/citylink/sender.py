"""The shell that tells the platforms: take what is due, one record a lift, write down what will be sent, send, note the answers; again.

One process sends: it holds the duty `city-link`. A process that is killed between sending and noting has the same bytes sent once more by
the next one, under the same id. Nothing is given up: what a platform does not answer waits, with a growing pause, for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import Counter, Gauge

from dispatch.citylink.answers import BACKOFF_MOST_S, Answer, Verdict, no_answer, wait_s
from dispatch.citylink.form import Form, shipped_form
from dispatch.citylink.mapping import Incomplete, LeftOut, Message, message_of
from dispatch.citylink.platform import Platform
from dispatch.citylink.queue import SQL, Link, Record, columns, read_links, read_records
from dispatch.citylink.reading import open_counts
from dispatch.duty import Duty
from dispatch.service import REGISTRY
from hoistway.errors import Fenced, WorldFault
from hoistway.heartbeat import Heartbeats
from hoistway.limits import CITY_ROUND_RECORDS, CITY_TRIM_ROWS
from hoistway.store import AWAY, Database

log: Final = structlog.get_logger("city-link")

DUTY: Final = "city-link"
STAGE: Final = "city-link"
TERM_S: Final = 60.0
"""Longer than one wave of messages may take: a process that waits for a platform keeps the duty."""
POLL_S: Final = 1.0
AT_ONCE: Final = 4
"""Messages under way to one platform, each of another lift."""
STUMBLE_S: Final = 10.0
"""A platform that stumbles over several records and takes none rests no longer: the next may be a good one."""
TRIM_EVERY_S: Final = 3_600.0

SENT: Final = Counter(
    "hoistway_city_link_records", "records settled, by form and state", ["form", "state"], registry=REGISTRY
)
FAILED: Final = Counter(
    "hoistway_city_link_failures", "tries that the platform did not answer", ["form"], registry=REGISTRY
)
WAITING: Final = Gauge("hoistway_city_link_waiting", "records that wait to be sent", ["form"], registry=REGISTRY)
AGE: Final = Gauge(
    "hoistway_city_link_oldest_seconds", "age of the oldest record that waits", ["form"], registry=REGISTRY
)
OPEN: Final = Gauge(
    "hoistway_city_link_refused",
    "records that were refused or are incomplete and that nobody mended",
    ["form"],
    registry=REGISTRY,
)
ROUND: Final = Gauge("hoistway_city_link_timestamp_seconds", "when the sender last went round", registry=REGISTRY)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one round did."""

    accepted: int = 0
    refused: int = 0
    incomplete: int = 0
    left_out: int = 0
    put_off: int = 0  # tried, no answer that decides

    def __add__(self, other: Outcome) -> Outcome:
        names = ("accepted", "refused", "incomplete", "left_out", "put_off")
        return Outcome(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def settled(self) -> int:
        return self.accepted + self.refused + self.incomplete + self.left_out


Making = Callable[[Link, Form], Platform]


class Sender:
    """One process's rounds. `make` builds the platform of a link; `alive` is called between its messages."""

    def __init__(
        self, database: Database, duty: Duty, make: Making, *, alive: Callable[[], None] = lambda: None
    ) -> None:
        self._database, self._duty, self._make, self._alive = database, duty, make, alive
        self._platforms: dict[str, Platform] = {}
        # of its own: a platform that hangs takes nobody else's threads
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="city-link")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def round(self, now: datetime) -> Outcome:
        """One look at every link; raises `Fenced` when another process took over."""
        await self._duty.renew()
        async with self._database.acquire() as connection:
            links = await read_links(connection)
        done = Outcome()
        for link in links:
            if link.rests_until is None or link.rests_until <= now:
                done += await self._serve_alone(link, now)
        return done

    async def _serve_alone(self, link: Link, now: datetime) -> Outcome:
        """A fault of ours with one link holds up no other; it is said, on the page too, and tried again."""
        try:
            return await self._serve(link, now)
        except (Fenced, WorldFault, *AWAY):
            raise
        except Exception as error:
            log.exception("a link cannot be served", form=link.form)
            async with self._database.acquire() as connection, connection.transaction():
                await self._duty.hold(connection)
                await self._rest(connection, link, no_answer(f"{type(error).__name__}: {error}"), now)
            FAILED.labels(link.form).inc()
            return Outcome()

    async def _serve(self, link: Link, now: datetime) -> Outcome:
        form = shipped_form(link.form)
        limit = AT_ONCE if link.failures else CITY_ROUND_RECORDS  # after an outage a few try whether it is back
        due = [row["id"] for row in await self._database.fetch(SQL["due"], link.form, now, limit)]
        records = await read_records(self._database, form, link.supplier, due)
        made = [(record, _bytes(record, form)) for record in records]
        unsent = [(record, found) for record, found in made if not isinstance(found, bytes)]
        done = await self._settle_unsent(link, unsent, now)
        ready = [(record, found) for record, found in made if isinstance(found, bytes)]
        for start in range(0, len(ready), AT_ONCE):
            wave = ready[start : start + AT_ONCE]
            answers = await self._send(link, form, wave, now)
            outcome, well = await self._note(link, answers, now)
            done += outcome
            if not well:
                break
            await self._duty.renew()
            self._alive()
        return done

    async def _send(
        self, link: Link, form: Form, wave: Sequence[tuple[Record, bytes]], now: datetime
    ) -> list[tuple[Record, Answer]]:
        async with self._database.acquire() as connection, connection.transaction():
            await self._duty.hold(connection)
            begun = columns(((record.id, body.decode()) for record, body in wave), 2)
            going = {row["id"] for row in await connection.fetch(SQL["begin"], *begun, now)}
        platform = self._platform(link, form)
        loop = asyncio.get_running_loop()
        sent = [
            (record, loop.run_in_executor(self._threads, platform.send, body))
            for record, body in wave
            if record.id in going
        ]
        answers = await asyncio.gather(*(future for _, future in sent))
        return [(record, answer) for (record, _), answer in zip(sent, answers, strict=True)]

    async def _note(self, link: Link, answers: Sequence[tuple[Record, Answer]], now: datetime) -> tuple[Outcome, bool]:
        """Write down what the platform said. Answers also whether it is there."""
        decided = [(r, a) for r, a in answers if a.verdict in {Verdict.ACCEPTED, Verdict.REFUSED}]
        open_ = [(r, a) for r, a in answers if (r, a) not in decided]
        async with self._database.acquire() as connection, connection.transaction():
            await self._duty.hold(connection)
            if decided:
                settled = [
                    (r.id, a.verdict.value, a.text if a.verdict is Verdict.REFUSED else None) for r, a in decided
                ]
                await connection.execute(SQL["settle"], *columns(settled, 3), now)
                said = [(r.id, a.verdict.value, a.status, a.text) for r, a in decided]
                await connection.execute(SQL["add_answers"], *columns(said, 4), now)
            # while the others are answered, a record without an answer waits by itself
            alone = open_ if decided else [(r, a) for r, a in open_ if a.verdict is Verdict.AGAIN]
            if alone:
                later = [(r.id, now + timedelta(seconds=wait_s(r.tries + 1)), a.text) for r, a in alone]
                await connection.execute(SQL["put_off"], *columns(later, 3))
            if decided:
                await connection.execute(SQL["link_well"], link.form)
            elif (worst := _trouble(answers)) is not None:
                await self._rest(connection, link, worst, now)
        for record, answer in open_:
            log.warning(
                "a platform does not answer",
                form=link.form,
                record=record.id,
                status=answer.status,
                text=answer.text[:200],
            )
            FAILED.labels(link.form).inc()
        _count(link.form, (answer.verdict.value for _, answer in decided))
        refused = sum(answer.verdict is Verdict.REFUSED for _, answer in decided)
        outcome = Outcome(accepted=len(decided) - refused, refused=refused, put_off=len(open_))
        return outcome, bool(decided) or _trouble(answers) is None

    async def _rest(self, connection: Any, link: Link, answer: Answer, now: datetime) -> None:
        failures = link.failures + 1
        most_s = STUMBLE_S if answer.verdict is Verdict.AGAIN else BACKOFF_MOST_S
        until = now + timedelta(seconds=min(wait_s(failures), most_s))
        await connection.execute(SQL["link_rests"], link.form, until, failures, answer.text or "no answer", now)

    async def _settle_unsent(
        self, link: Link, found: Sequence[tuple[Record, Incomplete | LeftOut]], now: datetime
    ) -> Outcome:
        if not found:
            return Outcome()
        rows = [
            (record.id, "incomplete" if isinstance(why, Incomplete) else "left-out", why.reason)
            for record, why in found
        ]
        async with self._database.acquire() as connection, connection.transaction():
            await self._duty.hold(connection)
            await connection.execute(SQL["settle"], *columns(rows, 3), now)
            said = [(number, state, None, reason) for number, state, reason in rows if state == "incomplete"]
            await connection.execute(SQL["add_answers"], *columns(said, 4), now)
        _count(link.form, (state for _, state, _ in rows))
        incomplete = sum(state == "incomplete" for _, state, _ in rows)
        return Outcome(incomplete=incomplete, left_out=len(rows) - incomplete)

    def _platform(self, link: Link, form: Form) -> Platform:
        known = self._platforms.get(link.form)
        same = known is not None and (known.link.address, known.link.token_address, known.link.client) == (
            link.address, link.token_address, link.client,
        )  # fmt: skip
        if known is None or not same:
            known = self._platforms[link.form] = self._make(link, form)
        return known


def _bytes(record: Record, form: Form) -> bytes | Incomplete | LeftOut:
    """What is sent: as it was the first time, else made of the facts."""
    if record.body is not None:
        return record.body.encode()
    found = message_of(form, record.facts)
    return json.dumps(found.body, ensure_ascii=False).encode() if isinstance(found, Message) else found


def _trouble(answers: Sequence[tuple[Record, Answer]]) -> Answer | None:
    """What says that the platform is away: no answer at all, or several records that it stumbles over and none that it takes."""
    away = [answer for _, answer in answers if answer.verdict is Verdict.AWAY]
    if away:
        return away[0]
    return answers[0][1] if len(answers) > 1 else None


def _count(form: str, states: Iterable[str]) -> None:
    for state in states:
        SENT.labels(form, state).inc()


async def measure(database: Database) -> None:
    """Set the gauges."""
    for row in await open_counts(database):
        age_s = (row["looked_at"] - row["oldest_at"]).total_seconds() if row["oldest_at"] else 0.0
        WAITING.labels(row["form"]).set(row["waiting"])
        AGE.labels(row["form"]).set(age_s)
        OPEN.labels(row["form"]).set(row["refused"] + row["incomplete"])


async def run(
    database: Database,
    stop: asyncio.Event,
    *,
    secrets: Path,
    clock: Callable[[], datetime],
    keep_days: int,
    beats: Heartbeats | None = None,
) -> None:
    """Send until stopped. A database that is away is waited for."""
    beats = beats or Heartbeats("dispatch")
    alive = partial(beats.beat, STAGE)
    while not stop.is_set():
        duty = Duty(database, DUTY, term_s=TERM_S)
        sender = Sender(database, duty, partial(Platform, secrets=secrets), alive=alive)
        try:
            if await duty.take():
                await _keep_sending(database, sender, stop, clock, keep_days, alive)
                await duty.give_up()
        except Fenced as error:
            log.warning("stands by", reason=str(error))
        except (*AWAY, WorldFault) as error:
            log.warning("the database is away; records wait", error=str(error)[:200])
        except Exception:
            log.exception("the city link stumbled; it goes on")
        finally:
            sender.close()
        alive()
        await _rest_a_little(stop)


async def _keep_sending(
    database: Database,
    sender: Sender,
    stop: asyncio.Event,
    clock: Callable[[], datetime],
    keep_days: int,
    alive: Callable[[], None],
) -> None:
    trim_at = 0.0
    while not stop.is_set():
        done = await sender.round(clock())
        await measure(database)
        ROUND.set(time.time())
        alive()
        if time.monotonic() >= trim_at:
            trim_at = time.monotonic() + TRIM_EVERY_S
            await database.execute(SQL["trim"], clock() - timedelta(days=keep_days), CITY_TRIM_ROWS)
        if not done.settled:
            await _rest_a_little(stop)


async def _rest_a_little(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), POLL_S)
