"""A chunk of entries against a register: who is who, and every contradiction refused with its reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.limits import SHARDS
from hoistway.model import Kind
from hoistway.registry.enrolment import shard_of, topic_prefix
from hoistway.registry.reconcile import KnownDevice, KnownLift, Plan, Reconciler
from hoistway.registry.rows import Entry

R1, R2 = "31013301002012030001", "31013301002012030002"


def lift(number: int, **values: Any) -> KnownLift:
    defaults: dict[str, Any] = {
        "kind": "lift", "register_code": None, "rescue_code": None, "exercise": False, "shards": frozenset()
    }  # fmt: skip
    return KnownLift(id=number, **{**defaults, **values})


def terminal(device: str, lift_id: int | None, *, shard: int = 3, revoked: bool = False) -> KnownDevice:
    return KnownDevice(device=device, shard=shard, lift_id=lift_id, revoked=revoked)


def plan(
    *entries: Entry,
    lifts: tuple[KnownLift, ...] = (),
    devices: tuple[KnownDevice, ...] = (),
    exercise: bool = False,
) -> Plan:
    return Reconciler(exercise=exercise).plan(entries, lifts, devices)


def new(line: int = 2, kind: Kind = Kind.LIFT, **values: Any) -> Entry:
    return Entry(line=line, kind=kind, **values)


@given(st.text(max_size=30))
def test_shard_is_stable_and_in_range(key: str) -> None:
    """The same key gives the same shard, within the shards there are."""
    assert 0 <= shard_of(key) < SHARDS
    assert shard_of(key) == shard_of(key)


def test_shard_of_a_known_key() -> None:
    """The hash is a promise: devices carry the shard in their configuration."""
    assert shard_of("310115") == 21
    assert topic_prefix(21, "t-1") == "lift/v1/21/t-1/"


def test_a_new_lift_with_a_terminal() -> None:
    """Nothing registered: the lift is new, its terminal enrolled on the shard of the lift's key."""
    got = plan(new(device="t-1", rescue_code="310115"))
    assert [(entry.key, existing) for entry, existing in got.lifts] == [("310115", None)]
    assert [(entry.device, shard) for entry, shard in got.terminals] == [("t-1", shard_of("310115"))]
    assert got.enrolments[0].prefix == f"lift/v1/{shard_of('310115')}/t-1/"


def test_a_given_shard_wins() -> None:
    """The shard column decides for a lift without terminals."""
    assert plan(new(device="t-1", shard=9)).terminals[0][1] == 9


@pytest.mark.parametrize(
    "entry",
    [
        new(register_code=R1, rescue_code="310999"),
        new(rescue_code="310115"),
        new(device="t-1"),
        new(device="t-1", rescue_code="310115", register_code=R1),
    ],
)
def test_a_known_lift_is_found(entry: Entry) -> None:
    """By register code, else rescue code, else device the line means the registered lift, which keeps its shard."""
    known = lift(5, register_code=R1, rescue_code="310115", shards=frozenset({3}))
    got = plan(entry, lifts=(known,), devices=(terminal("t-1", 5),))
    assert [existing for _, existing in got.lifts] == [5]
    assert got.refused == []
    assert got.terminals == []
    assert all(item.shard == 3 and not item.new for item in got.enrolments)


def test_a_second_terminal_joins_the_shard() -> None:
    """All terminals of one lift share a shard, whatever the key would hash to."""
    known = lift(5, rescue_code="310115", shards=frozenset({3}))
    assert plan(new(device="t-2", rescue_code="310115"), lifts=(known,)).terminals[0][1] == 3


@pytest.mark.parametrize(
    ("entry", "column", "why"),
    [
        (new(device="t-1", rescue_code="310200"), "device", "is enrolled for the lift registered as"),
        (new(device="t-1", register_code=R2), "device", "belongs to the lift registered as"),
        (new(device="t-2", rescue_code="310116", register_code=R1), "rescue_code", "is the rescue code of"),
        (new(device="t-1", rescue_code="310116"), "device", "is enrolled for another lift"),
        (new(rescue_code="310115", kind=Kind.ESCALATOR), "kind", "is registered as lift"),
        (new(rescue_code="310115", shard=4), "shard", "is enrolled on shard 3"),
        (new(rescue_code="310117"), "", "is registered as exercise equipment"),
        (new(rescue_code="310300", device="g-1"), "device", "is enrolled as a gateway"),
        (new(rescue_code="310300", gateway="t-1"), "gateway", "is enrolled as the terminal"),
        (new(rescue_code="310116", device="t-9"), "device", "was revoked"),
        (new(rescue_code="310115", gateway="g-1"), "gateway", "are on shards 3 and 8"),
    ],
)
def test_contradictions_are_refused(entry: Entry, column: str, why: str) -> None:
    """A line that would move a device, a code, a shard or the kind of a registered lift is refused and changes nothing."""
    lifts = (
        lift(5, register_code=R1, rescue_code="310115", shards=frozenset({3})),
        lift(6, rescue_code="310116"),
        lift(7, rescue_code="310117", exercise=True),
    )
    devices = (terminal("t-1", 5), terminal("g-1", None, shard=8), terminal("t-9", 6, revoked=True))
    got = plan(entry, lifts=lifts, devices=devices)
    assert (got.lifts, got.terminals, got.gateways) == ([], [], {})
    assert [finding.column for finding in got.refused] == [column]
    assert why in got.refused[0].why
    assert got.refused[0].expected


def test_an_exercise_import_leaves_real_lifts_alone() -> None:
    """A drill file can never turn a real lift into one whose alarms reach nobody."""
    got = plan(new(rescue_code="310115"), lifts=(lift(5, rescue_code="310115"),), exercise=True)
    assert "registered as real equipment" in got.refused[0].why


def test_two_lines_that_mean_one_lift() -> None:
    """A lift named by its code on one line and by its device on another is refused the second time, in any chunk."""
    known = (lift(5, rescue_code="310115", shards=frozenset({3})),)
    devices = (terminal("t-1", 5),)
    got = plan(new(2, rescue_code="310115"), new(3, device="t-1"), lifts=known, devices=devices)
    assert [finding.line for finding in got.refused] == [3]
    reconciler = Reconciler(exercise=False)
    reconciler.keep(reconciler.plan([new(2, rescue_code="310115")], known, devices))
    assert "line 2" in reconciler.plan([new(9, device="t-1")], known, devices).refused[0].why


def test_a_gateway_speaks_for_several_lifts() -> None:
    """The gateway is enrolled once; its lifts and their own terminals share its shard."""
    got = plan(
        new(2, rescue_code="310115", gateway="g-1"),
        new(3, rescue_code="310116", gateway="g-1", device="t-2"),
    )
    assert got.gateways == {"g-1": shard_of("g-1")}
    assert [shard for _, shard in got.terminals] == [shard_of("g-1")]
    assert [(item.device, item.new) for item in got.enrolments] == [("g-1", True), ("g-1", False), ("t-2", True)]
