"""The shipped stories show in their samples exactly what their truth says, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from hoistway import wire
from hoistway.errors import BadInput
from hoistway.limits import HEARTBEAT_S, MAX_GAP_MS
from hoistway.model import EVENT_CODE, SIGNAL, DoorStatus, Kind, Power, ServiceMode, SignalType
from simulators.city import make_city
from simulators.scenario import load, parse, scenario_names
from simulators.world import DEFAULT_START_MS, play

STORIES = [name for name in scenario_names() if name != "demo-city" and not load(name).in_columns]


@dataclass(frozen=True)
class Played:
    samples: dict[str, list[dict[str, Any]]]
    events: dict[str, list[dict[str, Any]]]
    received: dict[str, list[int]]
    truths: list[dict[str, Any]]


@cache
def played(name: str, minutes: int | None = None) -> Played:
    truths: dict[int, dict[str, Any]] = {}
    samples, events, received = defaultdict(list), defaultdict(list), defaultdict(list)
    until = None if minutes is None else DEFAULT_START_MS + minutes * 60_000
    for at, device, leaf, payload in play(
        load(name), tell=lambda line: truths.update({line["id"]: line}), until_ms=until
    ):
        if leaf != "link":
            received[device].append(at)
            read = json.loads(payload)
            (samples if leaf == "state" else events)[device].extend(read if isinstance(read, list) else [read])
    return Played(samples, events, received, list(truths.values()))


def of_kind(story: Played, *kinds: str) -> list[dict[str, Any]]:
    found = [truth for truth in story.truths if truth["fault"] in kinds]
    assert found
    return found


def between(records: list[dict[str, Any]], first: int, last: int) -> list[dict[str, Any]]:
    return [record for record in records if first <= record["ts"] < last]


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_the_same_to_the_byte_for_the_same_seed(name):
    """Two plays give the same messages at the same instants; another seed gives others."""

    def digest(seed: int | None) -> str:
        total = hashlib.sha256()
        for at, device, leaf, payload in play(load(name), seed=seed, until_ms=DEFAULT_START_MS + 300_000):
            total.update(f"{at} {device} {leaf} ".encode() + payload)
        return total.hexdigest()

    assert digest(None) == digest(None)
    assert digest(None) != digest(999)


def right(value: Any, name: str) -> bool:
    signal = SIGNAL[name]
    if signal.type is SignalType.BOOL:
        return value is True or value is False or (name == "passenger" and value is None)
    if signal.type is SignalType.ENUM:
        return type(value) is int and signal.values is not None and value in set(signal.values)
    if signal.type is SignalType.LABEL:
        return isinstance(value, str) and 1 <= len(value) <= 4
    assert signal.low is not None
    assert signal.high is not None
    return type(value) in (int, float) and signal.low <= value <= signal.high


@pytest.mark.parametrize("name", STORIES)
def test_every_sample_and_event_is_as_the_contract_says(name):
    """Known signals of the machine's kind, right types and ranges, no contradiction, numbers without a hole, time that does not go back."""
    kinds = {
        row.device: row.kind
        for row in make_city(lifts=load(name).lifts, escalators=load(name).escalators, seed=load(name).seed)
    }
    story = played(name)
    for device, samples in story.samples.items():
        assert [sample["seq"] for sample in samples] == list(range(1, len(samples) + 1))
        assert all(a["ts"] <= b["ts"] for a, b in pairwise(samples))
        for sample in samples:
            fields = {key: value for key, value in sample.items() if key not in {"ts", "boot", "seq"}}
            assert all(right(value, key) for key, value in fields.items()), fields
            assert all(SIGNAL[key].kind in (None, kinds[device]) for key in fields)
            if kinds[device] is Kind.LIFT:
                assert sample["door_closed"] == (sample["door_status"] in (DoorStatus.CLOSED, DoorStatus.LOCKED))
                assert sample["car_status"] == 1 or sample.get("speed", 0) == 0
    for events in story.events.values():
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert all(event["code"] in EVENT_CODE and isinstance(event["active"], bool) for event in events)


@pytest.mark.parametrize("name", STORIES)
def test_a_terminal_is_never_silent_longer_than_a_heartbeat(name):
    """Between two samples of a device lies at most one heartbeat, also over a link loss, because the ring is sent afterwards."""
    for samples in played(name).samples.values():
        gaps = [b["ts"] - a["ts"] for a, b in pairwise(samples)]
        assert max(gaps) <= HEARTBEAT_S * 1_000 < MAX_GAP_MS


def stands_shut(sample: dict[str, Any]) -> bool:
    return sample["car_status"] == 0 and sample["door_closed"] and sample["service_mode"] == ServiceMode.NORMAL


def shut_stretches(samples: list[dict[str, Any]], *, with_person: bool) -> Iterator[int]:
    """Lengths in ms of the stretches that look like somebody shut in, or like a car stopped between floors."""
    since: int | None = None
    for sample in samples:
        looks = stands_shut(sample) and (sample["passenger"] is True if with_person else not sample["door_zone"])
        if since is not None and not looks:
            yield sample["ts"] - since
        since = (since if since is not None else sample["ts"]) if looks else None
    if since is not None:
        yield samples[-1]["ts"] - since


def test_an_ordinary_hour_holds_nothing_that_looks_like_an_entrapment():
    """In quiet-hour no car stands shut for 20 s with somebody inside or between floors, and no event is sent."""
    story = played("quiet-hour")
    lifts = [samples for samples in story.samples.values() if "car_status" in samples[0]]
    assert len(lifts) == 20
    for samples in lifts:
        assert max(shut_stretches(samples, with_person=True), default=0) < 20_000
        assert max(shut_stretches(samples, with_person=False), default=0) < 20_000
        assert any(sample["car_status"] for sample in samples)
    assert not story.events
    assert not story.truths


@pytest.mark.parametrize(("name", "minutes"), [("entrapment-with-rescue", None), ("demo-city", 20)])
def test_during_an_entrapment_the_samples_show_it_from_the_first_to_the_last_moment(name, minutes):
    """Stopped, shut, person seen (or unknown without a sensor), zone as told, for the whole interval until the mechanic acts."""
    story = played(name, minutes)
    for truth in of_kind(story, "entrapment-between-floors", "entrapment-at-landing"):
        until = truth["still_to"] or story.samples[truth["device"]][-1]["ts"]
        held = between(story.samples[truth["device"]], truth["from"], until)
        assert held
        assert held[0]["ts"] == truth["from"]
        assert truth["person_inside"]
        for sample in held:
            assert sample["passenger"] is (True if truth["person_sensor"] else None)
            assert stands_shut(sample)
            assert sample["door_zone"] is (truth["fault"] == "entrapment-at-landing")


def test_a_rescue_ends_with_open_doors_at_a_landing_and_nobody_inside():
    """After the truth's end the car is at a landing with open doors, empty, in inspection, and later in service again."""
    story = played("entrapment-with-rescue")
    for truth in of_kind(story, "entrapment-between-floors", "entrapment-at-landing"):
        after = [sample for sample in story.samples[truth["device"]] if sample["ts"] >= truth["to"]]
        assert after[0]["door_zone"]
        assert after[0]["door_status"] == DoorStatus.OPEN
        assert not after[0]["passenger"]
        assert after[0]["service_mode"] == ServiceMode.INSPECTION
        assert after[-1]["service_mode"] == ServiceMode.NORMAL
        codes = [(event["code"], event["active"]) for event in story.events[truth["device"]]]
        assert codes[-3:] == [("43", True), ("43", False), ("40", True)] or ("90", False) in codes


def test_the_alarm_button_is_pressed_by_whom_the_story_says():
    """Only the car with alarm_button_after sends code 90, that long after the stop, and takes it back at the release."""
    story = played("entrapment-with-rescue")
    (truth,) = of_kind(story, "entrapment-between-floors")
    pressed = [event for events in story.events.values() for event in events if event["code"] == "90"]
    assert [(event["active"], event["ts"]) for event in pressed] == [
        (True, truth["from"] + 25_000),
        (False, truth["to"]),
    ]


def test_a_car_stopped_outside_the_zone_is_empty():
    """The stop without a person shows nobody (or unknown), outside the zone, shut, for the whole interval."""
    story = played("entrapment-with-rescue")
    (truth,) = of_kind(story, "stopped-outside-zone")
    held = between(story.samples[truth["device"]], truth["from"], truth["still_to"])
    assert held
    assert not truth["person_inside"]
    assert all(stands_shut(sample) and not sample["door_zone"] and not sample["passenger"] for sample in held)


def test_a_lost_link_sends_nothing_and_everything_afterwards():
    """While a link is down nothing is received from the device; afterwards its samples of that time arrive at once."""
    story = played("link-loss")
    for truth in of_kind(story, "link-loss"):
        away = [at for at in story.received[truth["device"]] if truth["from"] + 200 < at <= truth["to"]]
        assert away == []
        caught_up = between(story.samples[truth["device"]], truth["from"], truth["to"])
        assert len(caught_up) >= (truth["to"] - truth["from"]) // (HEARTBEAT_S * 1_000)


def test_a_lost_link_publishes_the_will_and_comes_back_with_a_higher_connection():
    """The will says offline with the broken connection's number; the return says online with the next."""
    links = defaultdict(list)
    for _, device, leaf, payload in play(load("link-loss")):
        if leaf == "link":
            links[device].append(wire.decode_link(payload))
    told = [[(link.online, link.conn) for link in found] for found in links.values() if len(found) > 1]
    assert told == [[(True, 1), (False, 1), (True, 2)]] * 2


def test_a_power_cut_takes_the_whole_estate_and_no_other():
    """Every machine of the estate shows mains out for the whole interval and sends code 41; nobody else does."""
    story = played("link-loss")
    truths = of_kind(story, "power-cut")
    for truth in truths:
        held = between(story.samples[truth["device"]], truth["from"], truth["to"])
        assert all(sample["power"] == Power.OUT for sample in held)
        codes = [(event["code"], event["active"]) for event in story.events[truth["device"]]]
        assert codes == [("41", True), ("41", False)]
    assert set(story.events) == {truth["device"] for truth in truths}


def test_a_reversing_door_keeps_turning_back():
    """The door starts to close many times without closing, and its car does not leave the floor."""
    story = played("reversing-door")
    (truth,) = of_kind(story, "door-reversing")
    held = between(story.samples[truth["device"]], truth["from"], truth["to"])
    assert sum(sample["door_status"] == DoorStatus.CLOSING for sample in held) > 15
    assert not any(sample["door_closed"] or sample["car_status"] for sample in held)


def test_a_held_door_stays_open():
    """Nothing but open doors from the first to the last moment."""
    story = played("reversing-door")
    (truth,) = of_kind(story, "door-held-open")
    held = between(story.samples[truth["device"]], truth["from"], truth["to"] - 5_000)
    assert held
    assert all(sample["door_status"] == DoorStatus.OPEN for sample in held)


def test_a_door_that_opens_on_the_way_shows_as_a_moving_car_with_an_open_door():
    """Within the interval the car runs outside the zone with its door not closed; elsewhere nobody does."""
    story = played("reversing-door")
    (truth,) = of_kind(story, "door-open-running")
    for device, samples in story.samples.items():
        bad = [s for s in samples if s["car_status"] == 1 and not s["door_closed"] and not s["door_zone"]]
        assert bool(bad) is (device == truth["device"])
        assert all(truth["from"] - 200 <= sample["ts"] <= truth["to"] for sample in bad)


@pytest.mark.parametrize("hour", [3, 8, 13, 23])
def test_the_demo_city_traps_its_first_person_within_a_minute_at_any_hour(hour):
    """At night as in the rush, the first entrapment between floors, with a person sensor, begins within 75 s of the start."""
    truths: list[dict[str, Any]] = []
    start = DEFAULT_START_MS + (hour - 8) * 3_600_000
    for _ in play(load("demo-city"), start_ms=start, until_ms=start + 75_000, tell=truths.append):
        pass
    first = next(truth for truth in truths if truth["fault"] == "entrapment-between-floors")
    assert first["person_sensor"]


def test_the_demo_city_ends_every_entrapment_by_a_rescue():
    """Every entrapment of the demo that is older than its rescue time has an end."""
    story = played("demo-city", 20)
    last = DEFAULT_START_MS + 20 * 60_000
    ended = [truth for truth in of_kind(story, "entrapment-between-floors", "entrapment-at-landing") if truth["to"]]
    old = [t for t in story.truths if t["fault"].startswith("entrapment") and t["from"] < last - 13 * 60_000]
    assert ended
    assert all(truth["to"] is not None for truth in old)


def test_the_truth_is_not_in_the_messages():
    """No payload carries a word of the truth file."""
    for _, _, _, payload in play(load("entrapment-with-rescue"), until_ms=DEFAULT_START_MS + 300_000):
        assert not any(word in payload for word in (b"fault", b"entrapment", b"truth"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("story = 1", "the keys of"),
        ('title={zh="a",en="b"}\nstory="s"\nduration="soon"', "90s or 12min"),
        ('title={zh="a",en="b"}\nstory="s"\nduration="1h"\ntime_of_day="25:00"', "HH:MM"),
        ('title={zh="a",en="b"}\nstory="s"\nduration="1h"\nlifts=0', "at least one lift"),
        ('title={zh="a",en="b"}\nstory="s"\nduration="1h"\ncolour="red"', "the keys of"),
        ('title={zh="a",en="b"}\nstory="s"\nduration="1h"\n[[fault]]\nkind="meteor"', "entrapment-between-floors"),
        ('title={zh="a",en="b"}\nstory="s"\nduration="1h"\n[[fault]]\nkind="link-loss"\nlasts="x"', "90s or 12min"),
    ],
)
def test_a_story_that_cannot_be_used_says_what_was_expected(text, expected):
    """Wrong keys, kinds, times and durations are refused with the expectation in the message."""
    with pytest.raises(BadInput, match=expected):
        parse(text, name="broken")


def test_a_fault_on_a_lift_that_the_fleet_does_not_have_is_refused():
    """A story played on too small a fleet names the lift it misses."""
    with pytest.raises(BadInput, match="lift 3"):
        list(play(load("entrapment-with-rescue"), make_city(lifts=2, escalators=0)))
