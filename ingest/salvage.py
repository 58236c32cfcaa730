"""What no message asked for and the store refuses all the same: ticks, refolds, backfills, changes of rules, what the door has heard.

No message can be set aside for it, and the same would be said again at every start. So the entry of the stream is committed without
what follows from it, that is saved piece by piece, and the guilty piece is left out, loudly. The fold is the same with and without.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from ingest import metrics
from ingest.assembled import Assembled
from ingest.writer import DataRefusedError

log: Final = structlog.get_logger("ingest")

Commit = Callable[..., Awaitable[None]]
"""Of the loop: kind, clock value and the parts of `Work`."""
_ASIDE: Final = "backfill"
"""An entry that a replay passes over."""


async def save_what_can_be(
    commit: Commit,
    kind: str,
    clock_ms: int,
    *,
    changes: Sequence[Any] = (),
    corrections: Sequence[Any] = (),
    shadow: Sequence[Any] = (),
    security: Sequence[Any] = (),
    **entry: Any,
) -> None:
    """Commit one entry with what follows from it. Raises `DataRefusedError` only when the store refuses the bare entry."""
    follows = {"changes": changes, "corrections": corrections, "shadow": shadow, "security": security}
    try:
        await commit(kind, clock_ms, **entry, **_parts(follows))
    except DataRefusedError as refused:
        log.error(
            "the store refused what no message asked for; saving it piece by piece", kind=kind, error=str(refused)
        )
    else:
        return
    await commit(kind, clock_ms, **entry)
    for name, items in follows.items():
        await _piece_by_piece(commit, clock_ms, name, items)


async def _piece_by_piece(commit: Commit, clock_ms: int, name: str, items: Sequence[Any]) -> None:
    """In order, halved until the guilty one stands alone."""
    waiting = [items]
    while waiting:
        part = waiting.pop()
        if not part:
            continue
        try:
            await commit(_ASIDE, clock_ms, **_parts({name: part}))
        except DataRefusedError as refused:
            middle = len(part) // 2
            if middle:
                waiting += [part[middle:], part[:middle]]
                continue
            metrics.LEFT_OUT.labels(name).inc()
            log.error("left out, because the store refuses it", what=repr(part[0])[:500], error=str(refused))


def _parts(follows: dict[str, Sequence[Any]]) -> dict[str, Any]:
    """As `Work` names them."""
    found: dict[str, Any] = {name: items for name, items in follows.items() if items and name != "security"}
    if security := follows.get("security"):
        found["assembled"] = Assembled(security=list(security))
    return found
