"""How a device's clock is followed: slow, fast, frozen, reset, and a network that only looks like one."""

from __future__ import annotations

import random

import pytest

from hoistway.limits import CLOCK_FROZEN_MS, CLOCK_STRETCHES
from ingest.memory import Memory, Verdict

T0 = 1_800_000_000_000


class Device:
    """One boot of one device and the memory of it; `says` answers the corrected time."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.boot = self.memory.boot(1, 1)
        self.boot.was_live = True
        self.seq = {"state": 0, "event": 0}

    def says(self, ts: int, received: int, leaf: str = "state", seq: int | None = None) -> int:
        self.seq[leaf] = max(self.seq[leaf], seq or self.seq[leaf] + 1)
        number = self.seq[leaf] if seq is None else seq
        stream = self.boot.stream(leaf)
        clock = self.memory.note_clock(self.boot, stream, seq=number, ts=ts, received=received)
        stream.accept(number, clock.stamp_now(ts, received))
        return clock.corrected(ts, received)

    def runs(self, first_s: int, last_s: int, clock: float = 1.0, ahead: int = 0, delay: int = 40) -> list[int]:
        """A sample each five seconds of a clock with this pace; answers by how much each was placed before it was said."""
        found = []
        for second in range(first_s, last_s, 5):
            said = T0 + second * 1_000
            found.append(said - self.says(T0 + ahead + round(second * 1_000 * clock), said + delay))
        return found


@pytest.mark.parametrize("pace", [0.9999, 0.99, 0.9, 0.6])
def test_a_clock_that_loses_time_is_followed(pace: float) -> None:
    """However long it runs, a record is never placed more than what the clock loses in two stretches in the past."""
    device = Device()
    off = device.runs(0, 6 * 3_600, pace)
    assert max(off) < 250_000 * (1 - pace) + 2_000


def test_a_clock_that_loses_more_than_half_is_followed_in_the_end() -> None:
    """At a third of its pace it lags behind by no more than some stretches."""
    device = Device()
    assert max(device.runs(0, 6 * 3_600, 0.33)) < 130_000 * (CLOCK_STRETCHES + 1)


@pytest.mark.parametrize("pace", [1.0001, 1.01, 1.1])
def test_a_clock_that_gains_is_followed_at_once(pace: float) -> None:
    """The smallest difference falls with it."""
    device = Device()
    off = device.runs(0, 3_600, pace)
    assert all(-40 <= late <= 0 for late in off)


def test_a_burst_of_delay_moves_nothing_for_good() -> None:
    """Three minutes in which everything takes 30 s to come: afterwards records are placed as before."""
    device = Device()
    device.runs(0, 600)
    device.runs(600, 780, delay=30_000)
    assert device.runs(780, 1_500)[3:] == [-40] * 141


def test_a_delay_that_comes_at_once_and_stays_is_the_network_for_some_stretches() -> None:
    """A queue of 70 s keeps the times of what it delays; after ten minutes it is taken for the clock."""
    device = Device()
    device.runs(0, 600)
    late = device.runs(600, 2_400, delay=70_000)
    assert set(late[:100]) == {-40}
    assert late[-1] == -70_000


def test_a_backlog_that_drains_slowly_keeps_its_times() -> None:
    """Two hours of records that come back within twenty minutes are placed where they were stamped."""
    device = Device()
    device.runs(0, 600)
    rows = [(second, 7_800 + (second - 600) // 6) for second in range(600, 7_800, 5)]
    off = [T0 + second * 1_000 - device.says(T0 + second * 1_000, T0 + came * 1_000) for second, came in rows]
    assert set(off) == {-40}


@pytest.mark.parametrize("spacing", [1, 5, 30])
def test_a_clock_that_stands_still(spacing: int) -> None:
    """From ten seconds of the same stamp on the receive time counts, and goes on counting; when the clock goes again it is followed."""
    device = Device()
    device.runs(0, 60)
    stamp = T0 + 60_000
    placed = []
    for second in range(60, 660, spacing):
        received = T0 + second * 1_000 + 40
        placed.append((received - device.says(stamp, received), second))
    assert {late for late, second in placed if second * 1_000 > 60_000 + CLOCK_FROZEN_MS} == {0}
    again = [T0 + (660 + n) * 1_000 - device.says(stamp + 1_000 * n, T0 + (660 + n) * 1_000) for n in range(1, 60)]
    assert all(abs(late) <= 1_000 * spacing + 40 for late in again)
    right = [T0 + (720 + n) * 1_000 - device.says(T0 + (720 + n) * 1_000, T0 + (720 + n) * 1_000) for n in range(60)]
    assert set(right) == {0}


def test_two_records_of_one_moment_parted_by_an_outage_are_no_frozen_clock() -> None:
    """The second one alone is placed when it came; what follows it out of the ring is placed when it was stamped."""
    device = Device()
    device.runs(0, 60)
    device.says(T0 + 60_000, T0 + 60_040)
    device.says(T0 + 60_000, T0 + 60_090)
    assert device.says(T0 + 60_000, T0 + 100_000) == T0 + 100_000
    assert device.says(T0 + 60_000, T0 + 100_001) == T0 + 100_001
    assert [device.says(T0 + second * 1_000, T0 + 100_002) for second in range(61, 90)] == [
        T0 + second * 1_000 + 40 for second in range(61, 90)
    ]


@pytest.mark.parametrize("set_by", [-T0 + 5_000, -3_600_000, -60_000, 3_600_000, 86_400_000])
def test_a_clock_that_is_set_is_followed_in_both_streams(set_by: int) -> None:
    """Reset to 1970, jumps back and forward: samples and events go on in the server's time, whichever stream sees it first."""
    for first in ("state", "event"):
        device = Device()
        for second in range(0, 60, 5):
            device.says(T0 + second * 1_000, T0 + second * 1_000 + 40)
        device.says(T0 + 50_000, T0 + 50_040, "event")
        off = []
        for second in range(60, 120, 5):
            received = T0 + second * 1_000 + 40
            leaf = first if second == 60 else "state"
            off.append(received - device.says(T0 + set_by + second * 1_000, received, leaf))
            if second % 10 == 0:
                off.append(received - device.says(T0 + set_by + second * 1_000, received, "event"))
        assert all(0 <= late <= 40 for late in off), (first, off)


@pytest.mark.parametrize("set_by", [-T0 + 5_000, -3_600_000, 3_600_000])
def test_what_was_stamped_before_the_clock_was_set_keeps_its_time(set_by: int) -> None:
    """A record of the other stream that was on its way, and one that fills a hole, go by the clock of their time."""
    device = Device()
    for second in range(0, 60, 5):
        device.says(T0 + second * 1_000, T0 + second * 1_000 + 40, seq=second // 5 + (second >= 30) + 1)
    device.says(T0 + 20_000, T0 + 20_040, "event")
    for second in range(60, 90, 5):
        device.says(T0 + set_by + second * 1_000, T0 + second * 1_000 + 40)
    assert device.says(T0 + 58_000, T0 + 90_000, "event") == T0 + 58_040
    assert device.says(T0 + 27_000, T0 + 90_000, seq=7) == T0 + 27_040
    assert device.says(T0 + set_by + 95_000, T0 + 95_040) == T0 + 95_040


def test_a_boot_that_begins_at_1970() -> None:
    """Before it knows the time its records are placed when they came; afterwards by its clock; a hole by the clock of its time."""
    device = Device()
    for number in range(1, 31):
        at = device.says(number * 1_000, T0 + number * 1_000 + 40, seq=number if number < 10 else number + 1)
        assert at == T0 + number * 1_000 + 40
    found = [device.says(T0 + number * 1_000, T0 + number * 1_000 + 40) for number in range(31, 60)]
    assert found == [T0 + number * 1_000 + 40 for number in range(31, 60)]
    assert device.says(9_500, T0 + 70_000, seq=10) == T0 + 9_540


def test_a_wild_stamp_of_one_stream_does_not_stop_the_learning_of_the_other() -> None:
    """An event stamped in 1970 by mistake: samples are placed rightly, also when their clock drifts afterwards."""
    device = Device()
    device.runs(0, 60)
    device.says(T0 + 59_000, T0 + 59_040, "event")
    device.says(1_000, T0 + 61_000, "event")
    off = device.runs(65, 3_600, 0.999)
    assert max(off) < 3_000


def test_a_wild_stamp_hides_no_new_incarnation() -> None:
    """After one stamp in the far future a device that lost its memory is still heard."""
    device = Device()
    device.runs(0, 60)
    device.says(T0 + 70 * 365 * 86_400_000, T0 + 60_040)
    device.runs(65, 90)
    assert device.memory.judge(device.boot, "state", 1, T0 + 120_000) is Verdict.NEW_INCARNATION


@pytest.mark.parametrize("step", [7_000, 3_600_000])
def test_a_step_of_the_server_s_own_clock_is_not_the_device_s(step: int) -> None:
    """When all differences rise by what the server stepped, records are placed in the server's new time at once."""
    device = Device()
    device.runs(0, 60)
    device.memory.server_stepped(step)
    assert set(device.runs(60, 300, delay=step + 40)) == {-step - 40}


def test_a_machine_that_slept_leaves_the_offsets_alone() -> None:
    """The devices' clocks went on meanwhile: nothing is shifted, not even by a delay of that length later on."""
    device = Device()
    device.runs(0, 60)
    device.memory.server_stepped(50_000)
    assert set(device.runs(110, 160)) == {-40}
    assert set(device.runs(160, 200, delay=50_040)) == {-40}


def test_no_record_is_ever_placed_after_it_was_received() -> None:
    """Whatever the stamps."""
    chance = random.Random(7)
    device = Device()
    for step in range(3_000):
        received = T0 + step * 700
        ts = max(0, received + chance.choice((0, -40, -9_000, 8_000, -3_600_000, 3_600_000, -T0)))
        assert device.says(ts, received, chance.choice(("state", "event"))) <= received
