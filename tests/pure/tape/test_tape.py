"""Tapes: written and read, damaged, edited, made of logs, and played again by devices of the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from hoistway.cli import app
from hoistway.errors import BadInput
from simulators.scenario import load
from simulators.tape.edit import Names, Part, anonymous, lines_of, part_of, shifted
from simulators.tape.file import Item, TapeWriter, read_tape
from simulators.tape.logs import Counts, items_of, mapping_of
from simulators.tape.playback import Playback
from simulators.world import DEFAULT_START_MS, play

T0 = 1_800_000_000_000


def state(device: str, at: int, **values: Any) -> Item:
    return Item(T0 + at, 3, device, "state", json.dumps({"ts": T0 + at - 50, "boot": 4, "seq": 9, **values}).encode())


def event(device: str, at: int, code: str, **values: Any) -> Item:
    record = {"ts": T0 + at - 50, "boot": 4, "seq": 2, "code": code, "active": True, **values}
    return Item(T0 + at, 3, device, "event", json.dumps(record).encode())


def written(path: Path, *items: Item) -> Path:
    with TapeWriter(path) as tape:
        for item in items:
            tape.add(item)
    return path


MESSAGES = st.builds(
    Item, st.integers(0, 2**45), st.integers(0, 63), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    st.sampled_from(["state", "event", "link"]), st.binary(max_size=300) | st.text(max_size=60).map(str.encode),
)  # fmt: skip


@settings(max_examples=25)
@given(st.lists(MESSAGES, max_size=30))
def test_what_was_recorded_is_read(tmp_path_factory: pytest.TempPathFactory, items: list[Item]) -> None:
    """To the byte, garbage too."""
    path = tmp_path_factory.mktemp("tape") / "a.tape"
    assert list(read_tape(written(path, *items))) == items


def test_a_message_beyond_the_contract_is_counted_and_not_kept(tmp_path: Path) -> None:
    """256 KiB and no more."""
    with TapeWriter(tmp_path / "a") as tape:
        tape.add(Item(T0, 0, "d", "state", b"x" * (256 * 1024 + 1)))
    assert (tape.items, tape.too_large) == (0, 1)


def test_a_cut_tape_is_good_up_to_its_last_whole_block(tmp_path: Path) -> None:
    """Said loudly, unless it is asked to leave the rest out."""
    path = tmp_path / "a.tape"
    with TapeWriter(path) as tape:
        for number in range(4):
            tape.add(state("d", number))
            tape.flush()
    path.write_bytes(path.read_bytes()[:-5])
    assert len(list(read_tape(path, cut=True))) == 3
    with pytest.raises(BadInput, match="block 4"):
        list(read_tape(path))


@pytest.mark.parametrize("place", [0, 20, 30])
def test_a_damaged_tape_is_refused_with_its_place(tmp_path: Path, place: int) -> None:
    """One byte of the head, of a block's length, of its content."""
    path = written(tmp_path / "a.tape", state("d", 0), state("d", 1))
    text = bytearray(path.read_bytes())
    text[place] ^= 0xFF
    path.write_bytes(text)
    with pytest.raises(BadInput, match="tape"):
        list(read_tape(path, cut=True))


def test_a_part_of_a_tape() -> None:
    """By device, topic and time; the end is not included."""
    items = [state("a", 0), state("b", 10), event("a", 20, "90"), state("a", 30)]
    assert [item.at_ms - T0 for item in part_of(items, Part(devices=frozenset({"a"}), to_ms=T0 + 30))] == [0, 20]
    assert [item.at_ms - T0 for item in part_of(items, Part(leaves=frozenset({"event"})))] == [20]


def test_a_tape_moved_in_time() -> None:
    """When it was received and each stamp in it, in arrays too; what is no JSON only moves."""
    several = Item(T0, 3, "a", "state", b'[{"ts":1},{"ts":2,"x":null}]')
    found = list(shifted([several, Item(T0, 3, "a", "state", b"\xff")], 1_000))
    assert [(item.at_ms, item.payload) for item in found] == [
        (T0 + 1_000, b'[{"ts":1001},{"ts":1002,"x":null}]'), (T0 + 1_000, b"\xff"),
    ]  # fmt: skip


def test_an_anonymous_tape_names_nobody_and_stays_itself() -> None:
    """No device, lift, data of an event or unreadable byte of the old tape is in the new one; one device stays one device."""
    items = [
        state("villa-7", 0, passenger=True), state("villa-7", 10), state("other", 11),
        event("villa-7", 20, "90", lift="310115", data={"phone": "139"}), Item(T0, 3, "villa-7", "state", b"villa \xff"),
    ]  # fmt: skip
    found = list(anonymous(items, Names(b"key")))
    text = repr(found)
    assert not any(word in text for word in ("villa", "310115", "139", "other"))
    assert found[0].device == found[1].device == found[3].device != found[2].device
    assert len(found) == 4
    assert json.loads(found[0].payload)["passenger"] is True
    assert found != list(anonymous(items, Names(b"another key")))


def test_records_as_the_backtest_reads_them() -> None:
    """One object a record, with device and receive time."""
    items = [
        Item(T0, 3, "a", "state", b'[{"ts":1},{"ts":2}]'),
        Item(T0, 3, "a", "link", b'{"ts":3}'),
        Item(T0, 3, "a", "event", b"?"),
    ]
    assert list(lines_of(items)) == [{"device": "a", "received": T0, "ts": 1}, {"device": "a", "received": T0, "ts": 2}]


# --- played again ---


def test_a_story_recorded_and_played_again_says_the_same() -> None:
    """Every record of the tape leaves its device once, in order, under a new boot, with its stamp moved by the same time."""
    story = load("reversing-door")
    items = [
        Item(at, 0, device, leaf, payload)
        for at, device, leaf, payload in play(story, until_ms=DEFAULT_START_MS + 60_000)
    ]
    start = DEFAULT_START_MS + 1_000_000_000
    played = Playback(items, start_ms=start, boots={items[0].device: {"boot": 6, "events": {}}})
    later = start - items[0].at_ms
    said: list[tuple[str, int, str]] = []
    for unit in played.units.values():
        unit.device.connecting(start)
        unit.device.up(start)
    while played._next < len(played._items):
        played.advance(played.now + 500)
        for unit in played.units.values():
            said += [_said(record, unit.row.device, 0) for message in unit.device.outgoing(played.now + 10_000)
                     for record in _records(message.leaf, message.payload)]  # fmt: skip
    told = [_said(record, item.device, later) for item in items for record in _records(item.leaf, item.payload)]
    assert len(set(said)) == played.played == len(told)
    assert set(said) == set(told)
    assert {unit.device.boot for unit in played.units.values()} <= {1, 7}


def _records(leaf: str, payload: bytes) -> list[dict[str, Any]]:
    if leaf == "link":
        return []
    value = json.loads(payload)
    return value if isinstance(value, list) else [value]


def _said(record: dict[str, Any], device: str, later: int) -> tuple[str, int, str]:
    rest = {key: value for key, value in record.items() if key not in {"ts", "boot", "seq"}}
    return device, record["ts"] + later, json.dumps(rest, sort_keys=True)


def test_a_lost_link_is_lost_again_and_what_is_no_record_is_counted() -> None:
    """The tape's own words about its links, but for the last goodbye; a tape in original time keeps its stamps."""
    items = [
        Item(T0, 3, "a", "link", b'{"online":true,"boot":1,"conn":1}'), state("a", 100), Item(T0 + 200, 3, "a", "state", b"?"),
        Item(T0 + 300, 3, "a", "link", b'{"online":false,"boot":1,"conn":1}'), state("a", 500),
        Item(T0 + 600, 3, "a", "link", b'{"online":false,"boot":1,"conn":2}'),
    ]  # fmt: skip
    played = Playback(items, start_ms=0, original=True)
    assert played.start_ms == T0
    played.advance(T0 + 250)
    assert played.units["a"].link_up
    played.advance(T0 + 400)
    assert not played.units["a"].link_up
    played.advance(T0 + 700)
    assert (played.units["a"].link_up, played.played, played.left_out) == (True, 2, 1)
    assert json.loads(played.units["a"].device.state.kept[1])["ts"] == T0 + 50
    assert not played.ended
    played.advance(T0 + 70_000)
    assert played.ended


# --- real logs ---

MAPPING = """
delimiter = ";"
device = "Lift"
carry = true
[time]
column = "Zeit"
format = "%d.%m.%Y %H:%M:%S"
zone = "Asia/Shanghai"
[signals.speed]
column = "v fpm"
factor = 0.00508
decimal = ","
[signals.door_status]
column = "door"
values = { open = 4, closed = 2 }
[signals.passenger]
column = "inside"
[event]
column = "code"
codes = { E7 = "90" }
active = { gone = false }
active_column = "how"
"""
TABLE = """Lift;Zeit;v fpm;door;inside;code;how
A 1;23.11.2026 08:00:00;350,5;closed;1;;
A 1;23.11.2026 08:00:05;;open;;E7;come
A 1;23.11.2026 08:00:06;;ajar;;E7;gone
A 1;yesterday;1;open;;;
;23.11.2026 08:00:07;1;open;;;
"""


def test_a_real_log_by_its_mapping() -> None:
    """Times of a zone, units, words, events; an empty cell is as before where the mapping says so; what cannot be used is counted."""
    counts = Counts()
    found = list(items_of(TABLE.splitlines(), mapping_of(MAPPING, source="m"), source="t", counts=counts))
    assert [(item.device, item.leaf) for item in found] == [
        ("A-1", "state"), ("A-1", "event"), ("A-1", "state"), ("A-1", "event"), ("A-1", "state"),
    ]  # fmt: skip
    records = [json.loads(item.payload) for item in found]
    assert records[0] == {
        "ts": 1_795_392_000_000,
        "boot": 1,
        "seq": 1,
        "speed": 1.78054,
        "door_status": 2,
        "passenger": True,
    }
    assert records[2] == {
        "ts": 1_795_392_005_000,
        "boot": 1,
        "seq": 2,
        "speed": 1.78054,
        "door_status": 4,
        "passenger": True,
    }
    assert [record["active"] for record in records if "code" in record] == [True, False]
    assert (counts.rows, counts.samples, counts.events) == (5, 3, 2)
    assert dict(counts.left_out) == {"time": 1, "device": 1}
    assert dict(counts.unusable) == {"door": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "m"), ('[time]\ncolumn = "t"\nzone = "Mars/Base"', "m"), ('[time]\ncolumn = "t"\n[signals.colour]\ncolumn = "c"', "colour"),
        ('[time]\ncolumn = "t"\n[event]\ncolumn = "c"\ncodes = { x = "999" }', "999"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_used_is_refused(text: str, said: str) -> None:
    """Syntax, zone, signal, code."""
    with pytest.raises(BadInput, match=said):
        mapping_of(text, source="m")


def test_a_real_ride() -> None:
    """The public table's rows are samples of one device with the stamps of the mapping; its empty cells are as before."""
    folder, counts = Path(__file__).parents[2] / "data" / "logs", Counts()
    mapping = mapping_of((folder / "ride.toml").read_text(), source="ride.toml")
    found = list(items_of((folder / "ride.csv").read_text().splitlines(), mapping, source="ride.csv", counts=counts))
    assert (counts.rows, len(found)) == (59, counts.samples)
    assert len(found) > 20
    assert all(json.loads(item.payload)["vibration"] >= 0 for item in found)
    assert {item.device for item in found} == {"ride-1"}
    assert found[0].at_ms >= 1_577_836_800_000


def test_a_table_without_the_columns_is_refused() -> None:
    """The missing ones are named."""
    with pytest.raises(BadInput, match="Zeit"):
        list(items_of(["Lift;v fpm"], mapping_of(MAPPING, source="m"), source="t", counts=Counts()))


def test_the_commands(tmp_path: Path) -> None:
    """A log becomes a tape, a part of it an anonymous one, and that one lines for a backtest."""
    (tmp_path / "log.csv").write_text(TABLE)
    (tmp_path / "m.toml").write_text(MAPPING)
    tape, other, lines = tmp_path / "a.tape", tmp_path / "b.tape", tmp_path / "c.jsonl"

    def command(*words: object) -> str:
        found = CliRunner().invoke(app, ["record", *map(str, words)])
        assert found.exit_code == 0, found.output
        return found.output

    assert "3 samples, 2 events" in command(
        "import", tmp_path / "log.csv", "--mapping", tmp_path / "m.toml", "--out", tape
    )
    assert "5 messages of 1 devices" in command("show", tape)
    assert "3 messages written" in command(
        "edit", tape, "--out", other, "--leaves", "state", "--anonymise", "--shift", "3600"
    )
    command("export", other, "--out", lines)
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["ts"] for row in rows] == [1_795_395_600_000, 1_795_395_605_000, 1_795_395_606_000]
    wrong = CliRunner().invoke(app, ["record", "show", str(lines)])
    assert wrong.exit_code == 2
