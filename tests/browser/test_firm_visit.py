"""A firm's visit on a telephone of 360 px: from the order that appears by itself to the cause, without a script and with one."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from api import people
from dispatch.firing import fire_due
from hoistway.model import Role
from hoistway.store import Database
from tests.browser.api_process import ApiProcess
from tests.browser.city import City
from tests.browser.conftest import DEADLINE_MS

PHONE = {"width": 360, "height": 740}
FIRM = "杭州安迅电梯维保有限公司"
TARGET_PX = 24
"""WCAG 2.2, 2.5.8."""


async def shot(page: Page, name: str) -> None:
    """A picture for those who want to look: into the folder HOISTWAY_SHOTS, if there is one."""
    if folder := os.environ.get("HOISTWAY_SHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")
        await page.screenshot(path=Path(folder) / f"{name}-full.png", full_page=True)


async def fits(page: Page) -> None:
    """Nothing runs out of the page to the side, at 360 and at 320 px; everything to press is large enough; every field has a name."""
    for width in (320, 360):
        await page.set_viewport_size({"width": width, "height": PHONE["height"]})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    small = await page.evaluate(
        f"""[...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")]
        .filter(e => e.checkVisibility() && !e.matches(".skip"))
        .filter(e => {{ const box = e.getBoundingClientRect(); return Math.min(box.width, box.height) < {TARGET_PX} }})
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert small == [], page.url
    nameless = await page.evaluate(
        """[...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
        .filter(e => e.labels.length === 0).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == [], page.url
    assert await page.evaluate("document.querySelectorAll('h1').length") == 1
    assert await page.evaluate("document.documentElement.lang") in {"zh-CN", "en"}


@pytest_asyncio.fixture(loop_scope="session")
async def rescue(database_url: str, city: City) -> AsyncIterator[Rescue]:
    database = Database(database_url, name="browser-test-dispatch")
    await database.open()
    yield Rescue(city, database)
    await database.close()


class Rescue:
    """Somebody is trapped in a lift of the firm, and dispatch sends its team."""

    def __init__(self, city: City, database: Database) -> None:
        self.city, self._database = city, database

    async def happens(self, name: str) -> int:
        """Answers the order."""
        lift = await self.city.lift(name)
        await self.city.execute(
            "insert into unit (name, kind, firm_id, round_the_clock, phone, lon, lat)"
            " select '一班', 'team', id, true, '13800000001', 120.15, 30.26 from firm where name = $1 on conflict do nothing",
            FIRM,
        )
        await self.city.execute(
            "insert into lift_access (lift_id, gate_code, keys, machine_room, guard, guard_phone, updated_at, updated_by)"
            " values ($1, '2580#', '门岗钥匙箱 3 号', '顶层 19 楼右侧', '王师傅', '0571-87120001', now(), '李娜')",
            lift,
        )
        await self.city.sample(
            lift,
            car_position="5",
            door_zone=False,
            door_status=2,
            passenger=True,
            car_status=0,
            speed=0.0,
            service_mode=1,
        )
        case = await self.city.entrapment(lift, ago_s=95)
        await self.city.execute(
            "update rescue_case set trapped = 2, vulnerable = '{child,elderly}' where id = $1", case
        )
        await self.city.execute("insert into timer (kind, case_id, due_at) values ('send', $1, now())", case)
        while await fire_due(self._database, datetime.now(UTC)):
            pass
        return int(str(await self.city.value("select max(id) from dispatch_order where case_id = $1", case)))

    async def state(self, order: int) -> object:
        return await self.city.value("select state from dispatch_order where id = $1", order)


async def visit(
    browser: Browser, api_process: ApiProcess, connection: asyncpg.Connection, *, language: str, scripts: bool
) -> Page:
    """Zhang opens a one-time link on his phone and presses its one button."""
    if await connection.fetchval("select count(*) from firm where name = $1", FIRM) == 0:
        await connection.execute("insert into firm (name, phone) values ($1, '0571-88001234')", FIRM)
    if await connection.fetchval("select count(*) from person where name = '张伟'") == 0:
        await people.create_person(connection, "张伟", Role.MAINTAINER, FIRM, None, firm_admin=True)
    token = await people.create_login_link(connection, "张伟")
    context = await browser.new_context(
        locale=language,
        timezone_id="Asia/Shanghai",
        viewport=PHONE,
        java_script_enabled=scripts,
        permissions=["geolocation"],
        geolocation={"longitude": 120.14, "latitude": 30.275},
    )
    context.set_default_timeout(DEADLINE_MS)
    page = await context.new_page()
    await page.goto(f"{api_process.base_url}/login/link?token={token}", wait_until="domcontentloaded")
    await page.get_by_role("button").click()
    await page.wait_for_url(f"{api_process.base_url}/firm")
    return page


async def hurry(page: Page) -> None:
    """The list loads itself again after one second in place of fifteen."""

    async def answer(route: Route) -> None:
        found = await route.fetch()
        text = (await found.text()).replace('http-equiv="refresh" content="15"', 'http-equiv="refresh" content="1"')
        await route.fulfill(response=found, body=text)

    await page.route("**/firm", answer)


async def at_the_desk(console: Page) -> None:
    """The crew's word stands at its order, and the question whether nobody is trapped comes filled in with it."""
    await console.get_by_role("button", name="翡翠花园 3幢 41号梯").first.click()
    told = re.compile(r"到场时距电梯 \d+ 米 · 张伟 .* 报告全部救出：平层后开门，轿厢内 2 人，受伤 0 人")
    await expect(console.get_by_test_id("told")).to_have_text(told)
    await console.keyboard.press("r")
    dialog = console.get_by_role("dialog")
    await expect(dialog.get_by_label("被困人数")).to_have_value("2")
    await expect(dialog).to_contain_text("报告全部救出：平层后开门")
    await dialog.get_by_role("button", name="现场救援人员确认轿厢内无人").click()
    await shot(console, "firm-desk-zh")
    await dialog.get_by_role("button", name="确认：无人被困").click()
    await expect(dialog).to_have_count(0)


async def test_a_firm_s_visit(
    browser: Browser, api_process: ApiProcess, connection: asyncpg.Connection, rescue: Rescue, console: Page
) -> None:
    """Without a script: the order appears by itself, and buttons lead from accepting to the cause; each page fits the phone.

    The desk sees what the crew says, and its word ends the case.
    """
    page = await visit(browser, api_process, connection, language="zh-CN", scripts=False)
    await hurry(page)
    await page.reload(wait_until="domcontentloaded")
    await expect(page.get_by_text("现在没有派给贵单位的救援。")).to_be_visible()
    order = await rescue.happens("41号梯")
    await expect(page.get_by_role("link", name="翡翠花园 3幢 41号梯")).to_be_visible()
    await page.unroute("**/firm")
    await page.goto(f"{api_process.base_url}/firm", wait_until="domcontentloaded")
    await fits(page)
    await shot(page, "firm-list-zh")
    await page.get_by_role("button", name="接单").click()
    await expect(page.get_by_text("2580#")).to_be_visible()
    await expect(page.get_by_role("link", name="0571-87120001")).to_have_attribute("href", "tel:057187120001")
    await expect(page.get_by_text("儿童、老人")).to_be_visible()
    await fits(page)
    await shot(page, "firm-order-zh")
    await page.get_by_role("button", name="出发").click()
    assert await rescue.state(order) == "on_the_way"
    await page.get_by_role("link", name="到场并填写位置").click()
    await page.get_by_label("纬度").fill("30.27")
    await page.get_by_role("button", name="到场").click()
    await expect(page.get_by_text("纬度 -90 到 90")).to_be_visible()
    await page.get_by_label("经度").fill("120.13")
    await fits(page)
    await page.get_by_role("button", name="到场").click()
    await expect(page.get_by_text(re.compile(r"距电梯 \d+ 米"))).to_be_visible()
    await page.get_by_role("link", name="全部救出…").click()
    await page.get_by_role("radio", name="平层后开门").check()
    await page.get_by_label("轿厢内人数").fill("2")
    await fits(page)
    await shot(page, "firm-release-zh")
    await page.get_by_role("button", name="全部救出").click()
    await expect(page.get_by_text("由值守台核实后结束")).to_be_visible()
    await at_the_desk(console)
    await page.get_by_role("link", name="完成，填写原因…").click()
    await page.get_by_label("原因").select_option("301")
    await fits(page)
    await page.get_by_role("button", name="完成").click()
    await expect(page.get_by_text("301 轿门锁")).to_be_visible()
    released = await connection.fetchrow(
        "select c.state, c.release_method, c.injured, c.confirmed_by from rescue_case c join dispatch_order o on o.case_id = c.id"
        " where o.id = $1", order,
    )  # fmt: skip
    assert tuple(released.values()) == ("released", "levelled", 0, "王磊")
    assert await rescue.state(order) == "done"
    await fits(page)
    await page.context.close()


async def test_a_visit_with_a_script_tells_where_the_crew_is(
    browser: Browser, api_process: ApiProcess, connection: asyncpg.Connection, rescue: Rescue
) -> None:
    """One press says arrived, with the phone's position; two pages at once: the older one says what happened meanwhile. In English."""
    page = await visit(browser, api_process, connection, language="en", scripts=True)
    order = await rescue.happens("42号梯")
    await page.goto(f"{api_process.base_url}/firm/orders/{order}", wait_until="domcontentloaded")
    await shot(page, "firm-order-en")
    old = await page.context.new_page()
    await old.goto(f"{api_process.base_url}/firm/orders/{order}/refuse", wait_until="domcontentloaded")
    await expect(page.locator("input[name=lat]")).to_have_value("30.275000")
    await page.get_by_role("button", name="Arrived").click()
    await expect(page.get_by_text(re.compile(r"\d+ m from the lift"))).to_be_visible()
    await fits(page)
    await old.get_by_label("Why").fill("no car tonight")
    await old.get_by_role("button", name="Refuse").click()
    await expect(old.get_by_text("“Refuse” was not done")).to_be_visible()
    await expect(old.get_by_text("crew arrived")).to_be_visible()
    await expect(old.get_by_text("no car tonight")).to_be_visible()
    await fits(old)
    await shot(old, "firm-meanwhile-en")
    await old.close()
    for path in ("/firm", "/firm/lifts", "/firm/people", "/firm/tickets", "/firm/keys"):
        await page.goto(api_process.base_url + path, wait_until="domcontentloaded")
        await fits(page)
        await shot(page, "firm" + path.removeprefix("/firm").replace("/", "-") + "-en")
    await page.goto(f"{api_process.base_url}/firm/people", wait_until="domcontentloaded")
    await page.get_by_text("Report where you are").click()
    await page.get_by_role("button", name="Ask the phone").click()
    await expect(page.get_by_text("Filled in")).to_be_visible()
    await page.get_by_role("button", name="Report", exact=True).click()
    await expect(page.get_by_text("30.27500, 120.14000")).to_be_visible()
    lift = await rescue.city.value("select max(id) from lift")
    await page.goto(f"{api_process.base_url}/firm/lifts/{lift}", wait_until="domcontentloaded")
    await fits(page)
    await shot(page, "firm-lift-en")
    await page.context.close()
