"""Records of a file to entries of the register: every cell read, doubles within the file found. Pure: no store, no clock.

A cell that identifies (codes, device, kind, shard, gateway) must be right, or the line is refused. Any other cell that
cannot be used is left empty and named: a lift with an impossible rated speed still needs somebody to rescue from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from hoistway.limits import IMPORT_FIELD_CHARS
from hoistway.model import Kind
from hoistway.registry import cells, columns
from hoistway.registry.cells import Cell
from hoistway.registry.coordinates import is_swapped, wgs_from_gcj
from hoistway.registry.mapping import ColumnMapping
from hoistway.registry.report import REFUSED, REPAIRED, Finding
from hoistway.registry.table import Record

_FIRM_CHARS: Final = 200
_IDENTITY: Final = frozenset({"device", "kind", "rescue_code", "register_code", "shard", "gateway"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One lift as the file has it. None and "" mean: the file does not say; what is registered stays."""

    line: int
    kind: Kind
    device: str | None = None
    rescue_code: str | None = None
    register_code: str | None = None
    name: str = ""
    estate: str = ""
    building: str = ""
    address: str = ""
    district: str = ""
    lon: float | None = None  # WGS-84
    lat: float | None = None
    crs: str | None = None  # of the source
    floors: tuple[str, ...] | None = None
    rated_speed_m_s: float | None = None
    rated_load_kg: float | None = None
    firm: str = ""
    firm_phone: str = ""
    user_unit: str = ""
    user_unit_phone: str = ""
    emergency_phone: str = ""
    urban: bool | None = None
    maker: str = ""
    installed_on: date | None = None
    shard: int | None = None
    gateway: str | None = None
    feeder: str = ""  # the power feeder

    @property
    def key(self) -> str:
        """What the lift is known by: register code, else rescue code, else device."""
        return self.register_code or self.rescue_code or self.device or ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    line: int
    entry: Entry | None  # None: refused
    findings: tuple[Finding, ...] = ()


class RowReader:
    """Reads the records of one file in order; remembers what doubles and group headings need."""

    def __init__(self, header: tuple[str, ...], mapping: ColumnMapping, *, today: date) -> None:
        self._mapping = mapping
        self._place = {column: index for index, column in enumerate(header)}
        self._latest = mapping.as_of or today
        self._above: dict[str, str] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self._gateways: dict[str, int] = {}

    def read(self, records: Iterator[Record]) -> Iterator[Row]:
        for record in records:
            yield self._row(record)

    def _row(self, record: Record) -> Row:
        if record.broken:
            self._above.clear()
            found = Finding(
                line=record.line, column="", verdict=REFUSED, value="", why=record.broken, expected=record.expected
            )
            return Row(line=record.line, entry=None, findings=(found,))
        line = _Line(self._mapping, record)
        values = {name: self._cell(name, line, record) for name in columns.NAMES}
        self._coordinates(values, line)
        line.firm(values)
        if values["kind"] is not None:
            values["rated_speed_m_s"] = self._speed(values["kind"], line, record)
        elif not line.refused:
            line.refuse("kind", why="empty", expected="lift or escalator")
        if not line.refused and not any(values[key] for key in columns.KEYS):
            line.refuse("device", why="nothing identifies the lift", expected=f"one of {', '.join(columns.KEYS)}")
        if not line.refused:
            self._doubles(values, line)
        if line.refused:
            return Row(line=record.line, entry=None, findings=tuple(line.findings))
        entry = Entry(line=record.line, **{name: value for name, value in values.items() if value is not None})
        return Row(line=record.line, entry=entry, findings=tuple(line.findings))

    def _text(self, name: str, record: Record) -> str:
        """The cell's text after joining, filling down, replacing words and prefixing."""
        source = self._mapping.columns.get(name)
        if source is None:
            return self._mapping.constants.get(name, "")
        parts = [record.cells[self._place[column]] for column in source.columns]
        raw = parts[0] if len(parts) == 1 else source.joiner.join(filter(None, (part.strip() for part in parts)))
        if source.fill_down:
            raw = raw if raw.strip() else self._above.get(name, "")
            self._above[name] = raw
        if source.values:
            raw = source.values.get(raw.strip(), raw)
        return source.prefix + raw.strip() if source.prefix and raw.strip() else raw

    def _cell(self, name: str, line: _Line, record: Record) -> Any:
        raw = self._text(name, record)
        if not raw:
            return None
        if len(raw) > IMPORT_FIELD_CHARS:
            cell = Cell(why=f"{len(raw)} characters", expected=f"at most {IMPORT_FIELD_CHARS} characters")
        else:
            cell = self._parse(name, raw)
        return line.take(name, raw, cell)

    def _parse(self, name: str, raw: str) -> Cell:
        if name in _PARSERS:
            cell: Cell = _PARSERS[name](raw)
            return cell
        source = self._mapping.columns.get(name)
        if name == "rated_load_kg":
            return cells.quantity(
                raw,
                units=cells.LOAD_UNITS,
                unit=(source.unit if source else "") or "kg",
                target="kg",
                low=cells.LOAD_RANGE_KG[0],
                high=cells.LOAD_RANGE_KG[1],
                decimal=self._mapping.decimal,
            )
        if name == "installed_on":
            return cells.day(raw, latest=self._latest, year_only=source is not None and source.unit == "year")
        if name == "rated_speed_m_s":
            return Cell()  # needs the kind: see _speed
        cell = cells.text(raw)
        if name == "firm" and cell.value and len(cell.value) > _FIRM_CHARS:
            return Cell(why=f"{len(cell.value)} characters", expected=f"at most {_FIRM_CHARS} characters")
        return cell

    def _speed(self, kind: Kind, line: _Line, record: Record) -> float | None:
        raw = self._text("rated_speed_m_s", record)
        if not raw.strip() or len(raw) > IMPORT_FIELD_CHARS:
            return None
        source = self._mapping.columns.get("rated_speed_m_s")
        low, high = cells.SPEED_RANGE[kind]
        cell = cells.quantity(
            raw,
            units=cells.SPEED_UNITS,
            unit=(source.unit if source else "") or "m/s",
            target="m/s",
            low=low,
            high=high,
            decimal=self._mapping.decimal,
        )
        value: float | None = line.take("rated_speed_m_s", raw, cell)
        return value

    def _coordinates(self, values: dict[str, Any], line: _Line) -> None:
        """Both or none, in each other's right place, inside the region, as WGS-84."""
        lon, lat, system = values["lon"], values["lat"], values["crs"] or "WGS-84"
        crs_unknown = any(finding.column == self._mapping.heading("crs") for finding in line.findings)
        values["lon"] = values["lat"] = values["crs"] = None
        if lon is None and lat is None:
            return
        region, shown = self._mapping.region, f"{lon}, {lat}"
        if lon is None or lat is None:
            line.repair("lon", shown, "left empty: only one of longitude and latitude", "both or none")
            return
        if crs_unknown:
            line.repair("lon", shown, "left empty: the coordinate system is not known", "crs WGS-84 or GCJ-02")
            return
        if is_swapped(lon, lat, region):
            lon, lat = lat, lon
            line.repair("lon", shown, "longitude and latitude swapped back")
        if not (abs(lon) <= 180 and abs(lat) <= 90) or (region is not None and not region.holds(lon, lat)):
            line.repair("lon", shown, "left empty: cannot be there", str(region or "lon -180..180, lat -90..90"))
            return
        if lon == 0 and lat == 0:
            line.repair("lon", shown, "left empty: 0, 0 is nowhere", "where the lift stands")
            return
        if system == "GCJ-02":
            lon, lat = wgs_from_gcj(lon, lat)
        values["lon"], values["lat"], values["crs"] = round(lon, 7), round(lat, 7), system

    def _doubles(self, values: dict[str, Any], line: _Line) -> None:
        """The second line with a code or device is refused and names the first."""
        pairs = [(key, values[key]) for key in columns.KEYS if values[key]]
        for key, value in pairs:
            if first := self._seen.get((key, value)):
                line.refuse(key, value, f"{value!r} is already on line {first}", "each only once in the file")
        device, gateway = values["device"], values["gateway"]
        if gateway and not values["rescue_code"]:
            line.refuse(
                "gateway", gateway, "no rescue code", "a rescue code: a gateway's records name their lift by it"
            )
        if gateway and (gateway == device or ("device", gateway) in self._seen):
            line.refuse("gateway", gateway, f"{gateway!r} is also a terminal", "a gateway with its own name")
        if device and device in self._gateways:
            first = self._gateways[device]
            line.refuse("device", device, f"{device!r} is the gateway of line {first}", "a terminal with its own name")
        if not line.refused:
            self._seen.update(dict.fromkeys(pairs, line.number))
            if gateway:
                self._gateways.setdefault(gateway, line.number)


class _Line:
    """What was found on one line."""

    def __init__(self, mapping: ColumnMapping, record: Record) -> None:
        self._mapping, self.number, self.refused = mapping, record.line, False
        self.findings: list[Finding] = []
        if record.missing:
            self.repair("", "", f"{record.missing} cells missing at the end, taken as empty")

    def take(self, name: str, raw: str, cell: Cell) -> Any:
        """The cell's value; notes a repair, or what is wrong with it."""
        if cell.why and name in _IDENTITY:
            self.refuse(name, raw, cell.why, cell.expected)
        elif cell.why:
            self.repair(name, raw, f"left empty: {cell.why}", cell.expected)
        elif cell.how:
            self.repair(name, raw, cell.how)
        return cell.value

    def firm(self, values: dict[str, Any]) -> None:
        if values["firm_phone"] and not values["firm"]:
            self.repair("firm_phone", values["firm_phone"], "left empty: no firm on this line", "a firm")
            values["firm_phone"] = None

    def repair(self, name: str, value: str, how: str, expected: str = "") -> None:
        self._note(name, REPAIRED, value, how, expected)

    def refuse(self, name: str, value: str = "", why: str = "", expected: str = "") -> None:
        self.refused = True
        self._note(name, REFUSED, value, why, expected)

    def _note(self, name: str, verdict: str, value: str, why: str, expected: str) -> None:
        shown = value if len(value) <= 60 else value[:57] + "..."
        self.findings.append(
            Finding(
                line=self.number,
                column=self._mapping.heading(name),
                verdict=verdict,
                value=shown,
                why=why,
                expected=expected,
            )
        )


_PARSERS: Final[dict[str, Any]] = {
    "device": cells.device,
    "gateway": cells.device,
    "kind": cells.kind,
    "rescue_code": lambda raw: cells.code(raw, digits=6),
    "register_code": lambda raw: cells.code(raw, digits=20),
    "lon": cells.degrees,
    "lat": cells.degrees,
    "crs": cells.crs,
    "floors": cells.floors,
    "urban": cells.yes_no,
    "shard": cells.shard,
    **dict.fromkeys(columns.PHONES, cells.phone),
}
