"""Plays a story in memory, on the virtual clock alone: as fast as the machine can, at a speed, or paused. The messages may go to a file.

The shell beside `simulators.fleet`, which plays over MQTT. Both fill the same totals and write the same truth.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from hoistway.errors import BadInput
from simulators import stage, world
from simulators.city import Equipment
from simulators.fleet import Totals
from simulators.scenario import Scenario

TURN_MESSAGES: Final = 2_000
"""After so many the loop looks at the clock, the pause and the stop."""

Message = tuple[int, str, str, bytes]


def play(
    scenario: Scenario,
    rows: Sequence[Equipment] | None = None,
    *,
    start_ms: int = world.DEFAULT_START_MS,
    seed: int | None = None,
    tell: stage.Tell | None = None,
    until_ms: int | None = None,
) -> Iterator[Message]:
    """(virtual receive ms, device, leaf, payload) in order, the same bytes for the same seed; whichever way the story is computed."""
    way = stage.play if scenario.in_columns else world.play
    return way(scenario, rows, start_ms=start_ms, seed=seed, tell=tell, until_ms=until_ms)


class Pace:
    """The story's clock against ours. `speed` None: as fast as possible."""

    def __init__(self, start_ms: int, speed: float | None) -> None:
        self.story_ms, self._start_ms, self._speed = start_ms, start_ms, speed
        self._began = time.monotonic()
        self._paused_at = 0.0
        self.paused = False

    def pause(self, on: bool) -> None:
        """Stop, or go on."""
        if on and not self.paused:
            self._paused_at = time.monotonic()
        elif not on and self.paused:
            self._began += time.monotonic() - self._paused_at
        self.paused = on

    def ahead_s(self) -> float:
        """By how much the story is ahead of its speed."""
        if self._speed is None:
            return 0.0
        return (self.story_ms - self._start_ms) / 1_000 / self._speed - (time.monotonic() - self._began)


async def run_in_memory(
    scenario: Scenario,
    rows: Sequence[Equipment] | None,
    *,
    pace: Pace,
    start_ms: int,
    seed: int | None = None,
    until_ms: int | None = None,
    truth_path: Path | None = None,
    messages_path: Path | None = None,
    stop: asyncio.Event,
    totals: Totals,
) -> Totals:
    """Until the story ends or `stop` is set. Raises BadInput for a file that cannot be written."""
    truth, messages = _opened(truth_path, "a"), _opened(messages_path, "w")

    def tell(line: dict[str, Any]) -> None:
        totals.told(line)
        if truth is not None:
            truth.write(json.dumps(line, ensure_ascii=False) + "\n")

    try:
        for number, (at, device, leaf, text) in enumerate(
            play(scenario, rows, start_ms=start_ms, seed=seed, tell=tell, until_ms=until_ms), 1
        ):
            pace.story_ms = at
            totals.sent(len(text))
            if messages is not None:
                messages.write(f'{{"received":{at},"device":"{device}","leaf":"{leaf}","payload":{text.decode()}}}\n')
            if pace.paused or number % TURN_MESSAGES == 0 or pace.ahead_s() > 0.05:
                await _turn(pace, stop)
            if stop.is_set():
                break
    finally:
        for file in (truth, messages):
            if file is not None:
                file.close()
    return totals


async def _turn(pace: Pace, stop: asyncio.Event) -> None:
    await asyncio.sleep(0)
    while not stop.is_set() and (pace.paused or pace.ahead_s() > 0):
        try:
            await asyncio.wait_for(stop.wait(), 0.1 if pace.paused else min(1.0, pace.ahead_s()))
        except TimeoutError:
            continue


def _opened(path: Path | None, mode: str) -> IO[str] | None:
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open(mode, encoding="utf-8")
    except OSError as error:
        raise BadInput(str(error), where=str(path), expected="a file that can be written") from error
