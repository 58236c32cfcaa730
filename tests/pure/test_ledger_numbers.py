"""The numbers of a device, in pieces of any size and order."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hoistway.ledger.numbers import Line, Numbers

RECORDS = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 1), st.integers(1, 25), st.integers(0, 30)), max_size=40)


@settings(max_examples=100, deadline=None)
@given(RECORDS, st.integers(1, 7), st.none() | st.integers(0, 30), st.none() | st.integers(0, 30))
def test_what_is_there_and_what_is_missing(
    records: list[tuple[int, int, int, int]], size: int, since: int | None, until: int | None
) -> None:
    """However the records are cut: counts, edges, doubles and holes are those of plain sets."""
    numbers = Numbers(since, until)
    for start in range(0, len(records), size):
        numbers.add("state", *np.array(records[start : start + size], np.int64).T)
    found = dict(numbers.lines())
    for key in {record[:2] for record in records}:
        mine = [(seq, at) for *line, seq, at in records if tuple(line) == key]
        inside = [(seq, at) for seq, at in mine if (since is None or at >= since) and (until is None or at < until)]
        told = found.pop(Line("state", *key), None)
        assert (told is None) == (not inside)
        if told is None:
            continue
        seqs = [seq for seq, _ in inside]
        assert (told.stored, told.doubled) == (len(seqs), len(seqs) - len(set(seqs)))
        assert (told.first_received, told.last_received) == (min(at for _, at in inside), max(at for _, at in inside))
        for lowest in (False, True):
            missing = {seq for first, last in told.holes(from_first=lowest) for seq in range(first, last + 1)}
            low = min(seqs) if lowest else 0
            assert missing >= set(range(low + 1, max(seqs))) - {seq for seq, _ in mine}
            assert not missing & {seq for seq, _ in mine}
            assert max(missing, default=0) < max(seqs)
    assert found == {}
