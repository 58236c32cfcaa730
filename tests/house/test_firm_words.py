"""The firm's side in both languages, and what can be worked out of its look: contrast, what its templates and scripts may hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from api.console import pages
from api.firm import view
from api.firm.lifts import LAST_FAULTS
from api.firm.order_view import FORMS, SHARED
from dispatch.outcome import TimerKind
from hoistway.lifecycle import ORDER_MOVES
from hoistway.limits import FIRM_KEYS, FIRM_REFRESH_S
from hoistway.model import UnitKind

ROOT = Path(__file__).parents[2]
FIRM = Path(view.__file__).parent
TEMPLATES = sorted(FIRM.glob("templates/*.html"))
SOURCES = "\n".join(path.read_text("utf-8") for path in [*TEMPLATES, *sorted(FIRM.glob("*.py"))])
ASKED = re.compile(r"""\bt\(["']([a-z_.-]+)["']""")
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
BUILT = ("access.", "form.", "trouble.title_", "trouble.text_", "car.", "crew_limit.", "step.", "step_link.", "unit.")
"""Families whose keys are put together of parts; the tests below say which words they need."""


def own(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((FIRM / f"messages/{language}.json").read_text("utf-8"))
    return found


def test_both_languages_say_the_same() -> None:
    """Same keys, same placeholders, nothing empty, and no key that the console has already."""
    chinese, english = own("zh-CN"), own("en")
    assert set(chinese) == set(english)
    for key, text in chinese.items():
        assert text.strip()
        assert english[key].strip()
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(english[key])), key
    assert set(chinese) & set(pages.messages("zh-CN")) == set()


def test_every_key_that_is_asked_for_exists_and_every_key_is_asked_for() -> None:
    """No page stops at a missing text, and no text is left over."""
    known = set(view.messages("en"))
    assert set(ASKED.findall(SOURCES)) - known == {key for key in ASKED.findall(SOURCES) if key.endswith((".", "_"))}
    quoted = set(re.findall(r"""["']([a-z_]+\.[a-z_.-]+)["']""", SOURCES))
    assert {key for key in own("en") if key not in quoted and not key.startswith(BUILT)} == set()


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("step", [*(move.name for move in ORDER_MOVES if move.name != "stand_down"), "release"]),
        ("step_link", [*(FORMS - {"arrive"}), "release"]),
        ("crew_limit", [TimerKind.ACCEPT, TimerKind.SET_OUT, TimerKind.ARRIVE, TimerKind.ARRIVE_AGAIN, TimerKind.RELEASE]),
        ("unit", list(UnitKind)),
        ("event", list(SHARED)),
        ("access", ["gate_code", "keys", "machine_room", "guard", "guard_phone"]),
        ("trouble", [f"{part}_{code}" for part in ("title", "text") for code in (400, 403, 404, 409, 412, 413, 415, 422, 429, 500, 503)]),
        ("car.moving", ["true", "false"]),
        ("car.level", ["true", "false"]),
        ("car.person", ["true", "false"]),
    ],
)  # fmt: skip
def test_every_word_has_a_name(family: str, words: list[str]) -> None:
    """What a page puts together of parts is there, whatever the part."""
    for language in pages.LANGUAGES:
        for word in words:
            assert f"{family}.{word}" in view.messages(language)


def _light(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_light(one), _light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


PAIRS = [
    *((text, ground, 4.5) for text in ("text", "dim", "link", "abnormal") for ground in ("ground", "panel")),
    *((name, f"{name}-ground", 4.5) for name in ("abnormal", "good", "waits")),
    ("on-main", "main", 4.5), ("hatch-text", "hatch", 4.5), ("text", "good-ground", 4.5), ("link", "good-ground", 4.5),
    ("line", "ground", 3.0), ("line", "panel", 3.0), ("focus", "ground", 3.0), ("focus", "panel", 3.0),
]  # fmt: skip


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_contrast_is_enough(theme: int) -> None:
    """WCAG 2.2: 4.5 for text, 3 for edges of controls and the mark of the focus, in both themes."""
    text = (FIRM / "static/firm.css").read_text("utf-8")
    themes = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", text, re.DOTALL)]  # fmt: skip
    assert len(themes) == 2
    low = {(one, other): round(_contrast(themes[theme][one], themes[theme][other]), 2) for one, other, _ in PAIRS}
    assert {pair: found for pair, found in low.items() if found < next(w for a, b, w in PAIRS if (a, b) == pair)} == {}


def test_the_guide_has_the_limits_of_the_code() -> None:
    """What the page says of refreshing, keys and last alarms is what the program does."""
    english, chinese = ((ROOT / f"docs/firm{name}.md").read_text("utf-8") for name in ("", ".zh-CN"))
    assert f"every {FIRM_REFRESH_S} s" in english
    assert f"每 {FIRM_REFRESH_S} 秒" in chinese
    assert f"at most {FIRM_KEYS} keys" in english
    assert f"the last {LAST_FAULTS} alarms" in english
    for move in ORDER_MOVES:
        if move.name != "stand_down":
            assert f"**{view.messages('zh-CN')['step.' + move.name]}**" in chinese


def test_pages_keep_to_the_policy() -> None:
    """No inline script, style or handler, no address of another site, small files."""
    for path in [*TEMPLATES, *FIRM.glob("static/*")]:
        text = path.read_text("utf-8")
        assert text.count("\n") < 300, path.name
        assert not re.search(r"\beval\(|innerHTML|https?://|\son[a-z]+=\"|\sstyle=|<style|<script>", text), path.name
