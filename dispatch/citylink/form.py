"""Forms: how a platform wants to be told, as data. Reads `forms/*.toml`; knows no case, no database, no network. Pure.

A field says where its value comes from (a fact of `mapping.Facts`), how it is written, and whether the message can go without it.
`source` names where the field was found, by the keys of the glossary; what is hoistway's own says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.model import SIGNAL


class CityStep(StrEnum):
    """What a platform is told of, in the order in which it happens."""

    OCCURRED = "occurred"
    RESPONDED = "responded"
    ARRIVED = "arrived"
    DONE = "done"
    FALSE = "false"


class Writing(StrEnum):
    """How a fact is written."""

    TEXT = "text"
    LOCAL = "local"  # yyyy-MM-dd HH:mm:ss in the form's zone
    DETAILS = "details"  # a list of code, name and value, of what is known


FACTS: Final = frozenset(
    {"id", "channel", "register_code", "occurred_at", "responded_at", "arrived_at", "ended_at", "at", "code", "title", "step",
     "sample_at"}
)  # fmt: skip
TIMES: Final = frozenset({"occurred_at", "responded_at", "arrived_at", "ended_at", "at", "sample_at"})
_UNKNOWN: Final = {"zh": "未知", "en": "not known"}
_KEYS: Final = frozenset({"title", "source", "codes", "zone", "steps", "id", "field", "list", "answer"})
_FIELD_KEYS: Final = frozenset({"name", "from", "form", "values", "optional", "mend", "source", "detail"})
_LIST_KEYS: Final = frozenset({"id", "lift", "time", "code"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """One value of a list of details."""

    code: str
    name: str
    source: str  # a signal, or sample_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of the message."""

    name: str
    fact: str
    writing: Writing
    values: Mapping[str, str] | None  # their word for each of ours
    optional: bool
    mend: Mapping[str, str]  # zh, en: what to do when it is missing
    details: tuple[Detail, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListColumns:
    """What the columns of a day's list are called."""

    id: str
    lift: str
    time: str
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """One platform's form."""

    name: str
    title: Mapping[str, str]  # zh, en
    source: str
    codes: str  # the code list of alarms/codes that it speaks
    zone_minutes: int
    steps: tuple[CityStep, ...]
    id: str  # the field that names the case or alarm
    fields: tuple[Field, ...]
    columns: ListColumns
    answer_field: str
    answer_accepted: frozenset[str]
    answer_reason: str


def form_names() -> tuple[str, ...]:
    """The shipped forms."""
    folder = files("dispatch.citylink") / "forms"
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


@cache
def shipped_form(name: str) -> Form:
    """A shipped form. Raises BadInput for a name that is none."""
    if name not in form_names():
        raise BadInput(f"{name!r}", where="form", expected=" or ".join(form_names()))
    return parse(name, (files("dispatch.citylink") / "forms" / f"{name}.toml").read_text("utf-8"))


def parse(name: str, text: str) -> Form:
    """A form from its TOML text. Raises BadInput, which names the form and what is wrong."""
    where = f"form {name}"
    try:
        document = tomllib.loads(text)
        _check_keys(document, _KEYS, where)
        fields = tuple(_field(item, where) for item in document["field"])
        _check_keys(document["list"], _LIST_KEYS, f"{where}, list")
        steps = tuple(CityStep(step) for step in document["steps"])
        answer = document["answer"]
        form = Form(
            name=name,
            title=dict(document["title"]),
            source=document["source"],
            codes=document["codes"],
            zone_minutes=_zone(document["zone"]),
            steps=steps,
            id=document["id"],
            fields=fields,
            columns=ListColumns(**document["list"]),
            answer_field=answer["field"],
            answer_accepted=frozenset(answer["accepted"]),
            answer_reason=answer["reason"],
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(str(error), where=where, expected="title, source, codes, zone, steps, id, field, list") from None
    _check(form, where)
    return form


def _field(table: Mapping[str, Any], where: str) -> Field:
    place = f"{where}, field {table.get('name')}"
    _check_keys(table, _FIELD_KEYS, place)
    writing = Writing(table.get("form", Writing.TEXT))
    if not table["source"]:
        raise BadInput("no source", where=place, expected="where the field was found")
    return Field(
        name=table["name"],
        fact=table.get("from", ""),
        writing=writing,
        values=table.get("values"),
        optional=table.get("optional", False),
        mend=dict(table.get("mend", _UNKNOWN)),
        details=tuple(
            Detail(code=one["code"], name=one["name"], source=one["from"]) for one in table.get("detail", ())
        ),
    )


def _check(form: Form, where: str) -> None:
    for one in form.fields:
        place = f"{where}, field {one.name}"
        if (one.writing is Writing.DETAILS) == bool(one.fact):
            raise BadInput("a fact or details", where=place, expected="one of them")
        if one.fact and one.fact not in FACTS:
            raise BadInput(f"no fact {one.fact!r}", where=place, expected=", ".join(sorted(FACTS)))
        if (one.writing is Writing.LOCAL) != (one.fact in TIMES):
            raise BadInput(
                f"{one.fact} written as {one.writing}", where=place, expected="a time as local, others as text"
            )
        if one.fact == "step" and set(one.values or ()) != set(form.steps):
            raise BadInput("its values", where=place, expected=f"a word for each of {', '.join(form.steps)}")
        for detail in one.details:
            if detail.source not in SIGNAL and detail.source != "sample_at":
                raise BadInput(f"no signal {detail.source!r}", where=place, expected="a signal, or sample_at")
    if form.id not in {one.name for one in form.fields if one.fact == "id"}:
        raise BadInput(f"id {form.id!r}", where=where, expected="a field from id")


def _zone(text: str) -> int:
    sign, hours, minutes = text[0], int(text[1:3]), int(text[4:6])
    if sign not in "+-" or text[3] != ":":
        raise ValueError(f"zone {text!r}")
    return (hours * 60 + minutes) * (1 if sign == "+" else -1)


def _check_keys(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise BadInput(f"unknown key {key!r}", where=where, expected=", ".join(sorted(known)))
