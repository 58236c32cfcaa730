"""A broken build for the ledger to find: ingest acknowledges to broker and device before it commits.

Python reads this file at start because its folder is on PYTHONPATH. The pause makes sure that a kill can fall in between.
"""

from __future__ import annotations

import sys

if "ingest" in sys.orig_argv:
    import asyncio
    from typing import Any

    from ingest.service import Ingest

    _honest = Ingest._finish

    async def _too_early(self: Any, step: Any, *rest: Any) -> None:
        for topic, payload in step.acks:
            self._source.publish(topic, payload)
        self._source.acknowledge(step.messages)
        await asyncio.sleep(0.3)
        await _honest(self, step, *rest)

    Ingest._finish = _too_early  # type: ignore[method-assign]
