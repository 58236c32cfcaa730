"""What becomes of a fault, what a person may do to a ticket, and what follows when a limit passes. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatch.outcome import Teller
from dispatch.tickets.causes import cause_classes, causes
from dispatch.tickets.families import family_of
from dispatch.tickets.limits import TicketLimits, ticket_limits_of
from dispatch.tickets.moves import moved
from dispatch.tickets.outcome import Fault, Part, Person, Said, Shield, TicketTimer, TicketView, Way
from dispatch.tickets.policy import severer, verdict, when_due
from hoistway.errors import BadInput, IllegalMove
from hoistway.lifecycle import TICKET_MOVES, UNMENDED, TicketState, next_ticket_state
from hoistway.model import Role, Severity

LIMITS = TicketLimits()
HOUR = 3_600_000
NOW = 1_000 * HOUR
FAULT = Fault(
    alarm_id=1, lift_id=7, rule_id="door-close-failure", rule_version="v", severity=Severity.MINOR, at_ms=NOW,
    exercise=False,
)  # fmt: skip
TICKET = TicketView(
    ticket_id=3, lift_id=7, family="door", state=TicketState.NEW, severity=Severity.MINOR, firm_id=2,
    promised_ms=NOW + 72 * HOUR, done_ms=None, climbed=0, exercise=False,
)  # fmt: skip
DONE = replace(TICKET, state=TicketState.DONE, done_ms=NOW - HOUR)
CREW = Person(name="Li", role=Role.MAINTAINER, scope=2)
DESK = Person(name="Wang", role=Role.DISPATCHER, scope=0)


def way(fault: Fault = FAULT, *tickets: TicketView, shields: tuple[Shield, ...] = ()) -> Way:
    return verdict(fault, tickets, shields, LIMITS).way


# --- faults ---


def test_a_fault_opens_joins_or_reopens() -> None:
    """None: open. An unmended one of its family and lift: join. Done within a day: reopen; later, or cancelled: a new one."""
    assert way() is Way.OPEN
    for state in UNMENDED:
        assert way(FAULT, replace(TICKET, state=state, done_ms=NOW - HOUR)) is Way.JOIN
    assert way(FAULT, replace(TICKET, family="vibration")) is Way.OPEN
    assert way(FAULT, replace(TICKET, lift_id=8)) is Way.OPEN
    assert way(FAULT, DONE) is Way.REOPEN
    assert way(FAULT, replace(DONE, state=TicketState.VERIFIED)) is Way.REOPEN
    assert way(FAULT, replace(DONE, done_ms=NOW - 24 * HOUR)) is Way.REOPEN
    assert way(FAULT, replace(DONE, done_ms=NOW - 24 * HOUR - 1)) is Way.OPEN
    assert way(FAULT, replace(DONE, state=TicketState.CANCELLED)) is Way.OPEN


def test_a_fault_from_before_the_repair_reopens_nothing() -> None:
    """Known late and over: a line on the ticket that mended it. Known late and still there: it was not mended."""
    before = replace(FAULT, at_ms=NOW - 2 * HOUR)
    assert way(replace(before, active=False), DONE) is Way.NOTE
    assert way(before, DONE) is Way.REOPEN


def test_an_alarm_that_goes_on_is_no_repeat() -> None:
    """More severe, or amended: its own ticket knows it already, and an old repair of it stays done."""
    on = replace(FAULT, raised=False)
    assert way(on, replace(TICKET, alarm_ids=frozenset({1}))) is Way.NOTHING
    assert way(replace(on, severity=Severity.MAJOR), replace(TICKET, alarm_ids=frozenset({1}))) is Way.JOIN
    assert way(on, TICKET) is Way.JOIN
    assert way(on, replace(DONE, alarm_ids=frozenset({1}))) is Way.NOTHING
    assert way(on) is Way.OPEN


def test_a_maintenance_order_holds_a_fault_back_in_its_time() -> None:
    """From its first moment to before its last; once it is settled, only what was over by then."""
    order = Shield(order_id=5, lift_id=7, since_ms=NOW, until_ms=NOW + HOUR)
    assert way(FAULT, shields=(order,)) is Way.SHIELD
    assert way(FAULT, TICKET, shields=(order,)) is Way.SHIELD
    assert way(replace(FAULT, at_ms=NOW - 1), shields=(order,)) is Way.OPEN
    assert way(replace(FAULT, at_ms=NOW + HOUR), shields=(order,)) is Way.OPEN
    settled = replace(order, settled=True)
    assert way(FAULT, shields=(settled,)) is Way.OPEN
    assert way(replace(FAULT, active=False), shields=(settled,)) is Way.SHIELD


def test_a_promised_time_comes_nearer_and_never_goes_away() -> None:
    """A more severe fault brings its own promise, unless the ticket's ends sooner."""
    assert severer(TICKET, Severity.MAJOR, LIMITS, NOW).promise_s == 86_400
    late = replace(TICKET, promised_ms=NOW + HOUR)
    assert severer(late, Severity.MAJOR, LIMITS, NOW).promise_s is None


def test_a_rule_without_a_family_stands_alone() -> None:
    """What a city writes itself is a family of one."""
    assert family_of("door-open-failure") == family_of("door-reversals") == "door"
    assert family_of("our-own-rule") == "our-own-rule"


# --- moves ---


def move(
    ticket: TicketView, name: str, person: Person = CREW, said: Said | None = None, **more: int | None
) -> TicketState:
    state = moved(ticket, name, person, said or Said(), limits=LIMITS, now_ms=NOW, **more).outcome.state
    assert state is not None
    return state


def test_the_firm_mends_and_somebody_else_verifies() -> None:
    """The firm's people take, come, leave and finish; verify, reopen and cancel are the desk's."""
    working = replace(TICKET, state=TicketState.WORKING)
    assert move(TICKET, "accept") is TicketState.ACCEPTED
    assert move(TICKET, "start") is TicketState.WORKING
    assert move(working, "leave", said=Said(reason="waits for a part")) is TicketState.ACCEPTED
    assert move(working, "finish", said=Said(cause=305)) is TicketState.DONE
    assert move(DONE, "verify", DESK) is TicketState.VERIFIED
    for name in ("verify", "reopen", "cancel"):
        with pytest.raises(IllegalMove):
            move(DONE if name != "cancel" else TICKET, name, CREW, Said(reason="x"))


def test_every_move_that_is_not_in_the_table_is_refused() -> None:
    """State by state and role by role; nobody makes the equipment's move."""
    legal = {(state, item.name, role) for item in TICKET_MOVES for state in item.source for role in item.roles}
    for state in TicketState:
        for item in TICKET_MOVES:
            for role in Role:
                if (state, item.name, role) in legal:
                    assert next_ticket_state(state, item.name, role) is item.target
                else:
                    with pytest.raises(IllegalMove):
                        next_ticket_state(state, item.name, role)
    with pytest.raises(BadInput, match="recur"):
        move(DONE, "recur", DESK)


@pytest.mark.parametrize(
    ("ticket", "name", "person", "said", "where"),
    [
        (replace(TICKET, state=TicketState.WORKING), "leave", CREW, Said(), "reason"),
        (replace(TICKET, state=TicketState.WORKING), "finish", CREW, Said(), "cause"),
        (replace(TICKET, state=TicketState.WORKING), "finish", CREW, Said(cause=502), "cause"),
        (replace(TICKET, state=TicketState.WORKING), "finish", CREW, Said(cause=301, work="x" * 2_001), "work"),
        (replace(TICKET, state=TicketState.WORKING), "finish", CREW, Said(cause=301, parts=(Part(name=" "),)), "parts.0"),
        (replace(TICKET, state=TicketState.WORKING), "finish", CREW, Said(cause=301, parts=(Part(name="rope", count=0),)), "parts.0"),
        (replace(TICKET, state=TicketState.WORKING), "finish", CREW, Said(cause=301, parts=(Part(name="rope"),) * 51), "parts"),
        (replace(TICKET, state=TicketState.WORKING), "finish", CREW, Said(cause=301, left_ms=NOW + 1), "left_at"),
        (TICKET, "start", CREW, Said(came_ms=NOW + 1), "came_at"),
        (DONE, "reopen", DESK, Said(reason="  "), "reason"),
        (replace(DONE, active=True), "verify", DESK, Said(), "reason"),
    ],
)  # fmt: skip
def test_words_that_are_missing_are_asked_for(
    ticket: TicketView, name: str, person: Person, said: Said, where: str
) -> None:
    """By the field that lacks them."""
    with pytest.raises(BadInput) as refused:
        move(ticket, name, person, said)
    assert refused.value.where == where


def test_a_visit_begins_and_ends_with_the_work() -> None:
    """Now, or when the person says; one that was only told of afterwards needs both ends; an end before its beginning is refused."""
    working = replace(TICKET, state=TicketState.WORKING)
    done = Said(cause=305)
    came = moved(TICKET, "start", CREW, Said(), limits=LIMITS, now_ms=NOW)
    assert (came.came_ms, came.left_ms) == (NOW, None)
    left = moved(working, "finish", CREW, done, limits=LIMITS, now_ms=NOW, there_since_ms=NOW - HOUR)
    assert (left.came_ms, left.left_ms) == (NOW - HOUR, NOW)
    taken = replace(TICKET, state=TicketState.ACCEPTED)
    told = replace(done, came_ms=NOW - 2 * HOUR, left_ms=NOW - HOUR)
    found = moved(taken, "finish", CREW, told, limits=LIMITS, now_ms=NOW)
    assert (found.came_ms, found.left_ms) == (NOW - 2 * HOUR, NOW - HOUR)
    assert moved(taken, "finish", CREW, done, limits=LIMITS, now_ms=NOW).left_ms is None
    with pytest.raises(BadInput, match="before the visit"):
        moved(
            working,
            "finish",
            CREW,
            replace(done, left_ms=NOW - 2 * HOUR),
            limits=LIMITS,
            now_ms=NOW,
            there_since_ms=NOW,
        )


def test_what_the_desk_enters_for_the_firm_names_it() -> None:
    """Acceptance by the desk is on behalf of the firm; a verification is the desk's own."""
    accepted = moved(TICKET, "accept", DESK, Said(), limits=LIMITS, now_ms=NOW).outcome.lines[0]
    assert accepted.after["on_behalf_of"] == {"firm_id": 2}
    verified = moved(DONE, "verify", DESK, Said(), limits=LIMITS, now_ms=NOW).outcome.lines[0]
    assert "on_behalf_of" not in verified.after


# --- limits ---


def test_nothing_follows_from_a_limit_whose_step_was_done() -> None:
    """Accepted, mended or verified in time: the timer says nothing."""
    accepted, verified = replace(TICKET, state=TicketState.ACCEPTED), replace(DONE, state=TicketState.VERIFIED)
    for timer in (TicketTimer.ACCEPT, TicketTimer.ACCEPT_AGAIN):
        assert when_due(timer, accepted, LIMITS) is None
    for timer in (TicketTimer.PROMISE, TicketTimer.CLIMB):
        assert when_due(timer, DONE, LIMITS) is None
    assert when_due(TicketTimer.VERIFY, verified, LIMITS) is None


def test_a_lift_without_a_firm_climbs_to_the_supervisor_at_once() -> None:
    """There is nobody else to tell."""
    found = when_due(TicketTimer.PROMISE, replace(TICKET, firm_id=None), LIMITS)
    assert found is not None
    assert (found.climbed, [tell.to for tell in found.tells]) == (2, [Teller.SUPERVISOR])


def test_a_setting_that_cannot_be_used_does_not_count() -> None:
    """Said in words; the rest of it does."""
    limits, troubles = ticket_limits_of(
        {"promise_major_s": 3_600, "accept_major_s": 0, "promise_s": 5, "verify_s": True}
    )
    assert (limits.promise_major_s, limits.accept_major_s, limits.verify_s) == (3_600, 7_200, 259_200)
    assert [trouble.split(":")[0] for trouble in troubles] == ["accept_major_s", "promise_s", "verify_s"]


def test_the_causes_are_whole() -> None:
    """Seven classes; every code begins with its class, has both languages and stands once."""
    assert [group.code for group in cause_classes()] == [1, 2, 3, 4, 5, 6, 7]
    every = [cause for group in cause_classes() for cause in group.causes]
    assert len(every) == len(causes()) == 41
    assert all(cause.code // 100 == cause.group and cause.zh and cause.en for cause in every)
