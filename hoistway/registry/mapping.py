"""How a foreign table's columns become ours: a TOML file, or the headings themselves. Pure.

title, source, licence      what it is, where it came from (documentation; `title` is required)
encoding, delimiter         when they cannot be told from the file
decimal                     "." or ",": the decimal sign of its numbers
region                      [lon, lat, lon, lat]: the box its coordinates lie in; finds swapped ones
as_of                       date of the file: nothing was installed later
[constants]                 our column = "text" for every line
[columns]                   our column = "their column", or a table:
    from = "their column" or ["several", "columns"], with = " "   joined, empty ones left out
    unit = "fpm"            what a bare number is in (rated_speed_m_s, rated_load_kg; "year" for installed_on)
    prefix = "nyc-"         put before a text that is not empty
    values = {ELEVATOR = "lift"}    their word = ours; other words stay
    fill = "down"           an empty cell repeats the one above (group headings)
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.registry import cells, columns
from hoistway.registry.coordinates import Region

_DIRECTORY: Final = files("hoistway.registry").joinpath("mappings")
_TOP: Final = frozenset(
    {"title", "source", "licence", "encoding", "delimiter", "decimal", "region", "as_of", "constants", "columns"}
)
_SOURCE: Final = frozenset({"from", "with", "unit", "prefix", "values", "fill"})
_UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "rated_speed_m_s": cells.SPEED_UNITS,
    "rated_load_kg": cells.LOAD_UNITS,
    "installed_on": {"year": 1.0},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where one of our columns comes from."""

    columns: tuple[str, ...]
    joiner: str = " "
    unit: str = ""
    prefix: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    fill_down: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnMapping:
    name: str
    columns: Mapping[str, Source]
    constants: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    region: Region | None = None
    as_of: date | None = None

    def heading(self, name: str) -> str:
        """What the file calls our column `name`."""
        source = self.columns.get(name)
        return "+".join(source.columns) if source else name


def shipped() -> tuple[str, ...]:
    """Names of the mappings that come with the program."""
    return tuple(
        sorted(item.name.removesuffix(".toml") for item in _DIRECTORY.iterdir() if item.name.endswith(".toml"))
    )


def shipped_mapping(name: str) -> ColumnMapping:
    if name not in shipped():
        raise BadInput(
            f"no mapping {name!r}", where="--mapping", expected=f"a TOML file or one of {', '.join(shipped())}"
        )
    return read_mapping(_DIRECTORY.joinpath(f"{name}.toml").read_text("utf-8"), name=name)


def read_mapping(text: str, *, name: str) -> ColumnMapping:
    """The mapping of a TOML text; every mistake is a `BadInput` that names the key."""
    where = f"mapping {name}"
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"not TOML: {error}", where=where, expected="a TOML file") from None
    _known(raw, _TOP, where)
    for key in ("title", "columns"):
        if key not in raw:
            raise BadInput(f"no `{key}`", where=where, expected=f"`{key}`")
    constants = raw.get("constants", {})
    for key, value in constants.items():
        _ours(key, f"{where}: constants")
        if not isinstance(value, str):
            raise BadInput(f"{key} is {value!r}", where=f"{where}: constants", expected="a text")
    found = {key: _source(key, value, f"{where}: columns.{key}") for key, value in raw["columns"].items()}
    both = sorted(found.keys() & constants.keys())
    if both:
        raise BadInput(f"{both[0]} is a column and a constant", where=where, expected="one of the two")
    if raw.get("decimal", ".") not in (".", ","):
        raise BadInput(f"decimal {raw['decimal']!r}", where=where, expected='"." or ","')
    return ColumnMapping(
        name=name,
        columns=found,
        constants=constants,
        encoding=raw.get("encoding"),
        delimiter=raw.get("delimiter"),
        decimal=raw.get("decimal"),
        region=_region(raw.get("region"), where),
        as_of=_as_of(raw.get("as_of"), where),
    )


def own_mapping(header: tuple[str, ...], *, where: str) -> ColumnMapping:
    """The mapping of a file that uses our headings (English or Chinese)."""
    found: dict[str, Source] = {}
    for heading in header:
        name = columns.ours(heading)
        if name is None:
            continue
        if name in found:
            other = found[name].columns[0]
            raise BadInput(f"{heading!r} and {other!r} both mean {name}", where=where, expected="one of them")
        found[name] = Source(columns=(heading,))
    return ColumnMapping(name="", columns=found)


def check_header(mapping: ColumnMapping, header: tuple[str, ...], *, where: str) -> None:
    """Raises `BadInput` unless the file has every column the mapping names, a key and a kind."""
    for name, source in mapping.columns.items():
        for column in source.columns:
            if column not in header:
                raise BadInput(
                    f"no column {column!r} (for {name})", where=where, expected=f"one of {', '.join(header)}"
                )
    given = mapping.columns.keys() | mapping.constants.keys()
    if not given & set(columns.KEYS):
        raise BadInput(
            "no column that identifies a lift", where=where, expected=f"at least one of {', '.join(columns.KEYS)}"
        )
    if "kind" not in given:
        raise BadInput("no column `kind`", where=where, expected="`kind` with lift or escalator on each line")


def _source(name: str, raw: Any, where: str) -> Source:
    _ours(name, where)
    if isinstance(raw, str):
        return Source(columns=(raw,))
    if not isinstance(raw, dict) or "from" not in raw:
        raise BadInput(f"{raw!r}", where=where, expected='"their column" or a table with `from`')
    _known(raw, _SOURCE, where)
    names = [raw["from"]] if isinstance(raw["from"], str) else raw["from"]
    unit = str(raw.get("unit", "")).lower()
    if unit and unit not in _UNITS.get(name, {}):
        raise BadInput(f"unit {unit!r}", where=where, expected=f"one of {', '.join(_UNITS.get(name, {})) or 'no unit'}")
    if raw.get("fill", "down") != "down":
        raise BadInput(f"fill {raw['fill']!r}", where=where, expected='"down"')
    return Source(
        columns=tuple(names),
        joiner=raw.get("with", " "),
        unit=unit,
        prefix=raw.get("prefix", ""),
        values=raw.get("values", {}),
        fill_down="fill" in raw,
    )


def _known(raw: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for key in raw:
        if key not in known:
            raise BadInput(f"unknown key {key!r}", where=where, expected=f"one of {', '.join(sorted(known))}")


def _ours(name: str, where: str) -> None:
    if name not in columns.NAMES:
        raise BadInput(f"{name!r} is no column of ours", where=where, expected=f"one of {', '.join(columns.NAMES)}")


def _region(raw: Any, where: str) -> Region | None:
    if raw is None:
        return None
    if not isinstance(raw, list) or len(raw) != 4 or not all(isinstance(item, int | float) for item in raw):
        raise BadInput(f"region {raw!r}", where=where, expected="[lon, lat, lon, lat]")
    return Region(lon_min=raw[0], lat_min=raw[1], lon_max=raw[2], lat_max=raw[3])


def _as_of(raw: Any, where: str) -> date | None:
    if raw is None or type(raw) is date:
        return raw
    raise BadInput(f"as_of {raw!r}", where=where, expected="a date like 2018-11-30")
