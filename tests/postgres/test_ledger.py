"""The books: what was received and what became of it, by class and device; one device's garbage; messages taken in again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from hoistway import limits
from hoistway.limits import QUARANTINE_DEVICE_MESSAGES
from ingest import metrics, upkeep
from ingest.source import Message
from ingest.tally import CLASSES, Outcome
from tests.support import rows
from tests.support.desk import Desk
from tests.support.feed import FREED, event, message, sample


def books() -> dict[str, Counter[str]]:
    """The counters of /metrics, by class."""
    found: dict[str, Counter[str]] = {leaf: Counter() for leaf in CLASSES}
    for family in metrics.REGISTRY.collect():
        for line in family.samples:
            if line.name == "hoistway_ingest_received_total":
                found[line.labels["class"]]["received"] = int(line.value)
            elif line.name == "hoistway_ingest_records_total":
                found[line.labels["class"]][line.labels["outcome"]] = int(line.value)
    return found


def since(before: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    """What was counted since, without zeros."""
    return {
        leaf: {name: count - before[leaf][name] for name, count in counts.items() if count != before[leaf][name]}
        for leaf, counts in books().items()
    }


async def device_rows(desk: Desk, device: str) -> dict[str, dict[str, Any]]:
    rows = await desk.rows(
        "select leaf, received, stored, duplicates, quarantined, cut, coalesced from device_counter c"
        " join device d on d.id = c.device_id where d.device = $1",
        device,
    )
    return {row.pop("leaf"): row for row in rows}


def mixed(now: int) -> list[Message]:
    """Good, twice, garbage, foreign and late, on every class: 11 units of state, 6 of event, 4 of link, 1 of no class."""
    late = sample(4, now - 3_600_000, **FREED)
    return [
        message("state", [sample(seq, now + seq, **FREED) for seq in (1, 2, 3, 5)], device="mixed-1", received=now),
        message("state", [sample(2, now + 2, **FREED), late], device="mixed-1", received=now),
        message("state", b"{garbage", device="mixed-1", received=now),
        message("state", {**sample(6, now), "lift": "999999"}, device="mixed-1", received=now),
        message("state", sample(1, now, **FREED), device="mixed-1", shard=9, received=now),
        message("state", sample(1, now, **FREED), device="mixed-2", received=now),
        message("state", sample(1, now, **FREED), device="nobody", received=now),
        message("event", event(1, now, "41"), device="mixed-1", received=now),
        message("event", [event(1, now, "41"), event(2, now, "41", active=False)], device="mixed-1", received=now),
        message("event", event(3, now, "no such code"), device="mixed-1", received=now),
        message("event", b"\xff", device="mixed-1", received=now),
        message("event", event(9, now - 3_600_000, "90", boot=0), device="mixed-1", received=now),
        message("link", {"online": True, "boot": 1, "conn": 2}, device="mixed-1", received=now),
        message("link", {"online": True, "boot": 1, "conn": 2}, device="mixed-1", received=now),
        message("link", {"online": True}, device="mixed-1", received=now),
        message("link", {"online": True, "boot": 1, "conn": 1}, device="nobody", received=now),
        Message("somebody/elses/topic", b"17", now),
    ]


MIXED = {
    "state": {"received": 11, "stored": 6, "duplicates": 1, "quarantined": 4},
    "event": {"received": 6, "stored": 3, "duplicates": 1, "quarantined": 2},
    "link": {"received": 4, "stored": 1, "duplicates": 1, "quarantined": 2},
    "other": {"received": 1, "quarantined": 1},
}


async def test_received_is_what_is_stored_held_before_quarantined_and_cut(desk: Desk) -> None:
    """On a mixed stream each class's counters add up to what was sent, and they agree with the rows of the store."""
    lift_ids = [await desk.lift("mixed-1"), await desk.lift("mixed-2")]
    before = books()
    desk.source.put(*mixed(desk.now))
    await desk.ingest.round()
    found = since(before)
    assert found == MIXED
    assert all(counts["received"] == sum(counts.values()) - counts["received"] for counts in found.values())
    count = desk.database.fetchval
    assert await count("select count(*) from sample where lift_id = any($1)", lift_ids) == 6
    assert await count("select count(*) from event where lift_id = any($1)", lift_ids) == 3
    assert await count("select sum(times) from quarantine") == sum(row.get("quarantined", 0) for row in MIXED.values())


async def test_each_device_s_books_add_up_too(desk: Desk) -> None:
    """The stored counters of an enrolled device name every outcome by class, and the outcomes are the sum."""
    desk.source.put(*mixed(desk.now))
    await desk.ingest.round()
    rows = await device_rows(desk, "mixed-1")
    assert set(rows) == {"state", "event", "link"}
    for counts in rows.values():
        assert counts["received"] == sum(counts[outcome] for outcome in Outcome)
    assert rows["event"]["quarantined"] == 4
    assert rows["link"] == {"received": 6, "stored": 1, "duplicates": 3, "quarantined": 2, "cut": 0, "coalesced": 0}


async def test_one_device_s_flood_of_garbage_is_bounded_and_counted_beside_ten_good_ones(desk: Desk) -> None:
    """All records of the good devices are in, the flood fills its share of the quarantine and no more, and what was cut is in the books."""
    lift_ids = [await desk.lift(f"calm-{number}") for number in range(10)]
    flooding = await desk.lift("flood-1")
    before = books()
    garbage = [b'{"ts": %d, "boot": "x", "seq": 1}' % number for number in range(5_000)]
    flood = [message("state", body, device="flood-1", received=desk.now) for body in garbage]
    for number in range(10):
        for seq in (1, 2, 3):
            said = message("state", sample(seq, desk.now + seq, **FREED), device=f"calm-{number}", received=desk.now)
            flood.insert(len(flood) * (number + 1) // 11, said)
    good = message("state", sample(1, desk.now, **FREED), device="flood-1", received=desk.now)
    alarm = message("event", event(1, desk.now, "90"), device="flood-1", received=desk.now)
    desk.source.put(*flood, good, alarm)
    await desk.ingest.round()
    count = desk.database.fetchval
    assert await count("select count(*) from sample where lift_id = any($1)", lift_ids) == 30
    assert await count("select count(*) from sample where lift_id = $1", flooding) == 1
    assert await desk.alarms(flooding) == [("alarm-button", "active", 0)]
    assert await count("select sum(times) from quarantine where device = 'flood-1'") == QUARANTINE_DEVICE_MESSAGES
    kept_and_cut = {"quarantined": QUARANTINE_DEVICE_MESSAGES, "cut": 5_000 - QUARANTINE_DEVICE_MESSAGES}
    assert since(before)["state"] == {"received": 5_031, "stored": 31, **kept_and_cut}
    assert (await device_rows(desk, "flood-1"))["state"] == {
        "received": 5_001, "stored": 1, "duplicates": 0, "coalesced": 0, **kept_and_cut
    }  # fmt: skip
    assert len(desk.source.acknowledged) >= 5_032
    desk.now += 10_000
    await desk.say("flood-1", "state", b"{", after_s=0)
    assert await count("select sum(times) from quarantine where device = 'flood-1'") == QUARANTINE_DEVICE_MESSAGES + 1


async def test_a_flood_of_unreadable_events_is_said_at_the_desk_although_it_is_cut(desk: Desk) -> None:
    """Nobody hears an event that is not kept; that the lift said something is a notice all the same, and the device is not told to forget."""
    lift_id = await desk.lift("flood-2")
    received = desk.now
    flood = [message("event", b"{%d" % number, device="flood-2", received=received) for number in range(1_000)]
    desk.source.put(*flood[:QUARANTINE_DEVICE_MESSAGES])
    await desk.ingest.round()
    told = len(desk.source.published)
    desk.source.put(*flood[QUARANTINE_DEVICE_MESSAGES:])
    await desk.ingest.round()
    assert await desk.alarms(lift_id) == [("event-unreadable", "cleared", 0)]  # said already in this stretch
    assert (await device_rows(desk, "flood-2"))["event"]["cut"] == 1_000 - QUARANTINE_DEVICE_MESSAGES
    assert [ack for topic, ack in desk.source.published[told:] if "flood-2" in topic] == []


async def test_the_quarantine_of_one_device_pushes_out_nobody_else_s(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once an hour the oldest of whoever has too many go, some at a time, and every message of them is counted."""
    for name, value in (("ROWS", 100), ("DEVICE_ROWS", 3), ("TRIM_ROWS", 2)):
        monkeypatch.setattr(limits, f"QUARANTINE_{name}", value)
    await desk.database.execute("truncate quarantine")
    mine = [await rows.quarantined(desk.database, device="many", times=2) for _ in range(6)]
    other = await rows.quarantined(desk.database, device="one")
    nobody = [await rows.quarantined(desk.database, device=None) for _ in range(4)]
    assert [await upkeep.trim_quarantine(desk.database) for _ in range(3)] == [(4, True), (2, False), (0, False)]
    left = [row["id"] for row in await desk.rows("select id from quarantine order by id")]
    assert left == [*mine[3:], other, *nobody]
    monkeypatch.setattr(limits, "QUARANTINE_ROWS", 4)
    before = metrics.REGISTRY.get_sample_value("hoistway_ingest_quarantine_trimmed_total") or 0.0
    for _ in range(3):
        desk.ingest.trim.due_s = 0.0
        await desk.ingest.round()
        assert desk.ingest.trim.task is not None
        await desk.ingest.trim.task
    assert metrics.REGISTRY.get_sample_value("hoistway_ingest_quarantine_trimmed_total") == before + 7
    assert [row["id"] for row in await desk.rows("select id from quarantine order by id")] == nobody
