"""A made-up city: estates, lifts and escalators inside the real outlines of Hangzhou's districts, the same for the same seed.

Every name, number and telephone is invented (estates and firms say 演示 = demonstration, telephones are 0571-5550xxxx, register codes
use a division 3399 that does not exist). Writes and reads the register's CSV; knows nothing of motion or messages.
"""

from __future__ import annotations

import csv
import json
import random
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Final

from hoistway.errors import BadInput
from hoistway.limits import SHARDS
from hoistway.model import Kind
from simulators.life.demand import Building
from simulators.sensors import OLD_BEFORE_YEAR

Ring = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Equipment:
    """One lift or escalator with its terminal, as the register's CSV has it; the fields' order is the columns' order."""

    device: str
    kind: Kind
    rescue_code: str
    register_code: str
    name: str
    estate: str
    building: str
    address: str
    district: str
    lon: float
    lat: float
    crs: str
    floors: tuple[str, ...]  # from the bottom, as displayed
    rated_speed_m_s: float
    rated_load_kg: int  # 0 where it does not apply (escalators)
    firm: str
    firm_phone: str
    user_unit: str
    user_unit_phone: str
    emergency_phone: str
    urban: bool
    maker: str
    installed_on: str  # ISO date
    shard: int


COLUMNS: Final = tuple(field.name for field in fields(Equipment))


@dataclass(frozen=True, kw_only=True, slots=True)
class District:
    """One district's outline and centre, longitude before latitude."""

    name: str
    centre: tuple[float, float]
    outline: Ring


@dataclass(frozen=True, kw_only=True, slots=True)
class _Estate:
    name: str
    building: Building
    district: District
    address: str
    lon: float
    lat: float
    firm: int
    year: int
    urban: bool


_SHARE: Final = {
    "上城区": 9, "下城区": 8, "江干区": 13, "拱墅区": 10, "西湖区": 12, "滨江区": 9, "萧山区": 13, "余杭区": 14,
    "富阳区": 4, "临安市": 3, "桐庐县": 2, "淳安县": 1, "建德市": 2,
}  # fmt: skip
_RURAL: Final = frozenset({"富阳区", "临安市", "桐庐县", "淳安县", "建德市"})
_LAKE: Final = (120.125, 30.225, 120.163, 30.262)
"""West Lake as a box: nobody lives on it."""
_MIX: Final = (
    (Building.HOMES, 62), (Building.OFFICES, 17), (Building.MALL, 9), (Building.METRO, 7), (Building.HOSPITAL, 5),
)  # fmt: skip
_FIRST: Final = "听望揽枕沐拾云星月松竹荷桂枫榆柳澄清"
_SECOND: Final = "荷潮岚溪风光舟桥泉涛屿园亭堤湾坡巷石"
_SUFFIX: Final = {
    Building.HOMES: ("苑", "花园", "公寓"),
    Building.OFFICES: ("大厦", "中心"),
    Building.MALL: ("广场", "商场"),
    Building.METRO: ("地铁站",),
    Building.HOSPITAL: ("医院",),
}
_FIRMS: Final = ("安升", "恒梯", "捷稳", "越层", "平层", "护航", "百达", "通利")
_MAKERS: Final = ("甲牌", "乙牌", "丙牌", "丁牌", "戊牌")
_STATION_LIFTS: Final = ((1.0, 1050, 60), (1.0, 1000, 20), (0.63, 630, 10), (0.5, 675, 6), (1.6, 1350, 4))
"""Speed, load, weight: the common values among the two-stop lifts of the station register (see data/NOTICE.md)."""


def make_city(*, lifts: int = 300, escalators: int = 20, seed: int = 1) -> list[Equipment]:
    """The city of this seed: `lifts` lifts and `escalators` escalators."""
    rng = random.Random(f"city:{seed}")
    names = _names(rng)
    rows: list[Equipment] = []
    while len(rows) < lifts:
        estate = _estate(names, rng, building=rng.choices([b for b, _ in _MIX], [w for _, w in _MIX])[0])
        rows += _lifts_of(estate, rng, first=len(rows) + 1, most=lifts - len(rows))
    while len(rows) < lifts + escalators:
        estate = _estate(names, rng, building=rng.choice((Building.METRO, Building.MALL)))
        rows += _escalators_of(estate, rng, first=len(rows) + 1, most=lifts + escalators - len(rows))
    return rows


def write_csv(city: Sequence[Equipment], path: Path) -> None:
    """The register as `hoistway lifts import` reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in city:
            cells = {name: _cell(getattr(row, name)) for name in COLUMNS}
            writer.writerow((cells | ({} if row.rated_load_kg else {"rated_load_kg": ""})).values())


def read_csv(path: Path) -> list[Equipment]:
    """What the simulator needs of a register's CSV; `device` and `shard` must be there, the rest may be empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [
                _row(line, where=f"{path.name} line {number}") for number, line in enumerate(csv.DictReader(file), 2)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(str(error), where=str(path), expected="a readable CSV file in UTF-8") from error


@cache
def districts() -> tuple[District, ...]:
    """The shipped outlines (see data/NOTICE.md for origin and licence)."""
    text = resources.files("simulators").joinpath("data/hangzhou_districts.geojson").read_text(encoding="utf-8")
    return tuple(
        District(
            name=feature["properties"]["name"],
            centre=tuple(feature["properties"]["centre"]),
            outline=tuple((lon, lat) for lon, lat in feature["geometry"]["coordinates"][0]),
        )
        for feature in json.loads(text)["features"]
    )


def inside(lon: float, lat: float, outline: Ring) -> bool:
    """Whether a point lies within a closed ring: an odd number of edges to its east."""
    odd = False
    for (lon_a, lat_a), (lon_b, lat_b) in pairwise(outline):
        if (lat_a > lat) != (lat_b > lat) and lon < lon_a + (lat - lat_a) / (lat_b - lat_a) * (lon_b - lon_a):
            odd = not odd
    return odd


def _names(rng: random.Random) -> list[str]:
    names = [first + second for first in _FIRST for second in _SECOND]
    rng.shuffle(names)
    return names


def _estate(names: list[str], rng: random.Random, *, building: Building) -> _Estate:
    district = rng.choices(districts(), [_SHARE.get(item.name, 1) for item in districts()])[0]
    lon, lat = _place(district, rng)
    name = names.pop(0)
    names.append(f"{name[:2]}{rng.randrange(2, 100)}区")  # a very large city takes its names again
    suffix = rng.choice(_SUFFIX[building])
    number = rng.randrange(1, 900)
    year = rng.choices((rng.randrange(1998, OLD_BEFORE_YEAR), rng.randrange(OLD_BEFORE_YEAR, 2026)), (35, 65))[0]
    return _Estate(
        name=f"{name}{suffix}(演示)",
        building=building,
        district=district,
        address=f"{district.name}演示大道{number}号",
        lon=lon,
        lat=lat,
        firm=rng.randrange(len(_FIRMS)),
        year=year,
        urban=district.name not in _RURAL,
    )


def _place(district: District, rng: random.Random) -> tuple[float, float]:
    """A point inside the district, mostly near its centre and never on the lake."""
    lon_0, lat_0 = district.centre
    spread = 0.012 if district.name in _RURAL else 0.03
    while True:
        lon, lat = round(rng.gauss(lon_0, spread), 6), round(rng.gauss(lat_0, spread * 0.8), 6)
        on_lake = _LAKE[0] < lon < _LAKE[2] and _LAKE[1] < lat < _LAKE[3]
        if not on_lake and inside(lon, lat, district.outline):
            return lon, lat


def _lifts_of(estate: _Estate, rng: random.Random, *, first: int, most: int) -> list[Equipment]:
    rows: list[Equipment] = []
    for block in range(1, rng.randrange(2, 7) if estate.building is Building.HOMES else 3):
        floors, speed, load = _shaft(estate.building, rng)
        building = f"{block}幢" if estate.building is Building.HOMES else f"{'ABC'[block - 1]}座"
        for car in range(1, rng.randrange(2, 4)):
            if len(rows) == most:
                return rows
            name = f"{estate.name}{building}{car}号梯"
            rows.append(
                _equipment(estate, rng, first + len(rows), Kind.LIFT, name, building, floors, speed, load, block)
            )
    return rows


def _escalators_of(estate: _Estate, rng: random.Random, *, first: int, most: int) -> list[Equipment]:
    count = min(most, 2 * rng.randrange(1, 3))
    return [
        _equipment(
            estate, rng, first + at, Kind.ESCALATOR, f"{estate.name}{at + 1}号扶梯", "", ("B1", "1"),
            0.65 if estate.building is Building.METRO else 0.5, 0, 0,
        )
        for at in range(count)
    ]  # fmt: skip


def _shaft(building: Building, rng: random.Random) -> tuple[tuple[str, ...], float, int]:
    """Floor table, rated speed and load that go together."""
    if building is Building.METRO:
        speed, load, _ = rng.choices(_STATION_LIFTS, [weight for *_, weight in _STATION_LIFTS])[0]
        return ("B1", "1"), speed, load
    top, basements, loads = {
        Building.HOMES: (rng.choice((6, 7, 11, 11, 17, 18, 18, 24, 26, 32, 33)), rng.choice((0, 1, 1, 2)), (800, 1000, 1050)),
        Building.OFFICES: (rng.randrange(12, 46), rng.randrange(1, 4), (1000, 1350, 1600)),
        Building.MALL: (rng.randrange(4, 8), rng.randrange(1, 3), (1000, 1350, 1600)),
        Building.HOSPITAL: (rng.randrange(6, 22), rng.randrange(1, 3), (1600, 1600, 1800)),
    }[building]  # fmt: skip
    without_four = building is not Building.MALL and rng.random() < 0.4
    above = [_label(floor) if without_four else str(floor) for floor in range(1, top + 1)]
    floors = tuple([f"B{floor}" for floor in range(basements, 0, -1)] + above)
    speeds = (1.0, 1.5, 1.75, 2.5, 3.0, 4.0) if building is Building.OFFICES else (1.0, 1.5, 1.75, 2.0, 2.5, 2.5)
    return floors, speeds[bisect_left((8, 12, 18, 28, 36), len(floors))], rng.choice(loads)


def _label(floor: int) -> str:
    """Floor numbers of houses that avoid the four: 3A, 12A, 13A..."""
    return f"{floor - 1}A" if floor % 10 == 4 or floor == 13 else str(floor)


def _equipment(
    estate: _Estate, rng: random.Random, number: int, kind: Kind, name: str, building: str, floors: tuple[str, ...],
    speed: float, load: int, block: int,
) -> Equipment:  # fmt: skip
    device = f"DEMO-{number:05d}"
    firm = _FIRMS[estate.firm]
    sort = "3110" if kind is Kind.LIFT else "3310"
    return Equipment(
        device=device,
        kind=kind,
        rescue_code=f"{(900_000 + number) % 1_000_000:06d}",
        register_code=f"{sort}3399{estate.year}{number:08d}",
        name=name,
        estate=estate.name,
        building=building,
        address=estate.address,
        district=estate.district.name,
        lon=round(estate.lon + 0.0003 * (block % 3), 6),
        lat=round(estate.lat + 0.0003 * (block // 3), 6),
        crs="WGS-84",
        floors=floors,
        rated_speed_m_s=speed,
        rated_load_kg=load,
        firm=f"{firm}电梯维保(演示)",
        firm_phone=f"0571-5550{1000 + estate.firm:04d}",
        user_unit=f"{estate.name}物业",
        user_unit_phone=f"0571-5550{2000 + zlib.crc32(estate.name.encode()) % 6000:04d}",
        emergency_phone=f"0571-5550{9000 + number % 1000:04d}",
        urban=estate.urban,
        maker=f"{rng.choice(_MAKERS)}(演示)",
        installed_on=f"{estate.year}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
        shard=zlib.crc32(device.encode()) % SHARDS,
    )


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "|".join(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _row(line: dict[str, str | None], *, where: str) -> Equipment:
    def text(name: str, default: str = "") -> str:
        return (line.get(name) or "").strip() or default

    try:
        return Equipment(
            **{name: text(name) for name in COLUMNS if Equipment.__annotations__[name] == "str"},
            kind=Kind(text("kind", "lift")),
            lon=float(text("lon", "0")),
            lat=float(text("lat", "0")),
            floors=tuple(text("floors", "1|2").split("|")),
            rated_speed_m_s=float(text("rated_speed_m_s", "1")),
            rated_load_kg=int(float(text("rated_load_kg", "0"))),
            urban=text("urban", "1") not in {"0", "false", "no", "否"},
            shard=_shard(text("shard"), where),
        )
    except ValueError as error:
        raise BadInput(str(error), where=where, expected="the columns that `hoistway lifts import` reads") from error


def _shard(text: str, where: str) -> int:
    if not text.isdigit() or int(text) >= SHARDS:
        raise BadInput(f"shard {text!r}", where=where, expected="0..63, as given at enrolment")
    return int(text)
