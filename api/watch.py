"""The watcher at the API: what it says of the platform, kept in memory for every console; and the probe's alarm, for it alone.

No route here asks the database who calls: the watcher must be heard when the database is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, Header, Request
from starlette.responses import Response

from api import schemas
from api.access import WATCHER
from api.exchange import Document, rfc3339
from api.lifts import EVENTS
from api.schemas import PROBLEMS
from api.stream import EventStream, Hub
from hoistway.stages import Cadence, finding

router = APIRouter(prefix="/api/v1/watch", tags=["health"], responses=PROBLEMS)

SILENT: Final = "silent"


class Watchdog:
    """The watcher's last word, and whether it is still there: the one who watches is watched."""

    def __init__(self, cadence: Cadence, *, watched: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._cadence, self._watched, self._monotonic = cadence, watched, monotonic
        self._heard = monotonic()
        self._word: Document = {"state": "starting", "since": None, "missed": 0, "findings": []}

    def hear(self, word: Document) -> None:
        """A report has come. A watcher that begins anew does not take back the alarm of the one before it."""
        if not (word["state"] == "starting" and self._word["state"] == "alarm"):
            self._word = word
        self._heard = self._monotonic()

    def document(self) -> Document:
        """What a console is told. `off`: this installation has no watcher."""
        if not self._watched:
            return {"state": "off", "since": None, "missed": 0, "findings": []}
        silent_s = self._monotonic() - self._heard
        if silent_s <= self._cadence.late_s:
            return self._word
        found = finding("watch", silent_s, f"已 {silent_s:.0f} 秒无心跳", f"has been silent for {silent_s:.0f} s")
        return {"state": SILENT, "since": None, "missed": 0, "findings": [found.document()]}


@router.put("", status_code=204, dependencies=[Depends(WATCHER)])
async def report(request: Request, word: Annotated[schemas.WatchReport, Body()]) -> Response:
    """What the watcher says now. A report is good for one cadence of the probe."""
    request.app.state.watchdog.hear(
        {
            "state": word.state,
            "since": rfc3339(word.since),
            "missed": word.missed,
            "findings": [item.model_dump() for item in word.findings],
        }
    )
    return Response(status_code=204)


@router.get("/stream", response_class=EventStream, status_code=200, responses=EVENTS, dependencies=[Depends(WATCHER)])
async def follow_probe(
    request: Request, last_event_id: Annotated[str | None, Header(max_length=5_000)] = None
) -> Response:
    """The live stream as everybody gets it, of the probe lift alone."""
    hub: Hub = request.app.state.hub
    await hub.admit(None)

    @contextlib.contextmanager
    def source() -> Iterator[tuple[AsyncGenerator[bytes], tuple[asyncio.Event, ...]]]:
        with hub.subscribe(None) as subscriber:
            yield subscriber.frames(last_event_id), (subscriber.ended,)

    return EventStream(source)
