"""The supervisor: a part that ends comes back, whatever stands in the way at first."""

from __future__ import annotations

import asyncio

import pytest

from hoistway.errors import CannotStart, ServiceUnavailable
from hoistway.up import supervisor
from hoistway.up.supervisor import Keeper


class Part:
    """A part that ends when told to."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.watched = asyncio.Event()

    async def wait(self) -> int:
        self.watched.set()
        await self.ended.wait()
        return -9

    async def stop(self) -> None:
        self.ended.set()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0.0)


@pytest.mark.parametrize(
    "trouble", [CannotStart("disk full"), ServiceUnavailable("away"), OSError("x"), KeyError("ours")]
)
async def test_a_part_comes_back_after_any_trouble(trouble: Exception) -> None:
    """Starting fails three times, in any way; the fourth time the part runs and is watched again."""
    parts: list[Part] = []
    failures, came = 0, asyncio.Semaphore(0)

    async def start() -> Part:
        nonlocal failures
        if parts and failures < 3:
            failures += 1
            raise trouble
        if parts:
            came.release()
        parts.append(Part())
        return parts[-1]

    keeper = Keeper("broker", start)
    await keeper.up()
    for expected in (2, 3):
        parts[-1].ended.set()
        await asyncio.wait_for(came.acquire(), 5)
        assert len(parts) == expected
        await asyncio.wait_for(parts[-1].watched.wait(), 5)
    assert (failures, keeper.restarts) == (3, 2)
    await keeper.down()


async def test_the_first_start_tells_its_trouble() -> None:
    """What keeps a part from starting at all reaches whoever asked for it."""

    async def start() -> Part:
        raise CannotStart("port 1883 is in use")

    with pytest.raises(CannotStart):
        await Keeper("broker", start).up()
