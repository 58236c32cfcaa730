"""The dispatcher's console in a real browser, against the real api and a real PostgreSQL."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.browser.api_process import ApiProcess
from tests.browser.city import City
from tests.browser.conftest import Troubles, eventually, login, watched_page

STALE_MS = 25_000


def row(page: Page, key: str) -> Locator:
    return page.locator(f'[data-key="{key}"]')


def counter(page: Page) -> Locator:
    return page.get_by_test_id("entrapments").locator("b")


async def test_a_new_entrapment_stands_first_and_is_counted(console: Page, city: City) -> None:
    """An entrapment committed by somebody else is on the screen, above the older alarm, without touching the page."""
    lift = await city.lift("1号梯")
    await city.alarm(await city.lift("2号梯"), ago_s=600)
    await expect(console.locator("[data-key]")).to_have_count(1)
    case = await city.entrapment(lift)
    await expect(row(console, f"case-{case}")).to_contain_text("翡翠花园 3幢 1号梯")
    await expect(console.locator("[data-key]").first).to_have_attribute("data-key", f"case-{case}")
    await expect(counter(console)).to_have_text("1")
    await expect(console.locator("[aria-live=assertive]")).to_have_text("新困人：翡翠花园 3幢 1号梯")


async def test_the_keyboard_acknowledges_into_the_database_and_a_reload_keeps_it(console: Page, city: City) -> None:
    """J selects, A acknowledges; the database names the person, and after a reload the same row is still chosen."""
    case = await city.entrapment(await city.lift("3号梯"))
    await expect(row(console, f"case-{case}")).to_be_visible()
    await console.keyboard.press("j")
    await expect(row(console, f"case-{case}")).to_have_attribute("aria-current", "true")
    await console.keyboard.press("a")
    await expect(row(console, f"case-{case}")).to_contain_text("王磊 已确认")
    await expect(counter(console)).to_have_text("0")

    async def acknowledged() -> bool:
        return await city.value("select acknowledged_by from rescue_case where id = $1", case) == "王磊"

    await eventually(acknowledged)
    await console.reload(wait_until="domcontentloaded")
    await expect(row(console, f"case-{case}")).to_contain_text("王磊 已确认")
    await expect(row(console, f"case-{case}")).to_have_attribute("aria-current", "true")


async def test_a_restart_of_the_api_loses_nothing(
    console: Page, city: City, api_process: ApiProcess, troubles: Troubles
) -> None:
    """What was raised while the api was dead is on the same page once it lives again, each row once."""
    before = await city.entrapment(await city.lift("4号梯"))
    await expect(row(console, f"case-{before}")).to_be_visible()
    await api_process.kill()
    while_dead = await city.entrapment(await city.lift("5号梯"))
    await expect(console.get_by_test_id("stale")).to_be_visible(timeout=STALE_MS)
    await api_process.start()
    await expect(row(console, f"case-{while_dead}")).to_have_count(1, timeout=STALE_MS)
    await expect(row(console, f"case-{before}")).to_have_count(1)
    await expect(console.get_by_test_id("stale")).to_have_count(0)
    await expect(counter(console)).to_have_text("2")
    troubles.forgive_network()


async def test_a_silent_stream_cannot_look_fresh(console: Page, api_process: ApiProcess, troubles: Troubles) -> None:
    """A stream that is open but says nothing greys the page under an unmistakable bar, until it speaks again."""
    api_process.freeze()
    try:
        await expect(console.get_by_test_id("stale")).to_contain_text("数据中断", timeout=STALE_MS)
        await expect(console.locator(".work")).to_have_class(re.compile("is-stale"))
    finally:
        api_process.thaw()
    await expect(console.get_by_test_id("stale")).to_have_count(0, timeout=STALE_MS)
    troubles.forgive_network()


async def test_a_refused_acknowledgement_is_taken_back_before_the_persons_eyes(
    console: Page, city: City, troubles: Troubles
) -> None:
    """When a colleague was faster, the page says who, and shows the colleague's state instead of its own guess."""
    alarm = await city.alarm(await city.lift("6号梯"))
    await expect(row(console, f"alarm-{alarm}")).to_be_visible()

    async def colleague_first(route: Route) -> None:
        await city.execute(
            "update alarm set operator_state = 'acknowledged', acknowledged_by = '李敏', acknowledged_at = now(),"
            " version = version + 1 where id = $1",
            alarm,
        )
        await route.continue_()

    await console.route(f"**/api/v1/alarms/{alarm}/acknowledge", colleague_first)
    await console.keyboard.press("j")
    await console.keyboard.press("a")
    await expect(console.get_by_test_id("toast")).to_contain_text("李敏 已先确认")
    await expect(row(console, f"alarm-{alarm}")).to_contain_text("李敏 已确认")
    assert [text for text in troubles if "412" not in text] == []
    troubles.clear()


async def test_a_release_asks_how_it_is_known_that_nobody_is_trapped(console: Page, city: City) -> None:
    """R opens the question; without words nothing is sent; with them the case is released in the person's name."""
    case = await city.entrapment(await city.lift("7号梯"))
    await expect(row(console, f"case-{case}")).to_be_visible()
    await console.keyboard.press("j")
    await console.keyboard.press("r")
    dialog = console.get_by_role("dialog")
    await expect(dialog).to_contain_text("确认轿厢内已无人被困")
    await dialog.get_by_role("button", name="确认：无人被困").click()
    await expect(dialog.get_by_role("alert")).to_have_text("请写明如何得知")
    assert await city.value("select state from rescue_case where id = $1", case) == "open"
    await dialog.get_by_label("如何得知").fill("现场救援人员确认轿厢内无人")
    await dialog.get_by_label("被困人数").fill("2")
    await dialog.get_by_role("button", name="确认：无人被困").click()
    await expect(row(console, f"case-{case}")).to_contain_text("已解救")

    async def released() -> bool:
        row = "select (state, trapped, confirmed_by, confirmation)::text from rescue_case where id = $1"
        return await city.value(row, case) == "(released,2,王磊,现场救援人员确认轿厢内无人)"

    await eventually(released)


async def test_a_comment_is_in_the_log_of_the_case(console: Page, city: City) -> None:
    """C puts the cursor into the comment; what is written stands in the log with the person's name."""
    case = await city.entrapment(await city.lift("8号梯"))
    await expect(row(console, f"case-{case}")).to_be_visible()
    await console.keyboard.press("j")
    await expect(console.get_by_label("备注")).to_be_visible()
    await console.keyboard.press("c")
    await console.keyboard.type("对讲已接通,乘客两名")
    await console.keyboard.press("Enter")
    await expect(console.locator(".log")).to_contain_text("对讲已接通,乘客两名")
    await expect(console.locator(".log")).to_contain_text("王磊")


async def test_new_rows_never_move_the_row_under_the_pointer(console: Page, city: City) -> None:
    """While the pointer rests on a row, worse rows arrive above it and it stays where it is; a mark says so."""
    alarm = await city.alarm(await city.lift("9号梯"))
    await row(console, f"alarm-{alarm}").hover()
    before = await row(console, f"alarm-{alarm}").bounding_box()
    for number in range(3):
        await city.entrapment(await city.lift(f"1{number}号梯"))
    await expect(console.locator("[data-key^=case]")).to_have_count(3)
    after = await row(console, f"alarm-{alarm}").bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2
    await expect(console.get_by_text(re.compile("上方有 \\d+ 条更新"))).to_be_visible()


async def test_sound_repeats_until_somebody_acknowledges(console: Page, city: City) -> None:
    """An entrapment sounds more than once, and not any more after it was acknowledged."""
    case = await city.entrapment(await city.lift("13号梯"))
    await expect(row(console, f"case-{case}")).to_be_visible()
    await console.keyboard.press("j")
    await console.wait_for_function("import('/static/js/sound.js').then(sound => sound.played.value >= 2)")
    await console.keyboard.press("a")
    await expect(row(console, f"case-{case}")).to_contain_text("已确认")
    await console.wait_for_function("import('/static/js/store.js').then(store => store.sounding.value === null)")


async def test_sound_that_is_off_is_said_to_be_off(console: Page) -> None:
    """M turns the sound off and a band stays on the page until it is on again."""
    await console.keyboard.press("?")
    await console.keyboard.press("Escape")
    await expect(console.get_by_test_id("sound-band")).to_have_count(0)
    await console.keyboard.press("m")
    await expect(console.get_by_test_id("sound-band")).to_contain_text("声音已关闭")
    await console.get_by_role("button", name="打开声音").click()
    await expect(console.get_by_test_id("sound-band")).to_have_count(0)


async def test_the_shaft_shows_where_the_car_is(console: Page, city: City) -> None:
    """The lift of a case is drawn with its floor, doors and person, and follows the next sample."""
    lift = await city.lift("14号梯")
    await city.sample(lift, car_position="3", car_status=0, speed=0.0, door_zone=False, door_status=2, passenger=True)
    case = await city.entrapment(lift)
    await expect(row(console, f"case-{case}")).to_be_visible()
    await console.keyboard.press("j")
    await expect(console.get_by_role("img", name="井道：轿厢在 3，已关闭，有人")).to_be_visible()
    await expect(console.get_by_test_id("lift")).to_contain_text("非平层")
    await expect(console.get_by_role("link", name="0571-88001234")).to_have_attribute("href", "tel:057188001234")
    await city.sample(lift, car_position="5", car_status=0, speed=0.0, door_zone=True, door_status=4, passenger=False)
    await expect(console.get_by_role("img", name="井道：轿厢在 5，已打开，无人")).to_be_visible()


async def test_the_language_changes_at_once_and_stays(console: Page, city: City) -> None:
    """One press turns the page English, titles of rules too; a reload keeps it, and a press brings Chinese back."""
    await city.alarm(await city.lift("15号梯"))
    await expect(console.get_by_text("开门走车")).to_be_visible()
    async with console.expect_response(re.compile("/login")):
        await console.get_by_test_id("language").click()
    await expect(console.get_by_text("Door open while running")).to_be_visible()
    await console.reload(wait_until="domcontentloaded")
    await expect(console.get_by_role("heading", name="Alarms")).to_be_visible()
    assert await console.evaluate("document.documentElement.lang") == "en"
    await console.get_by_test_id("language").click()
    await expect(console.get_by_role("heading", name="报警")).to_be_visible()


async def test_exercise_rows_put_the_page_under_a_hatched_band(console: Page, city: City) -> None:
    """A simulated lift's alarm marks its row and the whole page as an exercise."""
    await expect(console.get_by_test_id("exercise")).to_have_count(0)
    alarm = await city.alarm(await city.lift("16号梯", exercise=True))
    await expect(row(console, f"alarm-{alarm}")).to_contain_text("演练")
    await expect(console.get_by_test_id("exercise")).to_be_visible()


async def test_a_click_on_the_map_opens_what_is_wrong_with_the_lift(console: Page, city: City) -> None:
    """The map knows the lifts, and a lift opened from it shows its worst open row first."""
    lift = await city.lift("17号梯")
    case = await city.entrapment(lift)
    await console.reload(wait_until="domcontentloaded")
    await expect(row(console, f"case-{case}")).to_be_visible()
    await expect(console.locator(".map canvas").first).to_be_visible()
    await console.evaluate(f"import('/static/js/actions.js').then(actions => actions.openLift({lift}))")
    await expect(row(console, f"case-{case}")).to_have_attribute("aria-current", "true")


@pytest.mark.parametrize("view", ["list", "detail", "map"])
async def test_a_phone_never_scrolls_sideways(
    browser: Browser, troubles: Troubles, api_process: ApiProcess, city: City, token: str, view: str
) -> None:
    """At 360 px every part of the console fits the width, in Chinese and in English."""
    lift = await city.lift("18号梯", estate="滨江区一个名字很长很长的住宅小区二期东苑")
    await city.sample(lift, car_position="3", car_status=0, speed=0.0, door_zone=False, door_status=2, passenger=True)
    case = await city.entrapment(lift, ago_s=4_000)
    page = await watched_page(browser, troubles, width=360, height=740)
    await login(page, api_process.base_url, token)
    await expect(row(page, f"case-{case}")).to_be_visible()
    for _ in ("zh", "en"):
        if view == "detail":
            await row(page, f"case-{case}").get_by_role("button").first.click()
            await expect(page.get_by_test_id("lift")).to_be_visible()
        elif view == "map":
            await page.locator(".tabs button").nth(2).click()
            await expect(page.locator(".map-box")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert await page.evaluate("document.querySelector('.work').scrollWidth") <= 360
        await page.locator(".tabs button").first.click()
        await page.get_by_test_id("language").click()
    await page.context.close()
    assert list(troubles) == []


async def test_a_wrong_password_is_said_in_words(page: Page, api_process: ApiProcess, troubles: Troubles) -> None:
    """The login page works as a plain form and names the mistake."""
    await page.goto(f"{api_process.base_url}/login", wait_until="domcontentloaded")
    await page.get_by_label("用户名").fill("nobody")
    await page.get_by_label("密码").fill("wrong")
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("alert")).to_have_text("用户名或密码不正确。")
    assert [text for text in troubles if "401" not in text] == []
    troubles.clear()


REDUCER = """
async () => {
  const { initialState, reduce } = await import("/static/js/reducer.js");
  const { orderAlarms, orderCases, soundingSeverity } = await import("/static/js/order.js");
  const alarm = (id, more) => ({ id, lift_id: id, severity: "minor", condition: "active", operator_state: "unacknowledged",
    raised_at: "2026-01-01T00:00:00Z", case_id: null, version: 1, ...more });
  const rescue = (id, more) => ({ id, lift_id: id, kind: "entrapment", state: "open", acknowledged_at: null,
    opened_at: "2026-01-01T00:00:00Z", version: 1, ...more });
  const frames = [
    { type: "snapshot", data: { alarms: [alarm(1), alarm(2, { severity: "major" })], cases: [rescue(1, { acknowledged_at: "x" })], counters: { open_alarms: 2 } } },
    { type: "change", data: { alarms: [alarm(1, { version: 3, severity: "critical" })], cases: [rescue(2), rescue(3, { opened_at: "2025-12-31T00:00:00Z" })] } },
    { type: "alarm", data: alarm(1, { version: 2 }) },
    { type: "change", data: { alarms: [alarm(2, { version: 2, open: false })], cases: [] } },
    { type: "change", data: { alarms: [alarm(4, { severity: "critical", case_id: 2 })], cases: [] } },
  ];
  const fold = () => frames.reduce(reduce, initialState());
  const first = initialState();
  reduce(first, frames[0]);
  const state = fold();
  return {
    untouched: first.alarms.size,
    severity: state.alarms.get(1).severity,
    alarms: [...state.alarms.keys()],
    same: JSON.stringify([...fold().cases]) === JSON.stringify([...state.cases]),
    cases: orderCases(state.cases.values()).map(entry => entry.key),
    listed: orderAlarms(state.alarms.values(), state.cases).map(entry => entry.key),
    sounding: soundingSeverity(state.alarms.values(), state.cases),
    replaced: [...reduce(state, frames[0]).cases.keys()],
  };
}
"""


async def test_the_store_is_a_pure_fold_over_the_frames(page: Page, api_process: ApiProcess) -> None:
    """Old versions never win, closed rows leave, a snapshot replaces all, the longest trapped stands first."""
    await page.goto(f"{api_process.base_url}/login", wait_until="domcontentloaded")
    found: dict[str, Any] = await page.evaluate(REDUCER)
    assert found == {
        "untouched": 0,
        "severity": "critical",
        "alarms": [1, 4],
        "same": True,
        "cases": ["case-3", "case-2", "case-1"],
        "listed": ["alarm-1"],
        "sounding": "critical",
        "replaced": [1],
    }


async def test_orders_are_moved_and_help_is_sent_from_the_case(console: Page, city: City) -> None:
    """The crew's word is one button, a refusal asks why, 119 is sent by hand with a reason; each stands in the log."""
    lift = await city.lift("12号梯")
    case = await city.entrapment(lift)
    await city.execute(
        "insert into unit (name, kind, crews, round_the_clock) values ('城西救援站', 'station', 2, true)"
    )
    await city.execute(
        "insert into dispatch_order (case_id, level, addressee, firm_id, sent_at, exercise)"
        " select $1, 1, 'firm', firm_id, now(), false from lift where id = $2",
        case,
        lift,
    )
    await city.execute("update rescue_case set state = 'dispatched', version = version + 1 where id = $1", case)
    await row(console, f"case-{case}").click()
    order = console.locator(".order").first
    await expect(order).to_contain_text("杭州安迅电梯维保有限公司")
    await order.get_by_role("button", name="接单").click()
    await expect(order).to_contain_text("已接单")
    await order.get_by_role("button", name="拒单").click()
    dialog = console.get_by_role("dialog")
    await dialog.get_by_role("button", name="拒单").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_label("理由").fill("车辆故障")
    await dialog.get_by_role("button", name="拒单").click()
    await expect(console.locator(".order").first).to_contain_text("城西救援站")
    await console.get_by_role("button", name="派遣…").click()
    await dialog.get_by_label("119 消防").check()
    await dialog.get_by_label("理由").fill("井道有烟")
    await dialog.get_by_role("button", name="派遣").click()
    await expect(console.locator(".checklist li").first).to_contain_text("王磊")
    await expect(console.locator(".log")).to_contain_text("井道有烟")
