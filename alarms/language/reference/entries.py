"""The shape of an entry of the reference: a construct, what it means, and an example that can be run. No texts of the page here.

An example is a complete rule, a short story and what the rule says of it. A story has one step a line: a time in seconds (`0`, `0.5`, or `22:00:00`
of a Monday), then what happens. `light=false speed=0.3` is a sample: a signal that is not named is unknown. `event 41`, `event 41 over`, `link lost`,
`link up` and `tick` (time passes, nothing arrives) are the others. `0..60/10 light=false` is a sample each 10 s from 0 to 60 s.
An answer has one line for each thing said: `20 raise`, with `demoted`, `level 1`, `by device` or `by both` where it is so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

HEAD: Final = {
    "id": '"example"',
    "title": '{ zh = "示例", en = "Example" }',
    "kind": '"lift"',
    "severity": '"major"',
    "opens": '"ticket"',
    "source": '"example"',
}
"""What every rule must say, where an example says nothing else."""


@dataclass(frozen=True, kw_only=True)
class Example:
    rule: str  # the lines that matter
    story: str
    answer: str  # empty: the rule says nothing
    others: tuple[str, ...] = ()  # further rules of the set, the lines that matter
    own: dict[str, float] = field(default_factory=dict)  # the lift's own numbers

    @property
    def text(self) -> str:
        """The rule file."""
        return "\n".join(complete(lines) for lines in (self.rule, *self.others))


@dataclass(frozen=True, kw_only=True)
class Entry:
    name: str  # as it is written in a rule
    zh: str
    en: str
    meaning: str
    example: Example
    truth: tuple[str, ...] = ()  # expressions over a and b (or x) of which the page shows the truth table


def complete(lines: str) -> str:
    """A whole rule: the head without what the lines say themselves, then the lines."""
    said = {line.partition("=")[0].strip() for line in lines.partition("[[")[0].splitlines()}
    head = [f"{key} = {value}" for key, value in HEAD.items() if key not in said]
    return "\n".join(["[[rule]]", *head, lines.strip(), ""])


def entry(
    name: str,
    titles: tuple[str, str],
    meaning: str,
    example: tuple[str, str, str],
    *,
    truth: tuple[str, ...] = (),
    others: tuple[str, ...] = (),
    own: dict[str, float] | None = None,
) -> Entry:
    """An entry; titles are zh and en, the example is rule, story and answer."""
    rule, story, answer = (part.strip() for part in example)
    return Entry(
        name=name,
        zh=titles[0],
        en=titles[1],
        meaning=meaning,
        truth=truth,
        example=Example(rule=rule, story=story, answer=answer, others=others, own=own or {}),
    )
