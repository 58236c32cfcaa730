"""A batch between its fold and its commit. A value; what is done with it is `service`'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.assembled import Assembled
from ingest.changes import Change
from ingest.folding import ShadowLine
from ingest.late import Span
from ingest.source import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A batch that is decoded and folded, and not yet committed."""

    messages: Sequence[Message]
    batch: Assembled
    clock_ms: int
    changes: Sequence[Change]
    acks: Sequence[tuple[str, bytes]]  # planned now, so that they name nothing of a later batch
    shadow: Sequence[ShadowLine] = ()
    too_old: Sequence[Span] = ()
    began_s: float = 0.0  # by the monotonic clock
