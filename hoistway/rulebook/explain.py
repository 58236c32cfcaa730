"""Why an alarm was raised: its rule, evidence and clock values; and the same fold again from the store, to see whether it agrees.

The verdict is about the fold: same raise, same start of the hold. Knows the store and the engine; no HTTP, no terminal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from alarms.corrections import TOLD_MS
from alarms.engine import Engine
from alarms.language.times import Zone
from alarms.rule_sets import of_texts
from alarms.rules import RuleSet
from alarms.signals import CHANGE, CLEAR, DERIVED_FROM, PROMOTE, RAISE, Batch, Transition, columns
from hoistway.errors import BadInput, RuleError
from hoistway.model import SIGNAL, Kind, SignalType
from hoistway.rulebook import history, shelf
from hoistway.rulebook.history import SLOT, SQL, Stretch, ms
from hoistway.rulebook.reach import closure, memory_ms

WORD: Final = {RAISE: "raise", CLEAR: "clear", PROMOTE: "promote", CHANGE: "change"}
LONGER: Final = (1, 4, 16, 64)
"""A fold that differs is tried again from so many times further back: an alarm that was active at its beginning hides the next."""
_BY_LATE_DATA: Final = ("late", "amended")
LONGEST_MS: Final = 7 * 24 * 3_600_000
SHOWN: Final = 200
"""So many samples are shown at most: the last ones before the raise."""


class Verdict(StrEnum):
    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_POSSIBLE = "not-possible"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One alarm explained. Times are ms since 1970 UTC."""

    alarm: Mapping[str, Any]  # the alarm's row
    verdict: Verdict
    reason: Mapping[str, str]  # zh, en: one sentence
    rule_set: int | None  # the set that was live when it was found
    folded_from_ms: int | None
    records_folded: int
    found: tuple[Transition, ...]  # what the rule said in the fold, up to the moment of detection
    detected_by: Mapping[str, Any] | None  # the entry that found it: partition, batch_no, kind, clock
    timeline: tuple[Mapping[str, Any], ...]  # samples, events and transitions, by time
    caveats: tuple[Mapping[str, str], ...]  # zh, en: what the fold cannot know


_REASONS: Final[dict[str, dict[str, str]]] = {
    "agrees": {
        "zh": "用存储的数据重新计算,得到相同的触发时间和保持起点。",
        "en": "Folding the stored telemetry again gives the same raise and the same start of the hold.",
    },
    "differs": {
        "zh": "用存储的数据重新计算,没有得到相同的触发时间和保持起点。",
        "en": "Folding the stored telemetry again does not give the same raise and start of the hold.",
    },
    "built-in": {
        "zh": "该报警不由规则产生,无法重新计算。",
        "en": "This alarm was not made by a rule; there is nothing to fold again.",
    },
    "no-text": {
        "zh": "规则文本已不存在或无法在此程序中运行。",
        "en": "The rule's text is gone or cannot run in this program.",
    },
    "no-entry": {
        "zh": "发现该报警的数据批次已不存在。",
        "en": "The entry of the stream that found it is no longer there.",
    },
    "gone": {
        "zh": "报警前的数据已不存在,无法重新计算。",
        "en": "The telemetry before the alarm is gone; it cannot be folded again.",
    },
}
_LATE: Final = {
    "zh": "该报警由迟到的数据产生或更正:计算使用当时已到达的全部数据,按发生时间排序;与首次告知相差不足一秒的时间不算不同。",
    "en": "Late data made or amended this alarm: all that had come by then is folded in the order in which it happened; less than a"
    " second beside what was told is no difference.",
}
_CONTRADICTED: Final = {
    "zh": "与后来到达的数据矛盾;计算只使用发现报警时按序到达的数据。",
    "en": "Data that came later contradicts it; the fold uses only what had come in order when it was found.",
}
_REGISTER_CHANGED: Final = {
    "zh": "报警之后电梯登记信息有改动;计算使用的是现在的参数。",
    "en": "The register entry of the lift changed after the alarm; the fold used its present parameters.",
}


async def explain(connection: Any, alarm_id: int, *, zone: Zone) -> Explanation:
    """Explain one alarm. Raises BadInput when there is none of that number."""
    alarm = await connection.fetchrow(SQL["alarm"], alarm_id)
    if alarm is None:
        raise BadInput(f"no alarm {alarm_id}", where="alarm", expected="the number of an alarm")
    corrected = await connection.fetchrow(SQL["corrected"], alarm_id) if alarm["correction"] in _BY_LATE_DATA else None
    detection = corrected or await connection.fetchrow(SQL["detection"], alarm["detected_at"])
    lift = await connection.fetchrow(SQL["lift"], alarm["lift_id"])
    plain = _Case(
        alarm=dict(alarm), lift=dict(lift), detection=dict(detection) if detection else None, zone=zone,
        late=corrected is not None,
    )  # fmt: skip
    if alarm["text"] is None:
        return plain.impossible("built-in" if alarm["rule_version"] == "built-in" else "no-text")
    if detection is None:
        return plain.impossible("no-entry")
    try:
        rules = await plain.rules_at(connection, detection["rule_set"])
    except RuleError:
        return plain.impossible("no-text")
    oldest = await history.oldest_ms(connection, alarm["lift_id"], samples_only=alarm["evidence"].get("at") is not None)
    if oldest > ms(alarm["hold_start"]):
        return plain.impossible("gone")
    memory = memory_ms(rules)
    result = plain.impossible("gone")
    for times in LONGER:
        since = ms(alarm["hold_start"]) - min(memory * times, LONGEST_MS)
        result = await plain.fold_from(connection, since, detection)
        if result.verdict is Verdict.AGREES or memory * times >= LONGEST_MS or oldest > since:
            break
    return result


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One alarm with what is known of it, and the ways to fold it."""

    alarm: dict[str, Any]
    lift: dict[str, Any]
    detection: dict[str, Any] | None
    zone: Zone
    late: bool  # as late data has it: folded in order of time

    def impossible(self, reason: str) -> Explanation:
        return self._explanation(Verdict.NOT_POSSIBLE, reason, None, None, ())

    def _explanation(
        self,
        verdict: Verdict,
        reason: str,
        since: int | None,
        stretch: Stretch | None,
        found: tuple[Transition, ...],
        names: Sequence[str] = (),
    ) -> Explanation:
        notes = {
            "register": (_REGISTER_CHANGED, self.lift["updated_at"] > self.alarm["detected_at"]),
            "late": (_LATE, self.late),
            "contradicted": (_CONTRADICTED, self.alarm["correction"] == "contradicted"),
        }
        return Explanation(
            alarm=self.alarm,
            verdict=verdict,
            reason=_REASONS[reason],
            rule_set=self.detection["rule_set"] if self.detection else None,
            folded_from_ms=since,
            records_folded=stretch.records if stretch else 0,
            found=found,
            detected_by=self.detection,
            timeline=_timeline(stretch, found, self.alarm, names) if stretch else (),
            caveats=tuple(note for note, holds in notes.values() if holds),
        )

    async def rules_at(self, connection: Any, rule_set: int | None) -> RuleSet:
        """The alarm's rule and what it names, as they were in a set; without a set, the rule's text alone."""
        rule_id = self.alarm["rule_id"]
        if rule_set is None:
            return of_texts([(rule_id, self.alarm["text"])])
        return closure((await shelf.load(connection, rule_set)).live, [rule_id])

    async def fold_from(self, connection: Any, since: int, detection: Any) -> Explanation:
        """One fold from a time to the entry that found the alarm."""
        detected = ms(detection["clock"] if self.late else self.alarm["detected_at"])
        bounds = {
            "partition": detection["partition"],
            "since_ms": since,
            "upto": detection["batch_no"],
            "until_ms": detected,
        }
        if self.late:
            stretch = await history.stretch_in_time(
                connection, self.lift["id"], **bounds, rule_set=detection["rule_set"]
            )
        else:
            stretch = await history.stretch(connection, self.lift["id"], **bounds)
        rule_set = stretch.first_rule_set if stretch.first_rule_set is not None else detection["rule_set"]
        numbers = {rule_set, *(entry.rule_set for entry in stretch.entries if entry.kind == "rules")}
        sets = {number: await self.rules_at(connection, number) for number in numbers}
        engine = Engine(sets[rule_set], capacity=1, zone=self.zone, past=self.late)
        self._introduce(engine, since)
        found = await asyncio.to_thread(self._fold, engine, stretch, sets, detected)
        names = _signals(await self.rules_at(connection, detection["rule_set"]), self.alarm["rule_id"])
        return self._judged(since, stretch, tuple(found), names)

    def _fold(
        self, engine: Engine, stretch: Stretch, sets: Mapping[int | None, RuleSet], detected: int
    ) -> list[Transition]:
        found: list[Transition] = []
        for entry in stretch.entries:
            if entry.kind == "rules":
                found += self._of_rule(engine, engine.replace_rules(sets[entry.rule_set]))
            elif entry.kind == "listening":
                engine.listening(entry.clock_ms)
            else:
                found += self._of_rule(engine, engine.step(entry.batch, entry.clock_ms))
        return [*found, *self._of_rule(engine, engine.tick(detected))]

    def _introduce(self, engine: Engine, since: int) -> None:
        lift = self.lift
        engine.set_fleet(
            [SLOT],
            [lift["kind"] == Kind.ESCALATOR],
            [lift["rated_speed_m_s"] or float("nan")],
            {
                SLOT: {
                    name: float(value) for name, value in lift["parameters"].items() if isinstance(value, int | float)
                }
            },
            enrolled=since,
            floors=[(lift["bottom"], lift["top"])],
        )

    def _of_rule(self, engine: Engine, transitions: Any) -> list[Transition]:
        return [row for row in transitions if engine.rules[row.rule].id == self.alarm["rule_id"]]

    def _judged(self, since: int, stretch: Stretch, found: tuple[Transition, ...], names: Sequence[str]) -> Explanation:
        wanted = (ms(self.alarm["raised_at"]), ms(self.alarm["hold_start"]))
        most = TOLD_MS - 1 if self.late else 0
        agrees = any(
            row.kind == RAISE and max(abs(row.at - wanted[0]), abs(row.hold_start - wanted[1])) <= most for row in found
        )
        verdict = Verdict.AGREES if agrees else Verdict.DIFFERS
        return self._explanation(verdict, verdict.value, since, stretch, found, names)


# --- what is shown ---


def _timeline(
    stretch: Stretch, found: tuple[Transition, ...], alarm: dict[str, Any], names: Sequence[str]
) -> tuple[Mapping[str, Any], ...]:
    """The last samples up to detection with the signals that the rule names, the events, and what the rule said."""
    lines: list[dict[str, Any]] = []
    samples = stretch.samples()[-SHOWN:]
    values = {
        name: [_plain(name, item) for item in column.tolist()] for name, column in columns(samples, names).items()
    }
    for place, at in enumerate(samples["at"].tolist()):
        lines.append(
            {
                "at": at,
                "received": int(samples["received"][place]),
                "what": "sample",
                "values": {name: column[place] for name, column in values.items()},
            }
        )
    for entry in stretch.entries:
        lines += _others(entry.kind, entry.batch, entry.clock_ms)
    lines += [{"at": row.at, "what": WORD[row.kind], "start": row.hold_start, "demoted": row.demoted} for row in found]
    lines.append({"at": ms(alarm["hold_start"]), "what": "hold-start"})
    lines.append({"at": ms(alarm["raised_at"]), "what": "raised"})
    lines.append({"at": ms(alarm["detected_at"]), "what": "detected"})
    first = int(samples["at"][0]) if len(samples) else 0
    return tuple(sorted((line for line in lines if line["at"] >= first), key=lambda line: line["at"]))


def _others(kind: str, batch: Batch, clock: int) -> list[dict[str, Any]]:
    from hoistway.model import EVENT_CODES

    lines: list[dict[str, Any]] = [
        {
            "at": at,
            "received": received,
            "what": "event",
            "values": {"code": EVENT_CODES[code].code, "active": bool(active)},
        }
        for _, at, received, code, active in batch.events.tolist()
    ]
    lines += [
        {"at": received, "received": received, "what": "link", "values": {"online": bool(online)}}
        for _, received, online in batch.contacts.tolist()
    ]
    if kind in {"listening", "rules"}:
        lines.append({"at": clock, "what": kind})
    return lines


def _signals(rules: RuleSet, rule_id: str) -> tuple[str, ...]:
    parts = [part for term in rules.terms[rules.index(rule_id)].all() for part in term.walk()]
    return tuple(dict.fromkeys(str(part.value) for part in parts if part.op == "signal"))


def _plain(name: str, value: Any) -> Any:
    """A signal's value as a person reads it; None is unknown."""
    signal = SIGNAL.get(name)
    if isinstance(value, float):
        return None if value != value else round(value, 3)  # noqa: PLR0124  # NaN
    if value < 0:
        return None
    if signal is None and name in DERIVED_FROM:
        return bool(value)
    if signal is not None and signal.type is SignalType.BOOL:
        return bool(value)
    if signal is not None and signal.values is not None:
        return next((member.name.lower() for member in signal.values if member.value == value), int(value))
    return int(value)
