"""How far a device's clock is off: learned record by record from the difference between receiving and stamping.

Pure; knows no device, no boot and no store. What it learns from the stored stream is the same after a restart.

A record cannot be received before it was stamped, so the smallest difference is the best offset, and a clock that runs fast is
followed at once. Everything else is harder to tell from a slow network, and is followed only when it lasts:

| what is seen | what it is taken for |
|---|---|
| the stamp goes back while the numbers go on | the clock was set back: another clock from here on |
| the difference falls by more than 5 s, twice | the clock was set forward: another clock from here on; once alone it is a wild stamp |
| the smallest difference of a stretch of two minutes lies higher by 1 to 60 s | the clock loses time |
| the same for five stretches, and not sinking as in a backlog | the clock loses more, or stands an hour behind since a moment |
| the same stamp for more than 10 s | the clock stands still: the receive time counts |
| the difference rises by as much as the server's own clock has stepped | it was the server |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hoistway.limits import (
    CLOCK_FROZEN_MS,
    CLOCK_GRADUAL_MS,
    CLOCK_JUMP_MS,
    CLOCK_SLOW_MS,
    CLOCK_STEP_MS,
    CLOCK_STRETCH_MS,
    CLOCK_STRETCHES,
)

ESTABLISHED: Final = 3
"""So many records that agree make an offset one that a single record does not overthrow."""
STRETCH_RECORDS: Final = 3
"""Fewer records say nothing about a stretch: it goes on."""


class Clock(msgspec.Struct, array_like=True):
    """A device clock between two of its steps: server time = device time + `offset_ms`."""

    offset_ms: int | None = None
    unconfirmed_ms: int | None = None  # an offset that one record alone claims
    agreeing: int = 0  # records in a row that agree with the offset
    number: int = 0  # how often the clock was set within its boot
    before_ms: int = 0  # the offset before it was set
    doubted: int = 0  # live records in a row that still go by the clock before
    since: int = 0  # when the stretch began that is looked at; 0: none
    smallest_ms: int = 0  # its smallest difference
    records: int = 0  # of the stretch
    later: int = 0  # stretches in a row that lay higher than the offset
    later_ms: int = 0  # the smallest difference of the last of them
    stepped_ms: int = 0  # how far the server's clock had been stepped when that was last accounted for

    def corrected(self, ts: int, received: int) -> int:
        """Server time at which a record was stamped; nothing was stamped after it was received."""
        return min(received, ts + (self.offset_ms or 0))

    def stamp_now(self, ts: int, received: int) -> int:
        """The stamp, or what the clock can show at most at `received`: a wild stamp is not remembered."""
        return min(ts, received - (self.offset_ms or 0) + CLOCK_STEP_MS)

    def set_to(self, offset_ms: int) -> Clock:
        """The clock after it was set."""
        return Clock(
            offset_ms=offset_ms, number=self.number + 1, before_ms=self.offset_ms or 0, stepped_ms=self.stepped_ms
        )

    def before(self) -> Clock:
        """The clock as it was before it was set."""
        return Clock(offset_ms=self.before_ms)

    def agree(self, difference: int) -> None:
        """Take in a record that this clock may have stamped."""
        offset = self.offset_ms or 0
        self.offset_ms, self.unconfirmed_ms, self.doubted = min(offset, difference), None, 0
        if difference <= offset + CLOCK_STEP_MS:
            self.agreeing = min(ESTABLISHED, self.agreeing + 1)

    def follow(self, difference: int, received: int) -> None:
        """Look at one more live record of the stretch; at its end, follow a clock that loses time."""
        if not self.records:
            self.since, self.smallest_ms, self.records = received, difference, 1
            return
        self.smallest_ms = min(self.smallest_ms, difference)
        self.records = min(self.records + 1, STRETCH_RECORDS)
        if received - self.since < CLOCK_STRETCH_MS or self.records < STRETCH_RECORDS:
            return
        smallest, offset = self.smallest_ms, self.offset_ms or 0
        sinking = self.later and smallest < self.later_ms - CLOCK_SLOW_MS
        higher = smallest > offset + CLOCK_SLOW_MS
        self.later, self.later_ms = (1 if sinking else self.later + 1) if higher else 0, smallest
        if higher and (smallest <= offset + CLOCK_GRADUAL_MS or self.later >= CLOCK_STRETCHES):
            self.offset_ms, self.later = smallest, 0
        self.records = 0

    def account_for(self, stepped_ms: int, difference: int) -> None:
        """Say whether a step of the server's clock shows in this device's difference; in doubt the next record decides."""
        offset, step = self.offset_ms or 0, stepped_ms - self.stepped_ms
        if difference <= offset + CLOCK_SLOW_MS:
            self.stepped_ms = stepped_ms  # it went along: the machine had slept
        elif abs(difference - offset - step) <= CLOCK_STEP_MS:
            self.offset_ms, self.before_ms = difference, self.before_ms + step
            self.stepped_ms, self.records, self.later = stepped_ms, 0, 0


class Track(msgspec.Struct, array_like=True):
    """What is known of the stamps of one stream of one boot."""

    top: int = 0  # highest number seen
    top_ts: int = -1  # and its stamp
    clock: int = 0  # the number of the clock that stamped it
    turned: int = 0  # the first number that was stamped by this clock
    stood_at: int = 0  # when `top_ts` was first received
    stood_seen: int = 0  # and when again, a second or more later

    def note(self, seq: int, ts: int) -> None:
        if seq > self.top:
            self.top, self.top_ts = seq, ts


def learn(
    clock: Clock, track: Track, *, seq: int, ts: int, received: int, live: bool, stepped_ms: int = 0
) -> tuple[Clock, Clock]:
    """Learn from one record; answers the boot's clock from now on, and the clock to correct this record with.

    `live` says that the boot is or was the device's present one. Before `track.note`.
    """
    difference = received - ts
    if clock.offset_ms is None:
        clock.offset_ms, clock.stepped_ms = difference, stepped_ms
        track.stood_at = track.stood_seen = received
        return clock, clock
    if seq <= track.top:
        return clock, _fills_a_hole(clock, track, seq, difference)
    if live and clock.stepped_ms != stepped_ms and clock.agreeing >= ESTABLISHED:
        clock.account_for(stepped_ms, difference)
    standing = _stands(clock, track, ts, received)
    if standing is not None:
        return clock, standing
    if track.clock < clock.number and not _of_present(clock, difference):
        return _of_the_clock_before(clock, track, seq, difference, live=live)
    found = _newest(clock, track, ts, difference)
    if found.number != track.clock:
        track.clock, track.turned = found.number, seq
    if live and difference >= (found.offset_ms or 0) - CLOCK_STEP_MS:
        found.follow(difference, received)
    return found, found


def learn_run(
    clock: Clock, track: Track, *, seq: int, stamps: Sequence[int], received: int, stepped_ms: int = 0
) -> bool:
    """`learn` for records of one live boot that follow one another, `seq` on, received at once, with stamps that do not go back; nothing
    is learned, and False answered, when anything about them is out of the ordinary: then one record after the other."""
    offset = clock.offset_ms
    if offset is None or clock.number != track.clock or clock.stepped_ms != stepped_ms:
        return False
    if seq <= track.top or stamps[0] <= track.top_ts:
        return False
    if received - stamps[-1] < offset - CLOCK_STEP_MS:  # a clock that was set forward
        return False
    if clock.records and received - clock.since >= CLOCK_STRETCH_MS:  # the stretch ends with one of them
        return False
    track.stood_at = track.stood_seen = received
    smallest = received - stamps[-1]
    clock.offset_ms, clock.unconfirmed_ms, clock.doubted = min(offset, smallest), None, 0
    agree = sum(received - ts <= offset + CLOCK_STEP_MS for ts in stamps[-ESTABLISHED:])
    clock.agreeing = min(ESTABLISHED, clock.agreeing + agree)
    if not clock.records:
        clock.since, clock.smallest_ms = received, smallest
    clock.smallest_ms = min(clock.smallest_ms, smallest)
    clock.records = min(clock.records + len(stamps), STRETCH_RECORDS)
    return True


def _fills_a_hole(clock: Clock, track: Track, seq: int, difference: int) -> Clock:
    """A number below the highest was stamped by the clock of its time, and teaches nothing new but that it was later."""
    if seq < track.turned or track.clock < clock.number:
        return clock.before()
    if (clock.offset_ms or 0) - CLOCK_STEP_MS <= difference:
        clock.offset_ms = min(clock.offset_ms or 0, difference)
    return clock


def _stands(clock: Clock, track: Track, ts: int, received: int) -> Clock | None:
    """The clock to use when it shows the same time for too long. One record alone may just have waited on its way."""
    if ts != track.top_ts:
        track.stood_at = track.stood_seen = received
        return None
    apart = received - track.stood_seen >= CLOCK_SLOW_MS
    lasting = apart and track.stood_seen - track.stood_at >= CLOCK_SLOW_MS
    if apart:
        track.stood_seen = received
    if received - track.stood_at <= CLOCK_FROZEN_MS:
        return None
    if not lasting:
        return Clock(offset_ms=received - ts)
    clock.offset_ms, clock.records, clock.later = max(clock.offset_ms or 0, received - ts), 0, 0
    return clock


def _of_present(clock: Clock, difference: int) -> bool:
    """Whether a record of a stream that has not seen the clock being set was stamped after that."""
    now, before = difference - (clock.offset_ms or 0), difference - clock.before_ms
    if now < -CLOCK_STEP_MS:
        return before < -CLOCK_STEP_MS
    return before < -CLOCK_STEP_MS or now <= before + CLOCK_STEP_MS


def _of_the_clock_before(clock: Clock, track: Track, seq: int, difference: int, *, live: bool) -> tuple[Clock, Clock]:
    """A record that was on its way when the clock was set. When they go on coming, it was not set at all."""
    if not live or abs(difference - clock.before_ms) > CLOCK_STEP_MS:
        return clock, clock.before()
    clock.doubted += 1
    if clock.doubted < ESTABLISHED:
        return clock, clock.before()
    found = clock.set_to(min(difference, clock.before_ms))
    track.clock, track.turned = found.number, seq
    return found, found


def _newest(clock: Clock, track: Track, ts: int, difference: int) -> Clock:
    """The clock of a record that is the newest of its stream."""
    offset = clock.offset_ms or 0
    if 0 <= track.top_ts - CLOCK_STEP_MS > ts and (track.clock == clock.number or difference < offset - CLOCK_STEP_MS):
        return clock.set_to(difference)
    if difference >= offset - CLOCK_STEP_MS:
        clock.agree(difference)
        return clock
    if clock.agreeing < ESTABLISHED:
        if track.top_ts >= 0 and ts - track.top_ts > CLOCK_JUMP_MS:
            return clock.set_to(difference)
        clock.offset_ms, clock.agreeing = difference, 0
        return clock
    if clock.unconfirmed_ms is not None and abs(difference - clock.unconfirmed_ms) <= CLOCK_STEP_MS:
        return clock.set_to(difference)
    clock.unconfirmed_ms = difference
    return clock
