"""The causes that close a ticket: data of `causes.toml`, by code, with their classes. Pure: the file is part of the program."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """One closing code. `group` is its class, 1 to 7."""

    code: int
    group: int
    zh: str
    en: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CauseClass:
    code: int
    zh: str
    en: str
    causes: tuple[Cause, ...]


@cache
def cause_classes() -> tuple[CauseClass, ...]:
    """Every class with its causes, in the order of the taxonomy."""
    data = tomllib.loads(files("dispatch.tickets").joinpath("causes.toml").read_text("utf-8"))
    return tuple(
        CauseClass(
            code=group["code"],
            zh=group["zh"],
            en=group["en"],
            causes=tuple(Cause(group=group["code"], **cause) for cause in group["causes"]),
        )
        for group in data["class"]
    )


@cache
def causes() -> Mapping[int, Cause]:
    """Every cause by its code."""
    return {cause.code: cause for group in cause_classes() for cause in group.causes}
