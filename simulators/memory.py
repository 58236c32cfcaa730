"""A device's non-volatile memory as a JSON file: written whole or not at all, and never guessed at when it is damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hoistway.errors import BadInput
from simulators.device import KEPT_EVENTS, RING_SAMPLES, Device

_EXPECTED = (
    "the memory of a device with its boot number. Restore it; without one a device counts from boot 1 again, and its new records"
    " are taken for repeated old ones"
)


def remember(path: Path, value: Any) -> None:
    """Write `value`; after this it outlives a power cut. Raises OSError."""
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(json.dumps(value).encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)  # the new name is in the folder, which is a file of its own
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def recall(path: Path | None) -> Any:
    """What was written last; None before the first time. Raises BadInput for a file that cannot be read."""
    if path is None or not path.exists():
        return None
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read ({error})", where=str(path), expected=_EXPECTED) from error


def restarted(name: str, path: Path, *, ring: int = RING_SAMPLES, events: int = KEPT_EVENTS) -> Device:
    """The device of this start, after its memory. Raises BadInput for one that is not a device's."""
    known = recall(path)
    try:
        return Device.restarted(name, known, ring=ring, events=events)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"is damaged ({error!r})", where=str(path), expected=_EXPECTED) from error
