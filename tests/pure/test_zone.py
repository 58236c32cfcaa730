"""Time zones as tables of offsets."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.errors import BadInput
from hoistway.zone import zone_table


@given(st.integers(946_771_200, 2_838_240_000), st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "UTC"]))
def test_the_table_says_what_the_zone_says(second: int, name: str) -> None:
    """At any second the table has the offset that the machine's time zone data has."""
    at, ms = datetime.fromtimestamp(second, UTC), second * 1_000
    found = [offset for since, offset in zone_table(name) if since <= ms][-1]
    offset = at.astimezone(ZoneInfo(name)).utcoffset()
    assert offset is not None
    assert found == offset.total_seconds() * 1_000


def test_a_name_that_is_no_zone_is_refused() -> None:
    """An unknown zone is an error that names the setting."""
    with pytest.raises(BadInput, match="HOISTWAY_TIME_ZONE"):
        zone_table("Asia/Nowhere")
