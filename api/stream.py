"""The live stream: one shared reader of the feed, many readers of frames, snapshot and follow in one act.

`Hub` keeps the mirror at the newest place and offers every tick to every reader without waiting for any of them. A
`Subscriber` joins what it has not sent yet, latest state of each object first come last served; one that falls too far
behind is dropped. Knows sockets only through ASGI's `send`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import datetime
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import feed, people
from api.exchange import CHANNEL, encode, rfc3339
from api.feed import Audience, Key, Mirror, Tick
from api.live import LiveState
from api.people import PROBE_ONLY, Principal
from api.problems import Problem
from hoistway.heartbeat import Heartbeats
from hoistway.lifecycle import DESK
from hoistway.limits import (
    STREAM_BUFFER_FRAMES,
    STREAM_CLIENTS,
    STREAM_HEARTBEAT_S,
    STREAM_POLL_MS,
    STREAM_TICK_MS,
    STREAMS_EACH,
)
from hoistway.store import connect_url
from hoistway.store.scope import WHOLE, enter

MAINTAIN_EVERY_S: Final = 10.0
FORGET_EVERY_S: Final = 3_600.0
_LOADING_S: Final = 10.0
_log = structlog.get_logger("api.stream")

Source = contextlib.AbstractContextManager[tuple[AsyncGenerator[bytes], tuple[asyncio.Event, ...]]]


class Subscriber:
    """One reader: what it has still to be sent, and the id of what it was sent last."""

    def __init__(self, hub: Hub, principal: Principal | None) -> None:
        self.principal = principal  # None: the watcher, which sees the probe alone
        self.audience = (
            Audience(PROBE_ONLY, desk=False)
            if principal is None
            else Audience(principal.scope, principal.role in DESK, principal.districts)
        )
        self.ended = asyncio.Event()
        self._hub = hub
        self._pending: list[Tick] = []
        self._wake = asyncio.Event()
        self._fresh = True  # a snapshot is due
        self._last_id: str | None = None

    def offer(self, tick: Tick) -> None:
        """Take note of a tick; never waits. Too many of them end this reader."""
        if self._fresh or not tick.part(self.audience):
            return
        if len(self._pending) >= STREAM_BUFFER_FRAMES:
            self._hub.dropped.inc()
            self.end()
            return
        self._pending.append(tick)
        self._wake.set()

    def start_over(self) -> None:
        """A new epoch: whatever was pending belongs to the old one."""
        self._fresh, self._pending = True, []
        self._wake.set()

    def end(self) -> None:
        """Let go of what is pending; the answer ends."""
        self._pending = []
        self.ended.set()

    async def frames(self, last_event_id: str | None) -> AsyncGenerator[bytes]:
        """Everything this reader is sent, from its first frame until it goes."""
        loop = asyncio.get_running_loop()
        yield b"retry: 2000\n\n"
        if last_event_id is not None and (resumed := await self._resume(last_event_id)) is not None:
            yield resumed
        beat = loop.time() + STREAM_HEARTBEAT_S
        while True:
            if self._fresh:
                yield self._snapshot()
            elif self._pending:
                yield self._joined()
            elif loop.time() >= beat:
                beat = loop.time() + STREAM_HEARTBEAT_S
                yield self._frame("heartbeat", b"")
            else:
                self._wake.clear()
                await _wait(self._wake, beat - loop.time())

    async def _resume(self, last_event_id: str) -> bytes | None:
        """One `change` with all that was missed since `last_event_id`, or None when only a snapshot will do."""
        epoch, _, place = last_event_id.partition(":")
        if epoch != self._hub.epoch_for(self.audience):
            return None
        self._fresh = False  # from here on ticks are kept for this reader
        missed = await feed.read_missed(self._hub.database, place, self.audience)
        if missed is None or self._fresh or epoch != self._hub.epoch_for(self.audience):
            self.start_over()
            return None
        keys, objects = missed
        for tick in self._pending:
            objects |= tick.part(self.audience)
        self._pending = []
        objects |= self._hub.mirror.some(keys, self.audience)
        self._last_id = last_event_id
        return self._frame("change", _lists(objects))

    def _snapshot(self) -> bytes:
        self._fresh, self._pending = False, []
        return self._frame("snapshot", self._hub.snapshot(self.audience))

    def _joined(self) -> bytes:
        pending, self._pending = self._pending, []
        if len(pending) == 1:
            return self._frame("change", self._hub.text_of(pending[0], self.audience))
        objects: dict[Key, bytes] = {}
        for tick in pending:
            objects |= tick.part(self.audience)
        return self._frame("change", _lists(objects))

    def _frame(self, event: str, lists: bytes) -> bytes:
        """A frame at the hub's place: nothing older is pending when this is called."""
        hub, previous = self._hub, self._last_id
        self._last_id = f"{hub.epoch_for(self.audience)}:{hub.mirror.place}"
        counters = hub.counters(self.audience)
        head = {
            "prev": previous,
            "server_time": rfc3339(hub.clock()),
            "data_age_s": counters["data_age_s"],
            "platform": hub.platform(),
        }
        data = encode(head)[:-1] + b',"counters":' + encode(counters) + lists + b"}"
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (self._last_id.encode(), event.encode(), data)


def _id(principal: Principal | None) -> str:
    return "watcher" if principal is None else principal.id


def _lists(objects: dict[Key, bytes]) -> bytes:
    lists: dict[str, list[bytes]] = {name: [] for name in feed.KINDS.values()}
    for (kind, _), text in objects.items():
        lists[kind].append(text)
    return b"".join(b',"%s":[%s]' % (name.encode(), b",".join(texts)) for name, texts in lists.items())


class Hub:
    """The shared reader of the feed and the register of its readers."""

    def __init__(
        self,
        database: Any,
        live: LiveState,
        *,
        clock: Callable[[], datetime],
        registry: CollectorRegistry,
        url: str | None = None,
        beats: Heartbeats | None = None,
        platform: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.database, self.clock, self.platform = database, clock, platform
        self._beats = beats or Heartbeats("api")
        self.mirror = Mirror()
        self.closing = asyncio.Event()
        self.dropped = Counter("hoistway_stream_dropped", "readers dropped for being too slow", registry=registry)
        self._gauge = Gauge("hoistway_stream_subscribers", "readers of the live stream", registry=registry)
        self._live, self._url = live, url
        self._ready = asyncio.Event()
        self._hint = asyncio.Event()
        self._subscribers: set[Subscriber] = set()
        self._texts: dict[Audience, tuple[object, bytes]] = {}
        self._snapshots: dict[Audience, tuple[int, bytes]] = {}
        self._listener: Any = None

    # --- for readers ---

    async def admit(self, principal: Principal | None) -> None:
        """Raises `Problem` 429 when somebody has too many streams, 503 when all have, or when there is nothing to read yet."""
        own = sum(_id(subscriber.principal) == _id(principal) for subscriber in self._subscribers)
        if own >= STREAMS_EACH:
            raise Problem(429, f"{STREAMS_EACH} streams of yours are open", retry_after_s=10)
        if len(self._subscribers) >= STREAM_CLIENTS:
            raise Problem(503, "too many readers of the live stream", retry_after_s=10)
        if not await _wait(self._ready, _LOADING_S):
            raise Problem(503, "the live stream is not ready", retry_after_s=2)

    @contextlib.contextmanager
    def subscribe(self, principal: Principal | None) -> Iterator[Subscriber]:
        """A reader for as long as the block lasts."""
        subscriber = Subscriber(self, principal)
        self._subscribers.add(subscriber)
        self._gauge.set(len(self._subscribers))
        if self.closing.is_set():
            subscriber.end()
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            self._gauge.set(len(self._subscribers))

    def epoch_for(self, audience: Audience) -> str:
        """The epoch as an audience sees it: a reader whose scope changed cannot resume."""
        text = f"{self.mirror.epoch}/{audience.scope}/{audience.desk}/{audience.districts}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def counters(self, audience: Audience) -> dict[str, Any]:
        return {**self.mirror.counters(audience), "data_age_s": self._live.data_age_s}

    def snapshot(self, audience: Audience) -> bytes:
        """Everything open as the end of a frame; written once for all who come while nothing changes."""
        known = self._snapshots.get(audience)
        if known is None or known[0] != self.mirror.revision:
            known = self._snapshots[audience] = (self.mirror.revision, _lists(self.mirror.objects(audience)))
        return known[1]

    def text_of(self, tick: Tick, audience: Audience) -> bytes:
        """One tick as the end of a frame; written once for an audience."""
        known = self._texts.get(audience)
        if known is None or known[0] is not tick:
            known = self._texts[audience] = (tick, _lists(tick.part(audience)))
        return known[1]

    def hint(self) -> None:
        """Something was probably committed: look now instead of at the next poll."""
        self._hint.set()

    def close(self) -> None:
        """End every reader; the process is about to stop."""
        self.closing.set()
        for subscriber in self._subscribers:
            subscriber.end()

    # --- the shared reader ---

    async def run(self) -> None:
        """Follow the feed for ever; a database that is away is waited for, and nothing is lost by it."""
        enter(WHOLE)
        loop = asyncio.get_running_loop()
        maintain_at = forget_at = loop.time()
        try:
            while not self.closing.is_set():
                try:
                    await self._read()
                    self._beats.beat("stream")
                    if loop.time() >= maintain_at:
                        await self._maintain()
                        maintain_at = loop.time() + MAINTAIN_EVERY_S
                    if loop.time() >= forget_at:
                        await self._forget()
                        forget_at = loop.time() + FORGET_EVERY_S
                except asyncio.CancelledError:
                    raise
                except Exception as error:  # noqa: BLE001  the reader must outlive any one failure; heartbeats go on
                    _log.warning("cannot read the feed", error=str(error) or type(error).__name__)
                await asyncio.sleep(STREAM_TICK_MS / 1000)
                await _wait(self._hint, (STREAM_POLL_MS - STREAM_TICK_MS) / 1000)
                self._hint.clear()
        finally:
            self.close()
            await self._hang_up()

    async def _read(self) -> None:
        tick = await feed.read_changes(self.database, self.mirror) if self._ready.is_set() else None
        if tick is None:
            await feed.read_all(self.database, self.mirror)
            self._ready.set()
            for subscriber in self._subscribers:
                subscriber.start_over()
            return
        self._offer(tick)

    def _offer(self, tick: Tick) -> None:
        for subscriber in self._subscribers:
            subscriber.offer(tick)

    async def _maintain(self) -> None:
        """Lifts that changed hands, people who were shut out, the connection for hints."""
        self._offer(await feed.read_firms(self.database, self.mirror))
        people_here = [(one, one.principal.credential) for one in self._subscribers if one.principal is not None]
        credentials = {credential for _, credential in people_here}
        if credentials:
            good = await people.still_good(self.database, list(credentials))
            for subscriber, credential in people_here:
                if credential in credentials - good:
                    subscriber.end()
        if self._url is not None and (self._listener is None or self._listener.is_closed()):
            self._listener = await connect_url(self._url, name="hoistway api hints")
            await self._listener.add_listener(CHANNEL, lambda *_: self.hint())

    async def _forget(self) -> None:
        await feed.forget_old(self.database)
        async with self.database.acquire() as connection:
            await people.forget_old(connection)

    async def _hang_up(self) -> None:
        if self._listener is not None and not self._listener.is_closed():
            self._listener.terminate()


class EventStream(Response):
    """Sends server-sent events until the reader goes, `source` ends, or it says so, even in the middle of a send.

    `source` is a context manager that opens the frames and the events that end them.
    """

    media_type = "text/event-stream"

    def __init__(self, source: Callable[[], Source]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's form
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with self._source() as (frames, ended):
            tasks = [asyncio.create_task(_pump(frames, send)), asyncio.create_task(_gone(receive))]
            tasks += [asyncio.create_task(_until(event)) for event in ended]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                pumped, *_ = await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(1):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        if isinstance(pumped, Exception) and not isinstance(pumped, OSError):
            raise pumped


async def _pump(frames: AsyncGenerator[bytes], send: Send) -> None:
    async with contextlib.aclosing(frames):
        async for frame in frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for so long. (`asyncio.wait_for` of Python 3.11 can swallow a cancellation.)"""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def _until(event: asyncio.Event) -> None:
    await event.wait()
