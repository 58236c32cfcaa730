"""Foreign files to alarms, from makers and building systems abroad: what the documents say of each, as samples, events and alarms.

As in `test_adapters_golden`, each file holds a story and some lines that must be left out.
"""

from __future__ import annotations

from ingest.adapters.adapter import Adapter
from ingest.adapters.reading import Entry
from ingest.adapters.spec import shipped_format
from tests.support.foreign import START, ridden, told_by_engine


def at(second: float) -> int:
    return START + round(second * 1_000)


def test_a_maker_s_status_tells_of_an_entrapment_beside_it() -> None:
    """The entrapment is a flag beside a status that says out of order before and after; an empty date is no date."""
    ride = ridden("kone", until=250)
    assert ("entrapment-reported", "raise", 120) in ride.said
    assert ("entrapment-reported", "clear", 180) in ride.said
    assert [(row["code"], row["active"], row["ts"]) for row in ride.events] == [
        ("42", True, at(60)),
        ("entrapment", True, at(120)),
        ("entrapment", False, at(180)),
        ("42", False, at(240)),
    ]
    assert ride.samples[0] == {"ts": at(0), "boot": 1, "seq": 1, "lift": "ken:40012345"}
    assert ride.samples[1] == {
        "ts": at(20), "boot": 1, "seq": 2, "lift": "ken:40012345", "service_mode": 1, "car_status": 0, "car_position": "8",
        "passenger": True, "people": 2.0,
    }  # fmt: skip
    assert ride.samples[2]["service_mode"] == 0
    assert [line for line, _ in ride.bad] == [6]


def test_a_maker_s_car_status_tells_of_somebody_behind_closed_doors() -> None:
    """A load above a tenth counts as somebody; an empty car is unknown; the floor is an index and no label.

    An event says what changed and is no state; only the one of the mode is told, and a mode ends the one before.
    """
    ride = ridden("otis", until=160)
    assert ("entrapment-at-landing", "raise", 80) in ride.said
    assert ("entrapment-at-landing", "clear", 100) not in ride.said
    assert ride.samples[0] == {
        "ts": at(0), "boot": 1, "seq": 1, "lift": "3", "service_mode": 1, "car_status": 0, "car_direction": 0, "door_status": 2,
    }  # fmt: skip
    assert ride.samples[1] == {
        "ts": at(10), "boot": 1, "seq": 2, "lift": "3", "service_mode": 1, "car_status": 1, "car_direction": 1, "door_status": 2,
        "passenger": True,
    }  # fmt: skip
    assert (ride.samples[6]["door_status"], ride.samples[6]["passenger"]) == (4, True)
    assert ride.samples[7]["service_mode"] == 4
    assert [(row["lift"], row["code"], row["active"], row["ts"]) for row in ride.events] == [
        ("3", "47", True, at(120)),
        ("3", "40", True, at(130)),
        ("3", "47", False, at(130)),
        ("3", "47", True, at(150)),
        ("3", "40", False, at(150)),
    ]
    assert [line for line, _ in ride.bad] == [9, 10]


def test_a_robot_s_interface_tells_of_an_emergency() -> None:
    """99 is an emergency and "0" its end; a rehearsal and any other value raise nothing; 2 and 3 are no status.

    The alarm of an area is an event and no sample, so a rule with a hold waits for a sample of a terminal in that lift.
    """
    ride = ridden("lci", until=210)
    lift = "B001-1-E2"
    assert ("fire-return", "raise", 23) in ride.said
    assert [(row["lift"], row["code"], row["active"], row["ts"]) for row in ride.events] == [
        (lift, "44", True, at(20)),
        (lift, "44", False, at(60)),
        ("A", "44", True, at(80)),
        ("A", "44", False, at(200)),
    ]
    assert ride.samples[0] == {"ts": at(0), "boot": 1, "seq": 1, "lift": lift, "car_position": "B1", "door_status": 4}
    assert [row.get("car_position") for row in ride.samples] == ["B1", "M5", None, "0F"]
    assert [line for line, _ in ride.bad] == [10]


def test_a_building_system_s_lift() -> None:
    """Standard enumerations by number or by name; the label of the floor comes from the table beside it."""
    ride = ridden("bacnet", until=70)
    assert ("alarm-button", "raise", 20) in ride.said
    assert ("safety-chain-open", "raise", 30) in ride.said
    assert [(row["code"], row["active"], row["ts"]) for row in ride.events] == [
        ("90", True, at(20)),
        ("01", True, at(30)),
        ("90", False, at(40)),
        ("01", False, at(50)),
    ]
    assert ride.samples[1] == {
        "ts": at(10), "boot": 1, "seq": 2, "lift": "2-5", "service_mode": 1, "car_status": 1, "car_direction": 2, "door_zone": False,
        "car_position": "12A", "door_status": 2,
    }  # fmt: skip
    assert (ride.samples[4]["service_mode"], ride.samples[4]["door_status"]) == (4, 4)
    assert not {"service_mode", "car_position"} & ride.samples[5].keys()
    assert ("faultSignals", "not-listed") in ride.odd
    assert [line for line, _ in ride.bad] == [7]


def test_a_building_system_s_escalator() -> None:
    """Directions are numbered one higher than ours; an over-speed is the escalator's own code."""
    ride = ridden("bacnet-escalator", until=50, escalators=("1-8",))
    assert ("escalator-overspeed", "raise", 20) in ride.said
    assert ("escalator-overspeed", "clear", 40) in ride.said
    assert ride.samples[0] == {
        "ts": at(0), "boot": 1, "seq": 1, "lift": "1-8", "service_mode": 1, "operation_status": 1, "operation_direction": 1,
    }  # fmt: skip
    assert ride.samples[1]["operation_direction"] == 4
    assert [row.get("service_mode") for row in ride.samples] == [1, 1, 1, 2, 1]
    assert [row["operation_status"] for row in ride.samples] == [1, 1, 0, 0, 1]
    assert [(row["code"], row["active"]) for row in ride.events] == [("62", True), ("62", False)]


def test_station_facilities_are_polled() -> None:
    """A disturbed monitor is unknown and not out of service; a facility that cannot be read leaves its neighbours alone."""
    ride = ridden("fasta", until=70, escalators=("10354739",))
    assert [(row["lift"], row.get("service_mode"), row["ts"]) for row in ride.samples] == [
        ("10354738", 1, at(0)),
        ("10354739", 0, at(0)),
        ("10354740", None, at(0)),
        ("10354738", 0, at(60)),
        ("10354739", None, at(60)),
    ]
    assert ride.odd == [("state", "not-listed")]
    assert [line for line, _ in ride.bad] == [2]


def test_a_facility_that_is_out_for_a_day_is_said() -> None:
    """Polled once a minute, a lift that stays inactive is the notice that it is out of service for long."""
    adapter = Adapter(shipped_format("fasta"), boot=1)
    message = {
        "equipmentnumber": 10354738,
        "type": "ELEVATOR",
        "state": "INACTIVE",
        "stateExplanation": "not available",
    }
    polls = [Entry(line=1, message=[message], received_ms=at(60 * minute)) for minute in range(24 * 60 + 1)]
    samples = [record for poll in polls for record in adapter.line(poll).samples]
    assert ("out-of-service-long", "raise", 24 * 3_600) in told_by_engine(samples, [], until=24 * 3_600)
