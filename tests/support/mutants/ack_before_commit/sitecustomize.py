"""A broken build for the ledger to find: ingest acknowledges to broker and device before it commits.

Python reads this file at start because its folder is on PYTHONPATH. The pause makes sure that a kill can fall in between.
"""

from __future__ import annotations

import sys

if "ingest" in sys.orig_argv:
    import asyncio
    from collections.abc import Sequence
    from typing import Any

    from ingest.service import Ingest

    _honest = Ingest._commit

    async def _too_early(self: Any, kind: str, clock_ms: int, batch: Any, *rest: Any, **named: Any) -> None:
        if batch.messages:
            for topic, payload in self._acks.after_commit(batch, now_ms=clock_ms):
                self._source.publish(topic, payload)
            self._source.acknowledge(self.carried)
            await asyncio.sleep(0.3)
        await _honest(self, kind, clock_ms, batch, *rest, **named)

    _carry_out = Ingest._carry_out

    async def _remember(self: Any, messages: Sequence[Any]) -> None:
        self.carried = messages
        await _carry_out(self, messages)

    Ingest._commit = _too_early  # type: ignore[method-assign]
    Ingest._carry_out = _remember  # type: ignore[method-assign]
