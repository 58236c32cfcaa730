"""The rules of the checker in words, zh and en, each with its section of the device guide. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ingest.conformance.findings import NEVER, Finding, Result

LANGUAGES: Final = ("en", "zh")
PAGES: Final = {"en": "docs/device-guide.md", "zh": "docs/device-guide.zh-CN.md"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    section: str  # of both guides
    zh: str  # what is wrong
    en: str
    evidence_zh: str  # with the finding's values by name
    evidence_en: str


def _rule(section: str, en: str, zh: str, evidence_en: str, evidence_zh: str) -> Rule:
    return Rule(section=section, zh=zh, en=en, evidence_zh=evidence_zh, evidence_en=evidence_en)


_NUMBERED_EN: Final = "topic {topic}, boot {boot}, seq {seq}"
_NUMBERED_ZH: Final = "主题 {topic}，boot {boot}，seq {seq}"

RULES: Final[dict[str, Rule]] = {
    "unreadable": _rule(
        "9.1", "a message is refused whole", "整条消息被拒收", "topic {topic}: {detail}", "主题 {topic}：{detail}"
    ),
    "refused-again": _rule(
        "9.1", "a refused message is sent again", "重发已被拒收的消息",
        "topic {topic}, payload {sha256_8}", "主题 {topic}，内容 {sha256_8}",
    ),
    "qos": _rule(
        "2.1", "published with QoS 0", "以 QoS 0 发布", "topic {topic}", "主题 {topic}"
    ),
    "retained": _rule(
        "2.1", "a retained `state` or `event`", "`state` 或 `event` 被设为保留消息", "topic {topic}", "主题 {topic}"
    ),
    "field-type": _rule(
        "4.2", "a field of a wrong type", "字段类型错误", "field {field}, value {value}", "字段 {field}，值 {value}"
    ),
    "field-range": _rule(
        "4.2", "a field outside its range", "字段超出范围", "field {field}, value {value}", "字段 {field}，值 {value}"
    ),
    "field-unknown": _rule(
        "4.2", "a field that the contract does not know", "约定中没有的字段",
        "field {field}, value {value}", "字段 {field}，值 {value}",
    ),
    "equipment": _rule(
        "4.2", "a field or code of the other kind of equipment", "使用了另一类设备的字段或代码",
        "{field} from equipment of kind {kind}", "{field}，设备类型 {kind}",
    ),
    "unit": _rule(
        "4.2", "a value that fits another unit", "数值疑似单位错误",
        "field {field}, value {value}, expected in {expected}", "字段 {field}，值 {value}，应以 {expected} 为单位",
    ),
    "partial": _rule(
        "4.1", "samples that are not complete", "采样不完整",
        "{partial} of {samples} samples lack half of the {fields} fields that the device knows",
        "{samples} 条采样中有 {partial} 条缺少设备所知 {fields} 个字段的一半",
    ),
    "heartbeat": _rule(
        "4.3", "no heartbeat within the limit", "心跳超时", "{gap_s} s between two samples", "两条采样相隔 {gap_s} 秒"
    ),
    "silent": _rule(
        "4.3", "no samples although it is not offline", "未离线却没有采样",
        "no sample for {quiet_s} s", "{quiet_s} 秒没有采样",
    ),
    "rate": _rule(
        "4.3", "samples above the rate", "采样过于频繁",
        "{samples} samples in one minute, at most {most}; the first of them is seq {seq}",
        "一分钟内 {samples} 条采样，上限 {most} 条；其中第一条为 seq {seq}",
    ),
    "slow-ignored": _rule(
        "6.4", "`slow_s` is ignored", "不理会 `slow_s`",
        "{gap_s} s between two samples, asked for {asked_s} s", "两条采样相隔 {gap_s} 秒，要求 {asked_s} 秒",
    ),
    "boot-not-rising": _rule(
        "3.1", "`boot` does not rise at a start", "重启后 `boot` 没有增大",
        "boot {boot} after {before}", "boot {before} 之后出现 {boot}",
    ),
    "boot-reused": _rule(
        "3.1", "counting anew under the same `boot`", "同一 `boot` 下重新计数",
        _NUMBERED_EN + " with a newer time after seq {top}", _NUMBERED_ZH + "，时间更新，此前已到 seq {top}",
    ),
    "conn-not-rising": _rule(
        "2.2", "`conn` does not rise with a connection", "重新连接后 `conn` 没有增大",
        "boot {boot}, conn {conn} after {before}", "boot {boot}，conn {before} 之后出现 {conn}",
    ),
    "no-link": _rule(
        "2.2", "no `link` message", "没有 `link` 消息", "records came, no link message", "有记录，但没有 link 消息"
    ),
    "no-will": _rule(
        "2.2", "a connection ended without its will", "连接断开后没有遗嘱消息",
        "boot {boot}, conn {conn}", "boot {boot},conn {conn}",
    ),
    "seq-jump": _rule(
        "3.1", "numbers are missing", "seq 有缺口",
        "topic {topic}, boot {boot}, seq {first} to {last}", "主题 {topic}，boot {boot}，seq {first} 至 {last}",
    ),
    "missing-ignored": _rule(
        "6.3", "what `ack` names as missing is neither sent nor declared gone", "`ack` 点名缺少的记录既不补发也不声明丢失",
        "topic {topic}, boot {boot}, seq {first} to {last}", "主题 {topic}，boot {boot}，seq {first} 至 {last}",
    ),
    "seq-reused": _rule(
        "3.1", "a number is used again for other content", "同一编号用于不同内容", _NUMBERED_EN, _NUMBERED_ZH
    ),
    "resend-acked": _rule(
        "6.2", "acknowledged records are sent again", "重发已确认的记录", _NUMBERED_EN, _NUMBERED_ZH
    ),
    "ts-backwards": _rule(
        "7.2", "`ts` goes back", "`ts` 倒退", _NUMBERED_EN + ", back by {back_ms} ms", _NUMBERED_ZH + "，倒退 {back_ms} 毫秒"
    ),
    "clock-off": _rule(
        "7.1", "the clock is off", "时钟不准", "off by {off_s} s (positive: slow)", "偏差 {off_s} 秒（正值为慢）"
    ),
    "clock-frozen": _rule(
        "7.2", "the clock stands still", "时钟停走",
        "the same ts {ts} for {stood_s} s in {records} records", "{records} 条记录在 {stood_s} 秒内时间同为 {ts}",
    ),
    "time-sync-ignored": _rule(
        "7.1", "the time in `ack` is not used", "没有用 `ack` 中的时间校时",
        "off by {off_s} s after {acks} acks", "收到 {acks} 次 ack 后仍偏差 {off_s} 秒",
    ),
    "event-end": _rule(
        "5.1", "an event without its end", "事件没有结束", "code {code}, seq {seq}", "代码 {code}，seq {seq}"
    ),
    "self-test": _rule(
        "5.2", "no self-test within 72 h", "72 小时内没有自检",
        "the last one was {hours} h ago", "上次自检在 {hours} 小时前",
    ),
}  # fmt: skip
"""By name, in the order of a report. A name is never given a second meaning."""


def title(rule: str, language: str) -> str:
    return RULES[rule].zh if language == "zh" else RULES[rule].en


def evidence(finding: Finding, language: str) -> str:
    """The first evidence of a finding as one line."""
    rule = RULES[finding.rule]
    text = (rule.evidence_zh if language == "zh" else rule.evidence_en).format(**finding.evidence)
    if finding.rule == "self-test" and finding.evidence["hours"] == NEVER:
        text = "从未报告过自检" if language == "zh" else "none was ever reported"
    lift = finding.evidence.get("lift")
    if not lift:
        return text
    return f"{text}（电梯 {lift}）" if language == "zh" else f"{text} (lift {lift})"


def place(rule: str, language: str) -> str:
    """Where in the guide."""
    return f"{PAGES[language]} {RULES[rule].section}"


def when(at_ms: int) -> str:
    """A time of the report, UTC."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def summary(result: Result, language: str, *, dropped: int = 0) -> Iterator[str]:
    """The last lines: how much was heard, what could not be judged."""
    chinese = language == "zh"
    found, heard = len(result.findings), (result.messages, result.records)
    yield (
        f"发现 {found} 项；收到 {heard[0]} 条消息、{heard[1]} 条记录"
        if chinese
        else f"{found} findings in {heard[0]} messages with {heard[1]} records"
    )
    if result.unjudged:
        yield ("本次无法判断：" if chinese else "no occasion to judge: ") + ", ".join(result.unjudged)
    if dropped:
        yield (
            f"超出上限，未判断的消息：{dropped}" if chinese else f"beyond the limit and not judged: {dropped} messages"
        )
