"""Rule sets: published, rolled back and refused in the store; live in a running ingest without a restart; in shadow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from alarms.language.reader import default_rules
from hoistway import limits, rulebook
from hoistway.cli import app
from hoistway.clock import ServerClock
from hoistway.errors import BadInput, Conflict, RuleError
from hoistway.rulebook import Mode, shelf
from hoistway.store import Database
from hoistway.zone import zone_table
from ingest.service import Ingest
from ingest.writer import Writer
from tests.support.feed import TRAPPED, HandSource, message, sample
from tests.support.postgres import PostgresServer

PRODUCT = default_rules()
T0 = 1_800_000_000_000
WARM = """
[[rule]]
id = "warm"
title = { zh = "热", en = "Warm" }
kind = "lift"
when = "temperature > 40"
severity = "minor"
opens = "ticket"
source = "test"
"""
FAST = next(rule for rule in PRODUCT if rule.id == "entrapment-between-floors").text.replace('"20s"', '"5s"')


class City:
    """One database with one lift and an ingest on a clock of its own."""

    def __init__(self, url: str, database: Database) -> None:
        self.url, self.database, self.now, self.seq = url, database, T0, 0
        self.clock = ServerClock(wall_ns=lambda: self.now * 1_000_000, monotonic_ns=lambda: self.now * 1_000_000)
        self.ingest: Ingest
        self.lift_id = 0

    async def start(self) -> None:
        self.source = HandSource()
        writer = Writer(self.url, partition=0)
        self.ingest = Ingest(database=self.database, writer=writer, source=self.source, rules=PRODUCT, clock=self.clock)
        await self.ingest.open()
        await self.ingest.round()

    async def stop(self) -> None:
        await self.ingest._writer.close()

    async def say(self, after_s: float = 0.0, **values: Any) -> None:
        """One sample, and the round that takes it."""
        self.now += int(after_s * 1_000)
        self.seq += 1
        self.source.put(message("state", sample(self.seq, self.now, **values), device="one", received=self.now))
        await self.ingest.round()

    async def look(self) -> None:
        """What the refresh of every few seconds does."""
        await self.ingest._settle()
        await self.ingest._refresh()

    async def publish(self, text: str, *, mode: Mode = Mode.LIVE, seen: int | None = None) -> int:
        async with self.database.acquire() as connection:
            return await rulebook.publish(
                connection, text, source="t.toml", author="Li", comment="because", mode=mode, seen=seen, product=PRODUCT
            )

    async def load(self, number: int) -> rulebook.Published:
        async with self.database.acquire() as connection:
            return await rulebook.load(connection, number)

    async def alarms(self) -> list[tuple[str, str, str]]:
        rows = await self.database.fetch("select rule_id, rule_version, condition from alarm order by id")
        return [(row["rule_id"], row["rule_version"], row["condition"]) for row in rows]


@pytest_asyncio.fixture(loop_scope="session")
async def city(postgres_server: PostgresServer) -> AsyncIterator[City]:
    url = await postgres_server.fresh_database("rules")
    database = Database(url, name="test", most=4)
    await database.open()
    found = City(url, database)
    found.lift_id = await database.fetchval(
        "insert into lift (kind, name, exercise) values ('lift', 'one', false) returning id"
    )
    await database.execute("insert into device (device, shard, lift_id) values ('one', 0, $1)", found.lift_id)
    await found.start()
    yield found
    await found.stop()
    await database.close()
    await postgres_server.drop_database(url)


def version(rules: Any, rule_id: str) -> str:
    return str(rules[rules.index(rule_id)].version)


async def test_the_product_s_rules_are_the_first_set(city: City) -> None:
    """The first start publishes the product's rules as set 1 and says in the stream that they are live."""
    published = await city.load(1)
    assert [rule.version for rule in published.live] == [rule.version for rule in PRODUCT]
    assert (published.author, published.state) == ("hoistway", "live")
    rows = await city.database.fetch("select kind, rule_set from ingest_batch order by batch_no limit 1")
    assert [tuple(row) for row in rows] == [("rules", 1)]
    await city.stop()
    await city.start()
    assert await city.database.fetchval("select count(*) from rule_set") == 1


async def test_publishing_overrides_by_id_and_keeps_the_rest(city: City) -> None:
    """A published file replaces rules with the same id and adds the others; the set before it stays as it was."""
    number = await city.publish(FAST + WARM)
    before, after = await city.load(1), await city.load(number)
    changed = {rule.id for rule in after.live if rule.id not in before.live} | {
        rule.id for rule in after.live if rule.id in before.live and version(before.live, rule.id) != rule.version
    }
    assert changed == {"warm", "entrapment-between-floors"}
    assert {entry.rule_id for entry in after.entries if entry.own} == changed
    assert len(before.live) == len(PRODUCT)


async def test_what_cannot_be_published(city: City) -> None:
    """A wrong rule, an unchanged set, an outdated view and an empty author publish nothing."""
    with pytest.raises(RuleError, match="unknown name"):
        await city.publish(WARM.replace("temperature", "temprature"))
    with pytest.raises(BadInput, match="nothing differs"):
        await city.publish(PRODUCT[0].text)
    with pytest.raises(Conflict):
        await city.publish(WARM, seen=7)
    assert await city.database.fetchval("select max(number) from rule_set") == 1


async def test_a_rollback_is_a_new_set(city: City) -> None:
    """Rolling back publishes the old texts under a new number, and says which set it restores."""
    await city.publish(FAST)
    async with city.database.acquire() as connection:
        number = await rulebook.restore(connection, 1, author="Li", comment="back", product=PRODUCT)
    restored = await city.load(number)
    assert (number, restored.restores) == (3, 1)
    assert [rule.version for rule in restored.live] == [rule.version for rule in PRODUCT]


async def test_a_published_set_is_live_without_a_restart(city: City) -> None:
    """A running ingest goes on with the new rules; holds and alarms of unchanged rules go on, those of changed ones end."""
    await city.say(**TRAPPED, power=2)
    assert [rule for rule, _, _ in await city.alarms()] == ["power-lost"]
    await city.publish(FAST)
    await city.look()
    await city.say(3, **TRAPPED, power=2)
    assert len(await city.alarms()) == 1, "a changed rule's hold begins anew"
    await city.say(5, **TRAPPED, power=2)
    alarms = await city.alarms()
    live = (await city.load(2)).live
    assert alarms[0] == ("power-lost", version(live, "power-lost"), "active")
    assert alarms[1] == ("entrapment-between-floors", version(live, "entrapment-between-floors"), "active")
    states = await city.database.fetch("select number, state from rule_set order by number")
    assert [tuple(row) for row in states] == [(1, "replaced"), (2, "live")]


async def test_alarms_of_a_changed_rule_are_cleared_and_its_case_stays(city: City) -> None:
    """When a rule's text changes, its active alarm is cleared in the transaction that makes the set live; the case stays open."""
    await city.say(**TRAPPED)
    await city.say(20, **TRAPPED)
    await city.publish(FAST)
    await city.look()
    assert [condition for _, _, condition in await city.alarms()] == ["cleared"]
    assert await city.database.fetchval("select count(*) from rescue_case where open") == 1


async def case_log(city: City) -> set[str]:
    return {row["kind"] for row in await city.database.fetch("select kind from case_event")}


@pytest.mark.parametrize("restart", [False, True])
async def test_an_alarm_that_ends_with_its_rule_says_nothing_of_the_lift(city: City, restart: bool) -> None:
    """The case's log has neither open doors nor a lift that is back; the lift is still silent, and is found so again."""
    await city.say(**TRAPPED)
    await city.say(20, **TRAPPED)
    city.now += 200_000
    await city.ingest.round()
    assert {rule: condition for rule, _, condition in await city.alarms()}["offline"] == "active"
    lost = await city.database.fetchval("select contact_lost_at from rescue_case")
    assert lost is not None
    offline = next(rule.text for rule in PRODUCT if rule.id == "offline")
    await city.publish(FAST + offline.replace('"180s"', '"190s"'))
    if restart:
        await city.ingest._checkpoint()
        await city.stop()
        await city.start()
    await city.look()
    assert not await case_log(city) & {"device-says-clear", "contact-back"}
    row = await city.database.fetchrow("select contact_lost_at, device_says_clear_at from rescue_case")
    assert row is not None
    assert tuple(row) == (lost, None)
    times = await city.database.fetchrow("select raised_at, cleared_at from alarm where rule_id = 'offline'")
    assert times is not None
    assert times["raised_at"] < times["cleared_at"]
    assert times["cleared_at"].timestamp() * 1_000 == pytest.approx(city.now, abs=2_000)
    await city.say(200, **TRAPPED)
    assert "contact-back" in await case_log(city)


@pytest.mark.parametrize("checkpoint", ["before", "after", "none"])
async def test_recovery_folds_each_sample_with_the_rules_of_its_time(city: City, checkpoint: str) -> None:
    """A restart after a change of rules has the same holds and alarms, whether the checkpoint lies before or after it."""
    await city.say(**TRAPPED)
    if checkpoint == "before":
        await city.ingest._checkpoint()
    await city.say(19, **TRAPPED)
    await city.publish(FAST)
    await city.look()
    await city.say(3, **TRAPPED)
    if checkpoint == "after":
        await city.ingest._checkpoint()
    await city.stop()
    await city.start()
    assert city.ingest._engine.rule_set == 2
    await city.say(4, **TRAPPED)
    assert await city.alarms() == [], "the hold began with the first sample under the new rules"
    await city.say(1, **TRAPPED)
    assert [(rule, ver) for rule, ver, _ in await city.alarms()] == [
        ("entrapment-between-floors", version((await city.load(2)).live, "entrapment-between-floors"))
    ]
    held = await city.database.fetchval("select extract(epoch from raised_at - hold_start) from alarm")
    assert held == 5


async def test_a_set_that_cannot_run_here_is_refused_and_the_old_one_stays(city: City) -> None:
    """A text that this program does not understand makes its set refused, loudly; alarms go on with the set before it."""
    number = await city.publish(WARM)
    await city.database.execute(
        "update rule_version set text = replace(text, 'temperature', 'tempreature') where rule_id = 'warm'"
    )
    await city.look()
    row = await city.database.fetchrow("select state, reason from rule_set where number = $1", number)
    assert row is not None
    assert row["state"] == "refused"
    assert "unknown name" in row["reason"]
    assert city.ingest._engine.rule_set == 1
    await city.say(**TRAPPED)
    await city.say(20, **TRAPPED)
    assert len(await city.alarms()) == 1


async def test_an_ingest_starts_although_its_rules_cannot_run_any_more(city: City) -> None:
    """When the live set's texts no longer run, a restart goes on with the product's rules instead of with nothing."""
    await city.publish(FAST)
    await city.look()
    await city.ingest._checkpoint()
    await city.database.execute("update rule_version set text = replace(text, 'passenger', 'passengers')")
    await city.stop()
    await city.start()
    await city.say(**TRAPPED)
    await city.say(20, **TRAPPED)
    assert [rule for rule, _, _ in await city.alarms()] == ["entrapment-between-floors"]


async def test_a_rule_in_shadow_is_recorded_and_makes_no_alarm(city: City) -> None:
    """A shadow rule's raises and clears are counted; there is no alarm row and no case; the live rule of that id goes on."""
    await city.publish(FAST + WARM, mode=Mode.SHADOW)
    await city.look()
    await city.say(**TRAPPED, temperature=50)
    await city.say(5, **TRAPPED, temperature=20)
    assert await city.alarms() == []
    assert await city.database.fetchval("select count(*) from rescue_case") == 0
    rows = await city.database.fetch("select rule_id, kind, rule_set from shadow_transition order by id")
    assert [tuple(row) for row in rows] == [
        ("warm", "raise", 2),
        ("entrapment-between-floors", "raise", 2),
        ("warm", "clear", 2),
    ]
    await city.say(15, **TRAPPED)
    assert [rule for rule, _, _ in await city.alarms()] == ["entrapment-between-floors"]
    async with city.database.acquire() as connection:
        counts = {row["rule_id"]: row["raises"] for row in await shelf.shadow_counts(connection, 2)}
    assert counts == {"warm": 1, "entrapment-between-floors": 1}


async def test_a_shadow_survives_a_restart(city: City) -> None:
    """Holds of rules in shadow are in the checkpoint and in the replay; nothing is recorded twice."""
    await city.publish(FAST, mode=Mode.SHADOW)
    await city.look()
    await city.say(**TRAPPED)
    await city.ingest._checkpoint()
    await city.say(3, **TRAPPED)
    await city.stop()
    await city.start()
    await city.say(2, **TRAPPED)
    await city.stop()
    await city.start()
    rows = await city.database.fetch(
        "select kind, extract(epoch from at - hold_start) as held from shadow_transition order by id"
    )
    assert [tuple(row) for row in rows] == [("raise", 5)]


async def test_a_shadow_deadline_is_found_by_a_tick(city: City) -> None:
    """A tick that only a rule in shadow has something to say at is stored with what it said."""
    await city.publish(FAST, mode=Mode.SHADOW)
    await city.look()
    await city.say(**TRAPPED)
    city.now += 7_000 + limits.TICK_SETTLE_MS
    await city.ingest.round()
    assert await city.database.fetchval("select count(*) from shadow_transition") == 1
    assert await city.alarms() == []


async def test_publishing_live_takes_a_rule_out_of_the_shadow(city: City) -> None:
    """What is published live is no longer in shadow; unshadow takes it out without publishing it live."""
    await city.publish(WARM, mode=Mode.SHADOW)
    assert (await city.load(await city.publish(WARM))).shadow_ids == frozenset()
    number = await city.publish(FAST, mode=Mode.SHADOW)
    assert (await city.load(number)).shadow_ids == {"entrapment-between-floors"}
    async with city.database.acquire() as connection:
        number = await shelf.unshadow(
            connection, "entrapment-between-floors", author="Li", comment="enough seen", product=PRODUCT
        )
        with pytest.raises(BadInput, match="is not in shadow"):
            await shelf.unshadow(connection, "offline", author="Li", comment="no", product=PRODUCT)
    assert (await city.load(number)).shadow_ids == frozenset()


async def test_a_product_with_other_rules_keeps_what_people_published(city: City) -> None:
    """After an update the product's new texts come as a set of their own; a published text stays over them."""
    await city.publish(FAST)
    newer = rulebook.sets.of_texts(
        (rule.id, rule.text.replace('"180s"', '"240s"').replace('for = "20s"', 'for = "25s"')) for rule in PRODUCT
    )
    async with city.database.acquire() as connection:
        number = await rulebook.ensure(connection, newer)
        assert await rulebook.ensure(connection, newer) == number
    live = (await city.load(number)).live
    assert version(live, "offline") == version(newer, "offline")
    assert live[live.index("entrapment-between-floors")].for_ms == 5_000


async def test_the_command_shows_publishes_and_rolls_back(city: City, tmp_path: Any) -> None:
    """publish prints the diff and asks; no publishes nothing; show, diff, disable and rollback tell what they did."""
    file = tmp_path / "fast.toml"
    file.write_text(FAST, "utf-8")

    async def rules(*words: str, answer: str = "") -> tuple[int, str]:
        arguments = ["rules", *words, "--database-url", city.url]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=answer)
        return result.exit_code, result.output

    who = ("--author", "Li", "--comment", "faster")
    code, text = await rules("publish", str(file), *who, answer="n\n")
    assert code == 1
    assert '-for = "20s"\n+for = "5s"\n' in text
    assert await city.database.fetchval("select max(number) from rule_set") == 1
    assert (await rules("publish", str(file), *who, "--yes"))[0] == 0
    code, text = await rules("show", "entrapment-between-floors")
    assert (code, "set 2 by Li" in text) == (0, True)
    code, text = await rules("diff", "1", "2")
    assert (code, '+for = "5s"' in text) == (1, True)
    assert (await rules("disable", "offline", *who, "--yes"))[0] == 0
    live = (await city.load(3)).live
    assert not live[live.index("offline")].enabled
    assert (await rules("rollback", "1", "--author", "Li", "--yes"))[0] == 0
    assert (await rules("diff", "1", "4"))[0] == 0
    code, text = await rules("show")
    assert (code, "back to set 1" in text) == (0, True)


async def test_the_floor_table_and_the_city_s_hours_reach_the_rules(city: City) -> None:
    """`top_floor` is the register's last floor, and `during` is the time of the city that ingest was given."""
    await city.database.execute(
        "update lift set floors = array['B1', '1', '9'], updated_at = clock_timestamp() where id = $1", city.lift_id
    )
    top = WARM.replace("temperature > 40", "top_floor")
    morning = WARM.replace('"warm"', '"morning"').replace("temperature > 40", "during('16:00-17:00')")
    await city.publish(top + morning)
    city.ingest._zone = zone_table("Asia/Shanghai")
    city.ingest._reset()
    await city.ingest._recover()
    await city.look()
    await city.say(car_position="1")
    assert [rule for rule, _, _ in await city.alarms()] == ["morning"], "2027-01-15 08:00 UTC"
    await city.say(1, car_position="9")
    assert [rule for rule, _, _ in await city.alarms()] == ["morning", "warm"]
