"""Fixtures for tests in a real Chromium: the browser, a page that must stay free of errors, a login, an API process.

Without Chromium the tests are skipped with the reason, unless `CI=true`: then that is a failure.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from api import people
from hoistway.model import Role
from hoistway.store import connect_url
from tests.browser.api_process import ApiProcess
from tests.browser.city import City

FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--mute-audio",
]
DEADLINE_MS = 15_000
"""How long a page may take before a test says that it never will."""
expect.set_options(timeout=DEADLINE_MS)

_NETWORK = ("Failed to load resource", "net::ERR_")


class Troubles(list[str]):
    """What a page complained about: console errors, uncaught exceptions, breaches of the content security policy."""

    def forgive_network(self) -> None:
        """Forget what the browser says about connections that a test has cut on purpose."""
        self[:] = [text for text in self if not any(words in text for words in _NETWORK)]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for the session."""
    executable = os.environ.get("HOISTWAY_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        missing = "no Chromium on this machine (HOISTWAY_CHROMIUM, chromium, google-chrome)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield running
        await running.close()


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


async def watched_page(browser: Browser, troubles: Troubles, *, width: int = 1600, height: int = 900) -> Page:
    """A fresh page of a fresh visitor in Hangzhou whose complaints are written down."""
    context = await browser.new_context(
        locale="zh-CN", timezone_id="Asia/Shanghai", viewport={"width": width, "height": height}
    )
    context.set_default_timeout(DEADLINE_MS)
    page = await context.new_page()

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _is_autoplay_advice(message.text):
            troubles.append(f"{message.type}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: troubles.append(f"uncaught: {error}"))
    await page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective + e.blockedURI))"
    )
    return page


def _is_autoplay_advice(text: str) -> bool:
    """Chromium's remark that sound needs a gesture; the page says so itself."""
    return "AudioContext was not allowed to start" in text


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, troubles: Troubles) -> AsyncIterator[Page]:
    """A page on a wide screen. The test fails when the page logged an error that the test did not forgive."""
    made = await watched_page(browser, troubles)
    yield made
    await made.context.close()
    assert list(troubles) == []


async def login(page: Page, base_url: str, token: str) -> None:
    """Use a one-time link as a person does: open it, press its one button, and stand on the console."""
    await page.goto(f"{base_url}/login/link?token={token}", wait_until="domcontentloaded")
    await page.get_by_role("button").click()
    await page.wait_for_url(f"{base_url}/console")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api_process(database_url: str) -> AsyncIterator[ApiProcess]:
    """The api as a process of its own over the module's database."""
    process = ApiProcess(database_url)
    await process.start()
    yield process
    await process.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    made = await connect_url(database_url, name="browser-test")
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def city(database_url: str) -> AsyncIterator[City]:
    """Rows by hand on a connection of their own; batches keep coming while the test runs. Nothing stays open after it."""
    connection = await connect_url(database_url, name="browser-test-city")
    made = City(connection)
    await made.tick()
    async with made.ticking():
        yield made
    await made.close_everything()
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def token(connection: asyncpg.Connection) -> str:
    """A one-time login link's token for the dispatcher Wang Lei."""
    if await connection.fetchval("select count(*) from person where name = '王磊'") == 0:
        await people.create_person(connection, "王磊", Role.DISPATCHER, None, None)
    return await people.create_login_link(connection, "王磊")


@pytest_asyncio.fixture(loop_scope="session")
async def console(page: Page, api_process: ApiProcess, city: City, token: str) -> Page:
    """The page, logged in, on the console, with the stream's first snapshot drawn."""
    assert city
    await login(page, api_process.base_url, token)
    await expect(page.get_by_role("heading", name="救援事件")).to_be_visible()
    return page


async def eventually(condition: object, *, within_s: float = 15.0) -> None:
    """Wait until the async `condition` answers something true."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not await condition():  # type: ignore[operator]
        assert asyncio.get_running_loop().time() < deadline, "not within the deadline"
        await asyncio.sleep(0.05)
