"""From the sensor to the dispatcher: the whole product, a real MQTT client, a real browser."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time

import pytest
from playwright.async_api import Page, expect

from hoistway.cli.device import credentials_of
from hoistway.store import connect_url
from tests.browser.conftest import Troubles, eventually
from tests.support.feed import TRAPPED, sample
from tests.support.system import System, need_program, running, wait_for


def publish(system: System, device: str, *records: dict[str, object]) -> None:
    """Publish samples with mosquitto_pub, as somebody at a terminal would."""
    known = credentials_of(system.home, device, shard=5)
    command = [
        need_program("mosquitto_pub"),
        "-V",
        "mqttv311",
        "-h",
        known["HOST"],
        "-p",
        known["PORT"],
        "-i",
        device,
        "-u",
        device,
    ]
    command += ["-P", known["PASSWORD"], "-q", "1", "-t", f"{known['PREFIX']}/state", "-m", json.dumps(records)]
    wait_for(
        lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0,
        limit_s=15,
        what="mosquitto_pub let in",
    )


async def log_in(page: Page, system: System) -> None:
    await page.goto(system.login_link, wait_until="domcontentloaded")
    await page.get_by_role("button").click()
    await page.wait_for_url(f"{system.base_url}/console")


@pytest.mark.timeout(180)
async def test_an_entrapment_by_mqtt_is_on_the_page_and_outlives_reload_and_restart(
    page: Page, troubles: Troubles
) -> None:
    """Published by a foreign client it appears, is acknowledged by keyboard, and is still so after a reload and an API kill."""
    need_program("mosquitto_pub")
    with running() as system:
        connection = await connect_url(system.database_url, name="story", patience_s=5)
        lift_id = await connection.fetchval(
            "insert into lift (kind, rescue_code, name, floors) values ('lift', '900001', '手工电梯', '{1,2,3}') returning id"
        )
        await connection.execute("insert into device (device, shard, lift_id) values ('hand-1', 5, $1)", lift_id)
        await log_in(page, system)
        await expect(page.get_by_test_id("entrapments").locator("b")).to_have_text("0")
        now = time.time_ns() // 1_000_000
        publish(system, "hand-1", sample(1, now - 21_000, **TRAPPED), sample(2, now, **TRAPPED))
        row = page.locator("[data-key^=case-]")
        await expect(row).to_contain_text("手工电梯")
        await expect(page.get_by_test_id("entrapments").locator("b")).to_have_text("1")
        await expect(row.locator(".chip.strong")).to_be_visible()  # dispatch has looked, and found nobody to send
        await page.keyboard.press("j")
        await expect(row).to_have_attribute("aria-current", "true")
        await page.keyboard.press("a")
        await expect(page.get_by_test_id("entrapments").locator("b")).to_have_text("0")

        async def acknowledged() -> bool:
            return await connection.fetchval("select acknowledged_by from rescue_case") == "admin"

        await eventually(acknowledged)
        await page.reload(wait_until="domcontentloaded")
        await expect(row).to_contain_text("手工电梯")
        await expect(page.get_by_test_id("entrapments").locator("b")).to_have_text("0")
        old = system.kill("api")
        wait_for(lambda: system.pid_of("api") != old, limit_s=20, what="the API's process back")
        wait_for(system.answers, limit_s=30, what="the API back")
        publish(system, "hand-1", sample(3, now + 1_000, **{**TRAPPED, "car_position": "2"}))
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("admin")
        await asyncio.sleep(1.0)
        await page.reload(wait_until="domcontentloaded")
        await expect(row).to_contain_text("手工电梯")
        await page.goto("about:blank")
        await connection.close()
    troubles.forgive_network()
