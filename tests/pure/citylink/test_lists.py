"""A day's list as a file: theirs read, ours written, what cannot be used named."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from dispatch.citylink.form import form_names, shipped_form
from dispatch.citylink.lists import day_bounds, read_list, write_csv, write_json
from dispatch.citylink.matching import Entry
from hoistway.errors import BadInput

DAY = date(2026, 11, 24)
FORM = shipped_form("shanghai")
FIRST = datetime(2026, 11, 23, 16, tzinfo=UTC)
ENTRIES = [
    Entry(id="SH07-C12", lift="31101150002015060001", at_s=int(FIRST.timestamp()), code="09"),
    Entry(id="SH07-C13", lift="31101150002015060001", at_s=int(FIRST.timestamp()) + 86_399, code="09"),
]
HEAD = "alarmId,registerNumber,occurTime,failureCode\n"


def test_a_day_is_a_day_of_the_platform_s_zone() -> None:
    """From four in the afternoon to four in the afternoon in Greenwich."""
    assert day_bounds(FORM, DAY) == (FIRST, FIRST + timedelta(days=1))


@pytest.mark.parametrize("name", form_names())
@pytest.mark.parametrize("write", [write_csv, write_json])
def test_what_is_written_is_read(name: str, write: object) -> None:
    """Both forms, both kinds of file, nothing lost."""
    form = shipped_form(name)
    assert callable(write)
    assert read_list(form, DAY, write(form, ENTRIES)) == ENTRIES
    assert read_list(form, DAY, write(form, [])) == []


def test_lines_of_another_day_are_beside_it() -> None:
    """Read, and not of the day."""
    text = HEAD + "1,A,2026-11-23 23:59:59,09\n2,A,2026-11-24 00:00:00,09\n3,A,2026-11-25 00:00:00,09\n"
    assert [one.inside for one in read_list(FORM, DAY, text)] == [False, True, False]


def test_a_spreadsheet_s_file_is_read() -> None:
    """A mark in front, more columns, spaces, no id."""
    text = "\ufeffregisterNumber , occurTime,failureCode,remark\r\nA, 2026-11-24 08:00:00 ,09,x\r\n"
    (one,) = read_list(FORM, DAY, text)
    assert (one.id, one.lift, one.code) == ("", "A", "09")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "1,A,24.11.2026 08:00,09\n", "line 2: occurTime: '24.11.2026 08:00'; expected yyyy-MM-dd HH:mm:ss"),
        (HEAD + "1,,2026-11-24 08:00:00,09\n", "line 2: registerNumber: ''"),
        (HEAD + "1,A,2026-11-24 08:00:00\n", "line 2: failureCode"),
        ("alarmId,occurTime\n", "line 1: no column registerNumber, failureCode"),
        ("", "line 1: no column"),
        ('{"a": 1}', "expected a JSON array of objects"),
        ("[1]", "expected a JSON array of objects"),
        ("[{", "expected CSV with a header, or a JSON array"),
        ('[{"registerNumber": "A", "occurTime": null, "failureCode": "09"}]', "item 1: occurTime"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, said: str) -> None:
    """The line, the column, what was expected; then nothing of the file is used."""
    with pytest.raises(BadInput) as caught:
        read_list(FORM, DAY, text)
    assert said in str(caught.value)


def test_many_bad_lines_are_counted() -> None:
    """The first five in full."""
    with pytest.raises(BadInput, match="and 2 more"):
        read_list(FORM, DAY, HEAD + "1,A,never,09\n" * 7)
