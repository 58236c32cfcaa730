"""One small function a format where a table cannot say it: bytes or nested JSON to flat fields under their own names. No meaning here."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from hoistway.errors import BadInput
from ingest.adapters.framing import unframed

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
            message = json.loads(unframed(message))
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
_DOWN: Final = 2


def mx(message: Any, _topic: str) -> Fields:
    """The envelope, and its `D` (base64, little-endian) as fields `D.name`; `D.signed_speed` is negative on the way down."""
    fields = dict(_object(message))
    if fields.get("TY") != "Monitor":
        return fields
    binary = _base64(fields.pop("D", None))
    if len(binary) < _MONITOR.size:
        raise BadInput(f"{len(binary)} bytes", where="D", expected=f"at least {_MONITOR.size}")
    found = dict(zip(_MONITOR_FIELDS, _MONITOR.unpack_from(binary), strict=True))
    if found["version"] not in _MONITOR_VERSIONS:
        raise BadInput(f"version {found['version']}", where="D", expected="1 (one door) or 45 (two doors)")
    found["signed_speed"] = -found["speed"] if found["direction"] == _DOWN else found["speed"]
    return fields | {f"D.{name}": value for name, value in found.items()}


def shanghai(message: Any, _topic: str) -> Fields:
    """A flat message; an alarm's `statusDetails` become fields, and `statusCollectTime` their time."""
    fields = dict(_object(message))
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


def _object(message: Any, where: str = "message") -> Mapping[str, Any]:
    if not isinstance(message, dict):
        raise BadInput(f"a {type(message).__name__}", where=where, expected="a JSON object")
    return message


def _base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise BadInput(f"{str(text)[:20]!r}", where="D", expected="base64") from None


UNPACK: Final[Mapping[str, Unpack]] = {"json-tcp": json_tcp, "mx": mx, "shanghai": shanghai, "province": province}
