"""The pages of tickets on a narrow telephone without a script: nothing runs over the edge, and the work can be done."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
from playwright.async_api import Browser, Page, expect

from hoistway.model import Severity
from ingest.alarm_rows import write_changes
from ingest.changes import Change, ChangeKind
from tests.browser.api_process import ApiProcess
from tests.support import rows

RIGHTMOST = "main => Math.max(...[main, ...main.querySelectorAll('*')].map(one => one.getBoundingClientRect().right))"


async def test_a_ticket_is_mended_on_a_telephone(
    browser: Browser, api_process: ApiProcess, connection: asyncpg.Connection, token: str
) -> None:
    """Log in, choose the ticket, start, finish with a cause, see it done; 360 px wide, in Chinese."""
    firm = await rows.firm(connection, "杭州安迅电梯维保有限公司")
    lift = await rows.lift(connection, firm_id=firm, name="3幢2单元东侧客梯", estate="翡翠花园二期")
    at_ms = int(datetime.now(UTC).timestamp() * 1_000)
    change = Change(
        kind=ChangeKind.RAISE, lift_id=lift, rule_id="door-close-failure", rule_version="v", severity=Severity.MINOR,
        opens="ticket", at_ms=at_ms, hold_start_ms=at_ms, demoted=False, evidence="{}",
    )  # fmt: skip
    async with connection.transaction():
        await write_changes(connection, [change], detected_at=datetime.now(UTC))
    context = await browser.new_context(
        locale="zh-CN", viewport={"width": 360, "height": 640}, java_script_enabled=False
    )
    try:
        page = await context.new_page()
        await page.goto(f"{api_process.base_url}/login/link?token={token}")
        await page.get_by_role("button").click()
        await page.goto(f"{api_process.base_url}/tickets")
        assert await _fits(page)
        await page.get_by_role("link", name="door-close-failure").click()
        await page.get_by_role("button", name="到场开工").click()
        assert await _fits(page)
        await page.get_by_label("原因").select_option("305")
        await page.get_by_label("处理内容").fill("更换光幕")
        await page.get_by_role("button", name="完工", exact=True).click()
        await expect(page.locator("dd", has_text="安全触板或光幕")).to_be_visible()
        await expect(page.get_by_role("button", name="核验通过")).to_be_visible()
        await page.goto(f"{api_process.base_url}/maintenance")
        assert await _fits(page)
    finally:
        await context.close()


async def _fits(page: Page) -> bool:
    """Whether the page is no wider than the screen. Asked from outside: the page itself runs no script."""
    return bool(await page.locator("main").evaluate(RIGHTMOST) <= 360)
