"""Cases of other alarm systems' test suites as stories of one lift: a small rule for each kind of case, and what became of it.

A case has a `rule` of some `kind`, an `input` and what its own system is expected to say. An adapter a kind writes our rule, plays
the input and says in the case's words what our engine did. Kinds in which a person acts stand in `peer_desk`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alarms.language.reader import load
from hoistway.limits import HEARTBEAT_S
from tests.pure.alarms.story import Story

Case = Mapping[str, Any]
Expected = list[list[Any]]

SEVERITIES = ("notice", "minor", "major", "critical")


def rule(**keys: Any) -> str:
    """A rule named `peer` that says so much."""
    fixed = {"id": "peer", "kind": "lift", "severity": "notice", "opens": "notice", "source": "a test suite"}
    lines = [f"{key} = '{value}'" for key, value in {**fixed, **keys}.items() if value is not None]
    return "\n".join(["[[rule]]", 'title = { zh = "某", en = "peer" }', *lines]) + "\n"


def level(number: int, when: str, hold: str | None = None) -> str:
    lines = ["[[rule.level]]", f'severity = "{SEVERITIES[number]}"', f"when = '{when}'"]
    return "\n".join([*lines, f'for = "{hold}"'] if hold else lines) + "\n"


def seconds(value: float) -> str:
    return f"{round(value * 1_000)}ms"


class Player:
    """One lift under one rule: values that change, heartbeats in between, and what the rule said."""

    def __init__(self, text: str, **quiet: Any) -> None:
        self.story = Story(load(text, source="peer.toml"))
        self.values: dict[str, Any] = dict(quiet)
        self.at: float | None = None

    def say(self, at: float, **changes: Any) -> None:
        """A sample with these values; before it the heartbeats that were due."""
        self.wait(at)
        self.values.update(changes)
        self.story.sample(at, **self.values)
        self.at = at

    def wait(self, until: float) -> None:
        """Time passes; the device repeats its values as a device does."""
        while self.at is not None and self.at + HEARTBEAT_S < until:
            self.at += HEARTBEAT_S
            self.story.sample(self.at, **self.values)
        self.story.tick(until)

    def told(self, since: float = 0) -> list[tuple[str, float]]:
        return [(told[0], told[1]) for told in self.story.said("peer") if told[1] >= since]


def hold(case: Case) -> Expected:
    """A condition with a delay, perhaps one for its end: `cond` is 0, 1 or a fault's name, `v` a number over a limit."""
    spec = case["rule"]
    names = [value for _, what, value in case["input"] if what == "cond" and isinstance(value, str)]
    got: Expected = []
    for name in dict.fromkeys(names) or (None,):
        off = spec.get("keep_s", spec.get("off_delay_s"))
        if off is None and "bac-py" in case["origin"]["repo"]:
            off = spec["on_delay_s"]  # ASHRAE 135: Time_Delay_Normal is Time_Delay where it is not given
        player = Player(
            rule(when="passenger", **{"for": seconds(spec["on_delay_s"])}, clear_for=seconds(off or 0)), passenger=0
        )
        player.say(-2 * spec["on_delay_s"] - 2, passenger=int(bool(spec.get("start"))))
        player.wait(-1)
        for at, what, value in case["input"]:
            player.say(at, passenger=int(value == name if name else over(case, what, value)))
        player.wait(end(case))
        got += [[at, word, name] if name else [at, word] for word, at in player.told()]
        if any("pending" in item for item in case["expect"]):
            starts = zip(player.told(), player.story.starts("peer"), strict=True)
            got += [[start, "pending"] for (word, _), start in starts if word == "raise"]
    return sorted(got, key=lambda item: (item[0], item[1]))


def over(case: Case, what: str, value: float) -> bool:
    """Whether a number is over the case's limit, a flag set."""
    if what != "v":
        return bool(value)
    limit = case["rule"].get("threshold") or float(re.findall(r"v>(\d+(?:\.\d+)?)", case["lift_mapping"])[0])
    return value > limit


def end(case: Case) -> float:
    """Until when a case is watched: its own last moment and its longest delay once more."""
    spec = case["rule"]
    times = [item[0] for item in [*case["input"], *case["expect"]] if isinstance(item[0], int | float)]
    delays = [value for value in spec.values() if isinstance(value, int | float)]
    return max(times, default=0) + max(delays, default=0) + 1


PATTERNS = {
    r"(?P<a>\w+) then not (?P<b>\w+) for (?P<s>[\d.]+) s": {"when": "passenger", "until": "light"},
    r"not (?P<a>\w+) for (?P<s>[\d.]+) s": {"when": "not passenger"},
    r"not (?P<a>\w+) for (?P<s>[\d.]+) s then (?P<b>\w+)": {"when": "light and age(not passenger) >= {s}"},
}
"""Patterns with an absence, and ours: `a` is `passenger`, `b` is `light`, both there only in the sample of their event."""


def absence(case: Case) -> Expected:
    """Something, and then for a while not something else."""
    pattern = case["rule"]["pattern"]
    found, keys = next(
        ((match, keys) for text, keys in PATTERNS.items() if (match := re.fullmatch(text, pattern))), (None, {})
    )
    assert found, f"no adapter for the pattern {pattern!r}"
    names, keys = found.groupdict(), {key: text.format(s=found["s"]) for key, text in keys.items()}
    if "age" not in keys["when"]:
        keys["for"] = seconds(float(names["s"]))
    player = Player(rule(**keys), passenger=0, light=0)
    player.say(0)
    for at, name in case["input"]:
        player.say(at, passenger=int(name == names["a"]), light=int(name == names.get("b")))
        player.say(at + 0.001, passenger=0, light=0)
    player.wait(end(case) + float(names["s"]))
    return [[at, "match"] for word, at in player.told() if word == "raise"]


def ladder(case: Case) -> Expected:
    """Severities by limits of one number, and a limit of its own for the end."""
    names = list(case["rule"]["create"])
    conditions = [f"load {limit}" for limit in case["rule"]["create"].values()]
    text = rule(when=conditions[0], clear=f"load {case['rule']['clear']}" if case["rule"].get("clear") else None)
    player = Player(text + "".join(level(number, when) for number, when in enumerate(conditions[1:], 1)), load=0)
    return _steps(case, player, names, lambda value: {"load": value})


def repeat(case: Case) -> Expected:
    """Severities by how often something has happened. Each `cond` is one more time, and over before the next."""
    names = list(case["rule"]["create"])
    conditions = [f'passenger and count(passenger, "24h") >= {times}' for times in case["rule"]["create"].values()]
    text = rule(when=conditions[0], clear='count(passenger, "24h") < 1')
    player = Player(text + "".join(level(number, when) for number, when in enumerate(conditions[1:], 1)), passenger=0)
    return _steps(case, player, names, lambda value: {"passenger": int(value)}, after={"passenger": 0})


def _steps(
    case: Case,
    player: Player,
    names: Sequence[str],
    values: Callable[[Any], dict[str, Any]],
    after: Mapping[str, Any] | None = None,
) -> Expected:
    """What was said at each input: created, more severe, the same again, or over."""
    player.say(-1)
    got: Expected = []
    active = False
    for at, _, value in case["input"]:
        before = len(player.told())
        player.say(at, **values(value))
        words = [word for word, _ in player.told()[before:]]
        name = names[(player.story.levels("peer") or [0])[-1]]
        if "raise" in words:
            got.append([at, f"create {name}"])
        elif "change" in words:
            got.append([at, f"severity {name}"])
        elif "clear" in words:
            got.append([at, "clear unacked"])
        elif active and values(value).get("load", 0):
            got.append([at, "update"])
        active = (active or "raise" in words) and "clear" not in words
        if after:
            player.say(at + 0.005, **after)
    return got


def heartbeat(case: Case) -> list[str]:
    """A device that promises to be heard again within so many seconds; 0 is no promise."""
    got, player, limit = [], None, 0.0
    for (text,) in case["input"]:
        at = float(re.findall(r"at ([\d.]+)", text)[0])
        if text.startswith("heartbeat"):
            limit = float((re.findall(r"timeout=([\d.]+)", text) or [limit])[0])
            player = player or Player(rule(silent_for=seconds(max(limit, 1))), passenger=0)
            player.story.sample(at)
        elif player is not None:
            player.story.tick(at)
            raised = [word for word, _ in player.told()][-1:] == ["raise"]
            got.append("expired" if raised and limit else "ok")
    return got
