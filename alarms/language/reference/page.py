"""The generated page docs/rule-language.md: every construct of the language with its meaning, an example that runs, and its truth tables.

Keys, signals and words come from the code, truth tables from the evaluator, errors from the list that the reader is tested against.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alarms.language.reference.entries import Entry
from alarms.language.reference.functions import FUNCTIONS
from alarms.language.reference.keys import KEYS, LEVEL_KEYS
from alarms.language.reference.operators import OPERATORS
from alarms.language.reference.refusals import REFUSALS, Refusal
from alarms.language.reference.signals import DERIVED, SENT
from alarms.language.reference.truth import table
from alarms.language.static.ways import WAYS

_INTRO = """# The rule language, construct by construct

This page is generated from the code (`alarms.language.reference`); a test holds the two together, and another one runs every example.
What a rule means, and what the engine does with time, is in [rules.md](rules.md).

An example is a complete rule, what happens, and what the rule says. Times are seconds, or the time of a Monday. A line with signals is a sample: what it leaves
out is unknown. `0..60/10` is a sample each 10 s from 0 to 60 s. `tick`: time passes and nothing arrives. The lift has a rated speed of 1.75 m/s (escalators
0.5 m/s), floors 1 to 9, and no numbers of its own unless the example gives it some. Truth tables: T true, F false, U unknown; what stands in them was
worked out by the engine. "Before" is a sample a minute earlier.
"""
_REFUSED = """Each when the rules are loaded. The file begins with `[[rule]]` in line 1 and what every rule must say in lines 2 to 7, as the examples above do.

A rule that could never be raised, or never clear, is refused too. This is decided over the ranges of numbers, the words of enumerations, the hours of the week,
what signals say of each other (`moving`, `door_closed`, `implausible`), and parts that contradict each other. Whatever is not decided goes live: two numbers
that both vary are compared by their ranges and their order only, a condition with more than {ways} ways to come out is not looked through, and nothing is said
of how long a condition can hold.
"""
_SECTIONS: tuple[tuple[str, str, Sequence[Entry]], ...] = (
    ("规则的键 / Keys of a rule", "", KEYS),
    ("级别阶梯的键 / Keys of `[[rule.level]]`", "", LEVEL_KEYS),
    (
        "运算符 / Operators",
        "From loose to tight: `or`; `and`; `not`; comparisons, `in`; `+ -`; `* /`; a minus before a number.",
        OPERATORS,
    ),
    ("函数 / Functions", "", FUNCTIONS),
    ("信号 / Signals", "Unknown where the device did not send them, or sent what is out of range.", SENT),
    ("推导信号 / Derived signals", "Worked out from the sample; no device sends them.", DERIVED),
)


def page() -> str:
    """The whole page as Markdown."""
    parts = [_INTRO]
    for number, (title, line, entries) in enumerate(_SECTIONS, 1):
        parts.append(f"## {number}. {title}\n")
        parts += [f"{line}\n"] if line else []
        parts += [_entry(item) for item in entries]
    parts.append(f"## {len(_SECTIONS) + 1}. 被拒绝的规则 / Rules that are refused\n")
    parts.append(_REFUSED.format(ways=WAYS))
    parts.append(_rows([["what", "rule", "line", "column", "error"], *map(_refusal, REFUSALS)]))
    return "\n".join(parts)


def _entry(item: Entry) -> str:
    example = item.example
    own = "".join(f"\nThe lift's own numbers: `{name}` = {value:g}.\n" for name, value in example.own.items())
    said = "; ".join(example.answer.splitlines()) or "nothing"
    return "\n".join(
        (
            f"### `{item.name}` {item.zh} / {item.en}\n",
            f"{item.meaning}\n{own}",
            f"```toml\n{example.text}```\n",
            f"```text\n{example.story}\n```\n",
            f"Says: {said}.\n",
            *(_rows(table(expression)) for expression in item.truth),
        )
    )


def _refusal(item: Refusal) -> list[str]:
    lines = " ⏎ ".join(f"`{line}`" for line in item.lines.splitlines())
    return [item.what, lines, str(item.line), str(item.column), item.message]


def _rows(rows: Iterable[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]) + "\n"
