"""Payloads and tables made of the contract's own schema and then damaged, as hypothesis strategies. Knows the words, not the tested code."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from hoistway.limits import BOOT_MAX, SEQ_MAX, TS_MAX_MS
from hoistway.model import EVENT_CODES, SIGNALS, Signal, SignalType

T0 = 1_800_000_000_000
EDGES = (
    0,
    1,
    -1,
    2,
    127,
    128,
    -129,
    2**31 - 1,
    2**31,
    2**53 - 1,
    2**53,
    2**63,
    2**64,
    -(2**63),
    10**30,
    10**400,
    TS_MAX_MS,
    TS_MAX_MS + 1,
)
TEXTS = (
    "",
    "1",
    "B1",
    "12A",
    "penthouse",
    "\x00",
    "\ud800",
    "\udfff\ud800",
    "é\u0301",
    "\U0001f6d7",
    "\u202e",
    "a\x1b[2J",
    "x" * 5_000,
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(EDGES),
    st.floats(),
    st.sampled_from((1e300, -1e308, 5e-324, float("nan"), float("inf"), -0.0, 4294967296.0)),
    st.sampled_from(TEXTS),
    st.text(max_size=8),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def _value(signal: Signal) -> st.SearchStrategy[Any]:
    """A value that the contract allows."""
    if signal.type is SignalType.BOOL:
        return st.booleans()
    if signal.values is not None:
        return st.sampled_from([int(value) for value in signal.values])
    if signal.type is SignalType.LABEL:
        return st.sampled_from(("B1", "1", "12A", "-2"))
    return st.floats(signal.low or 0.0, 1e6 if signal.high is None else signal.high) | st.just(signal.high or 0)


_place: dict[str, st.SearchStrategy[Any]] = {
    "ts": st.integers(T0 - 10_000, T0 + 100_000) | st.integers(0, TS_MAX_MS),
    "boot": st.integers(0, 3) | st.just(BOOT_MAX),
    "seq": st.integers(1, 40) | st.integers(SEQ_MAX - 3, SEQ_MAX),
}
_lift = {"lift": st.none() | st.sampled_from(("310115", "310116", "999999"))}
_samples = st.fixed_dictionaries(_place, optional={**_lift, **{signal.name: _value(signal) for signal in SIGNALS}})
_events = st.fixed_dictionaries(
    {**_place, "code": st.sampled_from([item.code for item in EVENT_CODES]), "active": st.booleans()},
    optional={**_lift, "data": st.dictionaries(st.text(max_size=5), anything, max_size=3)},
)
_ranges = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)) | st.just((1, SEQ_MAX)), max_size=4)
_links = st.fixed_dictionaries(
    {"online": st.booleans(), "boot": _place["boot"], "conn": st.integers(0, 9) | st.just(SEQ_MAX)},
    optional={"ts": _place["ts"], "gone": st.fixed_dictionaries({}, optional={"state": _ranges, "event": _ranges})},
)
RECORDS = {"state": _samples, "event": _events, "link": _links}
NAMES = (
    "ts",
    "boot",
    "seq",
    "lift",
    "code",
    "active",
    "data",
    "online",
    "conn",
    "gone",
    *[signal.name for signal in SIGNALS],
)


@st.composite
def _damaged(draw: st.DrawFn, leaf: str) -> Any:
    """A record in which some fields are gone, of another kind, or not of the contract."""
    record: dict[str, Any] = dict(draw(RECORDS[leaf]))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2, 5)))):
        name = draw(st.sampled_from(NAMES) | st.text(max_size=6))
        if draw(st.booleans()):
            record[name] = draw(anything)
        else:
            record.pop(name, None)
    return record


def _torn(draw: st.DrawFn, raw: bytes) -> bytes:
    """Bytes cut, turned over, doubled or in another encoding."""
    where = draw(st.integers(0, max(0, len(raw) - 1)))
    return draw(
        st.sampled_from(
            (
                raw[:where],
                raw[where:],
                raw[:where] + bytes([raw[where] ^ 0x81]) + raw[where + 1 :] if raw else b"",
                raw[:where] + raw,
                raw + raw,
                b"\xef\xbb\xbf" + raw,
                raw.decode("utf-8", "replace").encode("utf-16"),
                raw + b"\x00",
                b"[" * where + raw,
            )
        )
    )


@st.composite
def payloads(draw: st.DrawFn, leaf: str) -> bytes:
    """A message's bytes for a topic: sound, damaged in its fields, or torn."""
    many = draw(st.sampled_from((None, None, 0, 1, 3)))
    body = draw(_damaged(leaf)) if many is None else [draw(_damaged(leaf)) for _ in range(many)]
    if draw(st.sampled_from((False,) * 9 + (True,))):
        body = draw(anything)
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    raw = text.encode("utf-8", "surrogatepass")
    return _torn(draw, raw) if draw(st.sampled_from((False, False, False, True))) else raw


@st.composite
def tables(draw: st.DrawFn, sound: bytes) -> bytes:
    """A table of which lines are dropped, doubled or moved, cells are others, and bytes are torn."""
    lines = sound.splitlines(keepends=True)
    found = [lines[0]] + [lines[draw(st.integers(1, len(lines) - 1))] for _ in range(draw(st.integers(0, 12)))]
    mark = max((b",", b";", b"\t"), key=lines[0].count)
    cell = st.sampled_from(
        (*TEXTS[:-1], "1,75", "1e9", "-5", "nan", "31/02/2012", '"', "''", "=1+1", "0571-1", "310115", "escalator")
    )
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(found) - 1))
        cells = found[place].split(mark)
        cells[draw(st.integers(0, len(cells) - 1))] = draw(cell | st.text(max_size=12)).encode("utf-8", "replace")
        found[place] = mark.join(cells)
    raw = b"".join(found)
    return _torn(draw, raw) if draw(st.sampled_from((False, False, False, True))) else raw
