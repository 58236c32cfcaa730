"""The code lists of standards, cities and vendors: every name exists, and the rules repeat what the lists say."""

from __future__ import annotations

import re

import pytest

from alarms.codes import CodeList, code_lists, codes_of, parse, problems
from alarms.language.reader import default_rules
from alarms.rules import Rule
from hoistway.errors import BadInput
from hoistway.model import EVENT_CODES

LISTS = {one.id: one for one in code_lists()}
RULES = tuple(default_rules())


def test_every_name_in_the_lists_exists() -> None:
    """Events and rules that a list names are ours, and no rule has two codes in one list."""
    assert problems(code_lists(), {rule.id for rule in RULES}) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_repeats_what_the_lists_say(rule: Rule) -> None:
    """The lists are the one source; a rule carries its own numbers for those who read it alone."""
    assert rule.codes == codes_of(rule.id)


@pytest.mark.parametrize("one", LISTS.values(), ids=lambda one: one.id)
def test_every_list_is_complete(one: CodeList) -> None:
    """Both names, a source, and a Chinese meaning for each code."""
    assert set(one.name) == {"zh", "en"}
    assert one.source
    assert one.entries
    assert all(entry.code and re.search("[一-鿿]", entry.zh) for entry in one.entries)


def test_the_national_list_is_the_models() -> None:
    """GB/T 24476 numbers stand in the model; the list has exactly these, each meaning itself and in the same words."""
    ours = {item.code: item.zh for item in EVENT_CODES if item.source == "GB/T 24476-2017"}
    assert {entry.code: entry.zh for entry in LISTS["gb"].entries if entry.code != "00"} == ours
    assert all(entry.events == (entry.code,) for entry in LISTS["gb"].entries if entry.code != "00")


@pytest.mark.parametrize(
    ("name", "code", "events"),
    [
        ("chongqing", "93", ("entrapment",)),
        ("chongqing", "91", ("bottom-overtravel",)),
        ("chongqing", "92", ("top-overtravel",)),
        ("province", "09", ("top-overtravel",)),
        ("province", "11", ("entrapment",)),
        ("province", "64", ("64",)),
        ("shanghai", "09", ("entrapment",)),
        ("cic", "08", ("door-open-running",)),
        ("mx", "5", ("05",)),
        ("mx-flags", "F9994", ("entrapment",)),
        ("ev", "0207", ("05",)),
        ("alm", "41", ("02",)),
        ("gateway", "9", ("bottom-overtravel", "entrapment")),
        ("bacnet", "13", ("06",)),
        ("bacnet-escalator", "3", ("62",)),
        ("gb", "00", ()),
    ],
)
def test_the_same_number_means_different_things(name: str, code: str, events: tuple[str, ...]) -> None:
    """What comes in under a foreign number is ours by that list and no other."""
    entry = LISTS[name].get(code)
    assert entry is not None
    assert entry.events == events


def test_an_entrapment_has_a_code_wherever_a_list_has_one() -> None:
    """Every list with a code for entrapment tells the two kinds that our rules tell, one code a rule."""
    for one in LISTS.values():
        if any("entrapment" in entry.events for entry in one.entries):
            assert one.code_of("entrapment-between-floors") is not None
    assert LISTS["mx"].code_of("entrapment-at-landing") != LISTS["mx"].code_of("entrapment-between-floors")
    assert LISTS["shanghai"].code_of("offline") is None
    assert LISTS["gb"].get("93") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no toml", "Expected"),
        ('name = { zh = "a", en = "b" }', "source"),
        ('name = { zh = "a", en = "b" }\nsource = "s"\ncity = "x"\nentry = []', "unknown key 'city'"),
        ('name = { zh = "a", en = "b" }\nsource = "s"\n[[entry]]\ncode = "1"', "zh"),
        (
            'name = { zh = "a", en = "b" }\nsource = "s"\n[[entry]]\ncode = "1"\nzh = "一"\nevent = "04"',
            "unknown key 'event'",
        ),
        ('name = { zh = "a", en = "b" }\nsource = "s"' + '\n[[entry]]\ncode = "1"\nzh = "一"' * 2, "stands twice"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(text: str, expected: str) -> None:
    """The error names the list and what is wrong."""
    with pytest.raises(BadInput, match=expected) as refused:
        parse("some-city", text)
    assert "some-city" in str(refused.value)


def test_names_that_do_not_exist_are_found() -> None:
    """A new city's list is checked before it is used."""
    text = (
        'name = { zh = "甲", en = "A" }\nsource = "s"\n'
        '[[entry]]\ncode = "1"\nzh = "一"\nevents = ["66"]\nrules = ["offline", "nothing"]\n'
    )
    one = parse("some-city", text + '[[entry]]\ncode = "2"\nzh = "二"\nrules = ["offline"]\n')
    assert problems([one], {"offline"}) == [
        "some-city 1: no event code '66'",
        "some-city 1: no rule 'nothing'",
        "some-city: rule 'offline' has two codes",
    ]
