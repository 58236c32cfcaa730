"""Stories: short TOML files that say which fleet, for how long, how busy, how good the network is, and what goes wrong when.

Read, joined (`include`) and checked here. Knows the kinds of faults, not how they are played. A story that cannot be used is `BadInput`
naming file, key and what was expected.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from hoistway.errors import BadInput
from simulators.duration import duration_ms
from simulators.faults.catalogue import entries
from simulators.faults.scripts import SCRIPTS, Fault
from simulators.network.weather import Weather

__all__ = ["Scenario", "duration_ms", "load", "parse", "scenario_names"]

_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
INCLUDED_MOST: Final = 8
"""Stories within stories, in a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """Faults and look-alikes at the catalogue's rates, so many times as often; 0 for none."""

    causes: float = 0.0
    alikes: float = 0.0
    only: tuple[str, ...] = ()  # names of entries; empty: all
    reserve: bool = False  # seeds kept for final figures


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
    busy: float = 1.0  # so many times the ordinary number of passengers
    rates: Rates = field(default_factory=Rates)
    weather: Weather = field(default_factory=Weather)
    includes: tuple[str, ...] = ()

    @property
    def in_columns(self) -> bool:
        """Needs the fleet in columns: a fault of the catalogue, rates, a network of its own, or another number of passengers."""
        plain = all(fault.kind in SCRIPTS and fault.count == 1 for fault in self.faults)
        return not plain or self.rates != Rates() or self.weather != Weather() or self.busy != 1.0


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
    count: int = 1


class _Title(msgspec.Struct, forbid_unknown_fields=True):
    zh: str
    en: str


class _Rates(msgspec.Struct, forbid_unknown_fields=True):
    causes: float = 0.0
    alikes: float = 0.0
    only: tuple[str, ...] = ()
    reserve: bool = False


class _Network(msgspec.Struct, forbid_unknown_fields=True):
    delay: str = "50ms"
    jitter: str = "0ms"
    loss: float = 0.0
    doubled: float = 0.0
    gateway: int = 0


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    title: _Title
    story: str
    duration: str
    include: tuple[str, ...] = ()
    seed: int = 1
    time_of_day: str | None = None
    lifts: int = 10
    escalators: int = 0
    traffic: bool = True
    busy: float = 1.0
    rates: _Rates = msgspec.field(default_factory=_Rates)
    network: _Network = msgspec.field(default_factory=_Network)
    fault: list[_FaultText] = []


def scenario_names() -> list[str]:
    """The shipped stories."""
    folder = resources.files("simulators").joinpath("scenarios")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load(name: str) -> Scenario:
    """A shipped story by name, or any file by path. A file's includes are shipped ones or stand beside it."""
    return _joined(_table(name, beside=None), name=Path(name).stem, beside=_folder(name))


def parse(text: str, *, name: str) -> Scenario:
    """A story from TOML; its includes are shipped ones."""
    return _joined(_toml(text, name), name=name, beside=None)


def _folder(name: str) -> Path | None:
    return None if name in scenario_names() else Path(name).parent


def _table(name: str, *, beside: Path | None) -> dict[str, Any]:
    if name in scenario_names():
        text = resources.files("simulators").joinpath(f"scenarios/{name}.toml").read_text(encoding="utf-8")
        return _toml(text, name)
    path = (beside or Path()) / name
    if path.suffix != ".toml" or not path.is_file():
        raise BadInput(
            f"no scenario {name!r}", where="scenario", expected=f"a .toml file or one of {', '.join(scenario_names())}"
        )
    return _toml(path.read_text(encoding="utf-8"), path.stem)


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(str(error), where=f"scenario {name}", expected="the keys of docs/simulators.md") from error


def _joined(table: Mapping[str, Any], *, name: str, beside: Path | None) -> Scenario:
    """The story with what it includes: faults are added, tables and single keys are the including story's where it has them."""
    merged: dict[str, Any] = {}
    faults: list[Any] = []

    def add(part: Mapping[str, Any], depth: int) -> None:
        if depth > INCLUDED_MOST:
            raise BadInput(
                "stories include each other",
                where=f"scenario {name}: include",
                expected=f"at most {INCLUDED_MOST} in a row",
            )
        include = part.get("include", [])
        if not isinstance(include, list) or not all(isinstance(item, str) for item in include):
            raise BadInput(f"include {include!r}", where=f"scenario {name}", expected="a list of names of stories")
        for other in include:
            add(_table(other, beside=beside), depth + 1)
        faults.extend(part.get("fault", []))
        for key, value in part.items():
            if key != "fault":
                merged[key] = (
                    merged[key] | value if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
                )

    add(table, 0)
    try:
        read = msgspec.convert(merged | {"fault": faults, "include": table.get("include", [])}, _Text)
    except msgspec.ValidationError as error:
        raise BadInput(str(error), where=f"scenario {name}", expected="the keys of docs/simulators.md") from error
    return _checked(read, name)


def _checked(read: _Text, name: str) -> Scenario:
    if read.lifts < 1 or read.escalators < 0:
        raise BadInput("no lifts", where=f"scenario {name}: lifts", expected="at least one lift")
    for key, share in (("network.loss", read.network.loss), ("network.doubled", read.network.doubled)):
        if not 0 <= share < 1:
            raise BadInput(f"{share}", where=f"scenario {name}: {key}", expected="a share, from 0 to below 1")
    for known in read.rates.only:
        if known not in entries():
            raise BadInput(
                f"{known!r}", where=f"scenario {name}: rates.only", expected=f"names of {', '.join(entries())}"
            )
    where = f"scenario {name}: network"
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
        busy=read.busy,
        rates=Rates(
            causes=read.rates.causes, alikes=read.rates.alikes, only=read.rates.only, reserve=read.rates.reserve
        ),
        weather=Weather(
            delay_ms=duration_ms(read.network.delay, where=f"{where}.delay"),
            jitter_ms=duration_ms(read.network.jitter, where=f"{where}.jitter"),
            loss=read.network.loss,
            doubled=read.network.doubled,
            gateway=read.network.gateway,
        ),
        includes=read.include,
    )


def _time_of_day(text: str | None, *, where: str) -> int | None:
    if text is None:
        return None
    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        raise BadInput(f"time of day {text!r}", where=where, expected="local time as HH:MM")
    return (int(match[1]) * 60 + int(match[2])) * 60_000


def _fault(text: _FaultText, *, where: str) -> Fault:
    if text.kind not in SCRIPTS and text.kind not in entries():
        raise BadInput(f"kind {text.kind!r}", where=where, expected=f"one of {', '.join([*SCRIPTS, *entries()])}")
    if text.count < 1:
        raise BadInput(f"count {text.count}", where=where, expected="1 or more")

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
        count=text.count,
    )
