"""What goes wrong with foreign payloads: opposite polarities, renumbered modes, local times, floors, flags that repeat, broken messages."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoistway.errors import BadInput
from ingest.adapters.adapter import Adapter, Told
from ingest.adapters.reading import Entry
from ingest.adapters.spec import read_format, shipped, shipped_format
from ingest.decode import decode_events, decode_samples, to_columns

NOON = 1_795_521_600_000  # 2026-11-24 12:00 UTC
EXAMPLES = Path(__file__).parents[2] / "data" / "payload_examples.jsonl"


def told(name: str, *messages: Any, topic: str = "", lifts: dict[str, str] | None = None) -> Told:
    """What messages one second apart become."""
    adapter, all_of_it = Adapter(shipped_format(name), boot=1, lifts=lifts), Told()
    for index, message in enumerate(messages):
        one = adapter.line(Entry(line=index + 1, message=message, received_ms=NOON + index * 1_000, topic=topic))
        all_of_it.samples += one.samples
        all_of_it.events += one.events
        all_of_it.odd += one.odd
        all_of_it.bad += one.bad
    return all_of_it


def only_sample(name: str, message: Any, **where: Any) -> dict[str, Any]:
    """The one sample of one message, which nothing is odd about."""
    found = told(name, message, **where)
    assert (len(found.samples), found.odd, found.bad) == (1, [], [])
    return found.samples[0]


def info(**data: Any) -> dict[str, Any]:
    return {"type": "info", "data": data}


def monitor(**changes: int) -> dict[str, Any]:
    """An envelope whose `D` says: level, locked, empty, mains."""
    values = dict.fromkeys(
        ("now", "direction", "level", "speed", "locked", "people", "power"), 0
    ) | {"version": 1, "floor": 3, "rest": 0, "mode": 0, "chain": 0, "outside": 0, "ucm": 0} | changes  # fmt: skip
    head = [values[key] for key in ("version", "now", "direction", "level", "speed", "locked", "people", "power")]
    tail = [70, 80, values["mode"], 0, 0, 0, 20, 0, values["chain"], 0, values["outside"], values["ucm"]]
    binary = struct.pack("<I8Bb12B", NOON // 1_000, *head, values["floor"], *tail)
    return {"TY": "Monitor", "elevatorCode": "310115", "D": base64.b64encode(binary).decode()}


PROVINCE = {"reg_cod": "R1", "time": "2026-11-24 20:00:00"}
SHANGHAI = {"registerNumber": "R1", "samplingTime": "2026-11-24 20:00:00"}


@pytest.mark.parametrize(
    ("name", "message", "level", "closed", "somebody"),
    [
        ("json-tcp", info(inposition=1, door=0, haspeople=1), True, 2, True),
        ("json-tcp", info(inposition=0, door=1, haspeople=0), False, 4, False),
        ("mx", monitor(level=0, locked=0, people=1), True, 5, True),
        ("mx", monitor(level=1, locked=1, people=0), False, None, False),
        ("province", PROVINCE | {"door_zone": 1, "passenger_status": 1}, True, None, True),
        ("province", PROVINCE | {"door_zone": 2, "passenger_status": 2}, False, None, False),
        ("shanghai", SHANGHAI | {"Door_Zone": True, "Door_Status": 5, "Passenger_Status": "true"}, True, 5, True),
        ("shanghai", SHANGHAI | {"Door_Zone": "false", "Door_Status": "4", "Passenger_Status": False}, False, 4, False),
    ],
)
def test_the_same_number_means_the_opposite(
    name: str, message: Any, level: bool, closed: int | None, somebody: bool
) -> None:
    """Level is 1, 0 or true; somebody is 1 of 0/1 or 1 of 1/2; each format by its own words."""
    sample = only_sample(name, message)
    assert (sample["door_zone"], sample.get("door_status"), sample["passenger"]) == (level, closed, somebody)


@pytest.mark.parametrize(("theirs", "ours"), [(0, 1), (1, 2), (2, 0), (3, 3), (4, 4), (5, 5), (7, 6)])
def test_a_device_s_modes_are_not_the_city_s(theirs: int, ours: int) -> None:
    """0 is normal in the vendor's bytes and out of service in the city's; the earthquake is 7 there and 6 here."""
    assert only_sample("mx", monitor(mode=theirs))["service_mode"] == ours
    if theirs < 7:
        assert only_sample("shanghai", SHANGHAI | {"Service_Mode": theirs})["service_mode"] == theirs


def test_a_mode_that_no_list_has_is_unknown_and_said() -> None:
    """6 is skipped in the vendor's list: the signal is unknown, the rest of the sample stands, and the field is named."""
    found = told("mx", monitor(mode=6, people=1))
    assert "service_mode" not in found.samples[0]
    assert found.samples[0]["passenger"] is True
    assert [(odd.field, odd.fault, odd.value) for odd in found.odd] == [("D.mode", "not-listed", "6")]


def test_three_is_unknown_on_a_province_s_escalator() -> None:
    """The list of escalators ends with 3 unknown; a lift's 3 is fire return."""
    assert only_sample("province", PROVINCE | {"service_mode": 3})["service_mode"] == 3
    assert "service_mode" not in only_sample("province", PROVINCE | {"service_mode": 3, "operation_status": 1})


@pytest.mark.parametrize(("byte", "label"), [(3, "3"), (-1, "-1"), (-128, "-128"), (0, None)])
def test_a_floor_is_a_signed_byte_and_zero_is_none(byte: int, label: str | None) -> None:
    """Counters skip 0, so 0 is a lost position; below it the byte is negative, not 255."""
    assert only_sample("mx", monitor(floor=byte)).get("car_position") == label
    assert only_sample("json-tcp", info(floor=byte)).get("car_position") == label


def test_a_label_is_at_most_four_characters() -> None:
    """A city's floor is text; what the contract has no room for is unknown and said."""
    assert only_sample("shanghai", SHANGHAI | {"Car_Position": "12A"})["car_position"] == "12A"
    found = told("shanghai", SHANGHAI | {"Car_Position": "LOBBY"}, SHANGHAI | {"Car_Position": "\ud800"})
    assert [sample.get("car_position") for sample in found.samples] == [None, None]
    assert [odd.fault for odd in found.odd] == ["unfit", "unfit"]


def test_a_local_time_is_of_gmt_plus_eight() -> None:
    """20:00 in Shanghai is noon in UTC; a time that cannot be is named, with what was expected."""
    assert only_sample("shanghai", SHANGHAI | {"Car_Status": 0})["ts"] == NOON
    (error,) = told("shanghai", SHANGHAI | {"Car_Status": 0, "samplingTime": "24.11.2026"}).bad
    assert (error.where, error.expected) == ("samplingTime", "local time as yyyy-MM-dd HH:mm:ss")


def test_a_speed_gets_its_sign_from_the_direction() -> None:
    """Tenths of m/s without a sign; downwards is negative here, and a standing car has no sign."""
    assert only_sample("mx", monitor(speed=25, direction=1))["speed"] == 2.5
    assert only_sample("mx", monitor(speed=25, direction=2))["speed"] == -2.5
    assert only_sample("mx", monitor())["speed"] == 0


def test_a_signal_in_percent_is_no_dbm() -> None:
    """1 to 100 would be an impossible dBm, so it is left out and not called odd."""
    assert "signal" not in only_sample("mx", monitor())


def test_a_list_of_faults_that_hold_becomes_raised_and_over() -> None:
    """The terminal repeats its list twice a second; each fault is told once, and moving from one kind of entrapment to the other is none."""
    found = told("json-tcp", *(info(fault=faults) for faults in ([], [1], [1], [2, 4], [2], [], [])))
    assert [(row["code"], row["active"], row["ts"] - NOON) for row in found.events] == [
        ("entrapment", True, 1_000),
        ("04", True, 3_000),
        ("04", False, 4_000),
        ("entrapment", False, 5_000),
    ]


def test_a_missing_list_says_nothing_of_faults() -> None:
    """A state without the field ends no fault; an unknown number in it is named and the others count."""
    found = told("json-tcp", info(fault=[1]), info(door=0), info(fault=[1, 77]))
    assert [(row["code"], row["active"]) for row in found.events] == [("entrapment", True)]
    assert [(odd.field, odd.value) for odd in found.odd] == [("fault", "77")]


def test_a_maintenance_order_is_no_inspection() -> None:
    """An open order must not quieten an entrapment; the switch that the firmware calls reparing does."""
    assert only_sample("json-tcp", info(reparing=0, inmaintenance=1))["service_mode"] == 1
    assert only_sample("json-tcp", info(reparing=1, inmaintenance=0))["service_mode"] == 2


def test_who_logged_in_speaks_until_the_next_login() -> None:
    """Only the login names the terminal."""
    login = {"type": "login", "eid": "mx_1"}
    found = told("json-tcp", info(door=0), login, info(door=0), login | {"eid": "mx_2"}, info(door=0))
    assert [row.get("lift") for row in found.samples] == [None, "mx_1", "mx_2"]


def test_a_fault_is_over_when_nobody_holds_it_any_more() -> None:
    """Two kinds of entrapment and a status byte are one event of ours: the end of one of them does not end the others'."""
    fault = {"TY": "Fault", "elevatorCode": "310115", "time": "2026-11-24 20:00:01"}
    level, off_level = fault | {"fault_type": 7}, fault | {"fault_type": 8}
    found = told(
        "mx",
        monitor(), level | {"ST": "add"}, monitor(now=0), off_level | {"ST": "add"}, level | {"ST": "disappear"}, monitor(now=3),
        off_level | {"ST": "disappear"},
    )  # fmt: skip
    assert [(row["code"], row["active"]) for row in found.events] == [("entrapment", True)]
    found = told("mx", level | {"ST": "add"}, monitor(now=2), level | {"ST": "disappear"}, monitor(now=0))
    assert [(row["code"], row["active"], row["ts"] - NOON) for row in found.events] == [
        ("entrapment", True, 1_000),
        ("entrapment", False, 0),
    ]


def test_an_end_is_passed_on_even_if_nobody_saw_the_beginning() -> None:
    """The raise may have come before this process began."""
    gone = {"TY": "Fault", "ST": "disappear", "elevatorCode": "1", "time": "2026-11-24 20:00:01", "fault_type": "10"}
    assert [(row["code"], row["active"]) for row in told("mx", gone).events] == [("01", False)]


def said(found: Told) -> list[tuple[str, bool, int]]:
    return [(row["code"], row["active"], (row["ts"] - NOON) // 1_000) for row in found.events]


def test_where_nothing_can_be_over_each_report_is_one() -> None:
    """A city's alarms have no end: two entrapments of a lift are two, the first of them over when the second comes. The same alarm
    sent twice is one, and is named."""
    first = {
        "registerNumber": "R1",
        "alarmChannel": "S04",
        "failureCode": "09",
        "alarmId": "A-1",
        "occurTime": "2026-11-24 20:00:00",
    }
    second = first | {"alarmId": "A-2", "occurTime": "2026-11-24 20:05:00"}
    found = told("shanghai", first, first, second, second | {"registerNumber": "R2"})
    assert said(found) == [
        ("entrapment", True, 0), ("entrapment", False, 300), ("entrapment", True, 300), ("entrapment", True, 300),
    ]  # fmt: skip
    assert [row["data"]["alarmId"] for row in found.events] == ["A-1", "A-2", "A-2", "A-2"]
    assert [(odd.field, odd.fault, odd.value) for odd in found.odd] == [("failureCode", "repeated", "09")]


def test_a_report_that_comes_again_before_its_end_is_said_again() -> None:
    """Its end may have been lost on the way, so a second entrapment is not kept back."""
    fault = {"TY": "Fault", "ST": "add", "elevatorCode": "1", "fault_type": 7, "time": "2026-11-24 20:00:00"}
    assert said(told("mx", fault, fault | {"time": "2026-11-24 21:00:00"})) == [
        ("entrapment", True, 0),
        ("entrapment", True, 3600),
    ]


@pytest.mark.parametrize(
    ("doors", "status"),
    [
        ([6], 1), (["opening"], 3), ([8], 5), (["limited-opened"], 6), ([3], None), (["door-fault"], None), ([2], None),
        (["closed", "none"], 2), ([0, 4], 2), (["closed", 8], 2), (["closed", "closing"], 1), ([8, 9, 0], 6), ([5, 4], None), ([], None),
    ],
)  # fmt: skip
def test_a_car_s_doors_are_one_door(doors: list[Any], status: int | None) -> None:
    """Every state that a BACnet door can have; a side without a door says nothing, and the most open one speaks."""
    sample = only_sample("bacnet", {"groupID": 1, "installationID": 2, "carDoorStatus": doors})
    assert sample.get("door_status") == status


def test_a_deck_that_is_nowhere_keeps_its_movement() -> None:
    """No floor, and what is no number of persons: the rest stands, and an impossible number is nobody's."""
    movement = {"equipmentId": "k", "movementEventType": "STOP"}
    nowhere = only_sample("kone", movement | {"decks": [{"stopFloor": None, "estimatedPersons": 2}]})
    assert (nowhere["people"], nowhere["passenger"]) == (2, True)
    for count in (-1, float("nan"), float("inf"), True, "2"):
        found = told("kone", movement | {"decks": [{"stopFloor": {"marking": "8"}, "estimatedPersons": count}]})
        assert found.samples[0].keys() & {"passenger", "people"} == set()
        assert [(odd.field, odd.fault) for odd in found.odd] == [("estimatedPersons", "extra")]


def test_a_speed_without_a_direction_is_unknown() -> None:
    """A car that moves and does not say where to has no signed speed."""
    assert "speed" not in only_sample("mx", monitor(speed=25, direction=0))


@pytest.mark.parametrize(("theirs", "ours"), [(0, None), (1, 1), (2, 3)])
def test_a_province_s_escalator_says_where_it_goes(theirs: int, ours: int | None) -> None:
    """1 up, 2 down; 0 is none and not the energy-saving stop."""
    sample = only_sample("province", PROVINCE | {"operation_status": 1, "operation_direction": theirs})
    assert sample.get("operation_direction") == ours


def test_a_new_lift_of_shanghai_has_its_maker_s_name() -> None:
    """Before it is registered the maker's code and the factory number name it."""
    new = {
        "manufacturerCode": "91310000X",
        "leaveFactoryNumber": "F-7",
        "samplingTime": SHANGHAI["samplingTime"],
        "Car_Status": 0,
    }
    assert only_sample("shanghai", new)["lift"] == "91310000X-F-7"
    assert only_sample("shanghai", new | {"registerNumber": "R1"})["lift"] == "R1"
    assert told("shanghai", new | {"leaveFactoryNumber": ""}).bad[0].what == "no lift"


def test_a_long_name_becomes_no_other() -> None:
    """Cutting it could make one lift of two."""
    found = told("province", *(PROVINCE | {"reg_cod": "7" * 64 + end, "car_status": 0} for end in ("", "1")))
    assert [row["lift"] for row in found.samples] == ["7" * 64]
    assert [error.where for error in found.bad] == ["lift"]


def test_what_is_no_fault_of_the_lift_is_no_event() -> None:
    """An e-bike in the car is in the vendor's list and none of ours; a number of no list leaves the message out."""
    fault = {"TY": "Fault", "ST": "add", "elevatorCode": "1", "time": "2026-11-24 20:00:01"}
    found = told(
        "mx", fault | {"fault_type": "37"}, fault | {"fault_type": "777"}, fault | {"fault_type": "8", "ST": "x"}
    )
    assert found.events == []
    assert [(odd.field, odd.fault, odd.value) for odd in found.odd] == [("fault_type", "no-event", "37")]
    assert [(error.where, error.what) for error in found.bad] == [("fault_type", "code '777'"), ("ST", "'x'")]


def test_a_kind_of_message_that_nobody_has_explained_is_named() -> None:
    """What the envelope calls an event has no known fields: it is left out aloud, not in silence."""
    (error,) = told("mx", {"TY": "Event", "elevatorCode": "1"}).bad
    assert (error.where, error.expected) == ("TY", "one of Fault, Login, Monitor")


def test_no_fault_ends_what_the_lift_reported() -> None:
    """A province's 00 is the end of every code that this lift has reported, and of no other lift's."""
    found = told(
        "province",
        *(PROVINCE | {"reg_cod": lift, "fault_code": code, "fault_status": "01"} for lift, code in (("R1", "11"), ("R1", "02"), ("R2", "11"), ("R1", "00"))),
    )  # fmt: skip
    assert [(row["lift"], row["code"], row["active"]) for row in found.events] == [
        ("R1", "entrapment", True),
        ("R1", "02", True),
        ("R2", "entrapment", True),
        ("R1", "02", False),
        ("R1", "entrapment", False),
    ]


def test_a_false_alarm_of_a_province_is_over() -> None:
    """Responded and arrived are not over; done and false alarm are."""
    states = [PROVINCE | {"fault_code": "11", "fault_status": said} for said in ("01", "02", "04", "05")]
    assert [row["active"] for row in told("province", *states).events] == [True, True, True, False]


@pytest.mark.parametrize("binary", [b"", b"abc", bytes(24), struct.pack("<I21B", 0, 7, *[0] * 20)])
def test_bytes_that_are_no_status_are_refused(binary: bytes) -> None:
    """Too short, or a version that is neither one door nor two."""
    message = monitor() | {"D": base64.b64encode(binary).decode()}
    (error,) = told("mx", message).bad
    assert error.where == "D"


def test_two_doors_and_bytes_of_a_later_firmware_are_read() -> None:
    """Version 45 has the same layout, and what follows it is not ours."""
    message = monitor(version=45, people=1)
    longer = message | {"D": base64.b64encode(base64.b64decode(message["D"]) + b"\x01\x02").decode()}
    assert only_sample("mx", longer)["passenger"] is True


def test_names_become_rescue_codes_where_a_list_is_given() -> None:
    """With a list of lifts an unlisted name is an error, never a record under a foreign number."""
    found = told(
        "province", PROVINCE | {"car_status": 0}, PROVINCE | {"reg_cod": "R9", "car_status": 0}, lifts={"R1": "310115"}
    )
    assert [row["lift"] for row in found.samples] == ["310115"]
    assert [error.what for error in found.bad] == ["lift 'R9'"]


def test_a_message_without_a_time_needs_to_be_received() -> None:
    """Where a format has no clock, nobody invents one."""
    adapter = Adapter(shipped_format("json-tcp"), boot=1)
    (error,) = adapter.line(Entry(line=1, message=info(door=0))).bad
    assert "received" in error.expected


def test_fields_that_nobody_speaks_of_are_named() -> None:
    """A renamed or new field is seen the first time it comes."""
    found = told("json-tcp", info(door=0, hasPeople=1))
    assert [(odd.field, odd.fault, odd.value) for odd in found.odd] == [("hasPeople", "extra", "1")]


def test_every_published_example_is_taken() -> None:
    """The examples that the makers' schemas give become records, and nothing of them is odd."""
    formats = {
        "otis_carStatus": "otis", "kone_equipment_status": "kone", "kone_movement": "kone", "lci_ElevatorStatus": "lci",
        "lci_alarm": "lci", "db_fasta_facility": "fasta",
    }  # fmt: skip
    for line in EXAMPLES.read_text("utf-8").splitlines():
        example = json.loads(line)
        found = told(formats[example["fmt"]], example["msg"], topic="/lci/B/1/E/ElevatorStatus/_r1")
        assert (found.odd, found.bad) == ([], []), example["fmt"]
        assert bool(found.samples) is (example["fmt"] != "lci_alarm")  # a rehearsal says nothing


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**20) | st.floats() | st.text(max_size=6) | st.sampled_from(["1", "NONE", "ACTIVE", "fire"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize("name", shipped())
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_comes_becomes_records_of_the_contract_or_errors(name: str, data: st.DataObject) -> None:
    """Any JSON in the format's own fields: never another exception, and every record is one that the contract takes as it is."""
    spec = shipped_format(name)
    plain = [*sorted(spec.known), "data", "D", "statusDetails", "decks", "doorStatus", "load", "carDoorStatus"]
    flat = st.dictionaries(st.sampled_from(plain), JSON, max_size=8)
    message = data.draw(flat | JSON)
    if isinstance(message, dict) and spec.kinds is not None and data.draw(st.booleans()):
        message[spec.kinds.source] = data.draw(st.sampled_from(sorted(spec.kinds.state | spec.kinds.event)))
    found = told(name, message, topic="/lci/B/1/E/x/y")
    for sample in found.samples:
        decoded = decode_samples(msgspec.json.encode(sample))
        assert (decoded.faults, to_columns(decoded.records, lambda _text: 1)[1]) == ([], [])
    for event in found.events:
        assert decode_events(msgspec.json.encode(event)).faults == []


HEAD = 'title = { zh = "甲", en = "A" }\nsource = "s"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title", "not TOML"),
        ('source = "s"', "title"),
        (HEAD, "nothing becomes ours"),
        (HEAD + '[sample]\nspeedy = { from = "x" }', "no signal"),
        (HEAD + '[sample]\nspeed = { column = "x" }', "unknown key 'column'"),
        (HEAD + '[sample]\ncar_status = { from = "x", values = { a = 5 } }', "value 5"),
        (HEAD + '[sample]\ndoor_zone = { from = "x", values = { a = 1 } }', "value 1"),
        (HEAD + 'unpack = "magic"\n[sample]\nspeed = { from = "x" }', "unpack"),
        (HEAD + 'clock = { from = "t", form = "local" }\n[sample]\nspeed = { from = "x" }', "zone"),
        (HEAD + 'clock = { from = "t", form = "julian" }\n[sample]\nspeed = { from = "x" }', "form"),
        (HEAD + '[[flag]]\nfrom = "x"\nvalues = { "1" = ["99"] }', "event code '99'"),
        (HEAD + '[[flag]]\nfrom = "x"', "values` or `list"),
        (HEAD + '[event]\ncode = "x"\nlist = "mars"', "code list 'mars'"),
        (HEAD + '[event]\ncode = "x"\nlist = "gb"\nactive = { from = "y", values = { a = 1 } }', "neither true nor false"),
    ],
)  # fmt: skip
def test_a_format_file_that_cannot_be_used_is_refused(text: str, expected: str) -> None:
    """The error names the format and the key."""
    with pytest.raises(BadInput) as refused:
        read_format(text, name="new")
    assert expected in str(refused.value)
    assert "format new" in str(refused.value)
