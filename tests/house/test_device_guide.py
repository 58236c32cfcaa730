"""The device guide says what the code does, in both languages: every example, every limit, every finding of the checker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from hoistway import limits, wire
from ingest import acks, decode
from ingest.conformance import numbering, timing
from ingest.conformance.heard import Facts, Heard, LiftFacts, Watch
from ingest.conformance.judge import judge
from ingest.conformance.words import LANGUAGES, PAGES, RULES, Rule
from ingest.decode import decode_events, decode_link, decode_samples, to_columns
from simulators import device

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = {language: (ROOT / name).read_text("utf-8") for language, name in PAGES.items()}
EXAMPLE: Final = re.compile(r"^ *```json topic=(\w+)([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
MARKED: Final = re.compile(r"<!--([A-Z_]+)(?:/(\d+))?-->(\d+)")
NUMBERS: Final[dict[str, Any]] = {
    name: value
    for module in (device, decode, acks, numbering, timing, limits)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, int)
}
"""Every limit that the guide may name: of the contract, the decoders, the checker and the reference library."""
NOT_LIMITS: Final = {
    "30 to 60 s", "30 至 60 s",  # keep alive, as in the contract
    "1 s", "30 s",  # pauses before connecting again
    "8 bytes",  # of a digest
    "5 minutes", "5 分钟",  # the notice of a wrong clock is a rule with a parameter
}  # fmt: skip
QUANTITY: Final = re.compile(
    r"(?<![\d.>-])((?:\d+ (?:to|至) )?\d+ (?:(?:s|ms|h|min|KiB|minutes|bytes|records|samples|events)\b|秒|毫秒|分钟|小时))"
)


def examples(language: str) -> list[tuple[str, str, str]]:
    """(topic, words after it, JSON) of every example of a page."""
    return EXAMPLE.findall(PAGE[language])


def read(leaf: str, text: bytes) -> None:
    """Read an example as the platform or a device would; fails for anything that is not right in it."""
    if leaf == "state":
        decoded = decode_samples(text)
        assert decoded.faults == []
        assert to_columns(decoded.records, lambda label: 0 if 1 <= len(label) <= 4 else -1)[1] == []
    elif leaf == "event":
        assert decode_events(text).faults == []
    else:
        {"link": decode_link, "ack": wire.decode_ack, "cmd": wire.decode_command}[leaf](text)


@pytest.mark.parametrize(
    ("leaf", "text"), [(leaf, text) for language in LANGUAGES for leaf, _, text in examples(language)]
)
def test_every_example_is_read_by_the_real_decoder(leaf: str, text: str) -> None:
    """What a firmware maker copies from the page is accepted without a fault."""
    read(leaf, text.encode())


def test_an_example_that_is_wrong_would_be_found() -> None:
    """The check above can fail: a unit that is off by a thousand is no example."""
    with pytest.raises(AssertionError):
        read("state", b'{"ts": 1795406400000, "boot": 1, "seq": 1, "speed": 1750}')


def test_both_languages_show_the_same_examples() -> None:
    """The Chinese page has every example of the English one, in the same order, and one of each topic."""
    assert examples("zh") == examples("en")
    assert {leaf for leaf, _, _ in examples("en")} == set(wire.UP + wire.DOWN)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_that_is_a_limit_is_the_code_s(language: str) -> None:
    """Each marked number equals its constant, in the unit that the page states."""
    found = MARKED.findall(PAGE[language])
    assert found
    for name, divisor, number in found:
        assert NUMBERS[name] == int(number) * int(divisor or 1), name


def test_both_languages_name_the_same_limits() -> None:
    """A translation loses no limit."""
    assert sorted(MARKED.findall(PAGE["zh"])) == sorted(MARKED.findall(PAGE["en"]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_limit_stands_unmarked_in_the_text(language: str) -> None:
    """A quantity in the text is compared with the code, or is none of its limits."""
    text = re.sub(
        r"<!-- table: findings.*|^ *```.*?^ *```$|`[^`\n]*`|^#.*?$", "", PAGE[language], flags=re.MULTILINE | re.DOTALL
    )
    assert set(QUANTITY.findall(text)) - NOT_LIMITS == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_checker_s_findings_are_listed_with_their_sections(language: str) -> None:
    """The table at the end is the code's, and each section that a finding points to is there."""
    match = re.search(r"<!-- table: findings -->\n.*?\n.*?\n(.*?)<!-- end -->", PAGE[language], re.DOTALL)
    assert match is not None

    def title(rule: Rule) -> str:
        return rule.zh if language == "zh" else rule.en

    assert match.group(1) == "".join(f"| `{key}` | {title(rule)} | {rule.section} |\n" for key, rule in RULES.items())
    for rule in RULES.values():
        assert re.search(rf"^### {re.escape(rule.section)} ", PAGE[language], re.MULTILINE), rule.section


def test_both_languages_have_the_same_sections() -> None:
    """A section's number is the same on both pages."""
    numbers = {language: re.findall(r"^##+ ([\d.]+)", PAGE[language], re.MULTILINE) for language in LANGUAGES}
    assert numbers["zh"] == numbers["en"]


def test_links_into_the_contract_lead_somewhere() -> None:
    """Every anchor of docs/mqtt.md that the guide uses is a heading there."""
    contract = (ROOT / "docs" / "mqtt.md").read_text("utf-8")
    anchors = {
        re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-")
        for head in re.findall(r"^#+ (.*)$", contract, re.MULTILINE)
    }
    for language in LANGUAGES:
        assert set(re.findall(r"mqtt\.md#([\w-]+)", PAGE[language])) <= anchors


def test_the_worked_session_is_one_of_a_right_device() -> None:
    """The checker finds nothing in it."""
    zero = 1_795_406_400_000
    heard = [
        Heard(topic=f"lift/v1/0/d/{leaf}", payload=text.encode(), at_ms=zero + round(float(match.group(1)) * 1_000))
        for leaf, words, text in examples("en")
        if (match := re.search(r"at=([\d.]+) session", words))
    ]
    assert len(heard) > 12
    lift = LiftFacts(rescue_code="310115", rated_speed_m_s=1.75, self_test_ms=zero)
    facts = Facts(device="d", shard=0, gateway=False, enrolled_ms=0, lifts=(lift,))
    result = judge(heard, facts, Watch(from_ms=zero, to_ms=heard[-1].at_ms + 70_000))
    assert result.findings == ()
    assert result.unjudged == ()
