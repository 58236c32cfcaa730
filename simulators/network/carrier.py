"""Carries the samples and events of a fleet to the server: numbers them, stamps them with the device's clock, delays, loses, doubles, keeps.

What is wrong with one terminal is a column here (`up`, `off_until`, `offset_ms`, `frozen_ms`, `lag_ms`, `flood`); a fault act sets it. While
a link is down the ring fills (the reference device's 4,096 samples and 1,000 events, oldest given up); on return all of it arrives at once. Not modelled: acks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.columns.chance import keys_of, uniform
from simulators.device import KEPT_EVENTS, RING_SAMPLES
from simulators.network.weather import Weather
from simulators.records import Event, Rows, joined, taken

Column = npt.NDArray[Any]

ANSWER_MS: Final = 20
FLOOD_MOST: Final = 200


class Carried(NamedTuple):
    """An event as it arrives."""

    received: int
    slot: int
    ts: int
    boot: int
    seq: int
    code: str
    active: bool


class Link(NamedTuple):
    """A link message as it arrives: the will of a broken connection, or the word of a new one."""

    received: int
    slot: int
    online: bool
    boot: int
    conn: int


@dataclass(kw_only=True, slots=True)
class Delivery:
    """What reached the server in one step, each part in order of `received`."""

    rows: Rows
    events: list[Carried] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Counts:
    """What became of the samples, and of events that a ring had no room for."""

    sent: int = 0
    delivered: int = 0
    lost: int = 0
    doubled: int = 0
    given_up: int = 0  # the ring was full
    not_made: int = 0  # the terminal was off
    events_given_up: int = 0


class Carrier:
    """The network of so many terminals."""

    def __init__(self, names: list[str], weather: Weather, seed: int, start_ms: int) -> None:
        count = len(names)
        self.weather, self.counts = weather, Counts()
        self._keys = keys_of(names, "network", seed)
        self._draw = 0
        self.up = np.ones(count, np.bool_)
        self.off_until = np.zeros(count, np.int64)  # restarting
        self.boot = np.ones(count, np.int64)
        self.conn = np.ones(count, np.int64)
        self.starts = np.zeros(count, np.int64)  # restarts of the terminal
        self.seq, self.event_seq = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.offset_ms, self.lag_ms = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.frozen_ms = np.full(count, -1, np.int64)
        self.flood = np.ones(count, np.int64)  # so many copies of each sample, each numbered
        self._kept: dict[int, list[Rows]] = {}
        self._kept_events: dict[int, list[Carried]] = {}
        self._late: list[Rows] = []
        self._late_events: list[Carried] = []
        self._links: list[Link] = []
        for slot in range(count):
            self._links.append(Link(start_ms + weather.delay_ms, slot, online=True, boot=1, conn=1))

    # --- what happens to one terminal ---

    def cut(self, slot: int, now: int) -> None:
        """The connection breaks; the broker publishes the will."""
        if self.up[slot]:
            self.up[slot] = False
            self._links.append(
                Link(
                    now + self.weather.delay_ms,
                    slot,
                    online=False,
                    boot=int(self.boot[slot]),
                    conn=int(self.conn[slot]),
                )
            )

    def join(self, slot: int, now: int) -> None:
        """It stands again: what was kept goes out."""
        if self.up[slot]:
            return
        self.up[slot] = True
        self.conn[slot] += 1
        at = now + self.weather.delay_ms
        self._links.append(Link(at, slot, online=True, boot=int(self.boot[slot]), conn=int(self.conn[slot])))
        for rows in self._kept.pop(slot, []):
            rows["received"] = at + ANSWER_MS
            self._late.append(rows)
        self._late_events += [event._replace(received=at + ANSWER_MS) for event in self._kept_events.pop(slot, [])]

    def restart(self, slot: int, now: int, back_ms: int, *, forgets: bool = False) -> None:
        """The terminal starts anew and is off until then. One that `forgets` uses its boot number again."""
        self.cut(slot, now)
        self._kept.pop(slot, None)  # samples do not outlive a restart, events do
        self.off_until[slot] = back_ms
        self.starts[slot] += 1
        self.seq[slot] = 0
        self.event_seq[slot] = 0
        self.conn[slot] = 0
        if not forgets:
            self.boot[slot] += 1

    # --- everybody ---

    def carry(self, rows: Rows, events: list[Event], now: int) -> Delivery:
        """One step: what the terminals say at `now` goes in, what has arrived by then and a delay comes out."""
        rows = self._numbered(rows, now)
        self.counts.sent += len(rows)
        rows = self._through(rows, now)
        self._late_events += self._stamped(events, now)
        if self._late:
            rows = joined([*self._late, rows])
            self._late = []
        due = rows["received"] <= now + self.weather.delay_ms + ANSWER_MS
        if not due.all():
            self._late, rows = [taken(rows, ~due)], taken(rows, due)
        order = np.argsort(rows["received"], kind="stable")
        self.counts.delivered += len(rows)
        horizon = now + self.weather.delay_ms + ANSWER_MS
        arrived = sorted(
            (event for event in self._late_events if event.received <= horizon), key=lambda event: event.received
        )
        self._late_events = [event for event in self._late_events if event.received > horizon]
        links, self._links = sorted(self._links, key=lambda link: (link.received, link.slot)), []
        return Delivery(rows=taken(rows, order), events=arrived, links=links)

    def clock(self, slots: Column, ms: Column | int) -> Column:
        """What the devices' clocks show."""
        return np.where(self.frozen_ms[slots] >= 0, self.frozen_ms[slots], ms + self.offset_ms[slots])

    def _numbered(self, rows: Rows, now: int) -> Rows:
        slots = rows["slot"]
        on = self.off_until[slots] <= now
        if not on.all():
            self.counts.not_made += int((~on).sum())
            rows = taken(rows, on)
        slots = rows["slot"]
        nth: Column | int = 0
        if (self.flood[slots] > 1).any():
            copies = np.minimum(self.flood[slots], FLOOD_MOST)
            rows = np.repeat(rows, copies)
            nth = np.arange(len(rows)) - np.repeat(np.cumsum(copies) - copies, copies)
            self.seq[slots] += copies
            slots = rows["slot"]
            rows["seq"] = self.seq[slots] - np.repeat(copies, copies) + 1 + nth
        else:
            self.seq[slots] += 1
            rows["seq"] = self.seq[slots]
        rows["boot"] = self.boot[slots]
        rows["ts"] = self.clock(slots, rows["ts"] + nth)
        return rows

    def _through(self, rows: Rows, now: int) -> Rows:
        slots, weather = rows["slot"], self.weather
        up = self.up[slots]
        if not up.all():
            for row in np.flatnonzero(~up).tolist():
                kept = self._kept.setdefault(int(slots[row]), [])
                kept.append(rows[row : row + 1].copy())
                if len(kept) > RING_SAMPLES:
                    kept.pop(0)
                    self.counts.given_up += 1
            rows = taken(rows, up)
            slots = rows["slot"]
        rows["received"] = now + weather.delay_ms + self.lag_ms[slots]
        if weather.jitter_ms:
            rows["received"] += (-np.log1p(-self._chance(slots)) * weather.jitter_ms).astype(np.int64)
        if weather.loss:
            stays = self._chance(slots) >= weather.loss
            self.counts.lost += int((~stays).sum())
            rows = taken(rows, stays)
        if weather.doubled:
            twice = self._chance(rows["slot"]) < weather.doubled
            again = taken(rows, twice)
            again["received"] += 1_000 + weather.jitter_ms
            self.counts.doubled += len(again)
            rows = joined([rows, again])
        return rows

    def _stamped(self, events: list[Event], now: int) -> list[Carried]:
        arrived: list[Carried] = []
        for event in events:
            slot = event.slot
            if self.off_until[slot] > now:
                continue
            self.event_seq[slot] += 1
            ts = int(self.clock(np.array([slot]), event.ms)[0])
            one = Carried(
                now + self.weather.delay_ms + int(self.lag_ms[slot]), slot, ts, int(self.boot[slot]),
                int(self.event_seq[slot]), event.code, event.active,
            )  # fmt: skip
            if self.up[slot]:
                arrived.append(one)
            else:
                kept = self._kept_events.setdefault(slot, [])
                kept.append(one)
                if len(kept) > KEPT_EVENTS:
                    kept.pop(0)
                    self.counts.events_given_up += 1
        return arrived

    def _chance(self, slots: Column) -> Column:
        self._draw += 1
        return uniform(self._keys[slots], np.uint64(self._draw))
