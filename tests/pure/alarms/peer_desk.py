"""Cases of other alarm systems in which a person acts, or severity matters: our alarm's row beside theirs, and the table of kinds.

What a person does to an alarm follows `hoistway.lifecycle`; what the engine says moves the row as ingest does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hoistway.lifecycle import ALARM_MOVES
from hoistway.model import OperatorState
from tests.pure.alarms.peer import (
    Case,
    Expected,
    Player,
    absence,
    end,
    heartbeat,
    hold,
    ladder,
    level,
    repeat,
    rule,
    seconds,
)

ORDERS = {
    "isa-18.2": ("OK", "Low", "Medium", "High", "Critical"),
    "severity": ("OK", "MINOR", "MAJOR", "INVALID", "UNDEFINED"),
}

PERSON = {"ack": "acknowledge", "shelve": "shelve", "unshelve": "unshelve"}
"""What a person does in a case, and the move of our table."""


@dataclass
class Desk:
    """The row of an alarm: what the lift is, and what a person has done about it."""

    names: Sequence[str]
    latched: bool = True
    active: bool = False
    raised: bool = False
    severity: str = ""
    operator: OperatorState = OperatorState.UNACKNOWLEDGED
    notified: bool = False

    def hear(self, word: str, step: int) -> None:
        """Something that the engine said."""
        self.severity = self.names[step]
        if word == "raise":
            self.active = self.raised = True
            self.operator = OperatorState.UNACKNOWLEDGED
        elif word == "change":
            self._moved("more severe")
        elif word == "clear":
            self.active = False
        self.notified |= word in {"raise", "change"}

    def person(self, name: str) -> None:
        """Somebody at the desk does something; what the table does not hold changes nothing."""
        if self.raised:
            self._moved(PERSON.get(name, name))

    def _moved(self, name: str) -> None:
        for move in ALARM_MOVES:
            if move.name == name and self.operator in move.source:
                self.operator = move.target

    @property
    def acknowledged(self) -> bool:
        return self.operator is OperatorState.ACKNOWLEDGED

    @property
    def stands(self) -> bool:
        """Nobody may forget it yet: the lift is not well, or nobody has seen that it was not."""
        return self.raised and (self.active or (self.latched and not self.acknowledged))

    @property
    def isa(self) -> str:
        """ISA-18.2's name of the state."""
        if not self.raised:
            return "NORM"
        if self.operator is OperatorState.SHELVED:
            return "SHLVD"
        return {(True, False): "UNACK", (True, True): "ACKED", (False, False): "RTNUN", (False, True): "NORM"}[
            self.active, self.acknowledged
        ]


class Graded(Player):
    """A lift under a rule with a level for each severity of an order; the number is the severity's place."""

    def __init__(self, case: Case) -> None:
        spec = case["rule"]
        order = spec.get("order") or ORDERS[spec["kind"]]
        self.order = [
            *order,
            *sorted({item for row in case["input"] for item in row if item in ORDERS["severity"]} - set(order)),
        ]
        delay, times = spec.get("delay_s", 0), spec.get("count", 0)
        hold_for = seconds(delay) if delay and not times else None
        conditions = [self._condition(number, times, delay) for number in range(1, len(self.order))]
        text = rule(when=conditions[0], **{"for": hold_for}, clear="load < 1")
        super().__init__(
            text
            + "".join(level(number, when, hold_for) for number, when in enumerate(conditions[1:], 1) if number < 4),
            load=0,
        )
        self.desk = Desk(self.order[1:], latched=spec.get("latch", True))
        self.heard = 0
        self.say(-1)

    @staticmethod
    def _condition(number: int, times: int, delay: float) -> str:
        if not times:
            return f"load >= {number}"
        return f'load >= {number} and (count(load >= {number}, "{round(delay)}s") >= {times} or age(load >= {number}) >= {delay})'

    def until(self, at: float) -> None:
        """Time passes up to `at`, and the desk hears what was said on the way."""
        self.wait(at)
        self.listen()

    def listen(self) -> None:
        told, levels = self.told(), self.story.levels("peer")
        for (word, _), step in list(zip(told, levels, strict=True))[self.heard :]:
            self.desk.hear(word, step)
        self.heard = len(told)


def severity(case: Case) -> Expected:
    """Phoebus' words at each moment of the case for what the row of our alarm is then."""
    player = Graded(case)
    inputs = list(case["input"])
    got: Expected = []
    for item in case["expect"]:
        moment, words = item[0], item[1:]
        while inputs and inputs[0][0] < moment:
            _do(player, inputs.pop(0))
        player.desk.notified = False
        before = player.heard
        while inputs and inputs[0][0] == moment:
            _do(player, inputs.pop(0))
        player.until(moment)
        got.append([moment, *(_word(player, word, said=player.heard > before) for word in words)])
    for item in inputs:
        _do(player, item)
    player.until(end(case))
    if not case["expect"]:
        got += [[at, word] for word, at in player.told()]
    return got


def _do(player: Graded, item: Sequence[Any]) -> None:
    if item[1] in PERSON:
        player.until(item[0])
        player.desk.person(item[1])
    else:
        player.say(item[0], load=player.order.index(item[2]))
        player.listen()


def _word(player: Graded, wanted: str, *, said: bool) -> str:
    """Our word for what the case wants to see there, in the case's spelling where we agree."""
    desk = player.desk
    if wanted in {"notify", "silent"}:
        return "notify" if desk.notified else "silent"
    if wanted.startswith("update"):
        return wanted if desk.stands and not said else "changed"
    state = f"{desk.severity} acked" if desk.acknowledged else desk.severity
    verb = "raise " if desk.notified else "still " if wanted.startswith("still") else ""
    return (verb + state) if desk.stands else "clear"


def isa(case: Case) -> list[str]:
    """ISA-18.2's state after each input."""
    player, got = Graded(case), []
    duplicates = 0
    for number, item in enumerate(case["input"]):
        before = player.heard
        if item[0] in PERSON:
            player.desk.person(item[0])
        else:
            place = player.order.index(item[1])
            again = place > 0 and player.values["load"] == place
            player.say(number, load=place)
            player.listen()
            duplicates = duplicates + 1 if again and player.heard == before else 0
        got.append(
            f"{player.desk.isa} duplicate={duplicates}" if duplicates and item[0] not in PERSON else player.desk.isa
        )
    return got


KINDS: dict[str, Callable[[Case], Any]] = {
    "hold": hold, "absence": absence, "ladder": ladder, "repeat": repeat, "severity": severity, "isa-18.2": isa, "heartbeat": heartbeat,
}  # fmt: skip
