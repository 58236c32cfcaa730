"""Tests of rules: what a test file may say, what a failure looks like, and that the page's example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alarms.language.reader import default_rules
from alarms.rule_sets import difference, lay_over, text_diff
from alarms.rule_test_file import parse
from alarms.rule_tests import Outcome, describe, run
from hoistway.cli import app
from hoistway.errors import BadInput, RuleError

PAGE = Path(__file__).parents[3] / "docs/rule-tests.md"
EXAMPLE = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0]
RULES = default_rules()
OWN = """
[[rule]]
id = "warm"
title = { zh = "热", en = "Warm" }
kind = "lift"
when = "temperature > 40"
severity = "minor"
opens = "ticket"
source = "test"
"""


def outcomes(body: str, rules: str = "") -> tuple[Outcome, ...]:
    return run(parse(body, source="t.toml"), lay_over(RULES, [("r.toml", rules)]) if rules else RULES)


def one(line: str, expect: str, *, rules: str = "") -> Outcome:
    return outcomes(f'[[test]]\nname = "it"\n{line}\nexpect = {expect}\n', rules)[0]


def test_the_example_of_the_page_passes() -> None:
    """The example in docs/rule-tests.md runs as written."""
    assert [outcome.passed for outcome in outcomes(EXAMPLE)] == [True, True, True]


def test_the_failure_of_the_page_is_what_is_shown() -> None:
    """A rule that clears later than expected is shown with both answers, as the page shows it."""
    shown = re.findall(r"```\n(FAILED.*?)\n```", PAGE.read_text("utf-8"), re.DOTALL)[0]
    assert describe(outcomes(EXAMPLE.replace('"32s", "clear"', '"35s", "clear"'))[0]) == shown


@pytest.mark.parametrize(
    ("line", "expect"),
    [
        ('samples = [{ at = "0s", temperature = 41 }]', '{ warm = [["0s", "raise"]] }'),
        ('samples = [{ at = "0s", temperature = "unknown" }]', "{ warm = [] }"),
        ('base = { temperature = 50 }\nsamples = [{ at = "5s" }]', '{ warm = [["5s", "raise", { start = "5s" }]] }'),
        (
            'samples = [{ at = "0s", until = "20s", every = "10s", temperature = 41 }, { at = "20s" }]',
            '{ warm = [["0s", "raise"], ["20s", "clear"]] }',
        ),
        ('samples = [{ at = "0s" }]\nstart = 2024-02-29T07:30:00', "{ warm = [] }"),
    ],
)
def test_samples_are_the_quiet_unit_with_changes(line: str, expect: str) -> None:
    """A sample is complete, a stretch ends before its `until`, and nothing is carried over to the next line."""
    assert one(line, expect, rules=OWN).passed


@pytest.mark.parametrize("change", ["door_closed = false", 'door_status = "open"', "speed = 1.5"])
def test_a_change_takes_its_companion_along(change: str) -> None:
    """Naming one of two signals that witness each other makes no contradiction."""
    rule = OWN.replace('"temperature > 40"', '"known(door_closed) and known(moving)"')
    assert one(f'samples = [{{ at = "0s", {change} }}]', '{ warm = [["0s", "raise"]] }', rules=rule).passed


def test_naming_both_companions_makes_the_contradiction() -> None:
    """Whoever names both witnesses gets the sample as written."""
    rule = OWN.replace('"temperature > 40"', '"unknown(door_closed)"')
    line = 'samples = [{ at = "0s", door_closed = false, door_status = "closed" }]'
    assert one(line, '{ warm = [["0s", "raise"]] }', rules=rule).passed


def test_events_and_links_count() -> None:
    """An event with `until` is raised and over; a link that is lost shortens silence."""
    line = 'samples = [{ at = "0s", speed = 1.0 }]\nevents = [{ at = "3s", until = "9s", code = "90" }]'
    assert one(line, '{ alarm-button = [["3s", "raise"], ["9s", "clear"]] }').passed
    line = 'samples = [{ at = "0s" }]\nlinks = [{ at = "1s", says = "lost" }]'
    assert one(line, '{ offline = [["31s", "raise", { start = "0s" }]] }').passed


def test_silence_before_listening_does_not_count() -> None:
    """Silence counts from the moment at which the server began to listen."""
    line = 'samples = [{ at = "0s" }]\nlistening = ["100s"]'
    assert one(line, '{ offline = [["280s", "raise"]] }').passed


def test_a_late_record_keeps_its_time() -> None:
    """A delay moves the receipt of a record, not its time."""
    line = 'delay = "3s"\nsamples = [{ at = "0s", temperature = 41 }]'
    assert one(line, '{ warm = [["0s", "raise"]] }', rules=OWN).passed


@pytest.mark.parametrize(
    ("expect", "why"),
    [
        ("{ warm = [] }", "more than expected"),
        ('{ warm = [["1s", "raise"]] }', "another time"),
        ('{ warm = [["0s", "clear"]] }', "another word"),
        ('{ warm = [["0s", "raise", { demoted = true }]] }', "not demoted"),
        ('{ warm = [["0s", "raise", { start = "1s" }]] }', "another start"),
        ('{ warm = [["0s", "raise"], ["9s", "clear"]] }', "less than expected"),
    ],
)
def test_every_difference_fails(expect: str, why: str) -> None:
    """A test passes only when time, word, details and number of transitions are as expected."""
    outcome = one('samples = [{ at = "0s", temperature = 41 }]', expect, rules=OWN)
    assert not outcome.passed, why
    assert "got:      0s raise" in describe(outcome)


def test_strict_looks_at_every_rule() -> None:
    """A rule that nobody mentioned fails a strict test when it says something."""
    line = 'samples = [{ at = "0s", temperature = 41 }]'
    assert one(line, "{ }", rules=OWN).passed
    assert [item.rule_id for item in one(line + "\nstrict = true", "{ }", rules=OWN).mismatches] == ["warm"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("x = 1", "unknown key 'x'"),
        ("[[test]]\nexpect = {}", "a sentence that says what must hold"),
        ('[[test]]\nname = "n"', "what rules must say"),
        ('[[test]]\nname = "n"\nexpect = { nothing = [] }', "no rule 'nothing'"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ passenger = true }]', "a table with a time"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ at = 3 }]', "a time with ms, s, m or h"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ at = "0s", passenger = 1 }]', "true or false"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ at = "0s", occupied = true }]', "is no signal of a lift"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ at = "0s", power = "on" }]', "one of mains, out, battery"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ at = "0s", car_position = "99" }]', "one of the floors"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ at = "5s", until = "5s" }]', "an empty stretch"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ at = "0s", until = "720h", every = "1ms" }]', "too many"),
        ('[[test]]\nname = "n"\nexpect = {}\nevents = [{ at = "0s", code = "xx" }]', "an event code of a lift"),
        ('[[test]]\nname = "n"\nexpect = {}\nlinks = [{ at = "0s" }]', "lost, up or nothing"),
        ('[[test]]\nname = "n"\nexpect = {}\nsamples = [{ at = "9s" }]\nend = "5s"', "no earlier than the last record"),
        ('[[test]]\nname = "n"\nexpect = { offline = [["0s", "rise"]] }', "raise, clear, promote, change"),
        ('[[test]]\nname = "n"\nexpect = {}\nstart = "today"', "a local date and time without quotes"),
        ("[[test]", "expected TOML"),
    ],
)
def test_what_cannot_be_used_is_named(body: str, words: str) -> None:
    """A refusal names the file and what was expected."""
    with pytest.raises(BadInput, match=re.escape(words)) as caught:
        outcomes(body)
    assert str(caught.value).startswith("t.toml")


def test_the_command_tells_by_its_exit_code(tmp_path: Path) -> None:
    """`hoistway rules test` ends with 0 when all passed, 1 when one failed, 2 when a file cannot be used."""
    rules, good, bad, broken = (tmp_path / f"{name}.toml" for name in ("r", "good", "bad", "broken"))
    rules.write_text(OWN, "utf-8")
    text = 'rule_files = ["r.toml"]\n[[test]]\nname = "it is warm"\nsamples = [{ at = "0s", temperature = 41 }]\n'
    good.write_text(text + 'expect = { warm = [["0s", "raise"]] }\n', "utf-8")
    bad.write_text(text + "expect = { warm = [] }\n", "utf-8")
    broken.write_text("[[test", "utf-8")
    runner = CliRunner()
    found = [runner.invoke(app, ["rules", "test", str(path)]) for path in (good, bad, broken)]
    assert [item.exit_code for item in found] == [0, 1, 2]
    assert "FAILED line 2: it is warm" in found[1].stdout


def test_check_names_file_line_and_column(tmp_path: Path) -> None:
    """`hoistway rules check` prints the place of what is wrong and goes on with the next file."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(OWN, "utf-8")
    bad.write_text(OWN.replace("temperature > 40", "temprature > 40"), "utf-8")
    result = CliRunner().invoke(app, ["rules", "check", str(bad), str(good)])
    text = result.stdout.replace("\n", "")
    assert result.exit_code == 1
    assert "bad.toml:6:9: rule 'warm': unknown name 'temprature'" in text
    assert "good.toml: well" in text


def test_a_set_laid_over_another_keeps_the_order_and_replaces_by_id() -> None:
    """Rules with the same id are replaced where they stand; new ones come last; the rest keep their versions."""
    changed = next(rule for rule in RULES if rule.id == "offline").text.replace("180s", "240s")
    after = lay_over(RULES, [("a.toml", changed + OWN)])
    found = difference(RULES, after)
    assert (found.added, found.changed, found.removed) == (("warm",), ("offline",), ())
    assert [rule.id for rule in after] == [*(rule.id for rule in RULES), "warm"]
    shown = text_diff(RULES, after, names=("1", "2"))
    assert '-silent_for = "180s"\n+silent_for = "240s"\n' in shown
    assert "--- /dev/null\n+++ 2/warm@" in shown
    assert text_diff(after, after, names=("2", "2")) == ""


def test_a_laid_over_rule_may_refer_to_the_others() -> None:
    """A file with one rule may name rules of the set below it, and only those."""
    rule = OWN.replace('when = "temperature > 40"', 'when = \'holding("{}")\'\nsilent_for = "60s"')
    assert "warm" in {rule.id for rule in lay_over(RULES, [("a.toml", rule.replace("{}", "entrapment-at-landing"))])}
    with pytest.raises(RuleError, match="no rule with a hold has this id"):
        lay_over(RULES, [("a.toml", rule.replace("{}", "no-such-rule"))])
