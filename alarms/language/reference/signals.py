"""Entries of the reference: every signal, with an example made from its range or its words; and the signals that no device sends."""

from __future__ import annotations

from typing import Final

from alarms.language.checker import enum_words
from alarms.language.reference.entries import Entry, entry
from hoistway.model import SIGNALS, Kind, Signal, SignalType

TITLES: Final = {
    "service_mode": "服务模式",
    "car_status": "轿厢运行状态",
    "car_direction": "轿厢运行方向",
    "door_zone": "开锁区域",
    "car_position": "电梯当前楼层",
    "door_status": "门状态",
    "door_closed": "关门到位",
    "passenger": "轿内有人",
    "landing_door_locked": "层门锁闭",
    "speed": "速度",
    "load": "载重",
    "people": "人数",
    "power": "供电",
    "safety_chain": "安全回路",
    "brake": "制动器",
    "temperature": "机房温度",
    "vibration": "振动",
    "light": "轿厢照明",
    "signal": "无线信号",
    "battery": "后备电池",
    "running_hours": "累计运行时间",
    "runs": "累计运行次数",
    "door_cycles": "累计开关门次数",
    "operation_status": "扶梯运行状态",
    "operation_direction": "扶梯运行方向",
    "handrail_left": "左扶手带速度",
    "handrail_right": "右扶手带速度",
    "step_missing": "梯级缺失",
    "occupied": "扶梯上有人",
}


def signal_entry(signal: Signal) -> Entry:
    """The entry of one signal of the model."""
    titles = (TITLES[signal.name], signal.name.replace("_", " ").capitalize())
    return entry(signal.name, titles, _meaning(signal), _examples(signal)[-1])


def word_examples(signal: Signal) -> list[tuple[str, str, str]]:
    """One example for each word of an enumeration: the rule is raised by its word and cleared by another one."""
    words = list(enum_words(signal))
    return [
        (
            f'{_kind(signal)}when = "{signal.name} == {word}"',
            f"0 {signal.name}={word}\n5 {signal.name}={words[index - 1]}",
            "0 raise\n5 clear",
        )
        for index, word in enumerate(words)
    ]


def _examples(signal: Signal) -> list[tuple[str, str, str]]:
    name, kind = signal.name, _kind(signal)
    if signal.type is SignalType.ENUM:
        return word_examples(signal)
    if signal.type is SignalType.BOOL:
        return [(f'{kind}when = "{name}"', f"0 {name}=true\n5 {name}=false", "0 raise\n5 clear")]
    if signal.type is SignalType.LABEL:
        return [(f'when = "unknown({name})"', f"0 light=true\n5 {name}=3", "0 raise\n5 clear")]
    low, high = (f"{value:.10g}" for value in (signal.low or 0, signal.high or 0))
    middle = f"{((signal.low or 0) + (signal.high or 0)) / 2:.10g}"
    return [(f'{kind}when = "{name} > {middle}"', f"0 {name}={high}\n5 {name}={low}", "0 raise\n5 clear")]


def _kind(signal: Signal) -> str:
    return 'kind = "escalator"\n' if signal.kind is Kind.ESCALATOR else ""


def _meaning(signal: Signal) -> str:
    parts = [signal.meaning[0].upper() + signal.meaning[1:]]
    if signal.type is SignalType.NUMBER:
        parts.append(f"number, {signal.low:.10g} to {signal.high:.10g} {signal.unit}; outside it is unknown")
    elif signal.type is SignalType.ENUM:
        words = ", ".join(f"`{word}` {int(value)}" for word, value in enum_words(signal).items())
        own = "" if signal.unknown_value is None else f"; {signal.unknown_value} is unknown"
        parts.append(f"enumeration: {words}{own}")
    else:
        parts.append("condition" if signal.type is SignalType.BOOL else "label, fits only `known()` and `unknown()`")
    parts.append(f"{signal.kind}s" if signal.kind else "lifts and escalators")
    return ". ".join(parts) + "."


SENT: Final[tuple[Entry, ...]] = tuple(signal_entry(signal) for signal in SIGNALS)

DERIVED: Final[tuple[Entry, ...]] = (
    entry(
        "moving",
        ("运行中", "Moving"),
        "From `car_status` and |`speed`| > 0.05 m/s. Known by one only: that one. Known by both: what they agree on, unknown where they disagree. Lifts.",
        (
            'when = "moving"',
            "0 car_status=running speed=0\n1 car_status=running\n2 car_status=stopped speed=1\n3 speed=0.05",
            "1 raise\n3 clear",
        ),
    ),
    entry(
        "top_floor",
        ("顶层", "At the top"),
        "The displayed floor is the highest of the lift's floor table; unknown where either is. Lifts.",
        ('when = "top_floor"', "0 car_position=9\n5 car_position=1", "0 raise\n5 clear"),
    ),
    entry(
        "bottom_floor",
        ("底层", "At the bottom"),
        "The displayed floor is the lowest of the lift's floor table; unknown where either is. Lifts.",
        ('when = "bottom_floor"', "0 car_position=9\n5 car_position=1", "5 raise"),
    ),
    entry(
        "implausible",
        ("数据矛盾", "Implausible"),
        "This sample contradicts itself (`door_closed` against `door_status`, `car_status` against `speed`) or had a field that could not be used; never "
        "unknown.",
        (
            'when = "implausible"',
            "0 door_closed=true door_status=open\n5 door_closed=true door_status=locked",
            "0 raise\n5 clear",
        ),
    ),
    entry(
        "clock_error",
        ("时钟偏差", "Clock error"),
        "By how many seconds the device's clock was behind the server's when the sample was corrected (negative: ahead); unknown before it was estimated.",
        ('when = "abs(clock_error) > 60"', "0 light=true\n1 clock_error=-90\n2 clock_error=0", "1 raise\n2 clear"),
    ),
    entry(
        "clock_lag",
        ("传输延迟", "Lag"),
        "Seconds from the corrected time of the sample to its receipt.",
        ('when = "clock_lag < 5"', "0 light=true", "0 raise"),
    ),
)
