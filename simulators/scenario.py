"""Stories: short TOML files that say which fleet, for how long, and what goes wrong when. Read and checked here.

Knows the fault kinds, not how they are played. A story that cannot be used is `BadInput` naming file, key and what was expected.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from hoistway.errors import BadInput
from simulators.duration import duration_ms
from simulators.faults.scripts import SCRIPTS, Fault

_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One story."""

    name: str
    title_zh: str
    title_en: str
    story: str
    seed: int
    duration_ms: int | None  # None: until stopped
    time_of_day_ms: int | None  # local time on the day curve at the start; None: the real one
    lifts: int
    escalators: int
    traffic: bool  # do passengers come by themselves
    faults: tuple[Fault, ...]


class _FaultText(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    at: str = "0s"
    every: str | None = None
    lift: int | None = None
    device: str | None = None
    person_sensor: bool | None = None
    alarm_button_after: str | None = None
    rescue_after: str | None = None
    lasts: str | None = None


class _Title(msgspec.Struct, forbid_unknown_fields=True):
    zh: str
    en: str


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    title: _Title
    story: str
    duration: str
    seed: int = 1
    time_of_day: str | None = None
    lifts: int = 10
    escalators: int = 0
    traffic: bool = True
    fault: list[_FaultText] = []


def scenario_names() -> list[str]:
    """The shipped stories."""
    folder = resources.files("simulators").joinpath("scenarios")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load(name: str) -> Scenario:
    """A shipped story by name, or any file by path."""
    if name in scenario_names():
        text = resources.files("simulators").joinpath(f"scenarios/{name}.toml").read_text(encoding="utf-8")
        return parse(text, name=name)
    path = Path(name)
    if path.suffix != ".toml" or not path.is_file():
        raise BadInput(
            f"no scenario {name!r}", where="scenario", expected=f"a .toml file or one of {', '.join(scenario_names())}"
        )
    return parse(path.read_text(encoding="utf-8"), name=path.stem)


def parse(text: str, *, name: str) -> Scenario:
    """A story from TOML."""
    try:
        read = msgspec.convert(tomllib.loads(text), _Text)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadInput(str(error), where=f"scenario {name}", expected="the keys of docs/simulators.md") from error
    if read.lifts < 1 or read.escalators < 0:
        raise BadInput("no lifts", where=f"scenario {name}: lifts", expected="at least one lift")
    return Scenario(
        name=name,
        title_zh=read.title.zh,
        title_en=read.title.en,
        story=read.story.strip(),
        seed=read.seed,
        duration_ms=None if read.duration == "endless" else duration_ms(read.duration, where=f"{name}: duration"),
        time_of_day_ms=_time_of_day(read.time_of_day, where=f"{name}: time_of_day"),
        lifts=read.lifts,
        escalators=read.escalators,
        traffic=read.traffic,
        faults=tuple(_fault(item, where=f"{name}: fault {number}") for number, item in enumerate(read.fault, 1)),
    )


def _time_of_day(text: str | None, *, where: str) -> int | None:
    if text is None:
        return None
    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        raise BadInput(f"time of day {text!r}", where=where, expected="local time as HH:MM")
    return (int(match[1]) * 60 + int(match[2])) * 60_000


def _fault(text: _FaultText, *, where: str) -> Fault:
    if text.kind not in SCRIPTS:
        raise BadInput(f"kind {text.kind!r}", where=where, expected=f"one of {', '.join(SCRIPTS)}")

    def maybe(value: str | None, key: str) -> int | None:
        return None if value is None else duration_ms(value, where=f"{where}: {key}")

    return Fault(
        kind=text.kind,
        at_ms=duration_ms(text.at, where=f"{where}: at"),
        every_ms=maybe(text.every, "every"),
        lift=text.lift,
        device=text.device,
        person_sensor=text.person_sensor,
        alarm_button_after_ms=maybe(text.alarm_button_after, "alarm_button_after"),
        rescue_after_ms=maybe(text.rescue_after, "rescue_after"),
        lasts_ms=maybe(text.lasts, "lasts"),
    )
