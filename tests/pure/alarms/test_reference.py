"""The generated reference of the rule language: complete, current, and every example says what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from alarms.language.canonical import KEYS, LEVEL_KEYS
from alarms.language.checker import DERIVED, FLOORS, FUNCTIONS
from alarms.language.reader import load
from alarms.language.reference import functions, keys, operators, signals
from alarms.language.reference.entries import Example
from alarms.language.reference.page import page
from alarms.language.reference.refusals import REFUSALS, Refusal
from alarms.language.syntax import _COMPARISONS
from hoistway.errors import RuleError
from hoistway.model import SIGNALS
from tests.pure.alarms.told import answer_of, written

PAGE = Path(__file__).parents[3] / "docs" / "rule-language.md"
SECTIONS = {
    "key": keys.KEYS,
    "level": keys.LEVEL_KEYS,
    "operator": operators.OPERATORS,
    "function": functions.FUNCTIONS,
    "signal": signals.SENT,
    "derived": signals.DERIVED,
}
EXAMPLES = {f"{section} {item.name}": item.example for section, items in SECTIONS.items() for item in items}
WORDS = {
    f"{signal.name} {index}": Example(rule=rule, story=story, answer=answer)
    for signal in SIGNALS
    if signal.values
    for index, (rule, story, answer) in enumerate(signals.word_examples(signal))
}


def test_the_page_is_what_the_code_says() -> None:
    """docs/rule-language.md is `page()`, to the letter: write it anew when this fails."""
    assert PAGE.read_text("utf-8") == page()


def names(section: str) -> set[str]:
    return {item.name for item in SECTIONS[section]}


def test_nothing_of_the_language_is_left_out() -> None:
    """Each key, operator, function and signal has an entry, and there is no entry without one."""
    assert names("key") == set(KEYS)
    assert names("level") == set(LEVEL_KEYS)
    assert names("operator") == {*_COMPARISONS, "in", "not in", "and", "or", "not", "+", "-", "*", "/", "( )"}
    assert names("function") == {*FUNCTIONS, "rated_speed", "link_lost"}
    assert names("signal") == {signal.name for signal in SIGNALS}
    assert names("derived") == {*DERIVED, *FLOORS}


@pytest.mark.parametrize("name", [*EXAMPLES, *WORDS])
def test_an_example_says_what_the_page_says(name: str) -> None:
    """The rule loads, the story is fed to the engine, and the answer is the stated one."""
    example = (EXAMPLES | WORDS)[name]
    assert answer_of(example) == written(example.answer)


@pytest.mark.parametrize("item", REFUSALS, ids=lambda item: item.what)
def test_a_bad_rule_of_the_page_is_refused_as_it_says(item: Refusal) -> None:
    """Line, column and words of the error are those of the table."""
    with pytest.raises(RuleError) as caught:
        load(item.text, source="bad.toml")
    error = caught.value
    assert (error.rule, error.line, error.column, error.message) == ("example", item.line, item.column, item.message)
