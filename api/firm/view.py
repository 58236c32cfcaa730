"""Fills the templates of the firm's side and says times and spans in words. Knows files and Jinja; no request, no database."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from api.console import pages

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_PHONE: Final = re.compile(
    r"(?P<number>\+?[0-9][0-9 ()-]*)(?:(?:转|分机|ext\.?|x|#)\s*(?P<extension>[0-9]{1,8}))?", re.IGNORECASE
)
_NO_DIGIT: Final = re.compile(r"[^0-9+]")


@cache
def messages(language: str) -> Mapping[str, str]:
    """The console's words (states, moves, roles) and those of these pages."""
    text = (_HERE / "messages" / f"{language}.json").read_text("utf-8")
    return {**pages.messages(language), **json.loads(text)}


def translate(language: str, key: str, **values: object) -> str:
    """The text `key` in `language`, with `{name}` filled in. An unknown key is our fault and raises `KeyError`."""
    return _PLACEHOLDER.sub(lambda match: str(values.get(match.group(1), match.group(0))), messages(language)[key])


def span(language: str, seconds: float) -> str:
    """A length of time to read: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3_600, whole // 86_400
    if days:
        return translate(language, "span.days", d=days, h=hours % 24)
    if hours:
        return translate(language, "span.hours", h=hours, m=minutes % 60)
    if minutes:
        return translate(language, "span.minutes", m=minutes, s=whole % 60)
    return translate(language, "span.seconds", s=whole)


def clock(zone: ZoneInfo, now: datetime, at: datetime | str | None) -> str:
    """A moment in the city's time: with its day when that is not today's."""
    if at is None:
        return ""
    moment = (datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(zone)
    today = moment.date() == now.astimezone(zone).date()
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M}"


def place(lift: Mapping[str, Any]) -> str:
    """Estate, building, name, without saying a part twice."""
    parts: list[str] = []
    for name in ("estate", "building", "name"):
        part = lift[name]
        if part and not any(part in known for known in parts):
            parts.append(part)
    return " ".join(parts)


def phone_link(number: str) -> str:
    """A number as `tel:` takes it: digits and a plus, of several the first, an extension after a pause."""
    match = _PHONE.search(number)
    if match is None:
        return "tel:"
    plain = _NO_DIGIT.sub("", match["number"])
    return f"tel:{plain},{match['extension']}" if match["extension"] else f"tel:{plain}"


def span_until(now: datetime, at: datetime) -> float:
    """Seconds from now, negative when it is past."""
    return (at - now) / timedelta(seconds=1)


@cache
def _environment() -> Environment:
    console = Path(pages.__file__).parent / "templates"
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(_HERE / "templates"), FileSystemLoader(console)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"place": place, "phone_link": phone_link}
    return environment


def render(template: str, *, language: str, zone: ZoneInfo, now: datetime, **values: object) -> str:
    """A page. `t` translates, `clock` says a moment, `span` a length of time, `said` a word that may have no translation."""

    def text(key: str, **parts: object) -> str:
        return translate(language, key, **parts)

    def said(family: str, word: object) -> str:
        return messages(language).get(f"{family}.{word}", str(word))

    helpers: dict[str, Callable[..., str]] = {
        "t": text,
        "said": said,
        "clock": lambda at: clock(zone, now, at),
        "span": lambda seconds: span(language, seconds),
    }
    word = "en" if language == "en" else "zh"
    page = _environment().get_template(template)
    return page.render(language=language, languages=pages.LANGUAGES, word=word, now=now, **helpers, **values)
