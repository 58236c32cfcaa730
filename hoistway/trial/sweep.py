"""One rule with many holds in one pass: a copy of the rule for each, judged by one engine over one playing of the story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from alarms.rule_sets import of_texts
from alarms.rules import RuleSet
from hoistway.errors import BadInput
from hoistway.rulebook.reach import closure
from hoistway.trial.play import Played, Progress, Trial, play_run
from simulators.score.card import scorecard
from simulators.score.curves import sweep
from simulators.score.records import Alarm, Run


def with_holds(rules: RuleSet, rule_id: str, holds_s: Sequence[float]) -> RuleSet:
    """The rule in as many copies, `rule_id@20` for 20 s, beside the rules that it names. Raises BadInput for a rule that has no hold."""
    if rule_id not in rules:
        raise BadInput(f"rule {rule_id!r}", where="--rule", expected=f"one of {', '.join(rule.id for rule in rules)}")
    rule = rules[rules.index(rule_id)]
    if rule.when is None:
        raise BadInput(f"rule {rule_id!r} judges silence", where="--rule", expected="a rule with `when` and `for`")
    others = [(other.id, other.text) for other in closure(rules, [rule_id]) if other.id != rule_id]
    copies = [(name_of(rule_id, hold), _copy(rule.text, rule_id, hold)) for hold in holds_s]
    return of_texts([*others, *copies])


def name_of(rule_id: str, hold_s: float) -> str:
    """What a copy is called: ids have letters, digits and hyphens only."""
    return f"{rule_id}-for-{round(hold_s * 1_000)}-ms"


def _copy(text: str, rule_id: str, hold_s: float) -> str:
    """The rule's canonical text with another id and hold."""
    lines = [line for line in text.splitlines() if not line.startswith(("for =", "id ="))]
    place = next(number for number, line in enumerate(lines) if line.startswith("when ="))
    lines.insert(place + 1, f'for = "{round(hold_s * 1_000)}ms"')
    lines.insert(1, f'id = "{name_of(rule_id, hold_s)}"')
    return "\n".join(lines) + "\n"


def swept(trial: Trial, rule_id: str, holds_s: Sequence[float], progress: Progress | None = None) -> dict[str, Any]:
    """The document of a sweep over one playing of the story."""
    own = trial.rules[trial.rules.index(rule_id)] if rule_id in trial.rules else None
    copies = with_holds(trial.rules, rule_id, holds_s)
    played = play_run(replace_rules(trial, copies), progress)
    points = [(hold, _line(played, rule_id, name_of(rule_id, hold))) for hold in holds_s]
    return sweep(scorecard(played.run)["run"], rule_id, points, hold_s=(own.for_ms if own else 0) / 1_000)


def replace_rules(trial: Trial, rules: RuleSet) -> Trial:
    """The same trial under other rules."""
    return replace(trial, rules=rules)


def _line(played: Played, rule_id: str, copy: str) -> dict[str, Any]:
    """The rule's line of the scorecard as if this copy were the rule."""
    run = played.run
    facts = [replace(rule, id=rule_id) for rule in run.rules if rule.id == copy]
    alarms: list[Alarm] = [replace(alarm, rule=rule_id) for alarm in run.alarms if alarm.rule == copy]
    card = scorecard(
        Run(
            name=run.name, seed=run.seed, from_ms=run.from_ms, to_ms=run.to_ms, lifts=run.lifts, escalators=run.escalators,
            rules=facts, truths=run.truths, alarms=alarms, sent=(),
        )
    )  # fmt: skip
    found: dict[str, Any] = card["rules"][0]
    return found
