"""Truth tables of the reference, worked out by the evaluator and the engine themselves. Nothing here says what an answer should be."""

from __future__ import annotations

import re
from itertools import product
from typing import Final

import numpy as np

from alarms.engine import Engine
from alarms.language.checker import condition
from alarms.language.reader import load
from alarms.language.reference.entries import complete
from alarms.language.syntax import Source
from alarms.program import Program, View
from alarms.signals import RAISE, Batch, columns, unknown_samples
from hoistway.model import Kind

_CONDITION: Final = (("T", 1.0), ("F", 0.0), ("U", -1.0))
VARIABLES: Final[dict[str, tuple[str, tuple[tuple[str, float], ...]]]] = {
    "a": ("light", _CONDITION),
    "b": ("passenger", _CONDITION),
    "x": ("temperature", (("1", 1.0), ("2", 2.0), ("3", 3.0), ("U", float("nan")))),
    "e": ("power", (("mains", 1.0), ("out", 2.0), ("U", -1.0))),
}
"""Letters of a table: the signal that stands for each, and the values that it takes."""
_REMEMBERS: Final = re.compile(r"\b(?:changed|age|count|rate)\(")
_STEP_MS: Final = 60_000
_START_MS: Final = 1_767_571_200_000


def table(expression: str) -> list[list[str]]:
    """A head and the rows: the value of each letter (of what remembers: before and now), then what the expression is."""
    letters = [letter for letter in VARIABLES if re.search(rf"\b{letter}\b", expression)]
    if _REMEMBERS.search(expression):
        (letter,) = letters
        values = VARIABLES[letter][1]
        head = [f"{letter} before", f"{letter} now", f"`{expression}`"]
        pairs = product(values, values)
        return [head, *([one[0], two[0], _later(expression, letter, one[1], two[1])] for one, two in pairs)]
    rows = list(product(*(VARIABLES[letter][1] for letter in letters)))
    answers = _at_once(expression, letters, [[value for _, value in row] for row in rows])
    return [
        [*letters, f"`{expression}`"],
        *([*(word for word, _ in row), answer] for row, answer in zip(rows, answers, strict=True)),
    ]


def _written(expression: str) -> str:
    return re.sub(r"\b([abxe])\b", lambda found: VARIABLES[found[1]][0], expression)


def _at_once(expression: str, letters: list[str], values: list[list[float]]) -> list[str]:
    text = _written(expression)
    term = condition(Source(text=text, rule="table", places=[(1, 1)]), kind=Kind.LIFT, silent=False)
    rows = unknown_samples(len(values))
    for index, letter in enumerate(letters):
        rows[VARIABLES[letter][0]] = [row[index] for row in values]
    program = Program([term])
    view = View(
        size=len(rows),
        values=columns(rows, program.signals),
        reported=np.zeros(len(rows), np.int64),
        rated_speed=np.full(len(rows), np.nan, np.float32),
        parameters={"limit": np.full(len(rows), np.nan, np.float32)},
    )
    (truth,) = program.run(view)
    return ["T" if true else "F" if false else "U" for true, false in zip(truth.true, truth.false, strict=True)]


def _later(expression: str, letter: str, before: float, now: float) -> str:
    """What the engine makes of two samples a minute apart: one rule for the expression, one for its opposite, neither of which stays when unknown."""
    text = _written(expression)
    whens = (("true", f"surely({text})"), ("false", f"surely(not ({text}))"))
    rules = load("\n".join(complete(f"id = \"is-{name}\"\nwhen = '{when}'") for name, when in whens), source="table")
    engine = Engine(rules, capacity=1)
    engine.set_fleet([0], [False], [float("nan")], {})
    raised: dict[int, bool] = {}
    for at, value in ((_START_MS, before), (_START_MS + _STEP_MS, now)):
        row = unknown_samples(1)
        row["at"], row["received"], row[VARIABLES[letter][0]] = at, at, value
        raised |= {item.rule: item.kind == RAISE for item in engine.step(Batch.of(samples=row), at)}
    return "T" if raised.get(0) else "F" if raised.get(1) else "U"
