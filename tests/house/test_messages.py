"""Both languages say everything: same keys, same placeholders, and every key that templates and scripts ask for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from api.console import pages
from dispatch.citylink.form import CityStep
from dispatch.citylink.matching import Reason
from dispatch.intake.complaints import ComplaintTimer
from dispatch.tickets.maintenance import OrderKind
from hoistway.lifecycle import (
    CASE_MOVES,
    COMPLAINT_MOVES,
    ORDER_MOVES,
    TICKET_MOVES,
    CaseState,
    ComplaintState,
    OrderState,
    TicketState,
)
from hoistway.model import (
    Became,
    CallKind,
    CarDirection,
    CaseKind,
    Channel,
    Condition,
    DoorStatus,
    OperationDirection,
    OperatorState,
    Power,
    ReleaseMethod,
    Role,
    SecurityKind,
    ServiceMode,
    Severity,
    Step,
    Vulnerable,
)

ROOT = Path(__file__).parents[2]
CONSOLE = Path(pages.__file__).parent
ASKED = re.compile(r"""(?<![A-Za-z.])t\(\s*["']([a-z_A-Z0-9.-]+)["']""")
QUOTED = re.compile(r"""["'`]((?:[a-z_]+)\.[a-z_A-Z0-9-]+)["'`]""")
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


def test_both_languages_have_the_same_keys() -> None:
    """No text exists in one language only."""
    assert set(pages.messages("zh-CN")) == set(pages.messages("en"))


def test_both_languages_have_the_same_placeholders() -> None:
    """A translation loses no number and no name."""
    english = pages.messages("en")
    for key, text in pages.messages("zh-CN").items():
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(english[key])), key


_HAN = "[\u3400-\u9fff]"
_HALF = re.compile(rf"(?<={_HAN})[,:;(]|[,:;)](?={_HAN})")
_NO_TEXT = re.compile(r"^```.*?^```|`[^`]*`|<!--.*?-->|\]\([^)]*\)", re.MULTILINE | re.DOTALL)
CHINESE = (
    CONSOLE / "messages/zh-CN.json",
    ROOT / "api/firm/messages/zh-CN.json",
    ROOT / "docs/firm.zh-CN.md",
    ROOT / "ingest/conformance/words.py",
    ROOT / "docs/device-guide.zh-CN.md",
)


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: str(path.relative_to(ROOT)))
def test_chinese_has_its_own_marks(path: Path) -> None:
    """No half-width comma, colon or bracket stands beside a Chinese character."""
    lines = _NO_TEXT.sub("``", path.read_text("utf-8")).splitlines()
    assert [line for line in lines if _HALF.search(line)] == []


OTHER_WORDS = ("案件", "处置单", "调度台", "救援码", "缺号", "空缺", "额度")
"""Words that the glossary has another one for."""


@pytest.mark.parametrize("path", [*CHINESE, ROOT / "README.zh-CN.md"], ids=lambda path: str(path.relative_to(ROOT)))
def test_chinese_has_one_word_for_one_idea(path: Path) -> None:
    """What the glossary calls one way is called that way for people."""
    text = path.read_text("utf-8")
    assert [word for word in OTHER_WORDS if word in text] == []
    assert not re.search("(?<!值)班长", text)


def test_no_key_stands_twice_and_no_text_is_empty() -> None:
    """A later entry cannot silently replace an earlier one."""
    for name in pages.LANGUAGES:
        pairs = json.loads(
            (CONSOLE / "messages" / f"{name}.json").read_text("utf-8"), object_pairs_hook=lambda found: found
        )
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys))
        assert all(text.strip() for _, text in pairs)


def test_every_key_in_templates_and_scripts_exists() -> None:
    """What a page asks for by its full name is in the message files."""
    known = set(pages.messages("zh-CN"))
    for path in [*CONSOLE.glob("templates/*.html"), *CONSOLE.glob("static/js/*.js")]:
        missing = set(ASKED.findall(path.read_text("utf-8"))) - known
        assert not missing, path.name


def test_every_message_is_asked_for_somewhere() -> None:
    """A text that no page uses is taken out of the files."""
    sources = [*CONSOLE.glob("templates/*.html"), *CONSOLE.glob("static/js/*.js"), *CONSOLE.parent.rglob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    families = set(re.findall(r"[`\"']([a-z_.]+\.)\$\{", text)) | set(_FAMILIES)
    named = set(QUOTED.findall(text)) | set(ASKED.findall(text))
    unused = {key for key in pages.messages("zh-CN") if key not in named and not key.startswith(tuple(families))}
    assert unused == set()


_FAMILIES = (
    "mode.",
    "door.",
    "power.",
    "direction.",
    "esc_direction.",
    "band.stale_",
    "band.watch_",
    "health.watch_",
    "event.",
    "security_kind.",
    "account.done_",
    "users.bad_",
    "handover.by_",
    "city_state.",
    "city_step.",
    "city_reason.",
    "ticket_filter.",
    "ticket_state.",
    "ticket_move.",
    "ticket_event.",
    "ticket_error.",
    "maintenance_kind.",
    "maintenance_state.",
    "complaint_state.",
    "complaint_move.",
    "complaint_words.",
    "complaint_timer.",
    "complaint_event.",
    "complaints_show.",
)


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("severity", list(Severity)),
        ("condition", list(Condition)),
        ("operator", list(OperatorState)),
        ("case", list(CaseKind)),
        ("channel", list(Channel)),
        ("role", list(Role)),
        ("state", list(CaseState)),
        ("move", [move.name for move in CASE_MOVES]),
        ("event", [move.name for move in CASE_MOVES]),
        ("event", [f"order-{state.replace('_', '-')}" for state in OrderState]),
        ("order", list(OrderState)),
        ("order_move", [move.name for move in ORDER_MOVES]),
        ("step", list(Step)),
        ("ticket_state", list(TicketState)),
        ("ticket_move", [move.name for move in TICKET_MOVES if move.roles]),
        ("ticket_event", [move.name for move in TICKET_MOVES]),
        ("maintenance_kind", list(OrderKind)),
        ("vulnerable", list(Vulnerable)),
        ("method", list(ReleaseMethod)),
        ("mode", [str(int(mode)) for mode in ServiceMode if mode is not ServiceMode.UNKNOWN]),
        ("door", [str(int(door)) for door in DoorStatus if door is not DoorStatus.UNKNOWN]),
        ("direction", [str(int(way)) for way in CarDirection]),
        ("esc_direction", [str(int(way)) for way in OperationDirection]),
        ("security_kind", list(SecurityKind)),
        ("city_step", list(CityStep)),
        ("city_reason", list(Reason)),
        ("call", list(CallKind)),
        ("became", list(Became)),
        ("became_done", list(Became)),
        ("complaint_state", list(ComplaintState)),
        ("complaint_move", [move.name for move in COMPLAINT_MOVES]),
        ("complaint_words", [move.name for move in COMPLAINT_MOVES if move.words]),
        ("complaint_event", [move.name for move in COMPLAINT_MOVES]),
        ("complaint_timer", list(ComplaintTimer)),
        ("power", [str(int(power)) for power in Power]),
    ],
)
def test_every_word_of_the_model_has_a_name(family: str, values: list[str]) -> None:
    """A value that the model may take never shows as a bare code."""
    for value in values:
        for name in pages.LANGUAGES:
            assert f"{family}.{value}" in pages.messages(name)


def test_scripts_are_small_and_free_of_what_the_policy_forbids() -> None:
    """Modules stay under 300 lines; no eval, no inline handler, no address of another site."""
    for path in [*CONSOLE.glob("static/js/*.js"), *CONSOLE.glob("templates/*.html")]:
        text = path.read_text("utf-8")
        assert text.count("\n") < 300, path.name
        assert not re.search(r"\beval\(|new Function|innerHTML|https?://|\son[a-z]+=\"", text), path.name


def test_the_language_of_a_page() -> None:
    """The choice wins, then the browser's strongest wish that we speak, then Chinese."""
    assert pages.language("en", "zh-CN") == "en"
    assert pages.language(None, "fr, en;q=0.6, zh;q=0.5") == "en"
    assert pages.language(None, "en-GB;q=0.3, zh-Hans-CN") == "zh-CN"
    assert pages.language("xx", "fr") == "zh-CN"
    assert pages.language(None, "en;q=x, \x00,,;;q=") == "zh-CN"
