"""Every rule has something that must raise it and something that must not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alarms.language.reader import default_rules
from hoistway.errors import BadInput
from simulators.faults import acts
from simulators.faults.catalogue import entries, parse
from simulators.network.acts import NETWORK_ACTS

RULES = [rule.id for rule in default_rules()]
CITY_TIMES_MONTHS = 0.1
"""A run of `make long`: 1,000 lifts for 30 days, against rates for 10,000."""


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_cause_and_a_look_alike(rule: str) -> None:
    """The catalogue holds at least one entry that expects the rule's alarm and one that forbids it."""
    assert [entry.name for entry in entries().values() if rule in entry.expects]
    assert [entry.name for entry in entries().values() if rule in entry.alike and not entry.expects]


def test_the_catalogue_names_no_rule_that_does_not_exist() -> None:
    """A renamed rule is noticed here."""
    named = {
        rule for entry in entries().values() for rule in (*entry.expects, *entry.without, *entry.alike, *entry.allows)
    }
    assert named - set(RULES) == set()


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.startswith("entrapment")])
def test_an_entrapment_rule_meets_a_thousand_look_alikes_in_a_run(rule: str) -> None:
    """1,000 lifts and 30 days play at least 1,000 things that look like it."""
    rate = sum(entry.rate for entry in entries().values() if rule in entry.alike)
    assert rate * CITY_TIMES_MONTHS >= 1_000


def test_no_entry_both_expects_and_forbids_a_rule() -> None:
    """Must, may and must not exclude each other."""
    for entry in entries().values():
        must, may, not_ = {*entry.expects, *entry.without}, set(entry.allows), set(entry.alike)
        assert not must & not_, entry.name
        assert not may & not_, entry.name
        assert entry.source, entry.name


def test_every_entry_names_an_act_and_options_that_are_read() -> None:
    """A misspelt option would do nothing; each one stands in the code of the acts, and no act is without an entry."""
    room = Path(acts.__file__).parents[1]
    code = "".join(
        path.read_text("utf-8") for path in (*room.glob("faults/*.py"), *room.glob("network/*.py"), room / "stage.py")
    )
    read = set(re.findall(r'option\("(\w+)"', code)) | set(re.findall(r'options\.get\("(\w+)"', code))
    for entry in entries().values():
        assert set(entry.options) <= read, entry.name
    assert {entry.act for entry in entries().values()} == {*acts.ACTS, *NETWORK_ACTS}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[cause]]\nname = 1", "docs/simulators.md"),
        ('[[alike]]\nname="a"\ntitle={zh="a",en="b"}\nact="ride"\nrate=1\nsource="x"', "a cause with codes"),
        ('[[alike]]\nname="a"\ntitle={zh="a",en="b"}\nact="ride"\nrate=1\nsource="x"\nalike=["y"]\nhours="noon"', "entrapment"),
        ('[[cause]]\nname="a"\ntitle={zh="a",en="b"}\nact="ride"\nrate=1\nsource="x"\ncauses={901=1}', "one of 1, 2"),
        ('[[alike]]\nname="a"\ntitle={zh="a",en="b"}\nact="ride"\nrate=1\nsource="x"\nalike=["y"]\nlasts=["1","2s"]', "90s or 12min"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_used_says_what_was_expected(text: str, expected: str) -> None:
    """Where it stands and what would do."""
    with pytest.raises(BadInput, match=expected):
        parse(text, where="mine.toml")
