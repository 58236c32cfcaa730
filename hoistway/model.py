"""What things are called and which values they take: enumerations, signals, roles. No I/O, no numpy, no clock.

Numbers follow GB/T 24476-2017 as implementers use it (docs/glossary.md names the sources). Every signal is listed once, in
`SIGNALS`; decoder, engine, store, documents and simulators all read that table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Kind(StrEnum):
    LIFT = "lift"
    ESCALATOR = "escalator"


class ServiceMode(IntEnum):
    OUT_OF_SERVICE = 0
    NORMAL = 1
    INSPECTION = 2
    FIRE_RETURN = 3
    FIREFIGHTER = 4
    EMERGENCY_POWER = 5
    EARTHQUAKE = 6
    UNKNOWN = 7


class CarStatus(IntEnum):
    STOPPED = 0
    RUNNING = 1


class CarDirection(IntEnum):
    NONE = 0
    UP = 1
    DOWN = 2


class DoorStatus(IntEnum):
    UNKNOWN = 0
    CLOSING = 1
    CLOSED = 2
    OPENING = 3
    OPEN = 4
    LOCKED = 5
    HELD = 6


class Power(IntEnum):
    MAINS = 1
    OUT = 2
    BATTERY = 3


class SafetyChain(IntEnum):
    CLOSED = 0
    OPEN = 1


class Brake(IntEnum):
    APPLIED = 0
    LIFTED = 1


class OperationStatus(IntEnum):
    STOPPED = 0
    RUNNING = 1


class OperationDirection(IntEnum):
    ENERGY_SAVING_STOP = 0
    UP = 1
    UP_REDUCED = 2
    DOWN = 3
    DOWN_REDUCED = 4


class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    NOTICE = "notice"


class SecurityKind(StrEnum):
    """What looks like an intruder, or like a door that will not open any more. docs/security.md says when."""

    FOREIGN_LIFT = "foreign-lift"
    FOREIGN_TOPIC = "foreign-topic"
    UNKNOWN_DEVICE = "unknown-device"
    REVOKED_KEY = "revoked-key"
    SEQUENCE_REUSED = "sequence-reused"
    BOOT_REUSED = "boot-reused"
    CLONE = "clone"
    TAKEOVER = "takeover"
    LOGIN_REFUSED = "login-refused"
    CERTIFICATE_EXPIRING = "certificate-expiring"
    CERTIFICATE_EXPIRED = "certificate-expired"


class Opens(StrEnum):
    RESCUE = "rescue"
    ALARM_CALL = "alarm-call"
    TICKET = "ticket"
    NOTICE = "notice"


class Condition(StrEnum):
    """What the lift is."""

    ACTIVE = "active"
    CLEARED = "cleared"


class OperatorState(StrEnum):
    """What the person at the desk has done about it."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"


class CaseKind(StrEnum):
    ENTRAPMENT = "entrapment"
    ALARM_CALL = "alarm-call"
    FAULT = "fault"  # nobody is trapped, says a call: the contract firm is sent, and nobody else


class CallKind(StrEnum):
    """What a call to the centre is about."""

    ENTRAPMENT = "entrapment"
    FAULT = "fault"
    COMPLAINT = "complaint"
    QUESTION = "question"
    FALSE_CALL = "false-call"


class Became(StrEnum):
    """What a call has become."""

    NEW_CASE = "new-case"
    JOINED_CASE = "joined-case"
    RAISED_CASE = "raised-case"
    NEW_COMPLAINT = "new-complaint"
    JOINED_COMPLAINT = "joined-complaint"
    NOTED = "noted"


class Channel(StrEnum):
    """Where a case came from (city interface codes S01-S05)."""

    TELEPHONE = "S01"
    PROPERTY = "S02"
    MAINTENANCE = "S03"
    IOT = "S04"
    MINI_PROGRAM = "S05"


class Addressee(StrEnum):
    """Whom an order goes to."""

    UNIT = "unit"
    FIRM = "firm"
    FIRE = "119"
    AMBULANCE = "120"


class UnitKind(StrEnum):
    TEAM = "team"  # of a firm, level 1
    STATION = "station"  # level 2


class Step(StrEnum):
    """The check list of level 3, in its order."""

    CALL_119 = "call-119"
    TELL_ADDRESS = "tell-address"
    TELL_ACCESS = "tell-access"
    MEET_CREW = "meet-crew"
    OFFER_120 = "offer-120"
    TELL_SUPERVISOR = "tell-supervisor"


class Vulnerable(StrEnum):
    """Who is inside and goes first."""

    CHILD = "child"
    ELDERLY = "elderly"
    PREGNANT = "pregnant"
    DISABLED = "disabled"
    ILL = "ill"
    PANIC = "panic"


class ReleaseMethod(StrEnum):
    """How they came out."""

    LEVELLED = "levelled"  # levelled and opened
    FORCED = "forced"  # doors forced open
    HAND_WINDING = "hand-winding"
    BALANCE_WEIGHT = "balance-weight"
    BY_THEMSELVES = "by-themselves"
    NOBODY_INSIDE = "nobody-inside"
    OTHER = "other"


class Role(StrEnum):
    DISPATCHER = "dispatcher"
    SUPERVISOR = "supervisor"
    MAINTAINER = "maintainer"
    PROPERTY = "property"
    TESTER = "tester"
    AUDITOR = "auditor"
    ADMIN = "admin"


class SignalType(StrEnum):
    BOOL = "bool"
    ENUM = "enum"
    NUMBER = "number"
    LABEL = "label"


EnumType = type[IntEnum]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    name: str
    type: SignalType
    kind: Kind | None  # None: lifts and escalators
    meaning: str
    unit: str = ""
    low: float | None = None  # outside low..high the field is unknown and counted as implausible
    high: float | None = None
    values: EnumType | None = None
    unknown_value: int | None = None  # an enumeration's own word for "unknown"


def _bool(name: str, meaning: str, kind: Kind | None = Kind.LIFT) -> Signal:
    return Signal(name=name, type=SignalType.BOOL, kind=kind, meaning=meaning)


def _enum(
    name: str, values: type[IntEnum], meaning: str, kind: Kind | None = Kind.LIFT, unknown: int | None = None
) -> Signal:
    return Signal(name=name, type=SignalType.ENUM, kind=kind, meaning=meaning, values=values, unknown_value=unknown)


def _number(name: str, unit: str, low: float, high: float, meaning: str, kind: Kind | None = Kind.LIFT) -> Signal:
    return Signal(name=name, type=SignalType.NUMBER, kind=kind, meaning=meaning, unit=unit, low=low, high=high)


SIGNALS: Final[tuple[Signal, ...]] = (
    _enum("service_mode", ServiceMode, "service mode", None, unknown=7),
    _enum("car_status", CarStatus, "car stopped or running"),
    _enum("car_direction", CarDirection, "direction of travel"),
    _bool("door_zone", "car in the unlocking zone"),
    Signal(
        name="car_position",
        type=SignalType.LABEL,
        kind=Kind.LIFT,
        meaning="displayed floor, 1 to 4 characters",
    ),
    _enum("door_status", DoorStatus, "car door", unknown=0),
    _bool("door_closed", "car door closed fully"),
    _bool("passenger", "somebody in the car; null when the sensor cannot tell"),
    _bool("landing_door_locked", "all landing doors locked"),
    _number("speed", "m/s", -20, 20, "signed speed, up is positive", None),
    _number("load", "kg", 0, 20_000, "load in the car"),
    _number("people", "persons", 0, 200, "people counted in the car"),
    _enum("power", Power, "source of power", None),
    _enum("safety_chain", SafetyChain, "safety chain", None),
    _enum("brake", Brake, "machine brake applied or lifted"),
    _number("temperature", "°C", -60, 150, "machine-room temperature", None),
    _number("vibration", "m/s²", 0, 100, "vibration, root mean square", None),
    _bool("light", "car light is on"),
    _number("signal", "dBm", -150, 0, "radio signal", None),
    _number("battery", "%", 0, 100, "terminal's back-up battery", None),
    _number("running_hours", "h", 0, 1_000_000, "counter of running hours", None),
    _number("runs", "runs", 0, 4_294_967_295, "counter of runs", None),
    _number("door_cycles", "cycles", 0, 4_294_967_295, "counter of door cycles"),
    _enum("operation_status", OperationStatus, "escalator stopped or running", Kind.ESCALATOR),
    _enum("operation_direction", OperationDirection, "escalator direction", Kind.ESCALATOR),
    _number("handrail_left", "m/s", -5, 5, "left handrail speed", Kind.ESCALATOR),
    _number("handrail_right", "m/s", -5, 5, "right handrail speed", Kind.ESCALATOR),
    _bool("step_missing", "a step or pallet is missing", Kind.ESCALATOR),
    _bool("occupied", "somebody on the escalator", Kind.ESCALATOR),
)
SIGNAL: Final[dict[str, Signal]] = {signal.name: signal for signal in SIGNALS}


@dataclass(frozen=True, kw_only=True, slots=True)
class EventCode:
    code: str  # as on the wire
    group: str  # fault, event, alarm, own
    kind: Kind
    zh: str
    en: str
    source: str


def _code(
    code: str, group: str, zh: str, en: str, kind: Kind = Kind.LIFT, source: str = "GB/T 24476-2017"
) -> EventCode:
    return EventCode(code=code, group=group, kind=kind, zh=zh, en=en, source=source)


_ESC: Final = Kind.ESCALATOR
_OWN: Final = "hoistway: no national number that implementers agree on"

EVENT_CODES: Final[tuple[EventCode, ...]] = (
    _code("01", "fault", "运行时安全回路断路", "safety chain open while running"),
    _code("02", "fault", "关门故障", "door close fault"),
    _code("03", "fault", "开门故障", "door open fault"),
    _code("04", "fault", "轿厢在开锁区域外停止", "car stopped outside the unlocking zone"),
    _code("05", "fault", "轿厢意外移动", "unintended car movement"),
    _code("06", "fault", "电动机运转时间限制器动作", "motor run-time limiter acted"),
    _code("07", "fault", "楼层位置丢失", "floor position lost"),
    _code("08", "fault", "防止电梯再运行故障", "fault that prevents re-running"),
    _code("40", "event", "恢复自动运行", "back to automatic operation"),
    _code("41", "event", "主电源断电", "main power off"),
    _code("42", "event", "进入停止服务", "enters out-of-service"),
    _code("43", "event", "进入检修运行", "enters inspection"),
    _code("44", "event", "进入消防返回", "enters fire return"),
    _code("45", "event", "进入消防员运行", "enters firefighter operation"),
    _code("46", "event", "进入应急电源运行", "emergency power operation"),
    _code("47", "event", "地震模式", "earthquake mode"),
    _code("61", "fault", "安全回路断路", "safety chain open", _ESC, "province data exchange"),
    _code("62", "fault", "超速保护", "over-speed protection", _ESC, "province data exchange"),
    _code("63", "fault", "非操纵逆转保护", "unintended reversal protection", _ESC, "province data exchange"),
    _code("64", "fault", "梯级缺失保护", "missing step protection", _ESC, "province data exchange"),
    _code("65", "fault", "防止再启动", "prevents restart", _ESC, "province data exchange"),
    _code("90", "alarm", "轿内报警按钮动作", "alarm button pressed"),
    _code("entrapment", "own", "设备判定困人", "entrapment reported by the device", source=_OWN),
    _code("top-overtravel", "own", "冲顶", "over-travel at the top", source=_OWN),
    _code("bottom-overtravel", "own", "蹲底", "over-travel at the bottom", source=_OWN),
    _code("overspeed", "own", "超速", "over-speed", source=_OWN),
    _code("door-open-running", "own", "开门走车", "door open while running", source=_OWN),
    _code("emergency-stop", "own", "急停按钮动作", "emergency stop pressed", _ESC, _OWN),
    _code("self-test", "own", "自检呼叫", "automatic test call (EN 81-28, every 72 h)", source="EN 81-28:2022"),
    _code(
        "platform-probe", "own", "平台探测报警", "the platform's own probe", source="hoistway: of the probe lift only"
    ),
)
EVENT_CODE: Final[dict[str, EventCode]] = {item.code: item for item in EVENT_CODES}
"""Event codes by their wire form. The position in `EVENT_CODES` is only used in memory, never stored."""

PROBE_CODE: Final = "platform-probe"
"""What the platform's own probe says (`hoistway watch`), and the id of the rule that it raises; from any other lift it is refused."""

AUTOMATIC: Final = "40"
MODE_CODES: Final = (AUTOMATIC, "42", "43", "44", "45", "46", "47")
"""Events that say which mode a lift went into (GB/T 24476-2017): the last word counts, because many terminals never take one back."""

BUILT_IN: Final[dict[str, dict[str, str]]] = {
    "event-unreadable": {"zh": "设备事件无法读取", "en": "An event of the device could not be read"},
    "clock-unknown": {"zh": "收到时间未知的记录", "en": "Records of an unknown time"},
    "door-security": {"zh": "设备接入安全事件", "en": "A device's key may be in other hands"},
}
"""Titles, zh and en, of notices that no rule makes; their rule version is `built-in`."""
