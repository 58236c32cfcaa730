"""Where a lift stands: GCJ-02 to WGS-84 and back, swapped pairs, regions. Pure.

WGS-84 is stored. GCJ-02 is the shifted system that maps in mainland China use; mixing the two misses by some 500 m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_AXIS_M: Final = 6378245.0  # Krasovsky 1940, as GCJ-02 uses it
_ECCENTRICITY_2: Final = 0.00669342162296594323
_EXACT_DEGREES: Final = 1e-9  # about 0.1 mm


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A box of degrees; the place a register says it is about."""

    lon_min: float
    lat_min: float
    lon_max: float
    lat_max: float

    def holds(self, lon: float, lat: float) -> bool:
        return self.lon_min <= lon <= self.lon_max and self.lat_min <= lat <= self.lat_max

    def __str__(self) -> str:
        return f"lon {self.lon_min:g}..{self.lon_max:g}, lat {self.lat_min:g}..{self.lat_max:g}"


GCJ_REGION: Final = Region(lon_min=72.004, lat_min=0.8293, lon_max=137.8347, lat_max=55.8271)
"""Outside it GCJ-02 equals WGS-84."""


def gcj_from_wgs(lon: float, lat: float) -> tuple[float, float]:
    """(lon, lat) in GCJ-02 of a WGS-84 point."""
    if not GCJ_REGION.holds(lon, lat):
        return lon, lat
    shift_lon, shift_lat = _shift(lon, lat)
    return lon + shift_lon, lat + shift_lat


def wgs_from_gcj(lon: float, lat: float) -> tuple[float, float]:
    """(lon, lat) in WGS-84 of a GCJ-02 point: the shift is undone by iteration, to less than a millimetre."""
    if not GCJ_REGION.holds(lon, lat):
        return lon, lat
    wgs_lon, wgs_lat = lon, lat
    for _ in range(30):
        back_lon, back_lat = gcj_from_wgs(wgs_lon, wgs_lat)
        error_lon, error_lat = back_lon - lon, back_lat - lat
        wgs_lon, wgs_lat = wgs_lon - error_lon, wgs_lat - error_lat
        if abs(error_lon) < _EXACT_DEGREES and abs(error_lat) < _EXACT_DEGREES:
            break
    return wgs_lon, wgs_lat


def is_swapped(lon: float, lat: float, region: Region | None) -> bool:
    """Whether longitude and latitude stand in each other's place.

    Sure when the latitude is beyond 90°; else only a known region can tell.
    """
    if abs(lat) > 90:
        return abs(lon) <= 90 and abs(lat) <= 180
    return region is not None and not region.holds(lon, lat) and region.holds(lat, lon)


def _shift(lon: float, lat: float) -> tuple[float, float]:
    x, y = lon - 105.0, lat - 35.0
    ripple = (20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + ripple
    north += (20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    north += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + ripple
    east += (20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    east += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    curve = 1 - _ECCENTRICITY_2 * math.sin(math.radians(lat)) ** 2
    meridian_m = _AXIS_M * (1 - _ECCENTRICITY_2) / (curve * math.sqrt(curve))
    parallel_m = _AXIS_M / math.sqrt(curve) * math.cos(math.radians(lat))
    return math.degrees(east / parallel_m), math.degrees(north / meridian_m)
