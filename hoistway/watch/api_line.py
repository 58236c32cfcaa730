"""The watcher's line to the API: a reader of the live stream in a thread of its own, and short requests. Every wait has a limit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import urllib.request
from collections.abc import Callable
from typing import Any, Final

import structlog

from hoistway.model import PROBE_CODE, Condition, OperatorState

log: Final = structlog.get_logger("watch")

SILENT_S: Final = 6.0
"""Three heartbeats of the stream: then its connection is dead."""
RETRY_S: Final = 0.5
REQUEST_S: Final = 3.0


class ApiLine:
    """The probe's alarm as the live stream tells it."""

    def __init__(self, url: str, key: str, *, heard: Callable[[], None]) -> None:
        self._url, self._key, self._heard = url.rstrip("/"), key, heard
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()
        self._changed = asyncio.Event()
        self._alarms: dict[int, dict[str, Any]] = {}
        self._standing = False

    def begin(self) -> None:
        threading.Thread(target=self._read_for_ever, name="watch-stream", daemon=True).start()

    def leave(self) -> None:
        self._ended.set()

    @property
    def active(self) -> bool:
        """Whether the stream says that the probe's alarm is on."""
        return any(alarm["condition"] == Condition.ACTIVE for alarm in self._alarms.values())

    async def standing(self) -> None:
        """Wait until the stream is read."""
        await self._until(lambda: self._standing)

    async def raised(self) -> None:
        await self._until(lambda: self.active)

    async def answered(self) -> None:
        """Wait until dispatch has acknowledged it."""
        await self._until(
            lambda: any(alarm["operator_state"] == OperatorState.ACKNOWLEDGED for alarm in self._alarms.values())
        )

    async def cleared(self) -> None:
        await self._until(lambda: not self.active)

    async def report(self, document: dict[str, Any]) -> None:
        """Tell the API what the watcher says. Raises `OSError`."""
        await asyncio.to_thread(self._put, document)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not (self._standing and condition()):
            self._changed.clear()
            await self._changed.wait()

    def _request(self, path: str, **options: Any) -> urllib.request.Request:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        return urllib.request.Request(self._url + path, headers=headers, **options)  # noqa: S310  # the operator's address

    def _put(self, document: dict[str, Any]) -> None:
        request = self._request("/api/v1/watch", data=json.dumps(document).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=REQUEST_S):  # noqa: S310  # as above
            self._hand(self._heard)

    # --- the reader, in its thread ---

    def _read_for_ever(self) -> None:
        while not self._ended.is_set():
            try:
                request = self._request("/api/v1/watch/stream")
                with urllib.request.urlopen(request, timeout=SILENT_S) as answer:  # noqa: S310  # as above
                    self._read(answer)
            except (OSError, ValueError, KeyError) as error:
                log.debug("no live stream", error=str(error)[:200])
            self._hand(self._lost)
            self._ended.wait(RETRY_S)

    def _read(self, answer: Any) -> None:
        event = ""
        for line in answer:
            if self._ended.is_set():
                return
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                self._hand(self._frame, event, json.loads(value))

    def _hand(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    # --- the same, in the loop ---

    def _lost(self) -> None:
        self._standing = False

    def _frame(self, event: str, data: dict[str, Any]) -> None:
        if event == "snapshot":
            self._alarms.clear()
            self._standing = True
        for alarm in data.get("alarms", ()):
            if alarm["rule_id"] == PROBE_CODE and alarm["open"]:
                self._alarms[alarm["id"]] = alarm
            else:
                self._alarms.pop(alarm["id"], None)
        self._changed.set()
