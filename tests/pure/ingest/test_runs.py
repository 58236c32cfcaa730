"""Records that simply go on are taken in at once, and that is the same as one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.memory import Boot, Memory, Verdict

T0 = 1_800_000_000_000
DEVICE, BOOT = 7, 3


def one_by_one(memory: Memory, seq: int, stamps: Sequence[int], received: int) -> None:
    """As every record is taken in that is not part of a run."""
    for number, ts in enumerate(stamps, seq):
        assert memory.judge(memory.look(DEVICE, BOOT), "state", number, ts) is Verdict.NEW
        boot = memory.boot(DEVICE, BOOT, received)
        boot.was_live |= memory.is_live(DEVICE, BOOT, ts)
        clock = memory.note_clock(boot, boot.state, seq=number, ts=ts, received=received)
        assert boot.state.accept(number, clock.stamp_now(ts, received), said=ts) is None


def copy_of(memory: Memory) -> Boot | None:
    """What is remembered, apart from what comes."""
    boot = memory.known(DEVICE, BOOT)
    return boot if boot is None else msgspec.msgpack.decode(msgspec.msgpack.encode(boot), type=Boot)


lots = st.lists(
    st.tuples(
        st.integers(1, 8),  # records
        st.sampled_from((0, 0, 1, 700, 10_000)),  # ms between their stamps
        st.sampled_from((0, 20, 900, 4_000, 60_000, 130_000)),  # ms since the last lot
        st.sampled_from((0, 0, 0, 300, 2_000, -6_000, 50_000, 3_700_000)),  # by how much the device's clock moves
        st.sampled_from((0, 0, 0, 0, 1)),  # numbers left out
        st.sampled_from((0, 0, 0, 5_000)),  # a step of the server's own clock
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=400, deadline=None)
@given(lots=lots, online=st.booleans())
def test_a_run_is_what_its_records_are(lots: list[tuple[int, int, int, int, int, int]], online: bool) -> None:
    """Whatever the clock did before and whatever gaps there are: the same is remembered, or the run is not taken in at all."""
    plain, quick = Memory(), Memory()
    for memory in (plain, quick):
        memory.note_link(DEVICE, BOOT if online else BOOT + 1, 1, online=True)
    seq, now, off = 1, T0, 0
    for count, apart, later, moved, left_out, step in lots:
        now, off, seq = now + later, off + moved, seq + left_out
        if step:
            plain.server_stepped(step)
            quick.server_stepped(step)
        stamps = [now - off - apart * (count - 1 - index) for index in range(count)]
        before = copy_of(quick)
        run = quick.take_run(DEVICE, BOOT, "state", seq, stamps, now)
        if run is None:
            assert quick.known(DEVICE, BOOT) == before
            one_by_one(quick, seq, stamps, now)
        one_by_one(plain, seq, stamps, now)
        assert quick.known(DEVICE, BOOT) == plain.known(DEVICE, BOOT)
        assert quick.clock_steps == plain.clock_steps
        seq += count


def test_an_ordinary_gateway_goes_by_runs() -> None:
    """Array after array of a clock that is right: only the first one is taken in record by record."""
    memory = Memory()
    memory.note_link(DEVICE, BOOT, 1, online=True)
    one_by_one(memory, 1, [T0 + index for index in range(50)], T0 + 100)
    for lot in range(1, 200):
        stamps = [T0 + lot * 200 + index for index in range(50)]
        assert memory.take_run(DEVICE, BOOT, "state", 1 + lot * 50, stamps, T0 + lot * 200 + 100) is not None
