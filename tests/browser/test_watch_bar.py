"""The bar of the dead-man's switch: what the watcher reports stands over everything, and so does its silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.api_process import ApiProcess

KEY = "watch-key-of-the-test"
EVERY_S = 4
LATE = {"stage": "ingest/commit", "age_s": 70.0, "zh": "接入：写入数据库已 70 秒无进展", "en": "ingest: commit is late"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api_process(database_url: str) -> AsyncIterator[ApiProcess]:
    """An api that has a watcher, and calls it silent after four seconds."""
    process = ApiProcess(database_url, HOISTWAY_WATCH_KEY=KEY, HOISTWAY_PROBE_EVERY_S=str(EVERY_S))
    await process.start()
    yield process
    await process.stop()


async def test_the_bar_comes_with_the_watchers_word_and_with_its_silence(
    console: Page, api_process: ApiProcess
) -> None:
    """Nobody reports: nobody watches. An alarm names its stage in the reader's language; the bar goes when all is well."""
    bar = console.get_by_test_id("watch")
    await expect(bar).to_contain_text("没有人在监视报警通路", timeout=15_000)

    async with reporting(api_process, "alarm", LATE):
        await expect(bar).to_contain_text("报警可能不通：接入：写入数据库已 70 秒无进展")
        await console.get_by_test_id("language").click()
        await expect(bar).to_contain_text("ALARMS MAY NOT GET THROUGH: ingest: commit is late")
    async with reporting(api_process, "well"):
        await expect(bar).to_have_count(0)


@asynccontextmanager
async def reporting(api_process: ApiProcess, state: str, *findings: dict[str, object]) -> AsyncIterator[None]:
    """A watcher that says this until the block ends."""
    word = {"state": state, "since": "2026-11-25T12:00:00Z", "missed": 2, "zh": "x", "en": "x", "findings": [*findings]}
    headers = {"Authorization": f"Bearer {KEY}"}

    async def report() -> None:
        async with httpx.AsyncClient(base_url=api_process.base_url, headers=headers) as client:
            while True:
                answer = await client.put("/api/v1/watch", json=word)
                assert answer.status_code == 204, answer.text
                await asyncio.sleep(EVERY_S / 12)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
