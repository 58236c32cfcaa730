"""The shipped list of what may go wrong and of what only looks like it, with rates and their sources (`catalogue/*.toml`).

Read and checked here; how an entry is played stands in `acts`, when in `plan`. Names rules by their ids only: the engine is not known here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from hoistway.errors import BadInput
from simulators.duration import duration_ms

TAXONOMY: Final[dict[int, tuple[str, str]]] = {
    1: ("人为", "human"),
    2: ("外部", "external"),
    3: ("门系统", "door"),
    4: ("曳引系统", "traction"),
    5: ("控制系统", "control"),
    6: ("安全装置", "safety device"),
    7: ("其他", "other"),
}
"""Classes of the closing codes, by their first digit (implementers' list, docs/cases.md)."""

HOURS: Final[dict[str, tuple[float, ...]]] = {
    "any": (1.0,) * 12,
    "entrapment": (1.5, 0.7, 1.3, 12.0, 15.0, 12.0, 9.0, 7.5, 9.0, 17.0, 11.5, 3.5),
    "traffic": (2.0, 1.0, 2.0, 11.0, 14.0, 11.0, 11.0, 9.0, 11.0, 14.0, 10.0, 4.0),
    "day": (0.0, 0.0, 0.0, 2.0, 22.0, 22.0, 14.0, 20.0, 14.0, 4.0, 2.0, 0.0),
    "morning": (0.0, 0.0, 0.0, 30.0, 40.0, 30.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "night": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 20.0, 80.0),
}
"""Weights of the day's two-hour slots. `entrapment`: 08-10 h 12 to 16 %, 18-20 h 15 to 18 % (Nanjing, Wuhu), 06-12 and 18-22 h together 67 %
(Qingdao 74.5 %)."""

NEEDS: Final = (
    "", "person-sensor", "no-person-sensor", "speed-sensor", "brake-sensor", "vibration-sensor", "temperature-sensor", "upward",
)  # fmt: skip
"""What a machine must have so that the entry can happen to it."""


BY_THE_CATALOGUE: Final = {
    "entrapment-between-floors": "trapped-between-floors",
    "entrapment-at-landing": "trapped-at-landing",
    "stopped-outside-zone": "empty-car-stops",
    "door-held-open": "door-wedged-open",
    "door-reversing": "door-keeps-turning-back",
    "door-open-running": "door-swings-open",
    "link-loss": "terminal-dead",
    "power-cut": "estate-dark",
}
"""What the kinds of `scripts` are called in the catalogue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One cause of an alarm, or one look-alike of it."""

    name: str
    title_zh: str
    title_en: str
    expects: tuple[str, ...]  # rules that must alarm; empty for a look-alike
    without: tuple[str, ...]  # the same where no person sensor is fitted
    allows: tuple[str, ...]
    alike: tuple[str, ...]  # rules that must not alarm
    causes: tuple[tuple[int, float], ...]  # codes of the taxonomy with their weights; empty for a look-alike
    rate: float  # for 10,000 machines and 30 days
    per: str  # lift, escalator, any
    hours: str
    needs: str
    severity: str
    act: str
    options: dict[str, Any]
    lasts_ms: tuple[int, int]
    middle_ms: int | None  # median, where the range is wide
    source: str

    @property
    def false_one(self) -> bool:
        """A look-alike."""
        return not self.expects and not self.causes

    @property
    def kind(self) -> str:
        """The truth file's `kind`: the rule it is meant for, or the look-alike's own name."""
        return self.name if self.false_one else self.expects[0]


class _Title(msgspec.Struct, forbid_unknown_fields=True):
    zh: str
    en: str


class _Text(msgspec.Struct, forbid_unknown_fields=True, rename={"options": "with"}):
    name: str
    title: _Title
    act: str
    rate: float
    source: str
    expects: tuple[str, ...] = ()
    without: tuple[str, ...] | None = None
    allows: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    causes: dict[int, float] = {}
    per: str = "lift"
    hours: str = "any"
    needs: str = ""
    severity: str = "minor"
    options: dict[str, Any] = {}
    lasts: tuple[str, str] = ("60s", "60s")
    middle: str | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    cause: list[_Text] = []
    alike: list[_Text] = []


@cache
def entries() -> dict[str, Entry]:
    """Every shipped entry by name, in the order of the files."""
    found: dict[str, Entry] = {}
    folder = resources.files("simulators.faults").joinpath("catalogue")
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".toml"):
            for entry in parse(file.read_text(encoding="utf-8"), where=file.name):
                if entry.name in found:
                    raise BadInput(f"{entry.name} twice", where=file.name, expected="a name of its own")
                found[entry.name] = entry
    return found


def parse(text: str, *, where: str) -> list[Entry]:
    """The entries of one file. Raises BadInput."""
    try:
        read = msgspec.convert(tomllib.loads(text), _File, strict=False)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadInput(str(error), where=where, expected="[[cause]] and [[alike]] of docs/simulators.md") from error
    return [_entry(item, where=f"{where}: {item.name}") for item in (*read.cause, *read.alike)]


def _entry(text: _Text, *, where: str) -> Entry:
    for word, known, key in (
        (text.hours, HOURS, "hours"),
        (text.needs, NEEDS, "needs"),
        (text.per, ("lift", "escalator", "any"), "per"),
    ):
        _known(word, known, f"{where}: {key}")
    if not text.causes and not text.alike:
        raise BadInput(
            "neither causes nor alike", where=where, expected="a cause with codes, or a look-alike with rules"
        )
    for code in text.causes:
        _known(code // 100, TAXONOMY, f"{where}: causes")
    low, high = (duration_ms(part, where=f"{where}: lasts") for part in text.lasts)
    return Entry(
        name=text.name,
        title_zh=text.title.zh,
        title_en=text.title.en,
        expects=text.expects,
        without=text.expects if text.without is None else text.without,
        allows=text.allows,
        alike=text.alike,
        causes=tuple(text.causes.items()),
        rate=text.rate,
        per=text.per,
        hours=text.hours,
        needs=text.needs,
        severity=text.severity,
        act=text.act,
        options=text.options,
        lasts_ms=(low, high),
        middle_ms=None if text.middle is None else duration_ms(text.middle, where=f"{where}: middle"),
        source=text.source,
    )


def _known(word: object, known: Iterable[object], where: str) -> None:
    if word not in known:
        raise BadInput(
            f"{word!r}", where=where, expected=f"one of {', '.join(str(item) or '(nothing)' for item in known)}"
        )
