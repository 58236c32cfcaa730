"""What a person silences, and what happens to many lifts at once, in a real browser against the real api."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect

from dispatch.rounds import bring_back, desk_round
from hoistway.store import Database
from tests.browser.city import City
from tests.browser.conftest import eventually
from tests.browser.test_console import counter, row


@pytest_asyncio.fixture(loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, name="browser-test-dispatch")
    await made.open()
    yield made
    await made.close()


async def shot(page: Page, name: str) -> None:
    """A picture for those who want to look: into the folder HOISTWAY_SHOTS, if there is one."""
    if folder := os.environ.get("HOISTWAY_SHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def test_shelving_asks_why_and_until_when_and_time_brings_it_back(
    console: Page, city: City, database: Database
) -> None:
    """S asks; without a reason nothing is sent; shelved it leaves the list, is counted and listed apart, and returns by itself."""
    alarm = await city.alarm(await city.lift("31号梯"))
    await expect(row(console, f"alarm-{alarm}")).to_be_visible()
    await console.keyboard.press("j")
    await console.keyboard.press("s")
    dialog = console.get_by_role("dialog")
    await expect(dialog).to_contain_text("开门走车")
    await dialog.get_by_role("button", name="搁置").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    assert await city.value("select operator_state from alarm where id = $1", alarm) == "unacknowledged"
    await dialog.get_by_label("原因").fill("门机正在检修")
    await dialog.get_by_role("radio", name="4 小时", exact=True).check()
    await shot(console, "shelve-dialog")
    await dialog.get_by_role("button", name="搁置").click()
    await expect(row(console, f"alarm-{alarm}")).to_have_count(0)

    async def shelved() -> bool:
        query = (
            "select shelved_by = '王磊' and shelve_reason = '门机正在检修'"
            " and shelved_until between now() + interval '239 min' and now() + interval '241 min' from alarm where id = $1"
        )
        return bool(await city.value(query, alarm))

    await eventually(shelved)
    await expect(console.locator(".head")).to_contain_text("搁置至")
    await console.get_by_test_id("silenced").click()
    await expect(row(console, f"alarm-{alarm}")).to_contain_text("门机正在检修")
    await expect(row(console, f"alarm-{alarm}").locator("[data-tag=shelved]")).to_contain_text("搁置至")
    assert await console.evaluate("import('/static/js/store.js').then(store => store.sounding.value)") is None
    await shot(console, "shelved")
    await city.execute("update alarm set shelved_until = now() where id = $1", alarm)
    await bring_back(database, datetime.now(UTC))
    await expect(row(console, f"alarm-{alarm}").locator("[data-tag=shelved]")).to_have_count(0)
    await expect(row(console, f"alarm-{alarm}").get_by_role("button", name="确认")).to_be_visible()
    await console.get_by_test_id("silenced").wait_for(state="detached")


async def test_s_brings_a_shelved_alarm_back(console: Page, city: City) -> None:
    """The same key unshelves; the alarm asks again."""
    alarm = await city.alarm(await city.lift("32号梯"))
    await city.execute(
        "update alarm set operator_state = 'shelved', shelved_until = now() + interval '1 h', shelved_by = '李敏',"
        " shelve_reason = '检修', version = version + 1 where id = $1",
        alarm,
    )
    await console.get_by_test_id("silenced").click()
    await row(console, f"alarm-{alarm}").get_by_role("button").first.click()
    await console.keyboard.press("s")
    await expect(row(console, f"alarm-{alarm}").locator("[data-tag=shelved]")).to_have_count(0)
    assert await city.value("select operator_state from alarm where id = $1", alarm) == "unacknowledged"


async def test_what_may_hold_a_person_is_never_shelved(console: Page, city: City) -> None:
    """S on an entrapment says so, and opens no question."""
    case = await city.entrapment(await city.lift("33号梯"))
    await expect(row(console, f"case-{case}")).to_be_visible()
    await console.keyboard.press("j")
    await console.keyboard.press("s")
    await expect(console.get_by_test_id("toast")).to_contain_text("不能搁置")
    await expect(console.get_by_role("dialog")).to_have_count(0)


async def test_a_rule_under_repair_is_shown_apart(console: Page, city: City) -> None:
    """Taken out of service from the alarm's page, its alarm is listed apart with a mark, and comes back by one press."""
    alarm = await city.alarm(await city.lift("34号梯"))
    await row(console, f"alarm-{alarm}").get_by_role("button").first.click()
    await console.get_by_role("button", name="停用").click()
    dialog = console.get_by_role("dialog")
    await dialog.get_by_label("原因").fill("门区传感器待修")
    await dialog.get_by_label("直到有人恢复").check()
    await dialog.get_by_role("button", name="停用").click()
    await expect(row(console, f"alarm-{alarm}")).to_have_count(0)
    await console.get_by_test_id("silenced").click()
    await expect(row(console, f"alarm-{alarm}").locator("[data-tag=out_of_service]")).to_have_text("停用")
    assert await city.value("select until is null and person = '王磊' from out_of_service where ended_at is null")
    await console.get_by_role("button", name="恢复使用").click()
    await expect(row(console, f"alarm-{alarm}").locator("[data-tag=out_of_service]")).to_have_count(0)


async def test_marks_are_words_with_a_shape(console: Page, city: City) -> None:
    """Chattering, stale, late and contradicted alarms say so in words, each with a drawing of its own."""
    alarm = await city.alarm(await city.lift("35号梯"), ago_s=25 * 3_600)
    late = await city.alarm(await city.lift("36号梯"))
    await city.execute(
        "update alarm set chattering = true, correction = 'contradicted', version = version + 1 where id = $1", alarm
    )
    await city.execute("update alarm set correction = 'late', version = version + 1 where id = $1", late)
    for number, name, words in (
        (alarm, "chattering", "抖动"),
        (alarm, "stale", "滞留超 24 小时"),
        (alarm, "contradicted", "与后续数据矛盾"),
        (late, "late", "数据迟到"),
    ):
        mark = row(console, f"alarm-{number}").locator(f"[data-tag={name}]")
        await expect(mark).to_have_text(words)
        await expect(mark.locator("svg")).to_be_visible()
    await shot(console, "marks")


async def test_a_case_of_the_past_asks_for_a_voice_check(console: Page, city: City) -> None:
    """It says that it was over when it became known, and neither counts the time trapped nor the time to a dispatch."""
    case = await city.entrapment(await city.lift("37号梯"), ago_s=100)
    await expect(row(console, f"case-{case}").locator(".limit")).to_be_visible()
    await city.execute("update rescue_case set past = true, version = version + 1 where id = $1", case)
    await expect(row(console, f"case-{case}").locator("[data-tag=past]")).to_have_text("已结束：请语音核实")
    await expect(row(console, f"case-{case}").locator(".limit")).to_have_count(0)
    await row(console, f"case-{case}").get_by_role("button").first.click()
    await expect(console.get_by_test_id("past")).to_contain_text("请与轿厢语音核实")
    await expect(console.locator(".big-clock")).to_have_count(0)
    await shot(console, "past")


async def test_a_power_cut_is_one_row_with_its_entrapments_first(console: Page, city: City, database: Database) -> None:
    """Six lifts without power are one incident on top, the trapped one follows it as a case, and a flood is a band."""
    lifts = [await city.lift(f"{number}号梯", estate="江畔花园") for number in range(41, 47)]
    alarms = [
        await city.alarm(lift, rule="power-lost", opens="notice", titles=("停电", "Power lost")) for lift in lifts
    ]
    elsewhere = await city.entrapment(await city.lift("50号梯"), ago_s=300)
    inside = await city.entrapment(lifts[0])
    await expect(row(console, f"alarm-{alarms[1]}")).to_be_visible()
    for number in range(6):
        await city.alarm(await city.lift(f"6{number}号梯", estate=f"别处{number}", district=f"区{number}"))
    await desk_round(database, datetime.now(UTC))
    incident = await city.value("select id from area_incident where ended_at is null")
    await expect(row(console, f"incident-{incident}")).to_contain_text("江畔花园 3幢")
    await expect(row(console, f"incident-{incident}")).to_contain_text("涉及 6 台")
    await expect(row(console, f"incident-{incident}")).to_contain_text("停电")
    await expect(row(console, f"incident-{incident}")).to_contain_text("困人 1 起")
    await expect(row(console, f"alarm-{alarms[1]}")).to_have_count(0)
    keys = await console.locator("[data-key]").evaluate_all("rows => rows.slice(0, 3).map(row => row.dataset.key)")
    assert keys == [f"incident-{incident}", f"case-{inside}", f"case-{elsewhere}"]
    await expect(counter(console)).to_have_text("2")
    await expect(console.get_by_test_id("flood")).to_contain_text("报警泛滥")
    await console.keyboard.press("j")
    await expect(console.locator(".detail")).to_contain_text("困人（各为独立救援事件）")
    await shot(console, "incident")
    await console.locator(".detail").get_by_role("button", name=f"救援事件 {inside}").click()
    await expect(row(console, f"case-{inside}")).to_have_attribute("aria-current", "true")
    await console.keyboard.press("a")
    await expect(counter(console)).to_have_text("1")
    await console.get_by_test_id("language").click()
    await expect(console.get_by_role("heading", name="Area incidents")).to_be_visible()
    await shot(console, "incident-en")
    await console.get_by_test_id("language").click()
    await city.close_everything()
    await expect(row(console, f"incident-{incident}")).to_have_count(0)
    await expect(console.get_by_test_id("flood")).to_have_count(0)
