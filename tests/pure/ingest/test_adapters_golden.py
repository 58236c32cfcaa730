"""Foreign files to alarms: what the documents say of each format, as samples, events and what the shipped rules make of them.

Each file holds a story and some lines that must be left out. Expected values are worked out from the format's description alone.
"""

from __future__ import annotations

import pytest

from tests.support.foreign import START, adapted, ridden


def at(second: float) -> int:
    return START + round(second * 1_000)


def test_a_device_json_terminal_tells_of_a_person_between_floors() -> None:
    """Off level, stopped, closed, somebody inside: our rule raises after 20 s, the terminal's own word counts at once."""
    ride = ridden("json-tcp", until=66)
    assert ("entrapment-between-floors", "raise", 30) in ride.said
    assert ("entrapment-reported", "raise", 30) in ride.said
    assert ("entrapment-reported", "clear", 60) in ride.said
    assert ("entrapment-between-floors", "clear", 62) in ride.said or (
        "entrapment-between-floors",
        "clear",
        65,
    ) in ride.said
    assert [(row["code"], row["active"], row["ts"]) for row in ride.events] == [
        ("entrapment", True, at(30)),
        ("entrapment", False, at(60)),
    ]
    assert ride.samples[1] == {
        "ts": at(10), "boot": 1, "seq": 2, "lift": "mx_860000000000011", "service_mode": 1, "car_status": 0, "car_direction": 0,
        "door_zone": False, "car_position": "7", "door_status": 2, "passenger": True,
    }  # fmt: skip
    assert [line for line, _ in ride.bad] == [8]


def test_a_vendor_envelope_tells_of_a_person_between_floors() -> None:
    """The binary says 0 for level and locked; the fault message and the status byte are one device alarm, over when both say so."""
    ride = ridden("mx", until=90)
    assert ("entrapment-between-floors", "raise", 25) in ride.said
    assert ("entrapment-reported", "raise", 30) in ride.said
    assert ("entrapment-reported", "clear", 62) in ride.said
    assert ride.samples[0] == {
        "ts": at(0), "boot": 1, "seq": 1, "lift": "310115", "service_mode": 1, "car_direction": 2, "door_zone": False,
        "car_position": "1", "door_status": 5, "passenger": True, "speed": -1.6, "power": 1, "safety_chain": 0, "battery": 90,
    }  # fmt: skip
    assert ride.samples[1]["car_position"] == "-1"
    assert [(row["code"], row["active"], row["ts"]) for row in ride.events] == [
        ("entrapment", True, at(30)),
        ("entrapment", False, at(62)),
    ]
    assert ride.events[0]["data"] == {"code": "8", "faultId": "f-1", "faultName": "非平层困人"}
    assert [line for line, _ in ride.bad] == [8]


def test_a_city_platform_in_the_manner_of_shanghai() -> None:
    """Flat status and an alarm with its snapshot: local time of GMT+8, 09 for an entrapment; calls of people are no telemetry."""
    ride = ridden("shanghai", until=60)
    assert ("entrapment-between-floors", "raise", 30) in ride.said
    assert ("entrapment-reported", "raise", 35) in ride.said
    lift = "31101150002015060001"
    assert ride.samples[1] == {
        "ts": at(10), "boot": 1, "seq": 2, "lift": lift, "service_mode": 1, "car_status": 0, "car_direction": 0, "door_zone": False,
        "car_position": "12A", "door_status": 2, "door_closed": True, "passenger": True, "landing_door_locked": True, "speed": 0.0,
    }  # fmt: skip
    assert ride.samples[4] == {
        "ts": at(36), "boot": 1, "seq": 5, "lift": lift, "car_status": 0, "car_position": "12A", "door_closed": True,
        "passenger": True, "speed": 0.0,
    }  # fmt: skip
    assert ride.samples[5] == {
        "ts": at(42), "boot": 1, "seq": 6, "lift": "31201150002016030002", "service_mode": 1, "speed": 0.5, "operation_direction": 3,
    }  # fmt: skip
    assert [(row["code"], row["ts"]) for row in ride.events] == [("entrapment", at(35))]
    assert [line for line, _ in ride.bad] == [7]
    assert "'77'" in ride.bad[0][1]


def test_a_province_s_exchange() -> None:
    """1 and 2 stand for yes and no; 11 is an entrapment; a report that comes again is told again; escalators have codes of their own."""
    ride = ridden("province", until=230, escalators=("33201000002014050008",))
    assert ("entrapment-between-floors", "raise", 30) in ride.said
    assert ("entrapment-reported", "raise", 33) in ride.said
    assert ("entrapment-reported", "clear", 200) in ride.said
    assert ("escalator-reversal", "raise", 210) in ride.said
    assert ride.samples[1] == {
        "ts": at(10), "boot": 1, "seq": 2, "lift": "33101000002014050007", "service_mode": 1, "car_status": 0, "car_direction": 0,
        "door_zone": False, "car_position": "5", "door_closed": True, "passenger": True, "power": 1,
    }  # fmt: skip
    assert [(row["code"], row["active"]) for row in ride.events] == [
        ("entrapment", True),
        ("entrapment", True),
        ("entrapment", False),
        ("63", True),
    ]
    assert ride.bad == []


@pytest.mark.parametrize("name", ["json-tcp", "mx", "shanghai", "province"])
def test_numbers_run_without_holes(name: str) -> None:
    """Each stream counts from 1, over all lifts of the file, whatever was left out."""
    ride = adapted(name)
    assert [row["seq"] for row in ride.samples] == list(range(1, len(ride.samples) + 1))
    assert [row["seq"] for row in ride.events] == list(range(1, len(ride.events) + 1))
