"""Ingest on a real database, fed by hand, on a clock that jumps."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from alarms.language.reader import load
from hoistway import limits
from hoistway.errors import Fenced
from hoistway.limits import GARBAGE_WINDOW_MS, MESSAGE_BYTES
from hoistway.wire import REASONS
from ingest import assemble, metrics, transaction
from ingest.assembled import SecurityEvent
from ingest.directory import Directory
from ingest.source import Message
from ingest.writer import Writer
from tests.support.desk import Desk
from tests.support.feed import FREED, TRAPPED, event, message, sample


async def test_a_trapped_person_is_an_alarm_and_a_case_with_timers(desk: Desk) -> None:
    """Twenty seconds of a person between floors open one alarm, one case and its two timers, in the same batch."""
    lift_id = await desk.lift("trapped-1")
    await desk.say("trapped-1", "state", sample(1, desk.now, **TRAPPED))
    assert await desk.alarms(lift_id) == []
    await desk.say("trapped-1", "state", sample(2, desk.now + 20_000, **TRAPPED), after_s=20)
    assert await desk.alarms(lift_id) == [("entrapment-between-floors", "active", 0)]
    (case,) = await desk.rows("select id, kind, channel, state, exercise from rescue_case where lift_id = $1", lift_id)
    assert (case["kind"], case["channel"], case["state"], case["exercise"]) == ("entrapment", "S04", "open", False)
    timers = await desk.rows("select kind from timer where case_id = $1 order by due_at", case["id"])
    assert [timer["kind"] for timer in timers] == ["send", "acknowledge"]
    (alarm,) = await desk.rows("select raised_at - hold_start as held, evidence from alarm where lift_id = $1", lift_id)
    assert alarm["held"].total_seconds() == 20
    assert alarm["evidence"]


async def test_a_device_that_says_free_ends_no_case(desk: Desk) -> None:
    """Doors open at a landing clear the alarm's condition and mark the case; the case stays open."""
    lift_id = await desk.lift("freed-1")
    for seq, (after_s, values) in enumerate([(0, TRAPPED), (20, TRAPPED), (5, FREED), (5, FREED)], 1):
        await desk.say("freed-1", "state", sample(seq, desk.now + after_s * 1_000, **values), after_s=after_s)
    assert await desk.alarms(lift_id) == [("entrapment-between-floors", "cleared", 0)]
    (case,) = await desk.rows("select state, open, device_says_clear_at from rescue_case where lift_id = $1", lift_id)
    assert (case["state"], case["open"]) == ("open", True)
    assert case["device_says_clear_at"] is not None


@pytest.mark.parametrize("button_first", [True, False])
async def test_button_and_entrapment_of_one_lift_are_one_case(desk: Desk, button_first: bool) -> None:
    """Whichever comes first, the lift has one open case, an entrapment with an entrapment's timers."""
    device = f"button-{button_first}"
    lift_id = await desk.lift(device)
    if button_first:
        await desk.say(device, "event", event(1, desk.now, "90"))
    await desk.say(device, "state", sample(1, desk.now, **TRAPPED))
    await desk.say(device, "state", sample(2, desk.now + 20_000, **TRAPPED), after_s=20)
    if not button_first:
        await desk.say(device, "event", event(1, desk.now, "90"))
    (case,) = await desk.rows("select id, kind from rescue_case where lift_id = $1 and open", lift_id)
    assert case["kind"] == "entrapment"
    timers = await desk.rows("select kind from timer where case_id = $1", case["id"])
    assert {"acknowledge", "send"} <= {timer["kind"] for timer in timers}
    log = [
        row["kind"] for row in await desk.rows("select kind from case_event where case_id = $1 order by id", case["id"])
    ]
    assert log == (["opened", "raised-to-entrapment", "alarm-joined"] if button_first else ["opened", "alarm-joined"])


async def test_the_same_messages_again_change_nothing(desk: Desk) -> None:
    """Redelivery, also after a restart, is counted and stored once; every copy is acknowledged."""
    lift_id = await desk.lift("twice-1")
    device_id = await desk.database.fetchval("select id from device where device = 'twice-1'")
    sent = [
        message("state", sample(1, desk.now, **TRAPPED), device="twice-1", received=desk.now),
        message("event", event(1, desk.now, "90"), device="twice-1", received=desk.now),
        message("state", sample(2, desk.now + 21_000, **TRAPPED), device="twice-1", received=desk.now + 21_000),
    ]
    desk.now += 21_000
    for restart in (False, False, True, True):
        if restart:
            await desk.ingest._writer.close()
            await desk.start()
        desk.source.put(*sent)
        await desk.ingest.round()
        assert desk.source.acknowledged[-3:] == sent
    assert len(await desk.rows("select 1 from sample where lift_id = $1", lift_id)) == 2
    assert len(await desk.rows("select 1 from event where lift_id = $1", lift_id)) == 1
    assert sorted(await desk.alarms(lift_id)) == [
        ("alarm-button", "active", 0),
        ("entrapment-between-floors", "active", 0),
    ]
    (counter,) = await desk.rows(
        "select sum(received)::int as received, sum(stored)::int as stored, sum(duplicates)::int as duplicates"
        " from device_counter where device_id = $1",
        device_id,
    )
    assert counter == {"received": 12, "stored": 3, "duplicates": 9}


async def test_a_restart_in_the_middle_of_a_hold_keeps_the_hold(desk: Desk) -> None:
    """The alarm comes at the same moment as without the restart, whether from a checkpoint or from replay alone."""
    for number, checkpoint in enumerate((False, True)):
        device = f"restart-{number}"
        lift_id = await desk.lift(device)
        began = desk.now
        await desk.say(device, "state", sample(1, desk.now, **TRAPPED))
        if checkpoint:
            await desk.ingest._checkpoint()
        await desk.ingest._writer.close()
        await desk.start()
        await desk.say(device, "state", sample(2, desk.now + 20_000, **TRAPPED), after_s=20)
        (alarm,) = await desk.rows("select hold_start from alarm where lift_id = $1", lift_id)
        assert int(alarm["hold_start"].timestamp() * 1_000) == began


async def test_a_tick_raises_what_no_sample_completes(desk: Desk) -> None:
    """A lift that says no more within the hold is found by the clock, at the exact end of the hold."""
    lift_id = await desk.lift("tick-1")
    await desk.say("tick-1", "state", sample(1, desk.now, **TRAPPED))
    desk.now += 25_000
    await desk.ingest.round()
    assert await desk.alarms(lift_id) == [("entrapment-between-floors", "active", 0)]
    (batch,) = await desk.rows("select kind from ingest_batch order by batch_no desc limit 1")
    assert batch["kind"] == "tick"


async def test_ticks_never_overtake_the_backlog(desk: Desk) -> None:
    """While an older message waits, no tick looks past it."""
    lift_id = await desk.lift("backlog-1")
    await desk.say("backlog-1", "state", sample(1, desk.now, **TRAPPED))
    waiting = message("state", sample(2, desk.now + 5_000, **FREED), device="backlog-1", received=desk.now + 5_000)
    desk.now += 60_000
    desk.source.put(waiting)
    await desk.ingest._look_at_clock()
    assert await desk.alarms(lift_id) == []
    await desk.ingest.round()
    assert await desk.alarms(lift_id) == []


async def test_silence_is_an_alarm_but_deafness_is_not(desk: Desk) -> None:
    """180 s without a word make a lift offline; the time in which nobody listened does not count."""
    lift_id = await desk.lift("silent-1")
    await desk.say("silent-1", "state", sample(1, desk.now, **FREED))
    desk.source.deaf = True
    desk.now += 600_000
    await desk.ingest.round()
    desk.source.deaf = False
    await desk.ingest.round()
    assert await desk.alarms(lift_id) == []
    for _ in range(19):
        desk.now += 10_000
        await desk.ingest.round()
    assert await desk.alarms(lift_id) == [("offline", "active", 0)]
    await desk.say("silent-1", "state", sample(2, desk.now, **FREED))
    assert await desk.alarms(lift_id) == [("offline", "cleared", 0)]


BAD: list[tuple[str, str, object]] = [
    ("empty", "state", b""),
    ("not-json", "state", b"{nonsense"),
    ("not-json", "event", b"\xff\xff"),
    ("not-a-record", "state", 17),
    ("too-large", "state", b" " * (MESSAGE_BYTES + 1)),
    ("too-many-records", "state", [{"ts": 1, "boot": 1, "seq": 1}] * 1_001),
    ("bad-ts", "state", {"boot": 1, "seq": 1}),
    ("bad-boot", "state", {"ts": 1, "seq": 1}),
    ("bad-seq", "event", {"ts": 1, "boot": 1, "code": "90", "active": True}),
    ("bad-code", "event", {"ts": 1, "boot": 1, "seq": 9, "code": "no such", "active": True}),
    ("bad-active", "event", {"ts": 1, "boot": 1, "seq": 9, "code": "90"}),
    ("bad-link", "link", {"online": "yes"}),
    ("foreign-lift", "state", {"ts": 1, "boot": 1, "seq": 1, "lift": "999999"}),
]


async def test_bad_input_of_every_kind_is_quarantined_and_disturbs_nobody(desk: Desk) -> None:
    """Each kind gets its own reason and an acknowledgement; the neighbour's entrapment in the same batch is raised."""
    neighbour = await desk.lift("good-1")
    await desk.lift("bad-1")
    await desk.say("good-1", "state", sample(1, desk.now, **TRAPPED))
    desk.now += 20_000
    bad = [message(leaf, body, device="bad-1", received=desk.now) for _, leaf, body in BAD]
    bad.append(message("state", sample(1, desk.now), device="nobody-1", received=desk.now))
    bad.append(message("state", sample(1, desk.now), device="bad-1", shard=7, received=desk.now))
    good = message("state", sample(2, desk.now, **TRAPPED), device="good-1", received=desk.now)
    desk.source.put(*bad[:7], good, *bad[7:])
    await desk.ingest.round()
    assert len(desk.source.acknowledged) >= len(bad) + 1
    assert await desk.alarms(neighbour) == [("entrapment-between-floors", "active", 0)]
    found = await desk.rows("select reason, payload_bytes from quarantine where device in ('bad-1', 'nobody-1')")
    assert {row["reason"] for row in found} == {reason for reason, _, _ in BAD} | {"unknown-device", "wrong-shard"}
    assert {row["reason"] for row in found} <= REASONS.keys()
    refused = [ack["refused"] for topic, ack in desk.source.published if topic.endswith("bad-1/ack")]
    assert any(item["reason"] == "not-json" and len(item["sha256_8"]) == 16 for item in refused[-1])


async def test_an_unreadable_event_of_a_known_lift_is_a_notice_at_the_desk(desk: Desk) -> None:
    """The dispatcher sees at once that a lift said something that nobody could read."""
    lift_id = await desk.lift("mumble-1")
    await desk.say("mumble-1", "event", b"{...")
    await desk.say("mumble-1", "event", b"{....", after_s=10)
    assert await desk.alarms(lift_id) == [("event-unreadable", "cleared", 1)]
    (alarm,) = await desk.rows("select open, operator_state from alarm where lift_id = $1", lift_id)
    assert alarm == {"open": True, "operator_state": "unacknowledged"}


async def test_a_bad_field_is_counted_and_the_rest_is_used(desk: Desk) -> None:
    """A temperature of 999 does not throw away an entrapment."""
    lift_id = await desk.lift("hot-1")
    for seq in (1, 2):
        body = sample(seq, desk.now + (seq - 1) * 20_000, **TRAPPED, temperature=999, colour="red")
        await desk.say("hot-1", "state", body, after_s=(seq - 1) * 20)
    assert await desk.alarms(lift_id) == [("entrapment-between-floors", "active", 0)]
    faults = await desk.rows(
        "select field, fault, times from field_fault f join device d on d.id = f.device_id where device = 'hot-1' order by 1"
    )
    assert faults == [
        {"field": "colour", "fault": "extra", "times": 2},
        {"field": "temperature", "fault": "out-of-range", "times": 2},
    ]


async def test_an_unknown_device_s_message_is_replayed_after_it_is_enrolled(desk: Desk) -> None:
    """What came before the enrolment is kept and can be taken in afterwards."""
    await desk.say("late-enrolled", "event", event(1, desk.now, "90"))
    lift_id = await desk.lift("late-enrolled")
    await desk.database.execute("update quarantine set replay_requested_at = now() where device = 'late-enrolled'")
    desk.ingest._next_housekeeping_s = 0
    await desk.ingest.round()
    assert await desk.alarms(lift_id) == [("alarm-button", "active", 0)]
    (row,) = await desk.rows("select replay_result from quarantine where device = 'late-enrolled'")
    assert row["replay_result"] == "accepted: 1 stored, 0 held before"


async def test_a_device_enrolled_a_moment_ago_is_known(desk: Desk) -> None:
    """The first message after the enrolment is not quarantined."""
    lift_id = await desk.lift("fresh-1")
    await desk.say("fresh-1", "state", sample(1, desk.now, **FREED))
    assert len(await desk.rows("select 1 from sample where lift_id = $1", lift_id)) == 1


async def test_the_ack_names_holes_until_they_are_filled_or_given_up(desk: Desk) -> None:
    """All records up to the number in the ack are accepted; a hole is named, then sent again or declared gone."""
    await desk.lift("holes-1")
    acks = [ack for topic, ack in desk.source.published if topic == "lift/v1/0/holes-1/ack"]
    for seq in (1, 4):
        await desk.say("holes-1", "event", event(seq, desk.now + seq, "41"), after_s=1)
    acks = [ack for topic, ack in desk.source.published if topic == "lift/v1/0/holes-1/ack"]
    assert (acks[-1]["event"], acks[-1]["missing"]["event"]) == (1, [[2, 3]])
    await desk.say("holes-1", "event", event(2, desk.now - 1_000, "41", active=False), after_s=1)
    gone = {"online": True, "boot": 1, "conn": 1, "gone": {"event": [[3, 3]]}}
    await desk.say("holes-1", "link", gone, after_s=1)
    acks = [ack for topic, ack in desk.source.published if topic == "lift/v1/0/holes-1/ack"]
    assert (acks[-1]["event"], acks[-1].get("missing")) == (4, None)
    (gap,) = await desk.rows("select stream, first_seq, last_seq, reason from gap")
    assert gap == {"stream": "event", "first_seq": 3, "last_seq": 3, "reason": "gone"}


async def test_a_late_sample_is_folded_in_its_place(desk: Desk) -> None:
    """An entrapment that a sample from the ring shows to have been, and to be over, is raised late and asks for a voice check only."""
    lift_id = await desk.lift("ring-1")
    await desk.say("ring-1", "state", sample(1, desk.now, **FREED))
    await desk.say("ring-1", "state", sample(3, desk.now + 60_000, **FREED), after_s=60)
    await desk.say("ring-1", "state", sample(2, desk.now - 30_000, **TRAPPED), after_s=5)
    desk.now += 2_000
    await desk.ingest.round()
    assert await desk.alarms(lift_id) == [("entrapment-between-floors", "cleared", 0)]
    (alarm,) = await desk.rows(
        "select correction, cleared_at - raised_at as lasted from alarm where lift_id = $1", lift_id
    )
    assert (alarm["correction"], alarm["lasted"].total_seconds()) == ("late", 12)
    (case,) = await desk.rows("select id, past, state from rescue_case where lift_id = $1", lift_id)
    assert (case["past"], case["state"]) == (True, "open")
    assert await desk.rows("select kind from timer where case_id = $1", case["id"]) == [{"kind": "acknowledge"}]
    found = await desk.rows("select seq, folded from sample where lift_id = $1 order by seq", lift_id)
    assert [(row["seq"], row["folded"]) for row in found] == [(1, 1), (2, 2), (3, 1)]


async def test_a_device_that_lost_its_memory_is_heard(desk: Desk) -> None:
    """A boot number used again with newer records is processed as a new incarnation, never dropped as duplicates."""
    lift_id = await desk.lift("amnesia-1")
    for seq in (1, 2, 3):
        await desk.say("amnesia-1", "event", event(seq, desk.now, "41"), after_s=1)
    await desk.say("amnesia-1", "event", event(1, desk.now + 60_000, "90"), after_s=60)
    assert ("alarm-button", "active", 0) in await desk.alarms(lift_id)
    found = await desk.rows("select incarnation from event where lift_id = $1 and code = '90'", lift_id)
    assert found == [{"incarnation": 1}]


async def test_a_killed_database_connection_loses_and_doubles_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the writer's backend dies inside the transaction, the same batch is committed once by the next connection."""
    lift_id = await desk.lift("backend-1")
    real, calls = transaction._oddities, 0

    async def killed_once(connection: Any, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await desk.database.execute("select pg_terminate_backend($1)", connection.get_server_pid())
        await real(connection, *arguments)

    monkeypatch.setattr(transaction, "_oddities", killed_once)
    await desk.say("backend-1", "state", sample(1, desk.now, **FREED))
    assert calls == 2
    assert len(await desk.rows("select 1 from sample where lift_id = $1", lift_id)) == 1
    assert desk.ingest._writer.retries == 1


async def test_an_unknown_outcome_is_asked_for_by_its_token(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the commit went through and its answer was lost, the batch is found by its token and not written again."""
    lift_id = await desk.lift("outcome-1")
    from ingest import writer as module

    real, calls = module.write, 0

    async def lost_answer(*arguments: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        await real(*arguments, **named)
        if calls == 1:
            raise ConnectionResetError("the answer was lost")

    monkeypatch.setattr(module, "write", lost_answer)
    await desk.say("outcome-1", "event", event(1, desk.now, "90"))
    assert calls == 1
    assert len(await desk.rows("select 1 from event where lift_id = $1", lift_id)) == 1


async def test_nothing_is_acknowledged_before_the_commit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment of the commit neither the broker nor the device has an acknowledgement."""
    await desk.lift("honest-1")
    from ingest import writer as module

    real = module.write

    async def watching(*arguments: Any, **named: Any) -> None:
        assert desk.source.acknowledged == []
        assert desk.source.published == []
        await real(*arguments, **named)

    desk.source.acknowledged.clear()
    desk.source.published.clear()
    monkeypatch.setattr(module, "write", watching)
    await desk.say("honest-1", "event", event(1, desk.now, "41"))
    assert len(desk.source.acknowledged) == 1
    assert desk.source.published[0][0] == "lift/v1/0/honest-1/ack"


async def test_a_message_that_the_store_refuses_is_found_and_set_aside(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One record the database will not take goes to the quarantine; its neighbours in the batch are committed."""
    good, bad = await desk.lift("store-good"), await desk.lift("store-bad")
    real = assemble.storable_data
    monkeypatch.setattr(assemble, "storable_data", lambda data: "no json" if "poison" in data else real(data))
    poison = {**event(1, desk.now, "41"), "data": {"poison": 1}}
    desk.source.put(
        message("event", event(1, desk.now, "90"), device="store-good", received=desk.now),
        message("event", poison, device="store-bad", received=desk.now),
        message("event", event(2, desk.now, "41"), device="store-good", received=desk.now),
    )
    await desk.ingest.round()
    assert len(await desk.rows("select 1 from event where lift_id = $1", good)) == 2
    assert await desk.rows("select 1 from event where lift_id = $1", bad) == []
    (row,) = await desk.rows("select reason, payload from quarantine where device = 'store-bad'")
    assert row["reason"] == "refused-by-store"
    assert json.loads(row["payload"]) == poison
    assert ("alarm-button", "active", 0) in await desk.alarms(good)


async def test_the_next_batch_survives_a_refusal_of_the_one_before_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that was decoded while its forerunner committed is folded anew when the store refuses that one."""
    lift_id = await desk.lift("overlap-1")
    real = assemble.storable_data
    monkeypatch.setattr(assemble, "storable_data", lambda data: "no json" if "poison" in data else real(data))
    monkeypatch.setattr(limits, "BATCH_SAMPLES", 1)
    records = [event(seq, desk.now + seq, "41", active=bool(seq % 2)) for seq in range(1, 7)]
    records[2]["data"] = {"poison": 1}
    desk.source.put(*[message("event", record, device="overlap-1", received=desk.now) for record in records])
    for _ in records:
        await desk.ingest.round()
    found = await desk.rows("select seq from event where lift_id = $1 order by seq", lift_id)
    assert [row["seq"] for row in found] == [1, 2, 4, 5, 6]
    assert [json.loads(item.payload)["seq"] for item in desk.source.acknowledged] == [1, 2, 3, 4, 5, 6]
    reasons = await desk.rows("select reason from quarantine where device = 'overlap-1'")
    assert reasons == [{"reason": "refused-by-store"}]


async def test_an_ack_names_nothing_of_a_batch_that_is_not_committed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the second batch is decoded and held before its commit, the first one's ack names the first one only."""
    await desk.lift("early-1")
    from ingest import writer as module

    real, release = module.write, asyncio.Event()

    async def held(connection: Any, work: Any, **named: Any) -> None:
        if any(row.seq == 2 for row in work.assembled.events):
            await release.wait()
        await real(connection, work, **named)

    monkeypatch.setattr(module, "write", held)
    monkeypatch.setattr(limits, "BATCH_SAMPLES", 1)
    desk.source.published.clear()
    records = [event(seq, desk.now + seq, "41", active=bool(seq % 2)) for seq in (1, 2, 3)]
    desk.source.put(*[message("event", record, device="early-1", received=desk.now) for record in records])
    first = asyncio.create_task(desk.ingest.round())
    await first
    second = asyncio.create_task(desk.ingest.round())
    await asyncio.wait({second}, timeout=0.5)
    stored = await desk.rows("select seq from event e join device d on d.id = e.device_id where device = 'early-1'")
    assert [row["seq"] for row in stored] == [1]
    assert [ack["event"] for topic, ack in desk.source.published if topic.endswith("early-1/ack")] == [1]
    release.set()
    await second
    await desk.ingest.round()
    assert [ack["event"] for topic, ack in desk.source.published if topic.endswith("early-1/ack")] == [1, 2, 3]


@pytest.mark.parametrize(
    "topic",
    [
        "lift/v1/\u00b2/odd-1/event",
        "lift/v1/\u0663/odd-1/event",
        "lift/v1/" + "9" * 5_000 + "/odd-1/event",
        "lift/v1/" + "x\ud7ff" * 3_000 + "/odd-1/event",
        "lift/v1/0/odd-1/event\u0000",
        "lift/v1/00/odd-1/event",
        "no/such/topic",
    ],
)
async def test_no_topic_stops_ingest(desk: Desk, topic: str) -> None:
    """Whatever a topic looks like, its message is quarantined and the next one is taken."""
    lift_id = await desk.lift(f"after-{abs(hash(topic))}")
    name = f"after-{abs(hash(topic))}"
    desk.source.put(
        Message(topic, json.dumps(event(1, desk.now, "90")).encode(), desk.now),
        message("event", event(1, desk.now, "90"), device=name, received=desk.now),
    )
    await desk.ingest.round()
    assert await desk.alarms(lift_id) == [("alarm-button", "active", 0)]
    assert len(desk.source.acknowledged) == 2


async def test_whoever_is_trapped_after_a_release_has_a_case_of_their_own(desk: Desk) -> None:
    """A released case takes no new entrapment in: it opens another, with its own timers."""
    lift_id = await desk.lift("again-1")
    await desk.say("again-1", "state", sample(1, desk.now, **TRAPPED))
    await desk.say("again-1", "state", sample(2, desk.now + 20_000, **TRAPPED), after_s=20)
    await desk.database.execute(
        "update rescue_case set state = 'released', confirmed_by = 'x', confirmation = 'y' where lift_id = $1", lift_id
    )
    for seq, values in ((3, FREED), (4, FREED), (5, TRAPPED), (6, TRAPPED)):
        await desk.say("again-1", "state", sample(seq, desk.now + 20_000, **values), after_s=20)
    cases = await desk.rows(
        "select state, (select count(*) from timer t where t.case_id = c.id) as timers from rescue_case c"
        " where lift_id = $1 order by id",
        lift_id,
    )
    assert [tuple(case.values()) for case in cases] == [("released", 2), ("open", 2)]


async def test_an_alarm_that_joins_a_case_changes_its_version(desk: Desk) -> None:
    """A move made on what was seen before the second alarm came is refused: the version has risen."""
    lift_id = await desk.lift("version-1")
    await desk.say("version-1", "state", sample(1, desk.now, **TRAPPED))
    await desk.say("version-1", "state", sample(2, desk.now + 20_000, **TRAPPED), after_s=20)
    (before,) = await desk.rows("select version from rescue_case where lift_id = $1", lift_id)
    await desk.say("version-1", "event", event(1, desk.now, "90"))
    (after,) = await desk.rows("select version from rescue_case where lift_id = $1", lift_id)
    assert after["version"] > before["version"]


async def test_a_restart_knows_the_lifts_that_spoke_since_the_checkpoint(desk: Desk) -> None:
    """A lift first heard after the checkpoint is as well known after a restart: its silence is an alarm."""
    await desk.ingest._checkpoint()
    lift_id = await desk.lift("newcomer-1")
    never = await desk.lift("never-heard-1")
    await desk.say("newcomer-1", "state", sample(1, desk.now, **FREED))
    await desk.ingest._writer.close()
    await desk.start()
    for _ in range(20):
        desk.now += 10_000
        await desk.ingest.round()
    assert ("offline", "active", 0) in await desk.alarms(lift_id)
    assert await desk.alarms(never) == []


async def test_an_alarm_of_a_rule_that_is_gone_is_cleared_at_the_restart(desk: Desk) -> None:
    """A program with another text for a rule leaves no alarm active that nobody would ever clear; a case of it stays."""
    lift_id = await desk.lift("gone-rule-1")
    await desk.say("gone-rule-1", "event", event(1, desk.now, "90"))
    await desk.ingest._checkpoint()
    await desk.ingest._writer.close()
    desk.rules = load(
        """
        [[rule]]
        id = "alarm-button"
        title = {zh = "按钮", en = "button"}
        kind = "lift"
        when = 'reported("90") and door_zone'
        severity = "critical"
        opens = "alarm-call"
        source = "test"
        """,
        source="test",
    )
    await desk.start()
    assert await desk.alarms(lift_id) == [("alarm-button", "cleared", 0)]
    (case,) = await desk.rows("select open from rescue_case where lift_id = $1", lift_id)
    assert case["open"]


async def test_one_stamp_in_the_future_does_not_silence_a_terminal(desk: Desk) -> None:
    """After a single wild stamp the entrapment is found within its hold and what is sent is folded."""
    lift_id = await desk.lift("future-1")
    await desk.say("future-1", "state", sample(1, desk.now, **FREED))
    await desk.say("future-1", "state", sample(2, desk.now + 70 * 365 * 86_400_000, **FREED), after_s=1)
    for seq in range(3, 9):
        await desk.say("future-1", "state", sample(seq, desk.now + 5_000, **TRAPPED), after_s=5)
    assert await desk.alarms(lift_id) == [("entrapment-between-floors", "active", 0)]
    found = await desk.rows("select bool_and(folded = 1) as all_folded from sample where lift_id = $1", lift_id)
    assert found == [{"all_folded": True}]


async def test_an_old_word_does_not_end_a_new_alarm(desk: Desk) -> None:
    """A missing event sent again later, "button released", ends the press before it and not the one that came after."""
    lift_id = await desk.lift("old-word-1")
    await desk.say("old-word-1", "event", event(1, desk.now, "90"))
    await desk.say("old-word-1", "event", event(3, desk.now + 60_000, "90"), after_s=60)
    await desk.say("old-word-1", "event", event(2, desk.now - 30_000, "90", active=False), after_s=1)
    assert await desk.alarms(lift_id) == [("alarm-button", "active", 1)]
    found = await desk.rows("select seq, folded from event where lift_id = $1 order by seq", lift_id)
    assert [(row["seq"], row["folded"]) for row in found] == [(1, 1), (2, 2), (3, 1)]


async def test_a_server_clock_that_is_set_back_stops_no_silence(desk: Desk) -> None:
    """With the wall clock an hour behind, a lift that falls silent is still found, once the time has passed."""
    lift_id = await desk.lift("setback-1")
    await desk.say("setback-1", "state", sample(1, desk.now, **FREED))
    desk.set_wall(-3_600_000)
    for _ in range(20):
        await desk.pass_s(10)
    assert await desk.alarms(lift_id) == [("offline", "active", 0)]


async def test_odd_words_in_a_device_s_json_cost_only_themselves(desk: Desk) -> None:
    """Lone surrogates in field names and in event data neither refuse the message nor hide the alarm."""
    lift_id = await desk.lift("surrogate-1")
    await desk.say("surrogate-1", "state", b'{"ts": 1, "boot": 1, "seq": 1, "\\ud800": "\\u0000", "door_zone": true}')
    pressed = {**event(1, desk.now, "90"), "data": {"note": "\udc00", "smile": "\U0001f642"}}
    await desk.say("surrogate-1", "event", pressed)
    assert await desk.alarms(lift_id) == [("alarm-button", "active", 0)]
    assert await desk.rows("select 1 from quarantine where device = 'surrogate-1'") == []
    huge = b'{"online": true, "boot": 1, "conn": 1, "gone": {"state": [[1, 99999999999999999999]]}}'
    await desk.say("surrogate-1", "link", huge)
    (refused,) = await desk.rows("select reason from quarantine where device = 'surrogate-1'")
    assert refused == {"reason": "bad-link"}


async def test_a_restart_remembers_links_and_what_was_given_up(desk: Desk) -> None:
    """Which boot is the present one and which holes are closed is the same after a restart without a checkpoint."""
    lift_id = await desk.lift("links-1")
    await desk.say("links-1", "link", {"online": True, "boot": 2, "conn": 1})
    for seq in (1, 3):
        await desk.say("links-1", "event", event(seq, desk.now, "41", boot=2), after_s=1)
    gone = {"online": True, "boot": 2, "conn": 1, "gone": {"event": [[2, 2]]}}
    for _ in range(3):
        await desk.say("links-1", "link", gone)
    await desk.ingest._writer.close()
    await desk.start()
    await desk.say("links-1", "event", event(4, desk.now, "41", boot=2), after_s=1)
    ack = [ack for topic, ack in desk.source.published if topic.endswith("links-1/ack")][-1]
    assert (ack["event"], ack.get("missing")) == (4, None)
    await desk.say("links-1", "state", sample(1, desk.now - 3_600_000, boot=1, **TRAPPED))
    desk.now += 60_000
    await desk.ingest.round()
    assert ("entrapment-between-floors", "active", 0) not in await desk.alarms(lift_id)
    gaps = await desk.rows("select g.* from gap g join device d on d.id = g.device_id where device = 'links-1'")
    assert [gap["first_seq"] for gap in gaps] == [2]


async def test_a_process_that_was_overtaken_cannot_write(desk: Desk) -> None:
    """The older of two processes on one partition stops at its next commit, and nothing of it is stored."""
    lift_id = await desk.lift("fenced-1")
    second = Writer(desk.url, partition=0)
    await second.open()
    with pytest.raises(Fenced):
        await desk.say("fenced-1", "state", sample(1, desk.now, **FREED))
    await second.close()
    assert await desk.rows("select 1 from sample where lift_id = $1", lift_id) == []
    assert desk.source.acknowledged == []


async def test_garbage_without_end_is_one_line_in_ten_seconds(desk: Desk) -> None:
    """Unreadable events, kept or cut: the desk hears at once, then once in each stretch, and at once again when it has seen the line."""
    lift_id = await desk.lift("garbage-1")
    desk.now += -desk.now % GARBAGE_WINDOW_MS
    lines = "select count(*) as n from alarm_event e join alarm a on a.id = e.alarm_id where a.lift_id = $1"
    changes = await desk.database.fetchval("select count(*) from change")
    for number in range(20):
        await desk.say("garbage-1", "event", f"garbage {number}".encode(), after_s=1)
    assert (await desk.rows(lines, lift_id))[0]["n"] == 3
    assert await desk.database.fetchval("select count(*) from change") - changes == 3
    (alarm,) = await desk.rows("select rule_id, repeats from alarm where lift_id = $1", lift_id)
    assert alarm == {"rule_id": "event-unreadable", "repeats": 2}
    await desk.database.execute(
        "update alarm set operator_state = 'acknowledged', acknowledged_at = now() where lift_id = $1", lift_id
    )
    for _ in range(3):
        await desk.say("garbage-1", "event", b"more of it", after_s=1)
    assert [row[2] for row in await desk.alarms(lift_id)] == [2, 0]


async def test_an_unreadable_event_of_a_gateway_is_heard(desk: Desk) -> None:
    """Whose it was nobody can read: it is a line of the gateway's first lift."""
    lift_id, other = await desk.lift("gateway-1-lift"), await desk.lift("gateway-1-other")
    for number, of in enumerate((lift_id, other)):
        await desk.database.execute("update lift set rescue_code = $2 where id = $1", of, f"77800{number}")
    gateway = await desk.database.fetchval("insert into device (device, shard) values ('gateway-1', 0) returning id")
    await desk.database.execute(
        "insert into gateway_lift (device_id, lift_id) values ($1, $2), ($1, $3)", gateway, lift_id, other
    )
    await desk.say("gateway-1", "event", b"[{", after_s=2)
    assert await desk.alarms(lift_id) == [("event-unreadable", "cleared", 0)]
    assert await desk.alarms(other) == []


async def test_a_change_of_the_register_that_commits_late_is_seen(desk: Desk, database_url: str) -> None:
    """A long import that began before another change and ends after it: the register is read again for both."""
    directory, lift_id = Directory(), await desk.lift("late-import")
    long = await asyncpg.connect(database_url)
    try:
        async with long.transaction():
            await long.execute("update lift set name = 'imported', updated_at = now() where id = $1", lift_id)
            await desk.database.execute("update device set shard = 3 where device = 'late-import'")
            await desk.lift("quick-change")
            assert await directory.refresh(desk.database)
            assert directory.devices["late-import"].shard == 3
            assert not await directory.refresh(desk.database)
        assert await directory.refresh(desk.database)
    finally:
        await long.close()


async def refuse(desk: Desk, lift_id: int) -> None:
    """From now on the store takes no raised alarm of this lift, and no security event."""
    for name in ("alarm", "security_event"):
        await desk.database.execute(
            f"alter table {name} add constraint refused_here check (lift_id is distinct from {lift_id}) not valid"
        )


async def test_what_no_message_asked_for_and_the_store_refuses_is_left_out(desk: Desk) -> None:
    """One alarm of a tick that cannot be stored costs no other its alarm and no restart its start; it is said in the log and counted."""
    mine, other = await desk.lift("left-out-1"), await desk.lift("left-out-2")
    for name in ("left-out-1", "left-out-2"):
        await desk.say(name, "state", sample(1, desk.now, **TRAPPED))
    counted = metrics.LEFT_OUT.labels("changes")._value.get()
    await refuse(desk, mine)
    try:
        await desk.pass_s(25)
        assert [row[0] for row in await desk.alarms(other)] == ["entrapment-between-floors"]
        assert await desk.alarms(mine) == []
        assert metrics.LEFT_OUT.labels("changes")._value.get() > counted
        await desk.restart()
        desk.ingest.door_log._waiting["takeover", "x"] = SecurityEvent(
            kind="takeover", device="x", lift_id=mine, detail="", at=desk.now
        )
        await desk.housekeeping()
        await desk.say("left-out-2", "state", sample(2, desk.now, **TRAPPED), after_s=1)
    finally:
        for name in ("alarm", "security_event"):
            await desk.database.execute(f"alter table {name} drop constraint refused_here")
    assert len(desk.source.acknowledged) == 1


async def test_the_quarantine_keeps_the_newest_and_counts_what_goes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its limit the quarantine drops its oldest messages; repeats of one message take no room."""
    monkeypatch.setattr(limits, "QUARANTINE_ROWS", 3)
    await desk.database.execute("delete from quarantine")
    for number in (1, 1, 1, 2, 3, 4, 5):
        await desk.say("stranger-1", "event", f"garbage {number}".encode())
    desk.ingest.trim.due_s = 0.0
    await desk.ingest.round()
    assert desk.ingest.trim.task is not None
    await desk.ingest.trim.task
    found = await desk.rows("select payload from quarantine order by id")
    assert [row["payload"] for row in found] == [b"garbage 3", b"garbage 4", b"garbage 5"]
