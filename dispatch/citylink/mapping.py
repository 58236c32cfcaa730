"""What is told of one step of a case or alarm: facts in, the platform's message out. Pure: no clock, no database.

A required field whose fact is not known makes the record incomplete; it is said, and nothing is invented in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from dispatch.citylink.form import CityStep, Detail, Field, Form, Writing

NO_CODE: Final = "no-code"
OUT_OF_SERVICE: Final = "out-of-service"
TRAPPED: Final = "entrapment"
"""The event code by which a code list says that people are trapped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of one step. None: not known."""

    supplier: str  # our code at the platform
    number: str  # of the case (C12) or alarm (A7, A7-2), ours
    step: CityStep
    at: datetime  # when the step happened
    times: Mapping[CityStep, datetime]  # this one and those before it
    channel: str  # S01 to S05
    register_code: str | None
    code: str | None  # in the form's code list
    title: str | None  # zh
    out_of_service: bool = False  # a person took the rule of this lift out of service
    sample_at: datetime | None = None
    sample: Mapping[str, bool | int | float | str | None] = field(
        default_factory=dict
    )  # the lift's last sample, by signal


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is sent."""

    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Incomplete:
    """It cannot be sent: names of fields that are missing. `words.missing` says what to do."""

    missing: tuple[str, ...]

    @property
    def reason(self) -> str:
        return ", ".join(self.missing)


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """It is not told: the form has no code for it, or its rule is out of service."""

    reason: str


def record_id(facts: Facts) -> str:
    """The platform's name for it: supplier, hyphen, our number. The same at every try and step."""
    return f"{facts.supplier}-{facts.number}"


def message_of(form: Form, facts: Facts) -> Message | Incomplete | LeftOut:
    """The message of one step."""
    if facts.code is None:
        return LeftOut(reason=NO_CODE)
    if facts.out_of_service:
        return LeftOut(reason=OUT_OF_SERVICE)
    body: dict[str, Any] = {}
    missing = []
    for one in form.fields:
        value = _value(one, facts, form)
        if value is not None:
            body[one.name] = value
        elif not one.optional:
            missing.append(one.name)
    return Incomplete(missing=tuple(missing)) if missing else Message(body=body)


def local(at: datetime, zone_minutes: int) -> str:
    """yyyy-MM-dd HH:mm:ss, the second in which it was."""
    return f"{at.astimezone(timezone(timedelta(minutes=zone_minutes))):%Y-%m-%d %H:%M:%S}"


def _value(one: Field, facts: Facts, form: Form) -> Any:
    if one.writing is Writing.DETAILS:
        return _details(one.details, facts, form) or None
    fact = _fact(one.fact, facts)
    if fact is None or fact == "":
        return None
    if isinstance(fact, datetime):
        return local(fact, form.zone_minutes)
    return one.values.get(str(fact)) if one.values is not None else str(fact)


def _fact(name: str, facts: Facts) -> Any:
    match name:
        case "id":
            return record_id(facts)
        case "occurred_at":
            return facts.times.get(CityStep.OCCURRED)
        case "responded_at":
            return facts.times.get(CityStep.RESPONDED)
        case "arrived_at":
            return facts.times.get(CityStep.ARRIVED)
        case "ended_at":
            return facts.times.get(CityStep.DONE) or facts.times.get(CityStep.FALSE)
        case _:
            return getattr(facts, name)


def _details(details: tuple[Detail, ...], facts: Facts, form: Form) -> list[dict[str, str]]:
    """The values that are known, as text; none without a sample."""
    if facts.sample_at is None:
        return []
    found = []
    for one in details:
        value = local(facts.sample_at, form.zone_minutes) if one.source == "sample_at" else facts.sample.get(one.source)
        if value is not None:
            found.append({"paramCode": one.code, "paramName": one.name, "paramValue": _word(value)})
    return found


def _word(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
