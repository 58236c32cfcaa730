"""What `hoistway simulate run` shows while it runs, and the keys it listens to: a bar, a summary, pause and quit.

Without a terminal it is a line every 30 s. Knows totals and times, not how a story is played.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from hoistway.cli.common import err
from simulators.duration import said
from simulators.fleet import Totals

LINE_EVERY_S: Final = 30
SHOWN_KINDS: Final = 6


@dataclass(kw_only=True, slots=True)
class Run:
    """What is looked at."""

    totals: Totals
    devices: int
    lasts_ms: int | None
    story_ms: Callable[[], int]  # how far the story is
    pause: Callable[[bool], None]
    over_mqtt: bool
    paused: bool = False

    def line(self, seconds: float) -> str:
        """Where it stands, in one line."""
        totals, done = self.totals, self.story_ms()
        link = (
            f"{totals.connected} of {self.devices} devices connected" if self.over_mqtt else f"{self.devices} devices"
        )
        fast = done / 1_000 / seconds if seconds > 0 else 0.0
        return (
            f"{said(done)} of the story, {fast:.1f}x, {link}, {totals.messages} messages, {totals.faults} faults"
            f" ({len(totals.open)} open){', paused' if self.paused else ''}"
        )

    def kinds(self) -> str:
        """What went wrong most often."""
        often = sorted(self.totals.kinds.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_KINDS]
        return ", ".join(f"{count} {name}" for name, count in often)

    def toggle(self) -> None:
        self.paused = not self.paused
        self.pause(self.paused)


async def watch(run: Run, stop: asyncio.Event) -> None:
    """Show it until cancelled."""
    began = time.monotonic()
    if not (err.is_terminal and sys.stdin.isatty()):
        await _lines(run, began)
        return
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), console=err)
    task = bar.add_task("", total=run.lasts_ms)
    with _keys(run, stop), Live(console=err, refresh_per_second=4, transient=True) as live:
        while True:
            bar.update(task, completed=run.story_ms(), description="paused" if run.paused else "running")
            live.update(
                Group(
                    bar,
                    Text(run.line(time.monotonic() - began)),
                    Text(run.kinds(), style="dim"),
                    Text("space: pause, q: end"),
                )
            )
            await asyncio.sleep(0.25)


async def _lines(run: Run, began: float) -> None:
    complete = False
    waited = 0
    while True:
        await asyncio.sleep(1)
        waited += 1
        there = run.over_mqtt and run.totals.connected == run.devices
        if waited % LINE_EVERY_S == 0 or (there and not complete):
            complete = complete or there
            err.print(run.line(time.monotonic() - began), highlight=False)


@contextlib.contextmanager
def _keys(run: Run, stop: asyncio.Event) -> Iterator[None]:
    """Single keys without Enter."""
    import termios
    import tty

    where = sys.stdin.fileno()
    before = termios.tcgetattr(where)

    def pressed() -> None:
        for key in os.read(where, 64).decode("utf-8", "ignore"):
            if key in {" ", "p"}:
                run.toggle()
            elif key == "q":
                stop.set()

    tty.setcbreak(where)
    loop = asyncio.get_running_loop()
    loop.add_reader(where, pressed)
    try:
        yield
    finally:
        loop.remove_reader(where)
        termios.tcsetattr(where, termios.TCSADRAIN, before)
