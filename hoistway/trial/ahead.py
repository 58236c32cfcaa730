"""The story in a process of its own, a few stretches ahead of the rules: the second core. The same batches, the same truth, in the same order.

A child of ours: it ends with us, and what goes wrong in it goes wrong here.
"""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Iterator
from typing import Any, Final

from alarms.signals import Batch
from hoistway.errors import BadInput, OurFault

AHEAD: Final = 4
"""So many stretches wait at most."""
ALIVE_S: Final = 5.0

Stretch = tuple[int, Batch, list[dict[str, Any]]]
"""Up to when, what was received, and the lines of truth of that time."""


def ahead(make: Any, *arguments: Any) -> Iterator[Stretch]:
    """What `make(*arguments)` yields, made in another process. `make` is a function of a module."""
    context = multiprocessing.get_context("spawn")  # no threads and sockets of ours in it
    made: Any = context.Queue(AHEAD)
    child = context.Process(target=_work, args=(made, make, arguments), daemon=True)
    child.start()
    try:
        while True:
            kind, value = _next(made, child)
            if kind == "end":
                return
            if kind == "bad-input":
                raise BadInput(value[0], where=value[1], expected=value[2])
            if kind == "fault":
                raise OurFault(value)
            yield value
    finally:
        child.terminate()
        child.join()


def _next(made: Any, child: Any) -> tuple[str, Any]:
    while True:
        try:
            found: tuple[str, Any] = made.get(timeout=ALIVE_S)
        except queue.Empty:
            if not child.is_alive():
                raise OurFault(f"the simulator's process ended with {child.exitcode}") from None
        else:
            return found


def _work(made: Any, make: Any, arguments: Any) -> None:
    try:
        for stretch in make(*arguments):
            made.put(("stretch", stretch))
        made.put(("end", None))
    except BadInput as error:
        made.put(("bad-input", (error.what, error.where, error.expected)))
    except Exception as error:  # noqa: BLE001  it is raised again where somebody can see it
        made.put(("fault", f"in the simulator's process: {error!r}"))
