"""One small function a format where a table cannot say it: bytes or nested JSON to flat fields under their own names. No meaning here."""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from hoistway.errors import BadInput
from ingest.adapters.framing import unframed
from ingest.adapters.values import absent, word

Fields = dict[str, Any]
Unpack = Callable[[Any, str], Fields]
"""A message and the MQTT topic that it came by ("" elsewhere) to flat fields. Raises BadInput."""


def flat(message: Any, _topic: str) -> Fields:
    """A message that is flat already."""
    return dict(_object(message))


def json_tcp(message: Any, _topic: str) -> Fields:
    """`#10#{"type": "info", "data": {...}}#13#`, or what stands between the marks: `data` beside `type`."""
    if isinstance(message, str):
        try:
            message = json.loads(unframed(message))  # a line of a file may still have its marks
        except ValueError as error:
            raise BadInput(str(error)[:120], where="frame", expected="JSON between #10# and #13#") from None
    fields = dict(_object(message))
    data = fields.pop("data", {})
    return fields | dict(_object(data, "data"))


_MONITOR: Final = struct.Struct("<I8Bb12B")
_MONITOR_FIELDS: Final = (
    "timestamp", "version", "nowStatus", "direction", "floorStatus", "speed", "carStatus", "hasPeople", "power", "floor", "signal",
    "battery", "mode", "run", "doorClosed1", "motor", "temperature", "doorClosed2", "safetyLoop", "doorLoop", "stopOutsideZone",
    "unintendedMove",
)  # fmt: skip
_MONITOR_VERSIONS: Final = (1, 45)
_UP: Final = 1
_DOWN: Final = 2


def mx(message: Any, _topic: str) -> Fields:
    """The envelope, and its `D` (base64, little-endian) as fields `D.name`; `D.signed_speed` is negative on the way down, and unknown
    for a car that moves and does not say where to."""
    fields = dict(_object(message))
    if fields.get("TY") != "Monitor":
        return fields
    binary = _base64(fields.pop("D", None))
    if len(binary) < _MONITOR.size:
        raise BadInput(f"{len(binary)} bytes", where="D", expected=f"at least {_MONITOR.size}")
    found = dict(zip(_MONITOR_FIELDS, _MONITOR.unpack_from(binary), strict=True))
    if found["version"] not in _MONITOR_VERSIONS:
        raise BadInput(f"version {found['version']}", where="D", expected="1 (one door) or 45 (two doors)")
    sign = {_UP: 1, _DOWN: -1}.get(found["direction"], 0 if found["speed"] == 0 else None)
    found["signed_speed"] = None if sign is None else sign * found["speed"]
    return fields | {f"D.{name}": value for name, value in found.items()}


def shanghai(message: Any, _topic: str) -> Fields:
    """A flat message; an alarm's `statusDetails` become fields, and `statusCollectTime` their time. A lift that is not registered yet has
    its maker's code and number for a name."""
    fields = dict(_object(message))
    maker, number = fields.get("manufacturerCode"), fields.get("leaveFactoryNumber")
    if absent(fields.get("registerNumber")) and not absent(maker) and not absent(number):
        fields["registerNumber"] = f"{word(maker)}-{word(number)}"
    details = fields.pop("statusDetails", None)
    if details is None:
        return fields
    if not isinstance(details, list):
        raise BadInput(
            f"a {type(details).__name__}", where="statusDetails", expected="a list of paramCode and paramValue"
        )
    found = {str(_object(item, "statusDetails").get("paramCode")): item.get("paramValue") for item in details}
    return fields | found | {"samplingTime": fields.get("statusCollectTime")}


def province(message: Any, _topic: str) -> Fields:
    """A flat message; an escalator's service mode is another list than a lift's and gets a name of its own."""
    fields = dict(_object(message))
    if "operation_status" in fields and "service_mode" in fields:
        fields["escalator_service_mode"] = fields.pop("service_mode")
    return fields


def kone(message: Any, _topic: str) -> Fields:
    """A status is flat. A movement's decks become the marking where the car stopped and the persons of all decks."""
    fields = dict(_object(message))
    decks = fields.pop("decks", None)
    if not isinstance(decks, list) or not decks:
        return fields
    stops = [_object(_object(deck, "decks").get("stopFloor") or {}, "stopFloor") for deck in decks]
    persons = [count for deck in decks if (count := deck.get("estimatedPersons")) is not None]
    counts = [count for count in persons if type(count) in (int, float) and math.isfinite(count) and count >= 0]
    fields |= {"marking": stops[0].get("marking"), "persons": sum(counts) if counts else None}
    return fields if len(counts) == len(persons) else fields | {"estimatedPersons": persons}  # what is no count is odd


def otis(message: Any, _topic: str) -> Fields:
    """A car's status: its doors and its decks' loads as one word each. Of the events, which have no doors, only a mode's is taken."""
    fields = dict(_object(message))
    if fields.keys() == {"groupId", "machineId", "mode"}:
        return {"machineId": fields["machineId"], "groupId": fields["groupId"], "changed_mode": fields["mode"]}
    doors, load = fields.pop("doorStatus", None), fields.pop("load", None)
    if not isinstance(doors, list) or not doors:
        raise BadInput(
            "no list of doors",
            where="doorStatus",
            expected="a carStatus or carMode; other events say what changed, not what is",
        )
    states = [str(_object(door, "doorStatus").get("state")) for door in doors]
    decks = load if isinstance(load, list) else [load or {}]
    loads = [str(word) for deck in decks for word in _object(deck, "load").values()]
    return fields | {"doors": _most_open(states, ("OPENED", "OPENING", "CLOSING", "CLOSED")), "load": _heaviest(loads)}


def lci(message: Any, topic: str) -> Fields:
    """A status with the lift of its topic `/lci/{building}/{bank}/{elevator}/...`; an alarm names the area where a lift would stand."""
    fields = dict(_object(message))
    parts = topic.split("/")
    if topic.startswith("/lci/") and len(parts) >= 6:
        return fields | {"unit": "-".join(parts[2:5])}
    return fields | {"unit": fields.get("area_id")}


_NO_DOOR: Final = ("4", "unused", "5", "none")
_DOORS_OPEN_FIRST: Final = (
    "1", "opened", "9", "limited-opened", "7", "opening", "6", "closing", "3", "door-fault", "2", "unknown", "0", "closed", "8",
    "safety-locked",
)  # fmt: skip


def bacnet(message: Any, _topic: str) -> Fields:
    """An object's properties; `carPosition` counts from 1 in `floorText`, and the doors of a car become one word."""
    fields = dict(_object(message))
    labels, position = fields.get("floorText"), fields.get("carPosition")
    if isinstance(labels, list) and type(position) is int and 1 <= position <= len(labels):
        fields["label"] = labels[position - 1]
    doors = fields.get("carDoorStatus")
    if isinstance(doors, list):
        there = [str(door) for door in doors if str(door) not in _NO_DOOR]
        fields["carDoorStatus"] = _most_open(there, _DOORS_OPEN_FIRST)
    return fields


def _most_open(states: list[str], order: tuple[str, ...]) -> str | None:
    """The first of `order` that a door is in: one open door makes an open car. A word that is not there goes first."""
    strange = [state for state in states if state not in order]
    return next(iter(strange), next((state for state in order if state in states), None))


def _heaviest(loads: list[str]) -> str | None:
    """Any deck that is not empty speaks for the car."""
    return next((load for load in loads if load != "EMPTY"), next(iter(loads), None))


def _object(message: Any, where: str = "message") -> Mapping[str, Any]:
    if not isinstance(message, dict):
        raise BadInput(f"a {type(message).__name__}", where=where, expected="a JSON object")
    return message


def _base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise BadInput(f"{str(text)[:20]!r}", where="D", expected="base64") from None


UNPACK: Final[Mapping[str, Unpack]] = {
    "json-tcp": json_tcp, "mx": mx, "shanghai": shanghai, "province": province, "kone": kone,
    "otis": otis, "lci": lci, "bacnet": bacnet,
}  # fmt: skip
