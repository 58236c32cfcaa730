"""The MQTT source: events and samples on sessions of their own, so that a flood of samples never delays an alarm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from hoistway import wire
from hoistway.clock import ServerClock
from hoistway.limits import EVENTS_APART_BYTES, EVENTS_APART_MESSAGES, OVERLOAD_UNACKNOWLEDGED
from hoistway.mqtt_url import MqttAddress
from ingest.door_log import LINES, TOPICS
from ingest.overload import Load
from ingest.session import Session
from ingest.source import Message

STILL_DRAINING_MS: Final = 1_000
EVENT_PAUSE_S: Final = 0.001
"""Between small reads of events."""
DEAF_AFTER_MS: Final = 10_000
"""A store that is slow for less makes nobody silent: ticks stay behind the oldest message that waits."""


class MqttSource:
    """Two persistent sessions of one broker, read as one `Source`; beside them a third one for the broker's log."""

    def __init__(self, address: MqttAddress, *, name: str, mqtt5: bool, clock: ServerClock) -> None:
        self._clock = clock
        self._deaf = True
        self._loop = asyncio.get_running_loop()
        self._awake, self._hurry = asyncio.Event(), asyncio.Event()
        prefix = f"{wire.PREFIX}/+/+"
        self.events = Session(
            address,
            client_id=f"{name}-event",
            subscriptions=(f"{prefix}/event", f"{prefix}/link"),
            mqtt5=mqtt5,
            wake=self._wake_at_once,
            now_ms=clock.now_ms,
            pause_s=EVENT_PAUSE_S,
        )
        self.samples = Session(
            address,
            client_id=f"{name}-state",
            subscriptions=(f"{prefix}/state",),
            mqtt5=mqtt5,
            wake=self._wake,
            now_ms=clock.now_ms,
        )
        self.log = Session(
            address,
            client_id=f"{name}-log",
            subscriptions=TOPICS,
            mqtt5=mqtt5,
            wake=lambda: None,
            now_ms=clock.now_ms,
            lasting=False,
        )
        self.sessions: Final = (self.events, self.samples)
        self._all: Final = (*self.sessions, self.log) if mqtt5 else self.sessions  # only mosquitto tells its log

    def start(self) -> None:
        for session in self._all:
            session.start()

    def stop(self) -> None:
        for session in self._all:
            session.stop()

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._awake.set)

    def _wake_at_once(self) -> None:
        self._wake()
        self._loop.call_soon_threadsafe(self._hurry.set)

    @property
    def deaf(self) -> bool:
        oldest = self.oldest_ms()
        age_ms = 0 if oldest is None else self._clock.now_ms() - oldest
        self._deaf = (
            not all(session.settled for session in self.sessions)
            or age_ms > (STILL_DRAINING_MS if self._deaf else DEAF_AFTER_MS)
            or self.load().unacknowledged >= OVERLOAD_UNACKNOWLEDGED  # the broker may hold more
        )
        return self._deaf

    @property
    def well(self) -> bool:
        """Whether both sessions are connected and their threads have heard the broker lately."""
        return all(session.well for session in self.sessions)

    def oldest_ms(self) -> int | None:
        oldest = [at for session in self.sessions if (at := session.oldest_ms()) is not None]
        return min(oldest) if oldest else None

    @property
    def urgent(self) -> bool:
        return self.events.queued > 0

    def take(self, *, samples: int, bytes_: int) -> list[Message]:
        taken = self.events.take(messages=samples, bytes_=bytes_)
        samples, bytes_ = samples - len(taken), bytes_ - sum(len(message.payload) for message in taken)
        if taken:
            samples, bytes_ = min(samples, EVENTS_APART_MESSAGES), min(bytes_, EVENTS_APART_BYTES)
        return taken + self.samples.take(messages=samples, bytes_=bytes_)

    def load(self) -> Load:
        return self.samples.load()

    def acknowledge(self, messages: Sequence[Message]) -> int:
        mine: dict[Session, list[Message]] = {}
        for message in messages:
            if message.handle is not None:
                mine.setdefault(message.handle[0], []).append(message)  # type: ignore[index]  # made by Session
        return sum(session.acknowledge(theirs) for session, theirs in mine.items())

    def publish(self, topic: str, payload: bytes) -> None:
        self.events.publish(topic, payload)

    def command(self, topic: str, payload: bytes) -> Callable[[], bool] | None:
        """Say something to a device at QoS 1; None while there is no connection."""
        return self.events.publish_surely(topic, payload)

    async def wait(self, timeout_s: float) -> None:
        if any(session.queued for session in self.sessions):
            return
        self._awake.clear()
        if any(session.queued for session in self.sessions):
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), timeout_s)

    async def gather(self, time_s: float) -> None:
        self._hurry.clear()
        if not self.urgent:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), time_s)

    def watch(self) -> int:
        """Start dead network threads again; answers how many were dead."""
        return sum(session.revive() for session in self._all)

    def hear(self) -> list[Message]:
        """What the broker's log said meanwhile. Acknowledged at once: it is no promise to anybody."""
        lines = self.log.take(messages=LINES, bytes_=LINES * 1_000)
        self.acknowledge(lines)
        return lines
