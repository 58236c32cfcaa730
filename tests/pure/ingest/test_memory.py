"""Which records ingest has, per device and boot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.limits import BOOTS_AT_HAND, BOOTS_REMEMBERED, BOOTS_REMEMBERED_MS, CAPPED_STAMPS, EVENT_HOLES
from ingest.memory import Memory, Stream, Verdict


@given(st.lists(st.integers(1, 60), max_size=120))
def test_stream_knows_exactly_what_it_accepted(numbers: list[int]) -> None:
    """Whatever the order, a number is known if and only if it was accepted, and the holes are what is missing below the top."""
    stream = Stream()
    for number in numbers:
        if not stream.has(number):
            stream.accept(number, number)
    seen = set(numbers)
    assert {number for number in range(1, 62) if stream.has(number)} == seen
    holes = {number for first, last in stream.missing(most=100) for number in range(first, last + 1)}
    assert holes == set(range(1, max(seen, default=0) + 1)) - seen
    assert not stream.above or stream.contiguous + 1 not in stream.above


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 40), st.integers(0, 20))
def test_given_up_numbers_are_missing_no_more(numbers: list[int], first: int, length: int) -> None:
    """After `gone`, no hole overlaps what the device gave up, and nothing accepted is forgotten."""
    stream = Stream()
    for number in numbers:
        stream.accept(number, number)
    stream.give_up(first, first + length)
    holes = {number for low, high in stream.missing(most=100) for number in range(low, high + 1)}
    assert not holes & set(range(first, first + length + 1))
    assert all(stream.has(number) for number in numbers)


def test_a_stream_full_of_holes_gives_the_oldest_up() -> None:
    """Past the limit the oldest hole is given up and named, so that memory stays bounded."""
    stream = Stream()
    given_up = [stream.accept(number, 0) for number in range(2, 2 * EVENT_HOLES + 6, 2)]
    assert [hole for hole in given_up if hole] == [(1, 1), (3, 3), (5, 5)][: len([hole for hole in given_up if hole])]
    assert any(given_up)
    assert len(stream.above) <= EVENT_HOLES


def test_a_hole_that_is_filled_is_not_given_up() -> None:
    """A stream full to its limit above one hole closes when the hole is filled: nothing is said to be lost."""
    stream = Stream()
    for number in range(2, EVENT_HOLES + 2):
        assert stream.accept(number, 1) is None
    assert stream.accept(1, 1) is None
    assert (stream.contiguous, stream.above) == (EVENT_HOLES + 1, set())


def test_a_wild_stamp_sent_again_is_the_same_record() -> None:
    """What no clock could show yet is remembered beside what it could: the same stamp again is no new life of the device."""
    stream = Stream()
    stream.accept(1, 1_000, said=9_000)
    assert not stream.counts_anew(1, 9_000)
    assert stream.counts_anew(1, 9_001)
    stream.accept(2, 10_000, said=20_000)
    assert stream.capped == {2: 20_000}  # the stream has passed the first one
    for seq in range(3, 3 + 2 * CAPPED_STAMPS):
        stream.accept(seq, 10_000, said=20_000 + seq)
    assert len(stream.capped) == CAPPED_STAMPS
    assert not stream.counts_anew(2 + 2 * CAPPED_STAMPS, 20_002 + 2 * CAPPED_STAMPS)


def test_a_number_sent_again_is_a_duplicate_and_a_newer_one_under_it_is_not() -> None:
    """The same record again is a duplicate; the same number with a newer time stamp is a device that lost its memory."""
    memory = Memory()
    boot = memory.boot(1, 7)
    boot.event.accept(1, 1_000)
    assert memory.judge(boot, "event", 1, 1_000) is Verdict.DUPLICATE
    assert memory.judge(boot, "event", 1, 9_000) is Verdict.NEW_INCARNATION
    fresh = memory.reincarnate(1, 7)
    assert fresh.incarnation == 1
    assert memory.judge(fresh, "event", 1, 9_000) is Verdict.NEW


def test_the_clock_offset_is_the_smallest_difference() -> None:
    """A record that waited longer on its way never makes a device's clock look more wrong."""
    memory = Memory()
    stamps = ((1_000, 1_900), (2_000, 2_150), (3_000, 9_000))
    assert [clock_after(memory, seq, ts, received) for seq, (ts, received) in enumerate(stamps, 1)] == [900, 150, 150]


def clock_after(memory: Memory, seq: int, ts: int, received: int) -> int | None:
    """The offset after one more sample of device 1."""
    boot = memory.boot(1, 1)
    clock = memory.note_clock(boot, boot.state, seq=seq, ts=ts, received=received)
    boot.state.accept(seq, ts)
    return clock.offset_ms


def test_one_stamp_in_the_future_changes_nothing() -> None:
    """An outlier alone moves no clock: the records after it are corrected as before."""
    memory = Memory()
    for seq in range(1, 6):
        assert clock_after(memory, seq, seq * 1_000, seq * 1_000 + 40) == 40
    future = memory.note_clock(memory.boot(1, 1), memory.boot(1, 1).state, seq=6, ts=3_600_000, received=6_040)
    assert future.corrected(3_600_000, 6_040) == 6_040
    memory.boot(1, 1).state.accept(6, 3_600_000)
    offset = clock_after(memory, 7, 7_000, 7_040)
    assert offset == 40


@pytest.mark.parametrize("spacing_ms", [1_000, 21_000])
def test_a_backlog_of_a_device_never_heard_before_keeps_its_differences(spacing_ms: int) -> None:
    """What a new device has gathered before its first word is put where it was stamped, whole."""
    memory = Memory()
    boot, newest = memory.boot(1, 1), 40 * spacing_ms
    clocks = []
    for seq in range(1, 41):
        clocks.append(memory.note_clock(boot, boot.state, seq=seq, ts=seq * spacing_ms, received=newest + 30))
        boot.state.accept(seq, seq * spacing_ms)
    found = [clock.corrected(seq * spacing_ms, newest + 30) for seq, clock in enumerate(clocks, 1)]
    assert found == [seq * spacing_ms + 30 for seq in range(1, 41)]


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000])
def test_a_clock_that_was_set_is_followed(step_ms: int) -> None:
    """After a step of the device clock, either way, corrected times go on with the server's."""
    memory = Memory()
    for seq in range(1, 6):
        clock_after(memory, seq, 10_000_000 + seq * 1_000, seq * 1_000)
    for seq in range(6, 10):
        boot, ts, received = memory.boot(1, 1), 10_000_000 + step_ms + seq * 1_000, seq * 1_000
        clock = memory.note_clock(boot, boot.state, seq=seq, ts=ts, received=received)
        boot.state.accept(seq, ts)
        assert clock.corrected(ts, received) == received


def test_a_ring_that_drains_keeps_its_differences() -> None:
    """Records that waited in the ring are put where they were stamped, not where they were received."""
    memory = Memory()
    clock_after(memory, 1, 1_000, 1_020)
    boot = memory.boot(1, 1)
    for seq in range(2, 60):
        clock = memory.note_clock(boot, boot.state, seq=seq, ts=seq * 1_000, received=600_000 + seq)
        boot.state.accept(seq, seq * 1_000)
        assert clock.corrected(seq * 1_000, 600_000 + seq) == seq * 1_000 + 20


def test_an_old_word_about_a_code_is_not_the_newest() -> None:
    """An event that fills a hole does not undo a newer event of its code; the first word of another code counts."""
    memory = Memory()
    boot = memory.boot(1, 1)
    boot.codes["90"] = 3
    assert not memory.event_is_newest(1, boot, live=True, code="90", seq=2)
    assert memory.event_is_newest(1, boot, live=True, code="90", seq=4)
    assert memory.event_is_newest(1, boot, live=True, code="41", seq=2)
    late = memory.boot(1, 0)
    assert not memory.event_is_newest(1, late, live=False, code="90", seq=1)
    assert memory.event_is_newest(1, late, live=False, code="entrapment", seq=1)


def test_only_the_last_boots_are_remembered() -> None:
    """A device that restarts for ever does not fill the memory: few boots are at hand, some more packed, the others forgotten."""
    memory = Memory()
    for number in range(50):
        memory.boot(1, number, number)
    remembered = {number for number in range(50) if memory.known(1, number) is not None}
    assert remembered == set(range(50 - BOOTS_REMEMBERED, 50))
    assert len(memory._devices[1]) == BOOTS_AT_HAND
    memory.boot(1, 50, 49 + BOOTS_REMEMBERED_MS)
    memory.boot(1, 51, 49 + BOOTS_REMEMBERED_MS)
    assert memory.known(1, 46) is None  # and what was packed for a month
    assert memory.known(1, 49) is not None


def test_rings_that_drain_push_out_no_boot() -> None:
    """The present boot stays at hand while old rings drain; whatever was packed is known again, to the last number."""
    memory = Memory()
    memory.note_link(1, 12, 1, online=True)
    for number in (12, *range(2, 12)):
        boot = memory.boot(1, number, 100 - number)
        boot.incarnation = number
        for seq in (1, 2, 5):
            boot.event.accept(seq, 1_000 * number + seq)
    assert 12 in memory._devices[1]
    assert len(memory._devices[1]) == BOOTS_AT_HAND
    for number in range(2, 13):
        found = memory.look(1, number)
        assert (found.incarnation, found.event.missing()) == (number, [(3, 4)])
        assert memory.judge(found, "event", 5, 1_000 * number + 5) is Verdict.DUPLICATE
        assert memory.judge(found, "event", 3, 1_000 * number + 3) is Verdict.NEW


def test_a_look_makes_no_room_for_itself() -> None:
    """What is only asked about changes nothing: a duplicate leaves no trace in the store either."""
    memory = Memory()
    for number in range(BOOTS_REMEMBERED):
        memory.boot(1, number, number)
    before = memory.snapshot()
    assert memory.look(1, 0).heard == 0
    assert memory.look(1, 99).incarnation == 0
    assert memory.snapshot() == before


def test_the_ring_of_an_earlier_boot_is_the_past_and_the_present_stays_live() -> None:
    """However often a device restarted and whatever old ring it drains, the boot of its link is live and the old one is not."""
    memory = Memory()
    for number in range(1, 9):
        memory.boot(1, number).state.accept(1, number * 1_000)
    memory.note_link(1, 8, 1, online=True)
    memory.boot(1, 1)  # forgotten long ago, and back with its ring
    assert not memory.is_live(1, 1, 1_500)
    assert memory.is_live(1, 8, 8_500)
    assert memory.is_live(1, 9, 9_000)


def test_without_a_link_message_the_newest_stamps_are_live() -> None:
    """A terminal that never says its link is judged by what it was heard of last and by its stamps; in doubt it is live."""
    memory = Memory()
    for number in range(1, 9):
        memory.boot(1, number).state.accept(1, number * 1_000)
    memory.boot(1, 1)
    assert memory.is_live(1, 8, 8_500)
    assert not memory.is_live(1, 7, 7_500)


def test_a_boot_counter_that_fell_back_is_live() -> None:
    """A device that counts its starts anew is heard, with or without its link message."""
    memory = Memory()
    memory.boot(1, 7).state.accept(1, 7_000)
    memory.note_link(1, 7, 3, online=True)
    memory.boot(1, 2)
    assert memory.is_live(1, 2, 9_000)
    memory.note_link(1, 2, 1, online=True)
    assert memory.is_live(1, 2, 10)


def test_the_retained_copy_of_a_link_message_is_no_news() -> None:
    """Only a new connection or a change counts; an older connection's word is ignored."""
    memory = Memory()
    assert memory.note_link(1, 4, 10, online=True)
    assert not memory.note_link(1, 4, 10, online=True)
    assert not memory.note_link(1, 4, 9, online=False)
    assert memory.note_link(1, 4, 10, online=False)
    assert memory.note_link(1, 5, 1, online=True)


def test_a_new_life_has_connections_of_its_own() -> None:
    """A device that lost its memory counts its connections anew: its will is heard, and not taken for an old connection's."""
    memory = Memory()
    memory.note_link(1, 12, 31, online=True)
    assert not memory.note_link(1, 12, 1, online=True)
    memory.boot(1, 12).event.accept(1, 1_000)
    memory.reincarnate(1, 12)
    assert memory.note_link(1, 12, 1, online=False)
    memory.reincarnate(1, 7)
    assert not memory.note_link(1, 12, 0, online=True)


def test_a_snapshot_restores_everything() -> None:
    """What was remembered before a restart is remembered after it."""
    memory = Memory()
    boot = memory.boot(3, 2)
    for number in (1, 2, 5, 9):
        boot.state.accept(number, number * 10)
    memory.note_clock(boot, boot.state, seq=10, ts=90, received=115)
    memory.alive.add(8)
    memory.note_link(3, 2, 1, online=True)
    again = Memory()
    again.restore(memory.snapshot())
    assert again.snapshot() == memory.snapshot()
    found = again.known(3, 2)
    assert found is not None
    assert found.state.missing() == [(3, 4), (6, 8)]
    assert (found.clock.offset_ms, again.alive) == (25, {8})
