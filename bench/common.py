"""What every benchmark needs: the machine's name and date beside each figure, percentiles, a results file, a raw publisher."""

from __future__ import annotations

import asyncio
import os
import platform
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.support.mqtt_bytes import frame, text

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Processor, cores, memory, Python, load and date: what a figure is worth."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, load {load:.1f} at the end, {date}"


def percentiles(values: Sequence[float]) -> str:
    """p50 / p99 / worst, in ms."""
    found = np.percentile(values, [50, 99, 100]) if len(values) else [float("nan")] * 3
    return " / ".join(f"{value:.0f}" for value in found)


def report(name: str, title: str, method: str, rows: Sequence[tuple[str, str]], *, keep: bool = True) -> None:
    """Print the figures and write them to `bench/results/NAME.md`, unless it was only a smoke run."""
    lines = [f"# {title}", "", method, "", f"Machine: {machine()}", "", "| what | figure |", "|---|---|"]
    lines += [f"| {what} | {figure} |" for what, figure in rows]
    text = "\n".join(lines) + "\n"
    print(text)
    if not keep:
        return
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)


class Publisher:
    """A bare MQTT 3.1.1 connection that publishes at QoS 1 and counts PUBACKs; cheap enough not to be what is measured."""

    def __init__(self, port: int, name: str, password: str) -> None:
        self._port, self._name, self._password = port, name, password
        self._mid = 0
        self.confirmed = 0
        self.received: list[tuple[str, bytes, float]] = []

    async def connect(self, *subscriptions: str) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        flags = 0b11000010  # user, password, clean session
        body = text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60)
        body += text(self._name) + text(self._name) + text(self._password)
        self._writer.write(frame(0x10, body))
        answer = await self._reader.readexactly(4)
        assert answer[3] == 0, f"refused: {answer!r}"
        for topic in subscriptions:
            self._writer.write(frame(0x82, struct.pack(">H", self._next()) + text(topic) + b"\0"))
        self._task = asyncio.create_task(self._read())

    def publish(self, topic: str, payload: bytes) -> None:
        self._writer.write(frame(0x32, text(topic) + struct.pack(">H", self._next()) + payload))

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        self._task.cancel()
        self._writer.close()

    def _next(self) -> int:
        self._mid = self._mid % 65_535 + 1
        return self._mid

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            kind = (await self._reader.readexactly(1))[0]
            length, shift = 0, 0
            while True:
                digit = (await self._reader.readexactly(1))[0]
                length |= (digit & 127) << shift
                shift += 7
                if digit < 128:
                    break
            body = await self._reader.readexactly(length)
            if kind >> 4 == 4:
                self.confirmed += 1
            elif kind >> 4 == 3:
                size = struct.unpack(">H", body[:2])[0]
                skip = 2 + size + (2 if kind & 6 else 0)
                self.received.append((body[2 : 2 + size].decode(), body[skip:], loop.time()))
