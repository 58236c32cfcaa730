"""Foreign bytes to messages: frames however TCP cuts them, files by lines, and a word about whatever is in no message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.errors import BadInput
from hoistway.limits import FRAME_BYTES
from ingest.adapters.adapter import Adapter
from ingest.adapters.framing import Framer
from ingest.adapters.reading import Entry, entries
from ingest.adapters.spec import shipped_format

NOON = 1_795_521_600_000  # 2026-11-24 12:00 UTC


@given(st.data())
def test_frames_are_the_same_however_they_are_cut(data: st.DataObject) -> None:
    """TCP cuts anywhere; noise between frames is counted and skipped."""
    stream = b'..#10#{"a": 1}#13#\r\n#10##10#x#13##10#{"b": "\xe6\xa2\xaf"}#13##1'  # blanks are no noise
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    whole, framer = Framer(), Framer()
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [text for piece in pieces for text in framer.feed(piece)] == whole.feed(stream)
    assert framer.skipped == whole.skipped == 2
    assert (framer.rest(), framer.skipped) == (None, 4)


def test_a_frame_that_is_too_long_is_named_and_the_next_one_read() -> None:
    """A peer that never closes a frame does not fill the memory; what is whole beside it counts."""
    framer = Framer()
    before, fault = framer.feed(b"#10#x#13##10#" + b"x" * (FRAME_BYTES + 4))
    assert before == "x"
    assert isinstance(fault, BadInput)
    assert framer.feed(b"xx#13##10#y#13#") == ["y"]
    assert framer.skipped == FRAME_BYTES + 6 + 4
    (fault,) = framer.feed(b"#10#" + b"x" * (FRAME_BYTES + 1) + b"#13#")
    assert isinstance(fault, BadInput)


def test_a_frame_that_was_cut_off_swallows_no_other() -> None:
    """Where a new one begins before the end of the last, the last one is skipped and counted."""
    framer = Framer()
    assert framer.feed(b'#10#{"a": #10#{"b"') == []
    assert framer.feed(b": 2}#13#") == ['{"b": 2}']
    assert framer.skipped == len(b'{"a":')
    framer.feed(b"#10#{")
    left = framer.rest()
    assert left is not None
    assert left.where == "frame"


@given(
    st.lists(st.sampled_from([b"#10#", b"#13#", b"#1", b"3#", b"0#", b"{}", b"x" * FRAME_BYTES, b"y"]), max_size=9),
    st.data(),
)
def test_long_and_broken_frames_are_the_same_however_they_are_cut(pieces: list[bytes], data: st.DataObject) -> None:
    """At the limit, beyond it, without an end, with marks that share a sign."""
    stream, whole, torn = b"".join(pieces), Framer(), Framer()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    cut = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [str(text) for piece in cut for text in torn.feed(piece)] == [str(text) for text in whole.feed(stream)]
    assert str(torn.rest()) == str(whole.rest())
    assert torn.skipped == whole.skipped


def test_a_frame_that_comes_byte_by_byte_is_looked_at_once() -> None:
    """The framer remembers how far it has looked."""

    class Counted(bytearray):
        looked = 0

        def find(self, mark: bytes, start: int = 0, *end: int) -> int:
            Counted.looked += len(self) - start
            return super().find(mark, start, *end)

    framer = Framer()
    framer._buffer = Counted()
    for byte in b"#10#" + b"x" * 5_000:
        framer.feed(bytes([byte]))
    assert Counted.looked < 10 * 5_100


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#10#1#13#\n#10#" + b"x" * (FRAME_BYTES + 9) + b"\n#10#2#13#\n", [1, "over 16384 bytes", "16393 bytes in no frame", 2]),
        (b"#10#1#13#\n#10#{2", [1, "the stream ends 2 bytes into it"]),
        (b"#10#1#13#\nxyz\n#10#2#13#\n#1", [1, "3 bytes in no frame", 2, "2 bytes in no frame"]),
        (b"\xef\xbb\xbf#10#1#13#", [1]),
    ],
)  # fmt: skip
def test_what_is_in_no_frame_is_said(content: bytes, expected: list[Any]) -> None:
    """A file of frames: too long, cut off at the end, noise between; each by its line, and all others count."""
    found = [int(entry.message) if entry.fault is None else entry.fault.what for entry in entries(content)]
    assert found == expected


def test_a_line_ends_at_its_end_only() -> None:
    """U+2028 may stand in a JSON text; a byte order mark is no text; bytes that are no UTF-8 are counted."""
    content = '\N{BYTE ORDER MARK}{"a": "困人\u2028二\x85"}\r\n{"a": "'.encode() + b'\xc0\xa7"}'
    found = list(entries(content))
    assert [(entry.line, entry.fault, entry.replaced) for entry in found] == [(1, None, 0), (2, None, 2)]
    adapter = Adapter(shipped_format("fasta"), boot=1, received_ms=NOON)
    odd = adapter.line(Entry(line=1, message={"equipmentnumber": 1, "state": "ACTIVE"}, replaced=2)).odd
    assert [(one.fault, one.value) for one in odd] == [("not-utf-8", "2")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a": 1}\n\n[{"b": 2}]\n', [(1, {"a": 1}), (3, [{"b": 2}])]),
        (b'{\n "a": 1\n}\n', [(1, {"a": 1})]),
        (b"#10#{}#13#\n#10#[]#13#", [(1, "{}"), (2, "[]")]),
        (b'{"message": {"a": 1}, "received": 5, "topic": "/t"}', [(1, {"a": 1})]),
        (b'{"message": 1, "other": 2}', [(1, {"message": 1, "other": 2})]),
    ],
)
def test_a_file_is_lines_a_document_or_frames(content: bytes, expected: list[tuple[int, Any]]) -> None:
    """Each message with the line that it stands on."""
    assert [(entry.line, entry.message) for entry in entries(content)] == expected


def test_a_line_that_is_no_json_is_named() -> None:
    """Its neighbours are read, and so is a line with an impossible time."""
    found = list(entries(b'{"a": 1}\n{"a":\n{"message": {}, "received": "today"}\n'))
    assert [(entry.line, entry.fault is None) for entry in found] == [(1, True), (2, False), (3, False)]
