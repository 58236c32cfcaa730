"""What a platform's answer means for a record, and how long to wait before the next try. Pure.

The platform may be away, or not take our key: that says nothing of the record, and the whole link rests. A record may trip the platform
up: it is tried again, for ever, and the others go on. A refusal is final until a person asks for another try.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from dispatch.citylink.form import Form

BACKOFF_MOST_S: Final = 300
"""The longest wait between two tries: the window within which a platform's list is matched with ours."""
ANSWER_CHARS: Final = 2_000
"""Of an answer so much is kept."""
_AWAY: Final = frozenset({401, 403, 404, 405, 407, 408, 421, 429})
"""Not of the record: the key, the address, the load."""
_HAS_IT: Final = 409


class Verdict(StrEnum):
    """What follows from an answer."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    AGAIN = "again"  # this record, later
    AWAY = "away"  # the platform: nothing is tried for a while


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer and what it means. `status` None: there was none."""

    verdict: Verdict
    status: int | None
    text: str  # in the platform's words, or in ours when it has none


def answer_of(form: Form, status: int, body: bytes) -> Answer:
    """What an HTTP answer says of the record that was sent."""
    text = body.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}").strip()[:ANSWER_CHARS]
    if 200 <= status < 300:
        document = _document(body)
        code = document.get(form.answer_field)
        if code is None or str(code) in form.answer_accepted:
            return Answer(verdict=Verdict.ACCEPTED, status=status, text=text)
        return Answer(verdict=Verdict.REFUSED, status=status, text=_reason(form, document, text))
    if status == _HAS_IT:
        return Answer(verdict=Verdict.ACCEPTED, status=status, text=text)
    if status < 400 or status in _AWAY:
        return Answer(verdict=Verdict.AWAY, status=status, text=text or f"HTTP {status}")
    if status >= 500:
        return Answer(verdict=Verdict.AGAIN, status=status, text=text or f"HTTP {status}")
    return Answer(verdict=Verdict.REFUSED, status=status, text=_reason(form, _document(body), text) or f"HTTP {status}")


def no_answer(trouble: str) -> Answer:
    """The platform could not be reached, or did not answer in time."""
    return Answer(verdict=Verdict.AWAY, status=None, text=trouble[:ANSWER_CHARS])


def wait_s(failures: int) -> float:
    """Before the next try after so many failures in a row, seconds: 1, 2, 4 and so on."""
    return float(min(BACKOFF_MOST_S, 2 ** max(0, min(failures - 1, 20))))


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _reason(form: Form, document: dict[str, Any], text: str) -> str:
    said = document.get(form.answer_reason)
    return (
        said[:ANSWER_CHARS].replace("\x00", "\N{REPLACEMENT CHARACTER}")
        if isinstance(said, str) and said.strip()
        else text
    )
