"""The intake form in a real browser against the real api: a call is taken while the caller speaks."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.city import City
from tests.browser.test_console import row
from tests.browser.test_silence_and_areas import shot


async def test_a_call_is_taken_with_the_keyboard_and_joins_the_open_case(console: Page, city: City) -> None:
    """N opens it; digits find the lift; it says which case the call will join; Enter takes it; the caller is shown on request, and recorded."""
    lift = await city.lift("31号梯", estate="梧桐公寓")
    await city.execute("update lift set rescue_code = '330731' where id = $1", lift)
    await city.lift("32号梯", estate="梧桐公寓")
    case = await city.entrapment(lift)
    await expect(row(console, f"case-{case}")).to_be_visible()
    await console.keyboard.press("n")
    form = console.get_by_role("dialog", name="来电登记")
    await expect(form.get_by_test_id("becomes")).to_have_text("请选择电梯，或填写地址")
    await console.keyboard.type("梧桐")
    await expect(form.locator("[data-lift]")).to_have_count(2)
    await form.get_by_role("searchbox").fill("330731")
    await expect(form.locator("[data-lift]")).to_have_count(1)
    await expect(form.locator("[data-lift]")).to_contain_text(f"救援事件 {case}")
    await shot(console, "intake-found")
    await console.keyboard.press("Enter")
    await expect(form.get_by_test_id("becomes")).to_contain_text(f"将并入救援事件 {case}")
    await console.keyboard.type("2")  # the number of people has the focus
    await form.get_by_label("电话", exact=True).fill("138 0571 0000")
    await form.get_by_label("来电内容").fill("说有两人被困")
    await shot(console, "intake-chosen")
    await form.get_by_role("button", name="登记").click()
    await expect(form).to_have_count(0)
    await expect(row(console, f"case-{case}")).to_contain_text("王磊 已确认")
    calls = console.locator("section.block", has_text="说有两人被困")
    await calls.get_by_role("button", name="查看来电人").click()
    await expect(calls).to_contain_text("138 0571 0000")
    looked = (
        "select count(*) from caller_look l join call c on c.id = l.call_id where c.case_id = $1 and l.person = '王磊'"
    )
    assert await city.value(looked, case) == 1
    assert await city.value("select trapped from rescue_case where id = $1", case) == 2
    await shot(console, "intake-case")


async def test_a_call_by_address_is_linked_to_its_lift_later(console: Page, city: City) -> None:
    """No lift is found: the address opens a case of its own; later the lift is found in the case, and the case carries its name."""
    await city.lift("41号梯", estate="老厂宿舍")
    await console.keyboard.press("n")
    form = console.get_by_role("dialog", name="来电登记")
    await form.get_by_role("button", name="登记").click()
    await expect(form.get_by_role("alert")).to_have_text("请选择电梯，或填写地址")
    await form.get_by_role("searchbox").fill("没有这台")
    await expect(form).to_contain_text("没有找到")
    await form.get_by_label("地址", exact=True).fill("工人路 7 号")
    await expect(form.get_by_test_id("becomes")).to_have_text("将建立新的救援事件")
    await form.get_by_role("button", name="登记").click()
    await expect(console.get_by_test_id("by-address")).to_be_visible()
    await expect(console.locator(".head h2")).to_have_text("工人路 7 号")
    await shot(console, "intake-by-address")
    await console.get_by_test_id("by-address").get_by_role("button").click()
    link = console.get_by_role("dialog", name="关联电梯")
    await link.get_by_role("searchbox").fill("老厂")
    await link.locator("[data-lift]").click()
    await expect(console.locator(".head h2")).to_contain_text("老厂宿舍")
    await expect(console.get_by_test_id("by-address")).to_have_count(0)
