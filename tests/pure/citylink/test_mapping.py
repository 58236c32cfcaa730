"""What a platform is told of a case or alarm: both forms against files, what is missing is said, and our own adapter reads it back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alarms.codes import code_lists
from dispatch.citylink.form import CityStep, form_names, parse, shipped_form
from dispatch.citylink.mapping import Facts, Incomplete, LeftOut, Message, message_of
from dispatch.citylink.words import missing
from hoistway.errors import BadInput
from ingest.adapters.adapter import Adapter
from ingest.adapters.reading import entries
from ingest.adapters.spec import shipped_format

GOLDEN = Path(__file__).parents[2] / "data" / "citylink"
START = datetime(2026, 11, 24, 8, 0, 35, 400_000, tzinfo=UTC)
SAMPLE = {
    "speed": 0.0,
    "passenger": True,
    "door_closed": True,
    "door_status": 2,
    "car_status": 0,
    "car_position": "12A",
    "car_direction": 0,
}
CASE = Facts(
    supplier="SH07",
    number="C12",
    step=CityStep.OCCURRED,
    at=START,
    times={CityStep.OCCURRED: START},
    channel="S04",
    register_code="31101150002015060001",
    code="09",
    title="困人(非平层)",
    sample_at=START - timedelta(seconds=1),
    sample=SAMPLE,
)
CALL = replace(CASE, number="C13", channel="S01", title="困人", sample_at=None, sample={})


def rescue(code: str) -> list[Facts]:
    """A case of the province, step by step."""
    steps = [CityStep.OCCURRED, CityStep.RESPONDED, CityStep.ARRIVED, CityStep.DONE]
    times = {step: START + timedelta(minutes=7 * number) for number, step in enumerate(steps)}
    return [
        replace(CASE, step=step, at=times[step], code=code, times={one: times[one] for one in steps[: number + 1]})
        for number, step in enumerate(steps)
    ]


def told(form: str, facts: list[Facts]) -> list[object]:
    found = [message_of(shipped_form(form), one) for one in facts]
    assert all(isinstance(one, Message) for one in found)
    return [one.body for one in found if isinstance(one, Message)]


def test_the_shanghai_type_is_the_file() -> None:
    """An entrapment by IoT with the car's last sample, and one by telephone without."""
    assert told("shanghai", [CASE, CALL]) == json.loads((GOLDEN / "shanghai.json").read_text("utf-8"))


def test_the_province_type_is_the_file() -> None:
    """The steps of a rescue, a fault that ended by itself, and a false alarm."""
    fault = replace(CASE, number="A7-2", code="04", title="开锁区域外停止")
    over = START + timedelta(minutes=2)
    both = {CityStep.OCCURRED: START, CityStep.DONE: over}
    false = {CityStep.OCCURRED: START, CityStep.FALSE: over}
    facts = [
        *rescue("11"),
        fault,
        replace(fault, step=CityStep.DONE, at=over, times=both),
        replace(CASE, number="C14", code="11", step=CityStep.FALSE, at=over, times=false),
    ]
    assert told("province", facts) == json.loads((GOLDEN / "province.json").read_text("utf-8"))


def test_our_own_adapter_reads_what_shanghai_is_told() -> None:
    """The format that reads the city's interface finds the entrapment, its time and the car as it was."""
    adapter = Adapter(shipped_format("shanghai"), boot=1)
    (entry,) = entries(json.dumps(told("shanghai", [CASE])[0]).encode())
    found = adapter.line(entry)
    assert (found.bad, found.odd) == ([], [])
    (event,), (sample,) = found.events, found.samples
    assert (event["lift"], event["code"], event["active"]) == (CASE.register_code, "entrapment", True)
    assert event["ts"] == int(START.timestamp()) * 1_000
    assert {name: sample[name] for name in SAMPLE} == SAMPLE


def test_our_own_adapter_reads_what_a_province_is_told() -> None:
    """Active until it is done."""
    adapter = Adapter(shipped_format("province"), boot=1)
    lines = "\n".join(json.dumps(body) for body in told("province", rescue("11"))).encode()
    events = [event for entry in entries(lines) for event in adapter.line(entry).events]
    assert [(event["code"], event["active"]) for event in events] == [
        ("entrapment", True), ("entrapment", True), ("entrapment", True), ("entrapment", False),
    ]  # fmt: skip


@pytest.mark.parametrize(("form", "field"), [("shanghai", "registerNumber"), ("province", "reg_cod")])
def test_a_required_field_that_is_missing_is_said(form: str, field: str) -> None:
    """A lift without a registration code: the field and what to do; nothing is invented."""
    found = message_of(shipped_form(form), replace(CASE, register_code=None))
    assert isinstance(found, Incomplete)
    assert found.reason == field
    assert missing(form, found.reason, "en").startswith(f"{field}: enter the lift's register_code")
    assert missing(form, found.reason, "zh").startswith(f"{field}：在电梯登记中补录")


def test_everything_that_is_missing_is_said_at_once() -> None:
    """Not one field a try."""
    found = message_of(shipped_form("shanghai"), replace(CASE, register_code=None, title=None))
    assert isinstance(found, Incomplete)
    assert found.reason == "registerNumber, eventDesc"
    assert missing("shanghai", "eventDesc, old", "en") == "eventDesc: not known; old"


def test_what_a_platform_has_no_code_for_is_left_out() -> None:
    """And so is a rule that a person took out of service."""
    assert message_of(shipped_form("province"), replace(CASE, code=None)) == LeftOut(reason="no-code")
    assert message_of(shipped_form("province"), replace(CASE, out_of_service=True)) == LeftOut(reason="out-of-service")


def test_details_are_what_is_known() -> None:
    """A signal that nobody knows is not in the list."""
    found = message_of(shipped_form("shanghai"), replace(CASE, sample={**SAMPLE, "passenger": None}))
    assert isinstance(found, Message)
    codes = [one["paramCode"] for one in found.body["statusDetails"]]
    assert "Passenger_Status" not in codes
    assert "Car_Position" in codes


def test_the_time_of_a_second_is_that_second_in_the_platform_s_zone() -> None:
    """New Year's eve in Greenwich is New Year's morning there; parts of a second are cut."""
    late = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    found = message_of(shipped_form("shanghai"), replace(CALL, at=late, times={CityStep.OCCURRED: late}))
    assert isinstance(found, Message)
    assert found.body["occurTime"] == "2027-01-01 07:59:59"


@pytest.mark.parametrize("name", form_names())
def test_a_shipped_form_holds_together(name: str) -> None:
    """Its code list is shipped and knows people trapped; every field says its source."""
    form = shipped_form(name)
    (codes,) = [one for one in code_lists() if one.id == form.codes]
    assert [entry.zh for entry in codes.entries if entry.events == ("entrapment",)] == ["困人"]
    assert form.steps[0] is CityStep.OCCURRED
    listed = {form.columns.lift, form.columns.time, form.columns.code, form.columns.id}
    assert listed <= {field.name for field in form.fields}


GOOD = (Path(__file__).parents[3] / "dispatch/citylink/forms/province.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('from = "channel"', 'from = "colour"', "no fact 'colour'"),
        ('from = "code"', 'from = "at"', "at written as text"),
        ('id = "order_no"\n\n[[field]]', 'id = "time"\n\n[[field]]', "id 'time'"),
        (', false = "05"', "", "its values"),
        ('codes = "province"', 'codes = "province"\ncolour = "red"', "unknown key 'colour'"),
        ('"arrived", "done"', '"landed", "done"', "landed"),
        ("[list]", "[lists]", "unknown key 'lists'"),
        ('source = "SQL: 01 to 11, 61 to 65"', 'source = ""', "no source"),
    ],
)
def test_a_form_that_cannot_be_used_is_refused(before: str, after: str, said: str) -> None:
    """With the form, the field and what was expected."""
    text = GOOD.replace('from = "id"', 'from = "channel"', 1) if "channel" in before else GOOD
    assert before in text
    with pytest.raises(BadInput, match="form test") as caught:
        parse("test", text.replace(before, after, 1))
    assert said in str(caught.value)
