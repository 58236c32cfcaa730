"""Writes docs/catalogue.md from the shipped rules and code lists: `python -m alarms.page`. Text out, nothing else; runs no rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from alarms.codes import CodeList, code_lists
from alarms.language.checker import Term
from alarms.language.reader import default_rules
from alarms.rules import Rule, RuleSet

TOPICS: Final = {
    "entrapment": ("Entrapment", "困人"),
    "doors": ("Doors", "门"),
    "faults": ("Drive, position, supply", "驱动、位置、供电"),
    "escalator": ("Escalators and moving walks", "自动扶梯和自动人行道"),
    "modes": ("Modes", "服务模式"),
    "sensors": ("Signals and clocks", "信号与时钟"),
    "offline": ("The terminal", "终端"),
    "platform": ("The platform itself", "平台自身"),
}
"""A rule file and its heading."""
_HEAD: Final = """# The shipped rules

Written by `python -m alarms.page` from `alarms/rules/*.toml` and `alarms/codes/*.toml`; what each word of a condition means is in
[rules.md](rules.md). A city may change any of them (`hoistway rules`); a lift may have numbers of its own (register column `parameters`):
`for:RULE` its hold in seconds, `off:RULE` 1 to switch a ticket or a notice off, and the names in the table below.

- **Condition**: what must hold, then for how long; *unless*: what makes a notice of a rescue and holds a ticket back; *shield*: other
  rules that do the same while they are active; *clear*: what ends the alarm, where it is not simply the opposite.
- **Limit** names the source of the number. "vendor firmware" and the platforms are public code of implementers, read for numbers only.
- *witness*: a code by which the device reports the same fault; either raises the alarm, both must be over.
"""
_COLUMNS: Final = (
    "| rule | condition | severity, opens | limit from | codes | what the desk does |\n|---|---|---|---|---|---|"
)


def page(rules: RuleSet, lists: Sequence[CodeList]) -> str:
    """The whole page."""
    parts = [_HEAD, "\n".join(_numbers(rules)), ""]
    for name, (english, chinese) in TOPICS.items():
        topic = [rules[rules.index(rule_id)] for rule_id in _ids(name)]
        parts += [f"## {english} {chinese}\n", _COLUMNS, *(_row(rule) for rule in topic), ""]
    return "\n".join([*parts, *_codes(lists)]) + "\n"


def topic_files() -> list[str]:
    """The shipped rule files, without their ending."""
    folder = files("alarms") / "rules"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def _ids(name: str) -> list[str]:
    text = (files("alarms") / "rules" / f"{name}.toml").read_text(encoding="utf-8")
    return re.findall(r'^id = "([^"]+)"', text, re.MULTILINE)


def _row(rule: Rule) -> str:
    severity = "<br>".join(" → ".join(dict.fromkeys(words)) for words in zip(*_steps(rule), strict=True))
    if rule.confirm_s is not None:
        severity += f"<br>after a voice check of {rule.confirm_s} s"
    codes = "<br>".join(f"{name} {code}" for name, code in rule.codes.items())
    cells = (
        f"`{rule.id}`<br>{rule.title['zh']}<br>{rule.title['en']}",
        "<br>".join(_condition(rule)),
        severity,
        rule.source,
        codes,
        f"{rule.advice['zh']}<br>{rule.advice['en']}",
    )
    return f"| {' | '.join(cells)} |"


def _steps(rule: Rule) -> list[tuple[str, str]]:
    return [(str(severity), str(opens)) for severity, opens in map(rule.at_level, range(len(rule.levels) + 1))]


def _condition(rule: Rule) -> Iterator[str]:
    if rule.silent_for_ms is not None:
        lost = rule.silent_for_link_lost_ms
        yield f"nothing received for {said(rule.silent_for_ms)}" + (
            f", {said(lost)} once the link is lost" if lost else ""
        )
    if rule.when is not None:
        yield _code(rule.when) + (f" for **{said(rule.for_ms)}**" if rule.for_ms else "")
    for level in rule.levels:
        yield f"{level.severity}: {_code(level.when)}" + (f" for **{said(level.for_ms)}**" if level.for_ms else "")
    if rule.witness:
        yield f"*witness* {', '.join(_code(code) for code in rule.witness)}"
    if rule.unless is not None:
        yield f"*unless* {_code(rule.unless)}"
    if rule.shielded_by:
        yield f"*shield* {', '.join(_code(name) for name in rule.shielded_by)}"
    if rule.clear is not None or rule.clear_for_ms:
        clear = _code(rule.clear) if rule.clear is not None else "the opposite"
        yield f"*clear* {clear}" + (f" for {said(rule.clear_for_ms)}" if rule.clear_for_ms else "")


def _numbers(rules: RuleSet) -> Iterator[str]:
    """The numbers that a lift may have of its own, with the rules that ask for them."""
    found: dict[tuple[str, float], list[str]] = {}
    for rule, terms in zip(rules.rules, rules.terms, strict=True):
        for name, default in dict.fromkeys(_parameters(part) for term in terms.all() for part in term.walk()):
            if name:
                found.setdefault((name, default), []).append(f"`{rule.id}`")
    yield "| a lift's own number | default | rule |\n|---|---|---|"
    for (name, default), names in sorted(found.items()):
        yield f"| `{name}` | {default:g} | {', '.join(names)} |"


def _parameters(term: Term) -> tuple[str, float]:
    if term.op == "param" and isinstance(term.value, tuple):
        name, default = term.value
        return str(name), float(default)
    return "", 0.0


def _codes(lists: Sequence[CodeList]) -> Iterator[str]:
    yield "## Code lists 代码表\n"
    yield "A code that comes in is read by its list alone: the same number means different things in different places.\n"
    yield "| list | code | meaning | our event | our rules |\n|---|---|---|---|---|"
    for one in lists:
        for entry in one.entries:
            ours = ", ".join(_code(code) for code in entry.events)
            names = ", ".join(_code(name) for name in entry.rules)
            yield f"| {one.id} | {entry.code} | {entry.zh} | {ours} | {names} |"
    yield "\n| list | name | where it was found |\n|---|---|---|"
    for one in lists:
        yield f"| {one.id} | {one.name['zh']}, {one.name['en']} | {one.source} |"


def said(milliseconds: int) -> str:
    """A duration in its largest whole unit: `90 s`, `5 min`, `8 h`."""
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        if milliseconds >= 2 * size and milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds / 1_000:g} s"


def _code(text: str) -> str:
    return f"`{' '.join(text.split())}`"


def main() -> None:
    """Write the page beside the other documents."""
    target = Path(__file__).parents[1] / "docs" / "catalogue.md"
    target.write_text(page(default_rules(), code_lists()), "utf-8")


if __name__ == "__main__":
    main()
