"""Runs the examples of the generated reference: a story as text into an engine, and what one rule said as text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from alarms.engine import Engine
from alarms.language.reader import load
from alarms.language.reference.entries import Example
from alarms.signals import (
    BY_DEVICE,
    BY_RULE,
    CHANGE,
    CLEAR,
    CONTACT_DTYPE,
    EVENT_DTYPE,
    EVENT_INDEX,
    PROMOTE,
    RAISE,
    Batch,
    Transition,
    Transitions,
    unknown_samples,
)
from hoistway.model import SIGNAL, Kind

MONDAY = 1_767_571_200_000
"""2026-01-05 00:00 UTC."""
_KINDS = {RAISE: "raise", CLEAR: "clear", PROMOTE: "promote", CHANGE: "change"}
_SEEN_BY = {BY_RULE: "", BY_DEVICE: " by device", BY_RULE | BY_DEVICE: " by both"}


def answer_of(example: Example) -> list[str]:
    """What the first rule of the example says, one line each."""
    rules = load(example.text, source="example")
    escalator = rules[0].kind is Kind.ESCALATOR
    engine = Engine(rules, capacity=1)
    engine.listening(MONDAY)
    engine.set_fleet([0], [escalator], [0.5 if escalator else 1.75], {0: example.own}, floors=[(1, 9)])
    said: list[str] = []
    for line in example.story.splitlines():
        time, _, what = line.partition(" ")
        for at in _times(time):
            said += [_said(item) for item in _happens(engine, MONDAY + at, what) if item.rule == 0]
    return said


def written(answer: str) -> list[str]:
    """The lines of an expected answer with their times in milliseconds."""
    pairs = (line.partition(" ") for line in answer.splitlines())
    return [f"{_times(time)[0]} {what}" for time, _, what in pairs]


def _times(text: str) -> list[int]:
    if found := re.fullmatch(r"(\d+)\.\.(\d+)/(\d+)", text):
        first, last, every = map(int, found.groups())
        return [second * 1_000 for second in range(first, last + 1, every)]
    if ":" in text:
        hours, minutes, seconds = map(int, text.split(":"))
        return [((hours * 60 + minutes) * 60 + seconds) * 1_000]
    return [round(float(text) * 1_000)]


def _happens(engine: Engine, at: int, what: str) -> Transitions:
    if what == "tick":
        return engine.tick(at)
    word, *rest = what.split()
    if word == "link":
        return engine.step(Batch.of(contacts=np.array([(0, at, rest == ["up"])], CONTACT_DTYPE)), at)
    if word == "event":
        return engine.step(
            Batch.of(events=np.array([(0, at, at, EVENT_INDEX[rest[0]], rest[1:] != ["over"])], EVENT_DTYPE)), at
        )
    row = unknown_samples(1)
    row["at"], row["received"] = at, at
    for part in what.split():
        name, _, value = part.partition("=")
        row[name] = _value(name, value)
    return engine.step(Batch.of(samples=row), at)


def _value(name: str, text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    values = SIGNAL[name].values if name in SIGNAL else None
    return values[text.upper()] if values else float(text)


def _said(item: Transition) -> str:
    demoted = " demoted" if item.demoted else ""
    level = f" level {item.level}" if item.level else ""
    return f"{item.at - MONDAY} {_KINDS[item.kind]}{demoted}{level}{_SEEN_BY[item.witnesses]}"
