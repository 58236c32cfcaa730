"""Samples as bytes and back: every column bit for bit, whatever stands in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoistway.errors import OurFault
from hoistway.samples.codec import decode, encode
from hoistway.samples.layout import (
    COLUMNS,
    COPY_HEADER,
    COPY_TRAILER,
    FIELDS,
    ROW,
    Rows,
    copy_type,
    moment,
    of_copy,
    us,
)
from ingest.compactor.shapes import HOUR_US, blocks, chunks, slot_of

EDGES = {
    "i2": [-(2**15), -1, 0, 1, 2**15 - 1],
    "i4": [-(2**31), -1, 0, 1, 2**31 - 1],
    "i8": [-(2**63), -(2**62) - 1, -1, 0, 1, 999, 1_000, 2**53, 2**63 - 1],
    # 0.0, -0.0, infinities, quiet and signalling NaNs with payloads, the smallest and the largest
    "f4": [
        0,
        0x80000000,
        0x7F800000,
        0xFF800000,
        0x7FC00000,
        0x7FC12345,
        0xFFC00001,
        0x7F800001,
        0xFFFFFFFF,
        1,
        0x7F7FFFFF,
    ],
}


def bits(rows: Rows) -> bytes:
    return rows.tobytes()


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """Rows of random bits, some of them edges."""
    count, share = draw(st.integers(1, 12)), draw(st.sampled_from((0.0, 0.3, 1.0)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = np.frombuffer(rng.bytes(count * ROW.itemsize), ROW).copy()
    for name, code in FIELDS:
        kind = "<u4" if code == "f4" else f"<{code}"
        edges = np.array(EDGES[code], kind).view(f"<{code}")
        chosen = rng.random(count) < share
        rows[name][chosen] = rng.choice(edges, int(chosen.sum()))
    return rows


@settings(max_examples=150, deadline=None)
@given(tables(), st.lists(st.integers(0, 11), max_size=4))
def test_what_comes_back_is_what_went_in(rows: Rows, cuts: list[int]) -> None:
    """All of it, cut anywhere, read together or one by one, and each column alone."""
    starts = np.array(sorted({0, *(cut for cut in cuts if cut < len(rows))}))
    bodies = list(encode(rows, starts))
    assert bits(decode(bodies)) == bits(rows)
    assert b"".join(bits(decode([body])) for body in bodies) == bits(rows)
    for name in COLUMNS:
        assert decode(bodies, (name,))[name].tobytes() == rows[name].tobytes()


@settings(max_examples=50, deadline=None)
@given(tables())
def test_a_binary_copy_is_read_bit_for_bit(rows: Rows) -> None:
    """What PostgreSQL sends is what stands in it, unknown and odd numbers included."""
    wire: Any = np.zeros(len(rows), copy_type())
    wire["_count"] = len(COLUMNS)
    for name in COLUMNS:
        wire[name] = rows[name]
    assert bits(of_copy(COPY_HEADER + wire.tobytes() + COPY_TRAILER)) == bits(rows)


def test_nothing_is_nothing() -> None:
    """No rows make no body, and no body makes no rows."""
    assert list(encode(np.empty(0, ROW), np.zeros(0, np.int64))) == []
    assert len(decode([])) == 0
    assert decode([], ("at", "seq")).dtype.names == ("at", "seq")


def test_what_is_no_body_is_said() -> None:
    """Another layout, cut or changed bytes are errors and never samples."""
    (body,) = encode(np.zeros(3, ROW), np.array([0]))
    for wrong in (b"", b"\x02" + body[1:], body[:-3], body[:-1] + bytes([body[-1] ^ 1]), b"\x01nothing"):
        with pytest.raises(OurFault):
            decode([wrong])
    with pytest.raises(OurFault):
        of_copy(b"PGCOPY")
    with pytest.raises(OurFault):
        of_copy(COPY_HEADER + b"12345" + COPY_TRAILER)


def some_rows(lifts: int, count: int, *, begin: int) -> Rows:
    rng = np.random.default_rng(5)
    rows = np.zeros(count, ROW)
    rows["lift_id"] = rng.integers(1, lifts + 1, count)
    rows["received"] = begin + np.sort(rng.integers(0, 2 * HOUR_US, count))
    rows["at"] = rows["received"] - rng.integers(0, 2_000_000, count)
    rows["ts"], rows["seq"] = rows["at"] // 1_000 - 17, np.arange(count)
    rows["batch_no"], rows["ordinal"] = np.arange(count) // 7, np.arange(count) % 7
    rows["speed"] = np.where(rng.random(count) < 0.3, np.float32("nan"), rng.random(count).astype(np.float32))
    return rows


def of_log(rows: Rows) -> Rows:
    return rows[np.lexsort((rows["ordinal"], rows["batch_no"]))]


def test_blocks_and_chunks_hold_every_sample_once() -> None:
    """Whatever is moved and merged is there once, with true edges, in the hour it came in; a late one in the hour that is open."""
    begin = us(moment(0).replace(year=2026, month=11))
    rows, closed = some_rows(200, 5_000, begin=begin), moment(begin - 2 * HOUR_US)
    made = list(blocks(rows, partition=3, closed=closed))
    assert bits(of_log(decode([block.body for block in made]))) == bits(rows)
    for block in made:
        inside = decode([block.body])
        assert set(inside["lift_id"] // 64) == {block.bucket}
        assert {moment(hour) for hour in inside["received"] // HOUR_US * HOUR_US} == {block.hour}
        assert (block.first_batch, block.last_batch) == (inside["batch_no"].min(), inside["batch_no"].max())
        assert (block.first_at, block.last_at) == (moment(inside["at"].min()), moment(inside["at"].max()))
        assert (block.samples, block.slot, block.partition) == (len(inside), slot_of(block.hour), 3)
    later = list(blocks(rows, partition=3, closed=moment(begin)))
    assert {block.hour for block in later} == {moment(begin + HOUR_US)}
    found = list(chunks(rows, partition=3, hour=moment(begin)))
    assert bits(of_log(decode([chunk.body for chunk in found]))) == bits(rows)
    assert [chunk.lift_id for chunk in found] == sorted(set(rows["lift_id"].tolist()))
    assert not any(chunk.astray for chunk in found)
    for chunk in found:
        inside = decode([chunk.body])
        assert (chunk.first_seq, chunk.last_seq) == (inside["seq"].min(), inside["seq"].max())


@pytest.mark.parametrize(("name", "by"), [("at", -HOUR_US - 1), ("at", 2 * HOUR_US + 1), ("received", -1)])
def test_a_chunk_with_samples_of_other_hours_says_so(name: str, by: int) -> None:
    """It is found by every search, because it is not looked for by its hour."""
    rows = np.zeros(2, ROW)
    rows["received"] = rows["at"] = 10 * HOUR_US
    (chunk,) = chunks(rows, partition=0, hour=moment(10 * HOUR_US))
    assert not chunk.astray
    rows[name][1] += by
    (chunk,) = chunks(rows, partition=0, hour=moment(10 * HOUR_US))
    assert chunk.astray


STORED = (
    "0128b52ffd64c8008d0200a4023a20000c4e003f00001b00008b000001004a4a4a001201c83c020e0203003d00ff0001ffe0c0003f7f001000a71c"
    "054057404705e7019a015970d277a782e0044003c2e51c021c38cab880922e58023541e438"
)
"""Three samples as layout 1 stored them."""


def test_what_was_stored_once_is_read_for_ever() -> None:
    """A change of columns or coding needs another layout number; bytes of this one stay what they are."""
    rows = decode([bytes.fromhex(STORED)])
    assert rows["seq"].tolist() == [7, 8, 9]
    assert rows["batch_no"].tolist() == [100, 130, 131]
    assert rows["at"].tolist() == [848484599325000, 848484609325001, 848484609325000]
    assert (rows["received"] - rows["at"]).tolist() == [37_000] * 3
    assert rows["passenger"].tolist() == [-1, 0, 1]
    assert rows["speed"].view("<u4").tolist() == [0, 0x3FE00000, 0x7FC00000]
    assert set(rows["lift_id"].tolist()) == {61}
