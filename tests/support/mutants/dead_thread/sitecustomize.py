"""A broken build for the watcher to find: while a file is there, ingest's network thread dies with the first message it reads.

Python reads this file at start because its folder is on PYTHONPATH.
"""

from __future__ import annotations

import sys

if "ingest" in sys.orig_argv:
    import os
    from pathlib import Path
    from typing import Any

    from ingest.session import Session

    _trigger = Path(os.environ["HOISTWAY_HOME"]) / "kill-the-thread"
    _honest = Session._queue_up

    def _die(self: Any, messages: Any) -> None:
        if _trigger.exists():
            raise SystemExit  # what no callback catches: the thread ends without a word
        _honest(self, messages)

    Session._queue_up = _die  # type: ignore[method-assign]
