"""The quarantine from the command line, beside an ingest that works: found, counted, exported, and taken in again after a fix."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import Result
from typer.testing import CliRunner

from hoistway.cli import app
from hoistway.ledger.quarantine import topic_pattern
from hoistway.store import Database
from ingest import metrics
from tests.support import rows
from tests.support.desk import Desk
from tests.support.feed import FREED, event, message, sample


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def nothing_refused(database: Database) -> None:
    """Every test begins with an empty quarantine."""
    await database.execute("truncate quarantine")


async def hoistway(desk: Desk, *words: str, code: int = 0) -> Result:
    """The command, while the ingest beside it does its housekeeping."""
    arguments = [*words, "--database-url", desk.url]
    task = asyncio.create_task(asyncio.to_thread(CliRunner().invoke, app, arguments, env={"COLUMNS": "250"}))
    while not task.done():
        await desk.housekeeping()
        await asyncio.wait([task], timeout=0.05)
    result = task.result()
    assert result.exit_code == code, result.output
    return result


async def numbers(desk: Desk, *words: str) -> list[int]:
    """The rows that an export of this choice holds."""
    lines = (await hoistway(desk, "quarantine", "export", *words)).stdout.splitlines()
    return [json.loads(line)["id"] for line in lines]


async def test_the_choice_is_by_device_reason_topic_and_time(desk: Desk) -> None:
    """Each filter leaves what it names, and they hold together."""
    later = rows.NOW.replace(hour=9)
    first = await rows.quarantined(desk.database, device="a", topic="lift/v1/7/a/state")
    second = await rows.quarantined(desk.database, device="a", topic="lift/v1/7/a/event", reason="bad-code")
    third = await rows.quarantined(
        desk.database, device="b", topic="lift/v1/8/b/state", received=later, last_received=later
    )
    assert await numbers(desk) == [third, second, first]
    assert await numbers(desk, "--device", "a") == [second, first]
    assert await numbers(desk, "--reason", "bad-code") == [second]
    assert await numbers(desk, "--topic", "lift/v1/+/+/state") == [third, first]
    assert await numbers(desk, "--topic", "lift/v1/7/#", "--reason", "not-json") == [first]
    assert await numbers(desk, "--from", "2026-11-23T05:00+00:00") == [third]
    assert await numbers(desk, "--to", "2026-11-23T05:00Z", "--device", "a") == [second, first]
    assert await numbers(desk, "--limit", "2") == [third, second]
    await hoistway(desk, "quarantine", "list", "--reason", "no such", code=2)
    await hoistway(desk, "quarantine", "list", "--from", "yesterday", code=2)


@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        ("lift/v1/0/a-b/state", r"^lift/v1/0/a\-b/state$"),
        ("lift/+/0/#", "^lift/[^/]*/0(/.*)?$"),
        ("#", "^.*$"),
    ],
)
def test_a_topic_filter_is_mqtt_s(given: str, pattern: str) -> None:
    """One level, everything below, and nothing else is special."""
    assert topic_pattern(given) == pattern


async def test_pages_searches_and_counts(desk: Desk) -> None:
    """A page says where the next begins; a search looks into bytes and details; repeats are in the count of messages."""
    ids = [
        await rows.quarantined(desk.database, payload=b'{"colour": "r\xc3\xb6t"}', detail="[/red] of \x1b[31mbyte 1"),
        await rows.quarantined(desk.database, payload=b"\xff\xfe", times=7),
        await rows.quarantined(desk.database, reason="bad-ts", replay_result="accepted: 1 stored, 0 held before"),
    ]
    page = await hoistway(desk, "quarantine", "list", "--limit", "2")
    assert f"more: --after {ids[1]}" in page.output
    rest = await hoistway(desk, "quarantine", "list", "--limit", "2", "--after", str(ids[1]))
    assert "more:" not in rest.output
    assert "\x1b[31m" not in rest.output
    assert str(ids[0]) in (await hoistway(desk, "quarantine", "search", "röt")).output
    assert str(ids[0]) in (await hoistway(desk, "quarantine", "search", "[/red]")).output
    counts = (await hoistway(desk, "quarantine", "reasons")).output
    assert [word for word in counts.split() if word.isdigit()][:4] == ["2", "8", "2", "1"]
    assert "bad-ts" not in (await hoistway(desk, "quarantine", "reasons", "--waiting")).output
    assert "ff fe" in (await hoistway(desk, "quarantine", "show", str(ids[1]))).output
    await hoistway(desk, "quarantine", "show", "999999", code=2)


async def test_an_export_holds_every_byte(desk: Desk, tmp_path: Path) -> None:
    """Over several pages, one line a message; what is not UTF-8 has no text."""
    sent = [bytes([number % 256, number // 256]) * 3 for number in range(510)]
    for payload in sent:
        await rows.quarantined(desk.database, payload=payload)
    file = tmp_path / "all.jsonl"
    await hoistway(desk, "quarantine", "export", str(file))
    found = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [base64.b64decode(row["payload_base64"]) for row in reversed(found)] == sent
    assert {row["payload_text"] is None for row in found} == {True, False}


async def test_a_replay_after_a_fix_stores_once_what_is_not_there(desk: Desk) -> None:
    """The holes were given up meanwhile, one record came by another way: the rest is stored, and asking again changes nothing."""
    foreign = [{**sample(seq, desk.now + seq, **FREED), "lift": "777001"} for seq in (1, 2, 3)]
    lift_id = await desk.lift("fixed-1")
    await desk.say("fixed-1", "state", foreign)
    (row,) = await desk.rows("select id, reason from quarantine")
    assert row["reason"] == "foreign-lift"
    await desk.say("fixed-1", "state", sample(2, desk.now + 2, **FREED))
    await desk.say("fixed-1", "state", sample(5, desk.now + 5_000, **FREED), after_s=5)
    await desk.say("fixed-1", "link", {"online": True, "boot": 1, "conn": 1, "gone": {"state": [[1, 4]]}})
    refused = await hoistway(desk, "quarantine", "replay", str(row["id"]), code=1)
    assert "refused again: foreign-lift" in refused.output
    assert "foreign-lift" in (await hoistway(desk, "quarantine", "reasons", "--waiting")).output
    await desk.database.execute("update lift set rescue_code = '777001', updated_at = now() where id = $1", lift_id)
    fixed = await hoistway(desk, "quarantine", "replay", "--device", "fixed-1")
    assert "accepted: 2 stored, 1 held before" in fixed.output
    again = await hoistway(desk, "quarantine", "replay", str(row["id"]))
    assert "nothing to do, accepted: 2 stored" in again.output
    await desk.database.execute("update quarantine set replay_requested_at = now(), replayed_at = null")
    await desk.housekeeping()
    (result,) = await desk.rows("select replay_result from quarantine")
    assert result["replay_result"] == "accepted: 0 stored, 3 held before"
    stored = await desk.rows("select seq from sample where lift_id = $1 order by seq", lift_id)
    assert [found["seq"] for found in stored] == [1, 2, 3, 5]
    assert (await hoistway(desk, "quarantine", "reasons", "--waiting")).output.count("foreign-lift") == 0


async def test_a_replay_of_a_forgotten_boot_stores_nothing_twice(desk: Desk) -> None:
    """Only the last boots of a device are remembered; the store remembers them all."""
    lift_id = await desk.lift("boots-1")
    old = [event(1, desk.now, "41"), event(2, desk.now, "41", active=False)]
    await desk.say("boots-1", "event", old)
    for boot in range(2, 9):
        await desk.say("boots-1", "event", event(1, desk.now + 1_000, "02", boot=boot), after_s=1)
    number = await rows.quarantined(
        desk.database, device="boots-1", topic="lift/v1/0/boots-1/event", payload=json.dumps(old).encode()
    )
    assert "accepted: 0 stored, 2 held before" in (await hoistway(desk, "quarantine", "replay", str(number))).output
    assert await desk.database.fetchval("select count(*) from event where lift_id = $1", lift_id) == 9


@pytest.mark.parametrize("leaf", ["event", "state"])
async def test_a_replay_keeps_the_time_of_its_records(desk: Desk, leaf: str) -> None:
    """Two hours after it was refused a record is where it belongs, the clock of its boot is learned as if it had gone in, also after a restart."""
    name = f"two-hours-{leaf}"
    lift_id, slow, code = await desk.lift(name), 30_000, {"event": "777011", "state": "777012"}[leaf]
    device_id = await desk.database.fetchval("select id from device where device = $1", name)
    await desk.say(name, "link", {"online": True, "boot": 7, "conn": 1})
    foreign = (
        event(1, desk.now - slow, "90", boot=7) if leaf == "event" else sample(1, desk.now - slow, boot=7, **FREED)
    )
    then = desk.now
    await desk.say(name, leaf, {**foreign, "lift": code})
    await desk.pass_s(7_200)
    await desk.database.execute("update lift set rescue_code = $2 where id = $1", lift_id, code)
    await desk.database.execute("update quarantine set replay_requested_at = now()")
    replayed = metrics.REPLAYED._value.get()
    messages = metrics.MESSAGES._value.get()
    await desk.housekeeping()
    (row,) = await desk.rows("select replay_result from quarantine")
    assert row["replay_result"] == "accepted: 1 stored, 0 held before"
    table = "event" if leaf == "event" else "sample"
    (found,) = await desk.rows(f"select at, received from {table} where lift_id = $1", lift_id)
    assert found["at"].timestamp() * 1_000 == then
    assert found["received"].timestamp() * 1_000 == desk.now
    assert (metrics.REPLAYED._value.get() - replayed, metrics.MESSAGES._value.get() - messages) == (1, 0)
    before = desk.ingest._memory.known(device_id, 7)
    assert before is not None
    assert (before.clock.offset_ms, before.heard) == (slow, then)
    await desk.restart()
    assert desk.ingest._memory.known(device_id, 7) == before


async def test_a_replay_tells_the_lives_of_a_device_apart(desk: Desk) -> None:
    """A number that an earlier life of the boot had used does not stand for the record of a later one; the same stamp does."""
    lift_id, then = await desk.lift("lives-1"), desk.now
    first = [event(seq, then + seq, "41", active=seq == 1) for seq in (1, 2)]
    await desk.say("lives-1", "event", first)
    await desk.say("lives-1", "event", event(1, then + 100_000, "42"), after_s=100)
    lost = [event(2, then + 101_000, "90"), event(2, then + 2, "41", active=False)]
    for record in lost:
        number = await rows.quarantined(
            desk.database, device="lives-1", topic="lift/v1/0/lives-1/event", payload=json.dumps(record).encode(),
            sha256_8=f"{record['ts']:016x}",
        )  # fmt: skip
        await desk.database.execute("update quarantine set replay_requested_at = now() where id = $1", number)
    await desk.housekeeping()
    found = [row["replay_result"] for row in await desk.rows("select replay_result from quarantine order by id")]
    assert found == ["accepted: 1 stored, 0 held before", "accepted: 0 stored, 1 held before"]
    stored = await desk.rows("select incarnation, seq, code from event where lift_id = $1 order by 1, 2", lift_id)
    assert [tuple(row.values()) for row in stored] == [(0, 1, "41"), (0, 2, "41"), (1, 1, "42"), (1, 2, "90")]


async def test_a_replay_says_why_it_cannot_be(desk: Desk) -> None:
    """Cut bytes, equal messages, unknown numbers and an empty choice each get their own word."""
    part = await rows.quarantined(desk.database, payload=b"[{", payload_bytes=99_999)
    older = await rows.quarantined(desk.database, sha256_8="00000000000000cc", replayed_at=rows.NOW, replay_result="no")
    newer = await rows.quarantined(desk.database, sha256_8="00000000000000cc")
    told = await hoistway(desk, "quarantine", "replay", *map(str, (part, older, newer, 999_999)), code=1)
    assert "only the first 2 of 99999 bytes are kept" in told.output
    assert "the same message waits under another number" in told.output
    assert "refused again: unknown-device" in told.output
    assert "no such message" in told.output
    await hoistway(desk, "quarantine", "replay", code=2)


async def books(desk: Desk, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await hoistway(desk, "ledger", "--json", "--device", *words)).stdout)
    return found


async def test_the_ledger_names_boots_numbers_and_holes(desk: Desk) -> None:
    """A line a stream and boot with its first and last number; each hole says whether it was given up, and a stretch cuts it."""
    await desk.lift("books-1")
    for seq in (1, 2, 5, 9):
        await desk.say("books-1", "state", sample(seq, desk.now + 1_000, **FREED), after_s=1)
    gone = {"online": True, "boot": 1, "conn": 1, "gone": {"state": [[3, 4]]}}
    await desk.say("books-1", "link", gone)
    told = event(2, desk.now + 60_000, "41", boot=2)
    await desk.say("books-1", "event", told, after_s=60)
    await desk.say("books-1", "event", b"{")
    desk.source.put(message("event", told, device="books-1", received=desk.now))
    found = await books(desk, "books-1")
    lines = [(row["leaf"], row["boot"], row["first_seq"], row["last_seq"], row["stored"]) for row in found["streams"]]
    assert lines == [("state", 1, 1, 9, 4), ("event", 2, 2, 2, 1)]
    holes = [(row["leaf"], row["boot"], row["first_seq"], row["last_seq"], row["why"]) for row in found["holes"]]
    assert holes == [
        ("state", 1, 3, 4, "gone"),
        ("state", 1, 6, 8, "not received"),
        ("event", 2, 1, 1, "not received"),
    ]
    assert [(row["reason"], row["messages"]) for row in found["quarantine"]] == [("not-json", 1)]
    counts = {row.pop("leaf"): row for row in found["counts"]}
    assert counts["event"] == {"received": 3, "stored": 1, "duplicates": 1, "quarantined": 1, "cut": 0, "coalesced": 0}
    late = await books(desk, "books-1", "--from", found["streams"][1]["first_received"])
    assert [row["leaf"] for row in late["streams"]] == ["event"]
    shown = (await hoistway(desk, "ledger", "--device", "books-1")).output
    assert "not received" in shown
    await hoistway(desk, "ledger", "--device", "no-such", code=2)
