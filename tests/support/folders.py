"""State folders for tests. Root's servers run as somebody else, so the way to the folder must be passable; pytest's is not."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_home(name: str = "home") -> Iterator[Path]:
    """A path for a state folder that is not made yet, in a passable temporary folder that is removed afterwards."""
    above = Path(tempfile.mkdtemp(prefix="hoistway-test-"))
    above.chmod(0o711)
    try:
        yield above / name
    finally:
        shutil.rmtree(above, ignore_errors=True)
