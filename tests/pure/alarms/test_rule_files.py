"""Rule files: what is refused with which place and words, versions, and that the reference page is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.language.reader import default_rules, load
from hoistway.errors import RuleError
from hoistway.model import SIGNALS

HEAD = '[[rule]]\nid = "some-rule"\ntitle = { zh = "某", en = "some" }\nkind = "lift"\nseverity = "major"\nopens = "ticket"\nsource = "test"\n'
LINE = HEAD.count("\n") + 1
PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")


def refused(text: str) -> RuleError:
    with pytest.raises(RuleError) as caught:
        load(text, source="file.toml")
    assert re.search(r"\bexpected\b", caught.value.message)
    return caught.value


@pytest.mark.parametrize(
    ("expression", "offset", "words"),
    [
        ("passenger and", 13, "found the end of the expression; expected a signal"),
        ("passenger passenger", 10, "expected an operator or the end"),
        ("passenger = 1", 10, "write '==' to compare"),
        ("sped > 1", 0, "unknown name 'sped'; expected a signal, e.g. speed"),
        ("speed", 0, "this is a number; expected a condition"),
        ("not speed", 4, "this is a number; expected a condition"),
        ("passenger > 1", 0, "this is a condition; expected a number"),
        ("speed > passenger", 8, "this is a condition; expected a number"),
        ("1 < speed < 3", 10, "cannot be chained; expected 'and' or 'or'"),
        ("(passenger", 10, "found the end of the expression; expected ')'"),
        ("power == outt", 9, "not a word of power; expected out, or another of mains, out, battery"),
        ("surly(passenger)", 0, "unknown function 'surly'; expected a function, e.g. surely"),
        ("power == foo", 9, "not a word of power; expected one of mains, out, battery"),
        ("service_mode == unknown", 16, "for unknown write unknown(...)"),
        ("out == power", 0, "expected the signal before '==' and the word after it"),
        ("inspection", 0, "expected SIGNAL == inspection"),
        ("power in ()", 6, "an empty list; expected one word or more"),
        ("speed in (mains)", 0, "expected a word of an enumeration"),
        ("door_zone == door_closed", 0, "a condition cannot be compared"),
        ("car_position == 1", 0, "a label cannot be compared"),
        ("occupied", 0, "exists only for escalators"),
        ("reported('91')", 9, "unknown event code '91'; expected one of 01, 02"),
        ('reported(\\"91\\") or passenger', 9, "unknown event code '91'"),
        ("\\u0070assenger and sped", 19, "unknown name 'sped'"),
        ("reported('62')", 9, "event code 62 exists only for escalators"),
        ("reported(90)", 9, "expected an event code in quotes"),
        ("reported()", 0, "has 0 arguments; expected one event code"),
        ("rated_sped(3)", 0, "unknown function 'rated_sped'; expected one of reported, known"),
        ("known", 0, "known is a function; expected '(' after it"),
        ("param('a', speed) > 1", 11, "expected a plain number as the default"),
        ("param('A', 1) > 1", 6, "expected lower-case letters"),
        ("speed > 1e99", 8, "too large"),
        ("speed ? 1", 6, "unexpected character '?'"),
        ("holding('some-rule')", 0, "expected a rule with silent_for"),
        ("link_lost", 0, "expected a rule with silent_for"),
        ("'passenger'", 0, "a text stands only inside"),
        ("(" * 41 + "passenger" + ")" * 41, 40, "nested too deeply; expected at most 40 levels"),
        (" or ".join(["passenger"] * 50), 517, "nested too deeply"),
        ("x" * 2_001, 2_000, "too long; expected at most 2000 characters"),
    ],
)
def test_a_bad_expression_is_refused_with_its_place(expression: str, offset: int, words: str) -> None:
    """The error names the rule, the line in the file, the column in that line, and what was expected."""
    error = refused(HEAD + f'when = "{expression}"\n')
    assert (error.rule, error.line) == ("some-rule", LINE)
    assert words in error.message
    assert error.column == len('when = "') + 1 + offset


def test_the_place_is_right_in_a_text_of_many_lines() -> None:
    """In a long string the line of the wrong word is named, not that of the key."""
    error = refused(HEAD + 'when = """\n  passenger\n  and sped > 3\n"""\nfor = "3s"\n')
    assert (error.line, error.column) == (LINE + 2, 7)
    error = refused(HEAD.replace("\n", "\r\n") + "unless = '''passenger\r\n or\t'''\r\nwhen = 'passenger'\r\n")
    assert (error.line, error.column) == (LINE + 1, 5)
    error = refused(HEAD + 'when = """\\\n   passenger \\\n   sped"""\n')
    assert (error.line, error.column) == (LINE + 2, 4)


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ('whn = "passenger"', LINE, "unknown key 'whn'; expected a key, e.g. when"),
        ('zzz = "passenger"', LINE, "unknown key 'zzz'; expected one of id, title"),
        ('when = "passenger"\nfor = "20"', LINE + 1, "is not a duration; expected a number with ms, s, m or h"),
        ('when = "passenger"\nfor = 20', LINE + 1, "is not a duration"),
        ('when = "passenger"\nfor = "721h"', LINE + 1, "too long; expected at most 720h"),
        ('when = "passenger"\nconfirm_s = 61', LINE + 1, "expected whole seconds from 0 to 60"),
        ('when = "passenger"\nadvice = { zh = "x" }', LINE + 1, "both languages are needed"),
        ('when = "passenger"\ncodes = { gb = 1 }', LINE + 1, "with texts only"),
        ('when = "passenger"\nsilent_for_link_lost = "3s"', LINE + 1, "expected silent_for beside it"),
        ('silent_for = "9s"\nfor = "3s"', LINE + 1, "does not go with silent_for"),
        ('silent_for = "9s"\nclear = "passenger"', LINE + 1, "does not go with silent_for"),
        ('silent_for = "9ms"', LINE, "too short; expected 1s or more"),
        (
            'silent_for = "9s"\nwhen = \'holding("nobody")\'',
            LINE + 1,
            "no rule with a hold has the id 'nobody'; expected",
        ),
        ('when = \'reported("90")\'\nunless = "passenger"', LINE + 1, "expected no unless"),
        ('when = \'passenger or surely(reported("90"))\'\nunless = "passenger"', LINE + 1, "expected no unless"),
        ('when = ""', LINE, "expected a text in quotes"),
        ("", 1, "neither when nor silent_for; expected one of them"),
        ("when = passenger", LINE, "expected TOML"),
        ("[other]\nx = 1", LINE, "expected only [[rule]] tables"),
    ],
)
def test_a_bad_rule_is_refused_with_its_place(lines: str, line: int, words: str) -> None:
    """Keys, durations and shapes that cannot go live are named with line and what was expected."""
    error = refused(HEAD + lines + "\n")
    assert words in error.message
    if "TOML" in words or "[[rule]]" in words:
        assert error.rule == "file.toml"
    assert error.line == line or "[[rule]]" in words


@pytest.mark.parametrize(
    ("key", "value"), [("id", "Some"), ("kind", "bus"), ("severity", "bad"), ("opens", "door"), ("source", "")]
)
def test_a_bad_word_is_refused_with_its_place(key: str, value: str) -> None:
    """Each fixed key accepts its own words only."""
    text = re.sub(rf'^{key} = ".*"$', f'{key} = "{value}"', HEAD, flags=re.MULTILINE) + 'when = "passenger"\n'
    error = refused(text)
    assert error.line == next(i for i, row in enumerate(text.split("\n"), 1) if row.startswith(f"{key} ="))
    assert error.message.startswith(key)
    missing = refused(re.sub(rf"^{key} = .*\n", "", HEAD, flags=re.MULTILINE) + 'when = "passenger"\n')
    assert f"{key} is missing" in missing.message


def test_a_second_rule_with_the_same_id_is_refused() -> None:
    """Ids are unique over the whole set; the second one is named."""
    rule = HEAD + 'when = "passenger"\n'
    assert refused(rule + rule).line == rule.count("\n") + 2


def test_the_version_follows_the_meaning_not_the_layout() -> None:
    """Comments, spaces and order of keys do not change a version; a threshold does."""
    plain = load(HEAD + 'when = "passenger and moving"\nfor = "1m"\n', source="x")[0]
    spaced = load(
        "# hm\n" + HEAD + 'for = "60s"\nwhen = """passenger\n  and   moving"""\nclear_for = "0s"\n', source="x"
    )[0]
    other = load(HEAD + 'when = "passenger and moving"\nfor = "61s"\n', source="x")[0]
    assert plain.version == spaced.version != other.version
    assert re.fullmatch(r"[0-9a-f]{12}", plain.version)


def test_the_canonical_text_is_a_rule_again() -> None:
    """All shipped rules load from their canonical texts with the same versions."""
    rules = default_rules()
    again = load("\n".join(rule.text for rule in rules), source="again")
    assert [rule.version for rule in again] == [rule.version for rule in rules]
    assert again.terms == rules.terms


def test_the_examples_of_the_page_are_valid() -> None:
    """Every TOML block of the reference loads."""
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert [rule.id for block in blocks for rule in load(block, source="page")] == [
        "overspeed",
        "handrail-deviation",
        "light-out",
    ]


def test_the_page_names_every_signal_word_and_key() -> None:
    """Whatever a rule may say stands on the page."""
    names = {item.name for item in SIGNALS} | {"moving"}
    names |= {word.name.lower() for item in SIGNALS for word in item.values or () if word.value != item.unknown_value}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []


_PIECES = (
    "",
    '"',
    "'",
    "[",
    "]",
    "=",
    "\n",
    "{",
    " and ",
    " not ",
    "(",
    ")",
    "<",
    "speed",
    "power",
    "7",
    "[[rule]]",
    "[[rule.level]]",
    "levél",
    "#",
)


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 2_000), st.integers(0, 12), st.sampled_from(_PIECES)), min_size=1, max_size=3
    )
)
def test_a_damaged_file_is_refused_in_words(changes: list[tuple[int, int, str]]) -> None:
    """Whatever a slip of the hand makes of a file: a rule set, or an error with a place in the file and what was expected."""
    text = "\n".join(rule.text for rule in list(default_rules())[4:8])
    for place, length, piece in changes:
        at = place % len(text)
        text = text[:at] + piece + text[at + length :]
    try:
        load(text, source="file.toml")
    except RuleError as error:
        assert re.search(r"\bexpected\b", error.message)
        assert 1 <= error.line <= text.count("\n") + 1
        assert error.column >= 1
