"""What a message says, in Chinese and English, short enough for an SMS. Pure: facts in, texts out; the texts are one file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

LANGUAGES: Final = ("zh", "en")
SMS_CHARS: Final[Mapping[str, int]] = {"zh": 134, "en": 268}
"""With its link: two parts of Chinese (67 characters each in a joined SMS), or four of English with a Chinese place in it."""
PLACE_CHARS: Final = 12
"""A place is never cut to less."""
_FAMILIES: Final = ("complaint",)
"""Topics `name-...` without a text of their own are said as `name`."""
_PLACE: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a text may name. `joined`: how many others are said with it."""

    topic: str
    place: str = ""
    code: str = ""
    time: str = ""
    level: str = ""
    order: str = ""
    case: str = ""
    number: str = ""  # of a ticket or complaint
    who: str = ""
    joined: int = 0
    exercise: bool = False


@cache
def messages(language: str) -> Mapping[str, str]:
    """All texts of one language, by key."""
    found: dict[str, dict[str, str]] = json.loads(files("dispatch.notify").joinpath("messages.json").read_text("utf-8"))
    return found[language]


def topics() -> frozenset[str]:
    """Topics with a text of their own; another one is said as `other`."""
    return frozenset(key.removesuffix(".text") for key in messages("zh") if key.endswith(".text"))


def title(facts: Facts, language: str) -> str:
    """A few words: the subject of a mail."""
    return _mark(facts, language) + _filled("title", facts, language, facts.place)


def text(facts: Facts, language: str, *, room: int = 0) -> str:
    """The text without a link, for which `room` characters are left free. The place is cut when the whole would not fit."""
    limit = SMS_CHARS[language] - room
    whole = _text(facts, language, facts.place)
    if len(whole) <= limit:
        return whole
    left = max(PLACE_CHARS, len(facts.place) - (len(whole) - limit) - 1)
    return _text(facts, language, facts.place if len(facts.place) <= left else facts.place[:left] + "…")


def label(language: str, *, accepts: bool) -> str:
    """What stands before a link."""
    return messages(language)["accept" if accepts else "confirm"]


def _text(facts: Facts, language: str, place: str) -> str:
    more = messages(language)["joined"].replace("{joined}", str(facts.joined)) if facts.joined else ""
    return _mark(facts, language) + _filled("text", facts, language, place) + more


def _mark(facts: Facts, language: str) -> str:
    return messages(language)["exercise"] if facts.exercise else ""


def _filled(part: str, facts: Facts, language: str, place: str) -> str:
    known = messages(language)
    family = next((name for name in _FAMILIES if facts.topic.startswith(f"{name}-")), "other")
    template = known.get(f"{facts.topic}.{part}", known[f"{family}.{part}"])
    values = {
        "topic": facts.topic, "place": place, "code": facts.code or known["no_code"], "time": facts.time,
        "level": facts.level, "order": facts.order, "case": facts.case, "number": facts.number, "who": facts.who,
    }  # fmt: skip
    return _PLACE.sub(lambda match: values[match.group(1)], template)
