"""Short ways to write truths, alarms and runs. Times are seconds from the beginning of a run of one hour."""

from __future__ import annotations

from typing import Any

from simulators.score.records import NEVER, Alarm, RuleFacts, Run, Sent, Truth

T0 = 1_800_000_000_000
RULES = {
    "entrapment-between-floors": ("rescue", 20.0), "entrapment-at-landing": ("rescue", 60.0),
    "stopped-outside-zone": ("ticket", 45.0), "door-held-open": ("ticket", 300.0), "offline": ("notice", 180.0),
}  # fmt: skip


def at(seconds: float) -> int:
    return T0 + round(seconds * 1_000)


def truth(number: int, kind: str, begin: float, end: float | None, **values: Any) -> Truth:
    """A fault that its own rule must tell, of lift 1, with somebody inside if it is an entrapment."""
    asked = {"expects": (kind,) if kind in RULES else (), "alike": (), "allows": frozenset[str]()}
    facts = {"lift": "1", "device": "d-1", "cause": "", "person": kind.startswith("entrapment"), "person_sensor": True}
    return Truth(
        id=str(number), kind=kind, from_ms=at(begin), to_ms=NEVER if end is None else at(end), story=True,
        **{**facts, **asked, **values},
    )  # fmt: skip


def alarm(number: int, rule: str, raised: float, cleared: float | None = None, **values: Any) -> Alarm:
    facts = {"lift": "1", "notice": False, "opens": RULES[rule][0]}
    return Alarm(
        id=str(number), rule=rule, hold_start_ms=at(raised), raised_ms=at(raised),
        cleared_ms=NEVER if cleared is None else at(cleared), **{**facts, **values},
    )  # fmt: skip


def sent(rule: str, opened: float, over: float, lift: str = "1") -> Sent:
    return Sent(lift=lift, rule=rule, opened_ms=at(opened), ordered_ms=at(opened), over_ms=at(over))


def run(*parts: Truth | Alarm | Sent, hours: float = 1.0, lifts: int = 100) -> Run:
    return Run(
        name="a story", seed=1, from_ms=T0, to_ms=at(hours * 3_600), lifts=lifts, escalators=0,
        rules=[
            RuleFacts(id=name, title={"zh": "规则", "en": "rule"}, opens=opens, hold_s=hold, promise_s=hold, version="v")
            for name, (opens, hold) in RULES.items()
        ],
        truths=[part for part in parts if isinstance(part, Truth)],
        alarms=sorted((part for part in parts if isinstance(part, Alarm)), key=lambda part: part.raised_ms),
        sent=[part for part in parts if isinstance(part, Sent)],
    )  # fmt: skip
