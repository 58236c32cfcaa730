"""GCJ-02 against a known value and against itself, swapped pairs. Knows no files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.registry.coordinates import Region, gcj_from_wgs, is_swapped, wgs_from_gcj

GERMANY = Region(lon_min=5.5, lat_min=47.0, lon_max=15.5, lat_max=55.5)


def test_known_point_in_shanghai() -> None:
    """The point that other implementations publish comes out as they publish it, to the last digit."""
    lon, lat = gcj_from_wgs(121.4737, 31.2304)
    assert (round(lat, 6), round(lon, 6)) == (31.228458, 121.478223)


def test_known_point_comes_back() -> None:
    """The GCJ-02 point of the pair is WGS-84 again within a metre in the sixth decimal."""
    lon, lat = wgs_from_gcj(121.478223, 31.228458)
    assert lon == pytest.approx(121.4737, abs=2e-6)
    assert lat == pytest.approx(31.2304, abs=2e-6)


@given(st.floats(74, 135), st.floats(18, 53))
def test_there_and_back(lon: float, lat: float) -> None:
    """Anywhere in mainland China the shift is undone to less than a centimetre."""
    back_lon, back_lat = wgs_from_gcj(*gcj_from_wgs(lon, lat))
    assert back_lon == pytest.approx(lon, abs=1e-7)
    assert back_lat == pytest.approx(lat, abs=1e-7)


def test_no_shift_abroad() -> None:
    """Outside its region GCJ-02 is WGS-84."""
    assert gcj_from_wgs(10.236206, 53.6693799) == (10.236206, 53.6693799)
    assert wgs_from_gcj(-73.9577, 40.8093) == (-73.9577, 40.8093)


def test_swapped_is_sure_beyond_90_degrees() -> None:
    """A latitude of 120 can only be a longitude, with or without a region."""
    assert is_swapped(30.25, 120.15, None)
    assert not is_swapped(120.15, 30.25, None)


def test_swapped_needs_a_region_otherwise() -> None:
    """Two numbers below 90 are swapped only when a known region says so."""
    assert is_swapped(48.79, 8.19, GERMANY)
    assert not is_swapped(48.79, 8.19, None)
    assert not is_swapped(8.19, 48.79, GERMANY)
    assert not is_swapped(100.0, 80.0, GERMANY)
