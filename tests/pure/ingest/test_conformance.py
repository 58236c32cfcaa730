"""The checker of devices, case by case: every finding has a story that makes it and a look-alike that must not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.limits import SAMPLES_A_MINUTE
from ingest.conformance.heard import Facts
from ingest.conformance.judge import judge
from ingest.conformance.numbering import Ranges
from ingest.conformance.words import LANGUAGES, RULES, evidence, place, summary, title
from tests.support.firmware import FACTS, FULL, HOUR_MS, LIFT, T0, Firmware

Story = Callable[[], Firmware]


def f(**options: int) -> Firmware:
    return Firmware(**options)


def begin() -> Firmware:
    """A device that has been well for two minutes."""
    return f().samples(6)


def restarted(*, boot: int = 13, will: bool = True) -> Firmware:
    """A device that loses its power and comes back."""
    device = begin()
    if will:
        device.link(online=False)
    device.boot, device.conn, device.seq = boot, 1, {"state": 1, "event": 1}
    return device.link().samples(6)


def reconnected(*, conn: int = 32, will: bool = True) -> Firmware:
    device = begin()
    if will:
        device.link(online=False)
    device.conn = conn
    return device.link().samples(6)


def slow_clock(off_ms: int) -> Firmware:
    device = f()
    device.off_ms = off_ms
    return device


def one_late() -> Firmware:
    """One record waited for a minute on its way."""
    return begin().sample(ago_s=15).wait(20).samples(2)


def frozen(seconds: float) -> Firmware:
    """Four records in so many seconds with one stamp."""
    device = begin()
    stamp = device.now
    for number in range(4):
        device.off_ms = device.now - stamp
        device.sample().wait(seconds / 3 if number < 3 else 1)
    device.off_ms = 0
    return device.samples(3)


def set_back(ms: int) -> Firmware:
    device = begin()
    device.off_ms = ms
    return device.samples(6)


def clock_set(after_ack: int) -> Firmware:
    """The clock is 20 s slow and is set by the first ack, or never."""
    device = slow_clock(20_000).samples(3).ack().wait(1)
    device.off_ms = after_ack
    return device.samples(12)


def flood(times: int, *, backlog: bool = False) -> Firmware:
    device = begin()
    if backlog:
        device.wait(times)
        rows = [device.record("state", FULL, ago_s=times - number) for number in range(times)]
        return device.say("state", rows).wait(20).samples(2)
    for _ in range(times):
        device.sample().wait(0.3)
    return device.samples(2)


def hole(*, filled: bool = False, gone: bool = False, named: bool = False) -> Firmware:
    device = begin()
    missing = device.record("state", FULL)
    device.sample().wait(1)
    if named:
        device.ack(state=missing["seq"] - 1, missing={"state": [[missing["seq"], missing["seq"]]]})
    device.wait(5)
    if filled:
        device.say("state", missing)
    if gone:
        device.link(gone={"state": [[missing["seq"], missing["seq"]]]})
    return device.samples(6)


def resend(acks: int, *, asked: bool = False) -> Firmware:
    device = begin().event("90", True)
    at = len(device.heard)
    device.event("90", False)
    for _ in range(acks):
        device.ack().sample().wait(12)
    if asked:
        device.say("cmd", {"id": "c-1", "cmd": "resend", "event": [[9, 9]]})
    return device.again(len(device.heard) - at + 1).samples(3)


def again_refused(*, before_ack: bool) -> Firmware:
    device = begin().sample().wait(5).say("state", b'{"ts": oops}')
    broken = len(device.heard)
    if before_ack:
        device.again()
    device.refused().wait(20)
    if not before_ack:
        device.again(len(device.heard) - broken + 1)
    return device.samples(3)


def partial(keep: int) -> Firmware:
    device = begin()
    for number in range(12):
        some = dict(list(FULL.items())[number % 3 : number % 3 + keep])
        device.say("state", device.record("state", some)).wait(20)
    return device


def slowed(every_s: float, *, until: bool = False) -> Firmware:
    device = begin().ack(slow_s=25).wait(12)
    if until:
        device.samples(2, every_s=26).ack().wait(1)
    return device.samples(5, every_s=every_s)


def changing() -> Firmware:
    """Asked for longer intervals: a door that opens and closes is told at once all the same."""
    device = begin().ack(slow_s=25).wait(12)
    for number in range(6):
        device.sample(door_status=4 if number % 2 else 5, door_closed=number % 2 == 0).wait(5)
    return device


def button(cleared: bool) -> Firmware:
    device = begin().event("90", True).wait(3)
    if cleared:
        device.event("90", False)
    return device.samples(20)


def twice(code: str, *, end: bool) -> Firmware:
    device = begin().event(code, True).wait(5)
    if end:
        device.event(code, False).wait(5)
    return device.event(code, True).samples(3)


def link_missing() -> Firmware:
    device = begin()
    device.heard = [message for message in device.heard if not message.topic.endswith("/link")]
    return device


def late_will() -> Firmware:
    device = begin()
    device.conn = 32
    device.link().samples(2).link(online=False, conn=31).samples(6)
    return device


def old_ring() -> Firmware:
    """After a restart the events of the boot before come first."""
    device = begin().link(online=False)
    old = device.record("event", {"code": "01", "active": True}, ago_s=30)
    device.boot, device.conn, device.seq = 13, 1, {"state": 1, "event": 1}
    return device.link().say("event", old).samples(6)


def same_boot_again(*, ring: bool) -> Firmware:
    device = begin()
    if ring:
        device.sample(seq=4_600, ago_s=100)  # an old one that was never acknowledged
    else:
        device.seq["state"] = 1
    return device.samples(6)


def number_again(*, same: bool) -> Firmware:
    device = begin().sample(car_position="7").wait(1)
    value = device.record("state", {**FULL, "car_position": "7" if same else "8"}, seq=device.seq["state"] - 1, ago_s=1)
    return device.say("state", value).samples(3)


def outage(seconds: int = 300, *, will: bool = True) -> Firmware:
    """Away for some minutes; the ring comes afterwards with its own times."""
    device = begin()
    if will:
        device.link(online=False)
    device.wait(seconds)
    device.conn = 32
    device.link()
    rows = [device.record("state", FULL, ago_s=seconds - 20 * number) for number in range(seconds // 20)]
    return device.say("state", rows).samples(6)


def clock_ahead(*, set_by_ack: bool) -> Firmware:
    """Five minutes ahead; the ack sets it right."""
    device = slow_clock(-300_000).samples(2).ack().wait(1)
    device.off_ms = 0 if set_by_ack else -300_000
    return device.samples(6)


STORIES: Final[dict[str, tuple[Story, Story]]] = {
    "unreadable": (
        lambda: begin().say("state", {"boot": 12, "seq": 5_000, "speed": 0}),
        lambda: begin().sample(load="?"),
    ),
    "refused-again": (lambda: again_refused(before_ack=False), lambda: again_refused(before_ack=True)),
    "qos": (lambda: (d := begin()).say("state", d.record("state", FULL), qos=0), lambda: begin().ack()),
    "retained": (
        lambda: begin().say("state", {"ts": T0 - 9_000_000, "boot": 12, "seq": 9, **FULL}, retained=True),
        lambda: begin().link(retained=True),
    ),
    "field-type": (lambda: begin().sample(speed="1.75"), lambda: begin().sample(speed=1)),
    "field-range": (lambda: begin().sample(car_position="GROUND"), lambda: begin().sample(car_position="B12A")),
    "field-unknown": (lambda: begin().sample(velocity=1), lambda: begin().sample(lift="310115", vibration=None)),
    "equipment": (lambda: begin().sample(step_missing=False), lambda: begin().sample(step_missing=None)),
    "unit": (lambda: begin().sample(speed=6.3), lambda: begin().sample(speed=-3.4, load=1_900)),
    "partial": (lambda: partial(4), lambda: partial(9)),
    "heartbeat": (lambda: begin().wait(30).samples(3), outage),
    "silent": (lambda: begin().wait(120), lambda: begin().link(online=False).wait(300)),
    "rate": (lambda: flood(SAMPLES_A_MINUTE + 1), lambda: flood(SAMPLES_A_MINUTE + 100, backlog=True)),
    "slow-ignored": (lambda: slowed(20), lambda: slowed(20, until=True)),
    "boot-not-rising": (lambda: restarted(boot=11), old_ring),
    "boot-reused": (lambda: same_boot_again(ring=False), lambda: same_boot_again(ring=True)),
    "conn-not-rising": (lambda: reconnected(conn=31), lambda: begin().link(gone={"state": [[1, 2]]}).samples(2)),
    "no-link": (link_missing, begin),
    "no-will": (lambda: outage(will=False), late_will),
    "seq-jump": (hole, lambda: hole(gone=True)),
    "missing-ignored": (lambda: hole(named=True), lambda: hole(named=True, filled=True)),
    "seq-reused": (lambda: number_again(same=False), lambda: number_again(same=True)),
    "resend-acked": (lambda: resend(2), lambda: resend(1)),
    "ts-backwards": (lambda: set_back(25_000), lambda: set_back(900)),
    "clock-off": (lambda: slow_clock(6_000).samples(6), one_late),
    "clock-frozen": (lambda: frozen(12), lambda: frozen(6)),
    "time-sync-ignored": (lambda: clock_set(20_000), lambda: clock_set(0)),
    "event-end": (lambda: button(cleared=False), lambda: button(cleared=True)),
}
ALSO: Final = {
    "time-sync-ignored": {"clock-off"},  # it is off because it does not use the time
    "refused-again": {"unreadable"},
    "unreadable": {"field-type"},  # one bad field is a finding of its own and refuses nothing
}
"""What a story shows besides its rule."""


def found(device: Firmware, facts: Facts = FACTS) -> set[str]:
    return {finding.rule for finding in judge(device.heard, facts, device.watch()).findings}


@pytest.mark.parametrize("rule", STORIES)
def test_what_is_wrong_is_found_and_nothing_else(rule: str) -> None:
    """The story of a fault gives its finding, and no other."""
    assert rule in found(STORIES[rule][0]())
    assert found(STORIES[rule][0]()) - ALSO.get(rule, set()) == {rule}


@pytest.mark.parametrize("rule", STORIES)
def test_what_only_looks_wrong_is_not_found(rule: str) -> None:
    """The look-alike of a fault gives no finding."""
    assert found(STORIES[rule][1]()) - ALSO.get(rule, set()) == set()


def test_every_rule_has_its_stories() -> None:
    """No rule is without a story that makes it and a look-alike; the test call has its own tests below."""
    assert {*STORIES, "self-test"} == set(RULES)


@pytest.mark.parametrize(
    ("hours", "escalator", "enrolled_hours", "expected"),
    [
        (73, False, 1_000, {"self-test"}),
        (None, False, 1_000, {"self-test"}),
        (71, False, 1_000, set()),
        (None, False, 70, set()),
        (None, True, 1_000, set()),
    ],
)
def test_a_test_call_is_missed_after_72_hours(
    hours: int | None, escalator: bool, enrolled_hours: int, expected: set[str]
) -> None:
    """A lift without a test call for 72 h is found; one younger than that, and an escalator, is not."""
    last = None if hours is None else T0 - hours * HOUR_MS
    lift = replace(LIFT, self_test_ms=last, escalator=escalator)
    facts = replace(FACTS, lifts=(lift,), enrolled_ms=T0 - enrolled_hours * HOUR_MS)
    assert found(begin(), facts) & {"self-test"} == expected


def test_a_test_call_that_never_was_is_said_so() -> None:
    """People read words, in both languages, and no number that stands for never."""
    for hours, english in ((73, "73 h ago"), (None, "none was ever reported")):
        last = None if hours is None else T0 - hours * HOUR_MS
        facts = replace(FACTS, lifts=(replace(LIFT, self_test_ms=last),))
        (finding,) = (one for one in judge(begin().heard, facts, begin().watch()).findings if one.rule == "self-test")
        assert english in evidence(finding, "en")
        assert "-1" not in evidence(finding, "zh")


def test_the_evidence_of_a_rate_is_the_busiest_minute() -> None:
    """Not the first sample of the watch."""
    device = begin().samples(5, every_s=20)
    burst = device.now, device.seq["state"]
    device.samples(130, every_s=0.4)
    (finding,) = (one for one in judge(device.heard, FACTS, device.watch()).findings if one.rule == "rate")
    assert (finding.first_ms, finding.evidence["seq"], finding.evidence["samples"]) == (*burst, 130)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6))), st.integers(0, 25), st.integers(0, 6))
def test_ranges_are_a_set_of_numbers(pairs: list[tuple[int, int]], first: int, more: int) -> None:
    """However they overlap, what is in them is what a plain set says."""
    plain = {number for low, size in pairs for number in range(low, low + size + 1)}
    found, asked = Ranges((low, low + size) for low, size in pairs), set(range(first, first + more + 1))
    assert found.all_of(first, first + more) is (asked <= plain)
    assert found.any_of(first, first + more) is bool(asked & plain)


def test_a_test_call_within_the_watch_counts() -> None:
    """The store may not have it yet: what was heard is enough."""
    facts = replace(FACTS, lifts=(replace(LIFT, self_test_ms=None),))
    device = begin().event("self-test", True).event("self-test", False).samples(2)
    assert found(device, facts) == set()


def test_a_right_device_gives_no_finding_and_says_what_was_not_judged() -> None:
    """Ten minutes of a device that keeps the contract; without a lost connection nobody knows whether it has a will."""
    device = f().samples(28).event("90", True).wait(2).event("90", False).ack().samples(2)
    result = judge(device.heard, FACTS, device.watch())
    assert result.findings == ()
    assert result.unjudged == ("no-will",)
    assert (result.messages, result.records) == (32, 32)


@pytest.mark.parametrize(
    "device",
    [
        restarted(),
        reconnected(),
        outage(),
        old_ring(),
        late_will(),
        hole(filled=True),
        resend(3, asked=True),
        slowed(26),
        changing(),
        clock_set(0),
        clock_ahead(set_by_ack=True),
        outage(60, will=False),
        twice("43", end=False),
        twice("01", end=True),
        begin().event("01", True).samples(20),
        number_again(same=True),
        f().samples(3).again().again().samples(3),
    ],
    ids=lambda _: "right",
)
def test_ordinary_life_gives_no_finding(device: Firmware) -> None:
    """Restarts, outages, late wills, backlogs, filled holes, a clock set forward and repeats are no faults."""
    assert found(device) == set()


def test_a_code_raised_twice_without_an_end_is_found() -> None:
    """Except for the codes that say a mode, an event ends before it is raised again."""
    assert found(twice("01", end=False)) == {"event-end"}


def test_findings_are_counted_and_carry_the_first_evidence() -> None:
    """Three faults of one field are one finding."""
    device = begin().sample(speed="a").wait(5).sample(speed="b").wait(5).sample(speed="c").samples(2)
    (finding,) = judge(device.heard, FACTS, device.watch()).findings
    assert (finding.rule, finding.subject, finding.times) == ("field-type", "speed", 3)
    assert finding.evidence["value"] == "a"


def test_a_flood_of_subjects_is_bounded() -> None:
    """A device that invents field names makes no endless report; what is beyond the limit is counted."""
    device = begin()
    for number in range(300):
        device.sample(**{f"x{number}": 1}).wait(0.01)
    findings = judge(device.heard, FACTS, device.watch()).findings
    unknown = [finding for finding in findings if finding.rule == "field-unknown"]
    assert len(unknown) == 200
    assert sum(finding.times for finding in unknown) == 300


def test_a_gateway_is_judged_lift_by_lift() -> None:
    """The heartbeat is each lift's own, and a record that names no lift is refused."""
    other = replace(LIFT, rescue_code="310116")
    facts = replace(FACTS, gateway=True, lifts=(LIFT, other))
    device = f()
    for _ in range(6):
        device.sample(lift="310115").sample(lift="310116").wait(20)
    assert found(device, facts) == set()
    for _ in range(3):
        device.sample(lift="310115").wait(20)
    device.sample(lift="310115").sample(lift="310116")
    (finding,) = judge(device.heard, facts, device.watch()).findings
    assert (finding.rule, finding.subject) == ("heartbeat", "310116")
    assert found(device.sample(), facts) == {"heartbeat", "unreadable"}


def test_nothing_is_claimed_about_other_devices() -> None:
    """A message of another device on the same broker is not this one's."""
    device = begin()
    device.heard.append(replace(device.heard[-1], topic="lift/v1/3/d-2/state", payload=b"nonsense"))
    assert found(device) == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rule", STORIES)
def test_every_finding_is_said_in_both_languages(rule: str, language: str) -> None:
    """Title, evidence and place can be written of each finding, with every value filled in."""
    device = STORIES[rule][0]()
    result = judge(device.heard, FACTS, device.watch())
    (finding,) = (item for item in result.findings if item.rule == rule)
    assert title(rule, language)
    assert "{" not in evidence(finding, language)
    assert place(rule, language).endswith(RULES[rule].section)
    assert all(summary(result, language, dropped=1))


def test_both_languages_use_the_same_values() -> None:
    """A translation loses no value of the evidence."""
    for rule in RULES.values():
        assert set(re.findall(r"{\w+}", rule.evidence_zh)) == set(re.findall(r"{\w+}", rule.evidence_en))
